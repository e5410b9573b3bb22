"use strict";
/* The bar of filters, and the controls of sections: form fields that hold one key of the state each. */

const FIELD_LABELS = {
  source: "Results", task: "Task", modality: "Modality", kind: "Kind of model", machine: "Machine", q: "Model or dataset",
  quantity: "Show", boundary: "Boundary", known: "Energy", per: "Per", unit: "Unit", grid: "Grid", pue: "PUE",
};
const OPTION_LABELS = {
  energy: "energy", carbon: "carbon (CO₂e)",
  device: "devices in use", marginal: "above idle", host: "whole machine", facility: "building (× PUE)",
  all: "all of it", measured: "only what was measured",
  1000: "1,000 queries", 1: "1 query", tokens: "1,000 tokens",
};

/** The bar with a field for every key in BAR_DEFAULTS; `content` gives the names to choose from. */
function buildBar(content) {
  const names = (of) => distinct(content.cells.filter((cell) => cell.runs_n > 0), of).filter(Boolean).sort();
  const form = h("form", { id: "bar", "aria-label": "Filters", submit: (event) => event.preventDefault() });
  for (const [key, of] of Object.entries(FILTERS)) {
    const found = names(of);
    form.append(selectField(key, FIELD_LABELS[key], [["", "all"], ...found.map((name) => [name, plain(name, 60)])], found.length < 2));
  }
  form.append(textField("q", FIELD_LABELS.q, "search", "any"));
  for (const key of ["quantity", "per", "unit", "boundary", "known"]) {
    form.append(selectField(key, FIELD_LABELS[key], CHOICES[key].map((one) => [one, OPTION_LABELS[one] ?? one])));
  }
  form.append(gridField(content), textField("pue", FIELD_LABELS.pue, "number", "none", { min: "1", max: "10", step: "any" }));
  form.append(h("button", { type: "button", name: "reset", click: () => state.set(BAR_DEFAULTS) }, "Reset"));
  return form;
}

/** A field whose choices are options. */
function selectField(key, label, options, disabled = false) {
  const select = h("select", { name: key, disabled, change: (event) => state.set({ [key]: event.target.value }) });
  select.append(...options.map(([value, text]) => h("option", { value }, text)));
  return field(label, select);
}

/** A field to write in; what it holds counts when the field is left or Enter is pressed. */
function textField(key, label, type, placeholder, more = {}) {
  const change = (event) => state.set({ [key]: event.target.value.trim() });
  return field(label, h("input", { name: key, type, placeholder, autocomplete: "off", change, ...more }));
}

function field(label, input) {
  return h("label", { class: `field ${input.name}` }, h("span", {}, label), input);
}

/** Grids in groups of countries, subregions and clouds. */
function gridField(content) {
  const select = h("select", { name: "grid", change: (event) => state.set({ grid: event.target.value }) });
  select.append(h("option", { value: "" }, "none (as logged)"));
  for (const [area, grids] of grouped(content.grids, (grid) => grid.area)) {
    const options = grids.map((grid) => h("option", { value: grid.id }, `${plain(grid.name, 50)} · ${number(grid.g_per_kwh)} g/kWh`));
    select.append(h("optgroup", { label: area }, options));
  }
  return field(FIELD_LABELS.grid, select);
}

/** Let every field of a form show the state, but not over what is being written, unless the state is another by now. */
function showState(form) {
  for (const input of form.querySelectorAll("select[name], input[name]")) {
    const value = state.get(input.name);
    if (input.type === "checkbox") input.checked = value === "yes";
    else if (input.value !== value && (input !== document.activeElement || input.tagName === "SELECT" || input.dataset.shown !== value)) {
      input.value = value;
      if (input.tagName === "SELECT" && input.value !== value) input.append(missingOption(input, value));
    }
    input.dataset.shown = value;
    if (input.tagName === "SELECT") input.title = input.selectedOptions[0]?.textContent ?? ""; // it may be cut
  }
}

/** Say what of the bar cannot be taken; the place stays as it is where that is the same, so that it is read out once. */
function showNotTaken(place, content) {
  const text = notTaken(content).join(" ");
  place.hidden = !text;
  if (place.textContent !== text) place.textContent = text;
}

/** What is chosen, in words, for paper, where no field can be read: the boundary always, else what is not the default. */
function chosenText(forms) {
  const inputs = forms.flatMap((form) => [...form.querySelectorAll("select[name], input[name]")]);
  const chosen = inputs.filter((input) => input.name === "boundary" || state.get(input.name) !== String(state.defaults[input.name] ?? ""));
  return chosen.map((input) => {
    const value = input.tagName === "SELECT" ? input.selectedOptions[0]?.textContent : input.value;
    return `${input.labels[0].firstChild.textContent}: ${value}`;
  }).join(" · ");
}

/** A choice that a link holds and these results do not have: it is shown, since it filters. */
function missingOption(select, value) {
  const option = h("option", { value }, plain(value, 40));
  queueMicrotask(() => (select.value = value));
  return option;
}

/**
 * The controls of a section: {key, label, kind: "select" | "number" | "text" | "checkbox", options, placeholder, min,
 * max, step}. Fields that are there already stay, so that none loses the focus.
 */
function drawControls(place, controls) {
  const shape = JSON.stringify(controls);
  if (place.dataset.shape !== shape) {
    const focused = [...place.querySelectorAll("[name]")].indexOf(document.activeElement); // two may hold one key
    place.dataset.shape = shape;
    replaceChildren(place, controls.map(control));
    place.querySelectorAll("[name]")[focused]?.focus();
  }
  place.hidden = !controls.length;
  showState(place);
}

const OPTION_CUTS = [(text) => plain(text, 70), (text) => plain(text, 200)];

function control({ key, label, kind, options, placeholder, min, max, step }) {
  if (kind === "select") {
    const texts = textsApart(distinct(options, ([, text]) => text), OPTION_CUTS);
    return selectField(key, label, options.map(([value, text]) => [value, texts.get(text)]));
  }
  if (kind === "checkbox") {
    const change = (event) => state.set({ [key]: event.target.checked ? "yes" : "" });
    return field(label, h("input", { name: key, type: "checkbox", change }));
  }
  return textField(key, label, kind, placeholder ?? "", { min, max, step: kind === "number" ? step ?? "any" : null });
}
