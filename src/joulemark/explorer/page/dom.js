"use strict";
/* Elements. Text from results only ever becomes a text node or an attribute of a fixed kind, never markup. */

/** An element with attributes and children; `null` children are left out, functions become event listeners. */
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else if (name === "class") element.className = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(2).filter((child) => child !== null && child !== undefined));
  return element;
}

/** A name on one line without control characters and marks of direction, not longer than a page can bear. */
function plain(text, lettersMax = 120) {
  const clean = String(text).slice(0, lettersMax + 1).replace(/[\p{Cc}\p{Cf}\p{Co}\p{Zl}\p{Zp}]/gu, " ");
  return clean.length <= lettersMax ? clean : clean.slice(0, lettersMax - 1) + "…";
}

/** Put `children` in the place of what is there, unless it is the same already. */
function replaceChildren(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined));
}

/** The media query's answer now and whenever it changes. */
function watchMedia(query, changed) {
  const found = window.matchMedia(query);
  found.addEventListener("change", changed);
  return () => found.matches;
}
