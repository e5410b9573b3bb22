"use strict";
/* Figures: Vega-Lite definitions with named data, drawn once and then only given new data and axes. */

const FONT = "system-ui, Arial, Helvetica, sans-serif";
const THEMES = {
  light: { ink: "#1b1f24", soft: "#57606a", grid: "#e3e6ea", line: "#8c959f", paper: "#ffffff" },
  dark: { ink: "#e6edf3", soft: "#9ea7b3", grid: "#30363d", line: "#6e7681", paper: "#0d1117" },
};

const LEGEND_ENTRY_PX = 150;

/** Definitions are written in the colours of the light theme; what each becomes on a dark page. */
const ON_DARK = {
  ...Object.fromEntries(Object.keys(THEMES.light).map((part) => [THEMES.light[part], THEMES.dark[part]])),
  "#0072B2": "#56B4E9", "#56B4E9": "#F0E442", "#000000": "#ffffff",
};
function inTheme(spec, name) {
  if (name === "light") return spec;
  return JSON.parse(JSON.stringify(spec).replaceAll(/#[0-9a-fA-F]{6}/g, (colour) => ON_DARK[colour] ?? colour));
}

/** The look of all figures on a page of `width` px; drawings that leave the page are always light. */
function vegaConfig(theme, width) {
  const { ink, soft, grid, line } = THEMES[theme];
  return {
    background: null, font: FONT,
    axis: {
      labelColor: ink, titleColor: ink, gridColor: grid, domainColor: line, tickColor: line,
      labelFontSize: 12, titleFontSize: AXIS_LOOKS.titleFontSize, titleFontWeight: "normal", titlePadding: AXIS_LOOKS.titlePadding, labelPadding: 4,
    },
    legend: {
      labelColor: ink, titleColor: ink, labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal",
      symbolSize: 70, labelLimit: 220, orient: "top", direction: "horizontal", columnPadding: 14, offset: 10,
      columns: Math.max(1, Math.floor(width / LEGEND_ENTRY_PX)),
    },
    header: { labelColor: ink, titleColor: ink, labelFontSize: 12, labelFontWeight: "bold", labelLimit: 300 },
    title: { color: ink, subtitleColor: soft, fontSize: 13, anchor: "start" },
    view: { stroke: grid },
    text: { color: ink },
    rule: { color: line },
    style: { "group-title": { fill: ink } },
  };
}

/** The theme in force: what was chosen, else what the system prefers. */
const prefersDark = watchMedia("(prefers-color-scheme: dark)", () => state.changed());
const isPrinted = watchMedia("print", () => state.changed());
function theme() {
  if (isPrinted()) return "light";
  return state.get("theme") || (prefersDark() ? "dark" : "light");
}

/** Vega reads its expressions instead of running them, so that the page needs no `eval`. */
const EMBEDDING = { mode: "vega-lite", ast: true, renderer: "svg", actions: false };

/** Vega keeps names as keys of objects, where this one is none: it is drawn with a space behind it, and given back without. */
const NO_KEY = "__proto__";
const NO_KEY_DRAWN = `${NO_KEY}\u00a0`;
function namesChanged(rows, from, to) {
  const changed = (value) => (value === from ? to : value);
  return rows.map((row) => (typeof row === "object" ? Object.fromEntries(Object.entries(row).map(([key, value]) => [key, changed(value)])) : changed(row)));
}
function withDrawableNames(figure) {
  const safe = (parts) => Object.fromEntries(Object.entries(parts ?? {}).map(([name, rows]) => [name, Array.isArray(rows) ? namesChanged(rows, NO_KEY, NO_KEY_DRAWN) : rows]));
  return { ...figure, data: safe(figure.data), signals: safe(figure.signals) };
}
const asGiven = (datum) => namesChanged([datum], NO_KEY_DRAWN, NO_KEY)[0];

/** A figure's whole definition: named data and the values of its signals filled in. */
function wholeSpec(figure, name) {
  const params = Object.entries(figure.signals ?? {}).map(([key, value]) => ({ name: key, value }));
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    autosize: typeof figure.spec.height === "number" && figure.spec.layer ? { type: "fit-x", contains: "padding" } : { type: "pad" },
    padding: 4,
    ...inTheme(figure.spec, name),
    params: [...params, ...(figure.spec.params ?? [])],
    datasets: figure.data,
    config: vegaConfig(name, document.body.clientWidth),
  };
}

/**
 * What Vega-Lite takes as text or works out from the data and Vega can take from a signal, so that a change needs no new
 * drawing: titles that are written "@signal", and the rows of a figure with a signal `row_names`.
 */
function withSignals(compiled, figure) {
  const walk = (part) => {
    if (Array.isArray(part)) part.forEach(walk);
    if (typeof part !== "object" || part === null) return;
    if (String(part.name ?? "").startsWith("brush_")) part.aria = false; // which has no words for those who hear the page
    for (const [key, value] of Object.entries(part)) {
      if (typeof value === "string" && value.startsWith("@") && value.slice(1) in (figure.signals ?? {})) part[key] = { signal: value.slice(1) };
      else walk(value);
    }
  };
  for (const part of ["axes", "marks", "legends", "layout", "title"]) walk(compiled[part]);
  const rows = figure.signals?.row_names && compiled.scales.find((scale) => scale.name === "y");
  if (rows) rows.domain = { signal: "row_names" };
  if (figure.signals?.panels_n) withAxesBelow(compiled);
  return compiled;
}

/** What takes room below a panel, and is 0 where there is no axis. */
const AXIS_LOOKS = { domainOpacity: 1, titleFontSize: 12, titlePadding: 8 };

/** Of the axes below panels show those of the lowest in each column: the others would say the same again. */
function withAxesBelow(compiled) {
  const isLowest = `parent.min_panel_i_by_panel + ${compiled.layout.columns} >= panels_n`;
  const { axes } = compiled.marks.find((mark) => mark.from?.facet);
  for (const one of axes.filter(({ orient, title }) => orient === "bottom" && title)) {
    one.values = { signal: `${isLowest} ? ${one.values.signal} : []` };
    one.title = { signal: `${isLowest} ? ${one.title.signal} : ''` };
    for (const look of ["domainOpacity", "titleFontSize", "titlePadding"]) one[look] = { signal: `${isLowest} ? ${AXIS_LOOKS[look]} : 0` };
  }
}

/** What stays the same as long as a drawing can be kept. */
function shapeOf(figure) {
  const names = [Object.keys(figure.signals ?? {}), Object.keys(figure.data)];
  return JSON.stringify([figure.spec, names, theme(), document.body.clientWidth]);
}

/** A place for one figure: its heading, drawing, caption and downloads. */
function figurePlace(id) {
  const place = {
    id, view: null, shape: null, figure: null, walked: null, busy: Promise.resolve(),
    title: h("h3"),
    plot: h("div", { class: "plot", tabindex: "0", role: "group", keydown: (event) => walkMarks(place, event) }),
    empty: h("p", { class: "empty" }),
    caption: h("figcaption"),
    downloads: h("div", { class: "downloads" }),
  };
  for (const [form, label] of [["svg", "SVG"], ["png", "PNG"]]) {
    const button = h("button", { type: "button", "data-download": form, click: () => downloadFigure(place, form) }, label);
    place.downloads.append(button);
  }
  place.downloads.append(h("button", { type: "button", "data-copy": "", click: () => copyEmbed(place) }, "Copy link"));
  place.element = h("figure", { "data-figure": id }, place.title, place.plot, place.empty, place.caption, place.downloads);
  return place;
}

/** Draw a figure in its place, or give the drawing that is there its new data. Resolves when it is painted. */
function drawFigure(place, figure) {
  place.figure = withDrawableNames(figure);
  place.title.textContent = figure.title;
  place.plot.setAttribute("aria-label", `${figure.title}. Arrow keys go from mark to mark.`);
  const nothing = Boolean(figure.empty);
  place.empty.textContent = figure.empty ?? "";
  place.empty.hidden = !nothing;
  place.plot.hidden = nothing;
  place.downloads.hidden = nothing;
  replaceChildren(place.caption, (figure.caption ?? []).map((line) => h("span", {}, `${line} `)));
  const before = place.busy.catch(() => clearFigure(place)); // what could not be drawn is no reason not to try again
  place.busy = before.then(() => (nothing ? null : render(place, place.figure)));
  return place.busy;
}

function clearFigure(place) {
  place.view?.finalize();
  place.view = null;
  place.shape = null;
  replaceChildren(place.plot);
}

async function render(place, figure) {
  const shape = shapeOf(figure);
  if (place.view && place.shape === shape) {
    for (const [name, value] of Object.entries(figure.signals ?? {})) place.view.signal(name, value);
    for (const [name, rows] of Object.entries(figure.data)) place.view.data(name, rows);
    await place.view.resize().runAsync();
  } else {
    clearFigure(place);
    const patch = (compiled) => withSignals(compiled, figure);
    const drawn = await vegaEmbed(place.plot, wholeSpec(figure, theme()), { ...EMBEDDING, patch, tooltip: showTooltip });
    place.view = drawn.view;
    place.shape = shape;
    place.view.addEventListener("click", (_, item) => item?.datum && place.figure.click?.(asGiven(item.datum)));
    place.view.addEventListener("mouseover", (_, item) => linkMarks(item?.datum?.model ?? null));
    place.view.addEventListener("mouseout", () => linkMarks(null));
    figure.drawn?.(place.view);
  }
  const drawing = place.plot.querySelector("svg");
  if (drawing) drawing.removeAttribute("tabindex");
  for (const group of place.plot.querySelectorAll("g.role-mark")) group.setAttribute("aria-hidden", String(!group.childElementCount));
  if (place.walked) speakingMarks(place).find((node) => nameOfMark(node) === place.walked)?.classList.add("walked");
}

/* ---- one line beside the pointer, or for the keyboard beside the mark */

const tooltip = h("div", { id: "tooltip", role: "status", hidden: true });

function showTooltip(_, event, __, value) {
  if (!event) return;
  const text = typeof value === "object" && value !== null ? Object.values(value).join("; ") : value;
  placeTooltip(text === null || text === undefined || text === "" ? "" : String(text), event.clientX, event.clientY);
}

function placeTooltip(text, x, y) {
  tooltip.hidden = !text;
  if (!text) return;
  tooltip.textContent = plain(text, 600);
  const { width, height } = tooltip.getBoundingClientRect();
  tooltip.style.left = `${Math.max(4, Math.min(x + 12, window.innerWidth - width - 4))}px`;
  tooltip.style.top = `${y + 14 + height > window.innerHeight ? Math.max(4, y - height - 10) : y + 14}px`;
}

/** The marks of a drawing that say something, from left to right and top to bottom as they are drawn. */
function speakingMarks(place) {
  return [...place.plot.querySelectorAll("svg [aria-label]")].filter((node) => node.__data__?.datum?.about);
}

/** What tells a mark from others, also after it was drawn anew. */
function nameOfMark(node) {
  const { id, about } = node.__data__.datum;
  return id ?? about;
}

/** Arrow keys go from mark to mark, Enter does what a click does, Escape ends it. */
function walkMarks(place, event) {
  const marks = speakingMarks(place);
  const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
  const current = marks.findIndex((node) => node.classList.contains("walked"));
  if (event.key === "Escape") {
    leaveMarks(place);
  } else if (event.key === "Enter" && current >= 0) {
    place.figure.click?.(asGiven(marks[current].__data__.datum));
  } else if (steps[event.key] && marks.length) {
    event.preventDefault();
    const next = marks[(Math.max(current, steps[event.key] > 0 ? -1 : 0) + steps[event.key] + marks.length) % marks.length];
    marks[current]?.classList.remove("walked");
    next.classList.add("walked");
    place.walked = nameOfMark(next);
    const box = next.getBoundingClientRect();
    placeTooltip(next.__data__.datum.about, box.right, box.bottom);
    linkMarks(next.__data__.datum.model ?? null);
  }
}

function leaveMarks(place) {
  place.walked = null;
  for (const node of place.plot.querySelectorAll(".walked")) node.classList.remove("walked");
  placeTooltip("", 0, 0);
  linkMarks(null);
}

document.addEventListener("focusout", (event) => {
  if (event.target.classList?.contains("plot")) placeTooltip("", 0, 0);
});

/** Show where a model is in all figures and tables of the page. */
function linkMarks(model) {
  for (const node of document.querySelectorAll(".linked")) node.classList.remove("linked");
  document.body.classList.toggle("linking", model !== null);
  if (model === null) return;
  for (const node of document.querySelectorAll(".plot svg [aria-label]")) {
    if (node.__data__?.datum?.model === model) node.classList.add("linked");
  }
  for (const row of document.querySelectorAll("tr[data-model]")) {
    if (row.dataset.model === model) row.classList.add("linked");
  }
}

/**
 * The width of each of `columns` panels beside each other, an axis of `left` px beside each left free. A figure of one
 * panel of a given height is fitted into its width with all that stands beside it, and needs no such sum.
 */
function panelWidth(width, columns, left, gap = 18) {
  return Math.max(90, Math.floor((width - 10 - (columns - 1) * gap) / columns - left));
}
