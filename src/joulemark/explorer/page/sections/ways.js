"use strict";
/* One task, many ways: on a dataset, models made for the task beside prompted ones. After Figure 3 of the paper. */

section({
  id: "ways",
  figures: ["ways"],
  title: "One task, many ways",
  short: "Many ways",
  paper: "Figure 3",
  show({ content, points, scale, width }) {
    const panels = panelsOf(points);
    const several = panels.filter((panel) => distinct(drawable(panel.points), (point) => point.kind).length > 1);
    const ratios = waysRatios(several, content.t.quantiles);
    const pinned = pinSentence(points, scale);
    const paired = pairedRows(content, points);
    return {
      sentence: [waysSentence(points, ratios, several, scale), pairedSentence(paired)].filter(Boolean).join(" "),
      parts: [
        ...(pinned ? [h("p", { class: "pins" }, pinned)] : []),
        waysFigure(content, points, panels, several, scale, width),
        waysKindTable(several, ratios, scale, content.t.quantiles),
        ...(paired.length ? [pairedTable(paired)] : []),
        waysModelTable(several, scale),
      ],
      notes: waysNotes(ratios),
    };
  },
});

function isPromptedModel(point) {
  return point.kind !== TASK_SPECIFIC;
}

/** Per panel that has both, the mean of the prompted models ÷ that of the task-specific ones, with its interval. */
function waysRatios(panels, quantiles) {
  return panels.flatMap((panel) => {
    const [prompted, specific] = [true, false].map((which) => drawable(panel.points).filter((point) => isPromptedModel(point) === which));
    if (!prompted.length || !specific.length) return [];
    return [{ panel, prompted, specific, ratio: ratioOf(middleApart(prompted, quantiles), middleApart(specific, quantiles)) }];
  });
}

function waysSentence(points, ratios, several, scale) {
  if (!several.length) return nothingAbove(points, scale) || `No dataset here has a known ${scale.noun} of two kinds of models${whyUnknownOf(points)}: there is nothing to compare.`;
  if (!ratios.length) return `${count(several.length, "dataset")} with several kinds of prompted models, but none with task-specific ones beside them.`;
  const times = (ratio) => `${number(ratio)} times`;
  const need = scale.isCarbon ? "cause" : "need";
  if (ratios.length === 1) {
    const [{ panel, ratio: [ratio, low, high] }] = ratios;
    if (low === null) return `On ${panel.name}, prompted models ${need} ${times(ratio)} the ${scale.noun} of task-specific ones; how sure that is, is not known.`;
    const range = `95 %: ${number(low)} to ${number(high)}`;
    if (low <= 1 && high >= 1) return `On ${panel.name}, no difference is shown between prompted and task-specific models: ${times(ratio)} the ${scale.noun} (${range}).`;
    return `On ${panel.name}, prompted models ${need} ${times(ratio)} the ${scale.noun} of task-specific ones (${range}).`;
  }
  const ordered = [...ratios].sort((a, b) => a.ratio[0] - b.ratio[0]);
  const more = ordered.filter(({ ratio }) => ratio[0] > 1).length;
  const sure = ordered.filter(({ ratio }) => ratio[1] !== null && ratio[1] > 1).length;
  const factor = Math.exp(mean(ordered.map(({ ratio }) => Math.log(ratio[0]))));
  const [least, greatest] = [ordered[0], ordered.at(-1)].map(({ panel, ratio }) => `${times(ratio[0])} on ${panel.name}`);
  const all = more === ordered.length ? `all ${more}` : `${more} of ${ordered.length}`;
  const shown = sure === more ? "" : `, which the intervals show on ${sure} of them`;
  return `Prompted models ${need} more ${scale.noun} than task-specific ones on ${all} datasets${more ? shown : ""}: ${times(factor)} as much in the geometric mean of the ratios of means, from ${least} to ${greatest}.`;
}

