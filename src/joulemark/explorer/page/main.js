"use strict";
/* The page: one section at a time, each made from the state and the content, and painted as a whole. */

const page = { content: null, places: new Map(), painted: 0, embedded: null };

/** The place of a section: everything that it can paint, made once. */
function sectionPlace(one) {
  const place = {
    figures: new Map(), tables: new Map(),
    sentence: h("p", { class: "sentence", "aria-live": "polite" }),
    controls: h("div", { class: "controls" }),
    body: h("div", { class: "body" }),
    notes: h("div", { class: "section-notes" }),
  };
  const paper = one.paper ? h("span", { class: "paper" }, one.paper) : null;
  // Not the id in the address: the browser would go there by itself, and take the focus away.
  place.element = h("section", { id: `section-${one.id}`, "aria-labelledby": `${one.id}-title` },
    h("h2", { id: `${one.id}-title`, tabindex: "-1" }, one.title, " ", paper), place.sentence, place.controls, place.body, place.notes);
  return place;
}

/** Paint the section that the address names. Resolves when all its figures are drawn. */
async function paint() {
  const one = SECTIONS.find(({ id }) => id === state.section) ?? SECTIONS[0];
  state.section = one.id;
  document.documentElement.dataset.theme = theme();
  if (!page.places.has(one.id)) page.places.set(one.id, sectionPlace(one));
  const place = page.places.get(one.id);
  const main = document.querySelector("main");
  const isNew = main.firstChild !== place.element;
  if (isNew) replaceChildren(main, place.element);
  const points = pointsOf(page.content);
  const view = { content: page.content, points, scale: scaleOf(points), width: place.body.clientWidth || main.clientWidth };
  const shown = await one.show(view);
  place.sentence.textContent = shown.sentence;
  drawControls(place.controls, shown.controls ?? []);
  const blocks = [];
  const drawn = [];
  for (const part of shown.parts) {
    if (part instanceof Node) {
      blocks.push(part);
    } else if (part.columns) {
      if (!place.tables.has(part.id)) place.tables.set(part.id, tablePlace(part.id));
      drawTable(place.tables.get(part.id), part);
      blocks.push(place.tables.get(part.id).block);
    } else {
      if (!place.figures.has(part.id)) place.figures.set(part.id, figurePlace(part.id));
      const found = place.figures.get(part.id);
      blocks.push(found.element);
      drawn.push([found, part]);
    }
  }
  if (page.embedded !== null && !drawn.some(([{ id }]) => id === page.embedded)) {
    const ids = joined(drawn.map(([{ id }]) => id)) || "none";
    place.sentence.textContent = `There is no figure "${plain(page.embedded, 60)}" in this section; there are: ${ids}.`;
  }
  place.body.classList.toggle("two", shown.isTwo === true && page.embedded === null);
  arrange(place.body, blocks);
  replaceChildren(place.notes, (shown.notes ?? []).map((note) => h("p", {}, note)));
  place.notes.hidden = !shown.notes?.length;
  const bar = document.getElementById("bar");
  showState(bar);
  document.getElementById("chosen").textContent = chosenText([bar, place.controls]);
  showNotTaken(document.getElementById("not-taken"), page.content);
  paintNavigation();
  if (isNew && page.painted > 0) beginAt(place.element);
  await Promise.all(drawn.map(([found, figure]) => drawFigure(found, figure)));
}

/** A section that was asked for from far down is read from its beginning, by whoever uses keys as well. */
function beginAt(element) {
  if (element.getBoundingClientRect().top < 0) element.scrollIntoView();
  if (document.activeElement === document.body) element.querySelector("h2").focus({ preventScroll: true });
}

/** Put the blocks in their order; those that stand right already stay, and keep the focus that is in them. */
function arrange(parent, blocks) {
  blocks.forEach((block, i) => {
    if (parent.children[i] !== block) parent.insertBefore(block, parent.children[i] ?? null);
  });
  while (parent.children.length > blocks.length) parent.lastElementChild.remove();
}

