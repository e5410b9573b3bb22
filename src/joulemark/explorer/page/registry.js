"use strict";
/* The sections of the page, in their order. */

/**
 * Each is {id, title, short, paper, figures, defaults, show}: `paper` names the figures and tables of Luccioni et al.
 * (2024) that it makes anew, `figures` are the ids of its figures, `defaults` are its own keys of the state. `show(view)` gives {sentence, controls, parts, notes,
 * isTwo} where a part is a figure {id, title, spec, data, signals, caption, empty, click, drawn}, a table (see table.js)
 * or an element; `isTwo`: figures stand side by side. `view` is {content, points, scale, width}: points pass the bar.
 */
const SECTIONS = [];

function section(one) {
  SECTIONS.push(one);
  Object.assign(state.defaults, one.defaults ?? {});
}