function waysFigure(content, points, panels, several, scale, width) {
  const title = `One task, many ways: ${scale.noun} by dataset and kind of model`;
  const shown = several.slice(0, PANELS_MAX_N);
  const marks = marksOfRows(shown.flatMap(rowsOfKinds), scale, content.t.quantiles);
  if (!marks.length) {
    const empty = noMark(points, scale, `this figure compares kinds of models on one dataset, and no dataset that passes the filters has a known ${scale.noun} of two kinds${whyUnknownOf(points)}`);
    return { id: "ways", title, data: {}, spec: {}, empty };
  }
  const narrow = width < 720;
  const alone = panels.length - several.length;
  return {
    id: "ways", title,
    ...rowsOfDots(marks, {
      scale, looks: KINDS, columns: Math.min(narrow ? 1 : 3, shown.length), width, left: 106, step: heightOfRow(waysModelsMaxN(content)), ticksMax: narrow ? 4 : 5,
    }),
    caption: [
      `A mark is a model on a dataset; its line is the 95 % interval of the measurement. ${MEAN_MARK}`,
      ...scale.notes, provenanceSentence(shown.flatMap((panel) => drawable(panel.points))), ...leftOut(points, scale),
      ...leftOutFor([[alone, `${alone === 1 ? "dataset" : "datasets"} with one kind of model`]]),
      ...morePanels(several),
      "A click on a mark, or Enter, pins it; two pinned ones are compared above the figure.",
    ],
    click: (mark) => mark.part === "model" && togglePin(mark.id),
  };
}

/** The most models that a kind has on a dataset, filters aside, so that the drawing stays when they change. */
function waysModelsMaxN(content) {
  const shown = content.cells.filter((cell) => cell.runs_n > 0);
  const groups = grouped(shown, (cell) => [cell.source_i, cell.machine_i, cell.task, cell.set, cell.kind].join("\n"));
  return [...groups.values()].reduce((most, group) => Math.max(most, group.length), 1);
}

function waysKindTable(panels, ratios, scale, quantiles) {
  const specific = new Map(ratios.map((one) => [one.panel.name, middleApart(one.specific, quantiles)]));
  const rows = panels.flatMap((panel, i) => rowsOfKinds(panel, i)).filter((row) => row.points.length).map((row) => {
    const [amount, apart] = [middleOf(row.points, quantiles), middleApart(row.points, quantiles)];
    const base = row.row === TASK_SPECIFIC ? null : specific.get(row.panel);
    const size = median(row.points.map((point) => point.parameters_n).filter(Boolean));
    return { panel: row.panel, kind: row.row, models_n: modelsN(row.points), amount, size, ratio: base ? ratioOf(apart, base) : [null, null, null] };
  });
  return {
    id: "ways-kinds", title: `${scale.isCarbon ? "Carbon" : "Energy"} by dataset and kind of model`, rows,
    empty: "No dataset that passes the filters has two kinds of models.",
    columns: [
      { key: "panel", name: "task_and_dataset", heading: "task · dataset", text: true },
      { key: "kind", heading: "kind of model", text: true },
      { key: "models_n", heading: "models" },
      { key: "size", name: "median_parameters_n", heading: "median size", show: (row) => parameters(row.size) },
      ...amountColumns(scale).map((column) => (column.key === "amount" ? { ...column, heading: `mean ${column.heading}` } : column)),
      ...ratioColumns("times the task-specific mean", "ratio"),
    ],
    notes: ["Mean: each model once, or once for each of its settings. Interval: of models like these (Student's t on logarithms); of one model alone, of its measurement."],
  };
}

/** The columns of a ratio with its interval, which rows have as [value, low, high] under `key`. */
function ratioColumns(heading, key) {
  const of = (place) => (row) => row[key][place];
  const range = (row) => (row[key][1] === null ? null : `${number(row[key][1])} to ${number(row[key][2])}`);
  return [
    { key, heading, value: of(0), show: (row) => number(row[key][0]) },
    { key: `${key}_range`, screen: true, heading: "95 % interval", show: range },
    { key: `${key}_low`, value: of(1), hidden: true },
    { key: `${key}_high`, value: of(2), hidden: true },
  ];
}

/** The column of machines, where rows are of several. */
function machineColumn(rows) {
  const isOne = distinct(rows, (row) => row.machine).length < 2;
  return [{ key: "machine", heading: "machine", text: true, hidden: isOne }];
}

/** The column of settings, where cells of one model, task and dataset differ in them. */
function settingsColumn(rows) {
  const isOne = !settingsApart(rows.flatMap((row) => row.cells ?? [row.cell])).length;
  return { key: "settings", heading: "settings", text: true, hidden: isOne, value: (row) => row.settings || null, show: (row) => row.settings || "default" };
}