function paintNavigation() {
  for (const link of document.querySelectorAll("nav#sections a")) {
    const id = link.dataset.section;
    link.setAttribute("href", state.address({}, id));
    if (id === state.section) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

/** Two animation frames after the drawing is done, it is on the screen. */
function onScreen() {
  return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
}

let painting = null;
let wanted = false;

/** Paint what the state says now; a change that comes while painting is painted next. */
async function update() {
  wanted = true;
  if (painting) return painting;
  painting = (async () => {
    while (wanted) {
      wanted = false;
      performance.mark("change");
      await paint();
      await onScreen();
      performance.measure("filter-to-painted", "change");
      page.painted += 1;
      document.body.dataset.painted = String(page.painted);
    }
  })();
  try {
    await painting;
  } finally {
    painting = null;
  }
  return undefined;
}

/** The heading of the page: whose results these are, and when they were read. */
function heading(content) {
  const names = joined(content.sources.slice(0, 4).map((source) => plain(source.name, 60)));
  const more = content.sources.length > 4 ? ` and ${content.sources.length - 4} more` : "";
  const runs = content.sources.reduce((sum, source) => sum + source.runs_n, 0);
  return h("div", { class: "heading" },
    h("h1", {}, h("span", { class: "brand" }, "joulemark"), " ", h("span", {}, `${names}${more}`)),
    h("p", {}, `${count(runs, "run")}, read ${when(content.made_at)} UTC by ${content.version}`));
}

/** Draw the frame around the sections: heading, navigation, bar. */
function buildFrame(content) {
  const themeButton = h("button", { type: "button", name: "theme" }, "Light / dark");
  themeButton.addEventListener("click", () => state.set({ theme: theme() === "dark" ? "light" : "dark" }));
  const navigation = h("nav", { id: "sections", "aria-label": "Sections" },
    SECTIONS.map((one) => h("a", { "data-section": one.id, href: `#${one.id}` }, one.short ?? one.title)));
  const bar = h("details", { id: "filters" }, h("summary", {}, "Filters and units"), buildBar(content));
  bar.open = window.innerWidth > 720;
  const chosen = h("p", { id: "chosen" });
  const notTakenPlace = h("p", { id: "not-taken", role: "status", hidden: true });
  replaceChildren(document.querySelector("header"), heading(content), themeButton, navigation, bar, notTakenPlace, chosen);
}

/** Give the frame new content. Fields stay as they are, with the focus and what is being written; lists get new names. */
function renewFrame(content) {
  document.querySelector("header .heading").replaceWith(heading(content));
  for (const made of buildBar(content).querySelectorAll("select")) {
    const shown = document.querySelector(`#bar select[name="${made.name}"]`);
    shown.disabled = made.disabled;
    if (shown.innerHTML !== made.innerHTML) shown.replaceChildren(...made.children);
  }
}

/** One figure alone (`?embed=ID`): everything else is hidden. */
function embed() {
  const id = new URLSearchParams(location.search).get("embed");
  if (!id) return;
  page.embedded = id;
  if (!state.section) state.section = SECTIONS.find(({ figures }) => figures?.includes(id))?.id ?? "";
  document.body.classList.add("embedded");
  const style = document.createElement("style");
  style.textContent = `body.embedded .body > :not([data-figure="${CSS.escape(id)}"]) { display: none; }`;
  document.head.append(style);
}

/** While a run is going on, the page that serves itself asks for news. */
async function follow(tag) {
  const answer = await fetch("content", { headers: { "If-None-Match": tag }, cache: "no-store" });
  if (answer.status !== 200) return tag;
  page.content = prepared(await answer.json());
  forgetQueries();
  renewFrame(page.content);
  await update();
  return answer.headers.get("ETag");
}

async function followForever(firstTag) {
  let tag = `"${firstTag}"`;
  for (;;) {
    await new Promise((done) => setTimeout(done, 2000));
    try {
      tag = await follow(tag);
      document.body.classList.remove("stale");
    } catch {
      document.body.classList.add("stale");
    }
  }
}

async function start() {
  page.content = await readContent();
  state.changed = update;
  state.read();
  embed();
  document.body.append(tooltip);
  buildFrame(page.content);
  await update();
  performance.mark("first-view");
  document.body.dataset.ready = "true";
  let width = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth === width) return;
    width = window.innerWidth;
    update();
  });
  const { live } = document.documentElement.dataset;
  if (live) followForever(live);
}

start().catch((error) => {
  const main = document.querySelector("main");
  replaceChildren(main, h("p", { class: "empty" }, `This page cannot be shown: ${error.message}`));
  throw error;
});