function waysModelTable(panels, scale) {
  const rows = panels.flatMap((panel) => panel.points);
  return {
    id: "ways-models", title: "The models of these datasets", rows,
    empty: "No dataset that passes the filters has two kinds of models.",
    columns: [
      { key: "model", heading: "model", text: true },
      { key: "task", heading: "task", text: true },
      { key: "set", name: "dataset", heading: "dataset", text: true },
      { key: "kind", heading: "kind of model", text: true },
      { key: "pin", heading: "compare", screen: true, show: pinButton },
      ...amountColumns(scale),
      { key: "parameters_n", heading: "parameters", show: (row) => parameters(row.parameters_n) },
      knownByColumn(),
      settingsColumn(rows),
      ...machineColumn(rows),
    ],
  };
}

/** Comparisons over the same samples and blocks, of cells that pass the bar. */
function pairedRows(content, points) {
  if (!holdsPaired()) return [];
  const passing = new Set(points.map((point) => point.cell));
  return content.comparisons.filter((one) => passing.has(one.prompted) && passing.has(one.specific)).map((one) => ({
    task: one.prompted.task, set: one.prompted.set, prompted: one.prompted.model, specific: one.specific.model,
    ratio: one.ratio[0], low: one.ratio[1], high: one.ratio[2], repeats_n: one.repeats_n, samples_known: one.samples_known,
    made_up: one.made_up, known_by: joined(one.made_up.length ? one.made_up : one.provenance),
    prompted_quality: one.prompted.quality, specific_quality: one.specific.quality, metric: one.prompted.metric,
  }));
}

/** One comparison in words, as `joulemark report` prints it; several are in the table. */
function pairedSentence(rows) {
  if (rows.length !== 1) return "";
  const [row] = rows;
  const [prompted, specific] = [plain(row.prompted, 60), plain(row.specific, 60)];
  const samples = row.samples_known ? "on the same samples" : "on samples that the runs do not record";
  const none = row.repeats_n > 1 ? "the sensors leave no interval" : "one repetition: no interval";
  const range = row.low === null ? none : `95\u00a0%: ${number(row.low)} to ${number(row.high)}`;
  const isShown = row.low === null || row.low > 1 || row.high < 1;
  const found = isShown
    ? `${prompted} needs ${number(row.ratio)} times the energy of ${specific} (${range}).`
    : `no difference is shown between ${prompted} and ${specific}: ${number(row.ratio)} times the energy (${range}).`;
  return [`Repetition by repetition, ${samples}, ${found}`, madeUpSentence(row.made_up)].filter(Boolean).join(" ");
}

function pairedTable(rows) {
  return {
    id: "ways-paired", title: "Prompted against task-specific, repetition by repetition", rows,
    columns: [
      { key: "task", heading: "task", text: true },
      { key: "set", name: "dataset", heading: "dataset", text: true },
      { key: "prompted", heading: "prompted", text: true },
      { key: "specific", name: "task_specific", heading: "task-specific", text: true },
      { key: "ratio", name: "energy_ratio", heading: "times the energy" },
      { key: "range", screen: true, heading: "95 % interval", show: (row) => (row.low === null ? null : `${number(row.low)} to ${number(row.high)}`) },
      { key: "low", name: "energy_ratio_low", hidden: true },
      { key: "high", name: "energy_ratio_high", hidden: true },
      { key: "repeats_n", name: "pairs_n", heading: "pairs" },
      { key: "known_by", heading: "known by", text: true },
      { key: "prompted_quality", heading: "quality, prompted" },
      { key: "specific_quality", heading: "quality, task-specific" },
      { key: "metric", heading: "metric", text: true },
    ],
    notes: ["Pairs of the same block: a sensor's tolerance or a model's factor, common to both, cancels as far as it has the same share of either energy, so that these intervals are narrower than those of the two means."],
  };
}

/** What else differs between the kinds than the way. */
function waysNotes(ratios) {
  if (!ratios.length) return [];
  const sizes = (which) => median(ratios.flatMap((one) => one[which]).map((point) => point.parameters_n).filter(Boolean));
  const [prompted, specific] = [sizes("prompted"), sizes("specific")];
  const size = prompted && specific ? ` The median size of the prompted ones is ${parameters(prompted)} parameters, that of the task-specific ones ${parameters(specific)}.` : "";
  return [`The factor is one of the models compared here, which differ in more than the way they do the task.${size}`];
}
