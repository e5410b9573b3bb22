"use strict";
/* Tasks: a row per task, a dot per model, their mean. After Figure 1 and Table 2 of Luccioni et al. (2024). */

section({
  id: "tasks",
  figures: ["tasks"],
  title: "What a task costs",
  short: "Tasks",
  paper: "Figures 1 and 2, Table 2",
  show({ content, points, scale, width }) {
    const models = byModel(points);
    const place = placesOf(points);
    const rowOf = (point) => [wayOf(point), place(point)].filter(Boolean).join(" · ");
    const rows = taskRows(content, points, models, rowOf).map((row) => ({ ...row, where: place(row.first), way: wayOf(row.first) }));
    return {
      sentence: taskSentence(rows, scale),
      parts: [taskFigure(content, rows, models, rowOf, scale, width), taskTable(content, rows, models, scale)],
      notes: taskNotes(content, rows),
    };
  },
});

/** A task, and whether models are prompted to do it. */
function wayOf(point) {
  return point.kind === TASK_SPECIFIC ? point.task : `${point.task} (prompted)`;
}

/**
 * A row per task with the mean of its models, greatest last; `amount` is that mean with its interval. Prompted models have
 * rows of their own, since they do a task in another way.
 */
function taskRows(content, points, models, rowOf) {
  const cells = grouped(points, rowOf);
  const rows = [...grouped(models, rowOf)].map(([name, group]) => {
    const counted = countedOf(group);
    return {
      name, first: group[0], task: group[0].task, study: (group[0].cell ?? group[0].cells[0]).source.study, isPrompted: group[0].kind !== TASK_SPECIFIC,
      counted, models_n: modelsN(counted),
      datasets_n: setsOf(counted).length,
      runs_n: runsOf(counted),
      amount: middleOf(group, content.t.quantiles),
      ...overRuns(cells.get(name).filter((point) => point.amount)),
    };
  });
  return rows.sort((a, b) => (a.amount?.[0] ?? Infinity) - (b.amount?.[0] ?? Infinity));
}

/** Whether the spread of the runs of each cell is that of the energies that are shown. */
function holdsSpread() {
  return state.get("boundary") === "device" && state.get("known") === "all";
}

/** Mean and spread over all runs of a task, each run counting once, as the paper's Table 2 has them. */
function overRuns(points) {
  const known = points.filter((point) => holdsSpread() && point.cell.spread);
  const n = runsOf(points);
  if (!n) return { run_mean: null, run_sd: null };
  const first = points[0].amount[0]; // differences from it, so that the mean of equal amounts is exactly theirs
  const middle = first + points.reduce((sum, point) => sum + point.runs_n * (point.amount[0] - first), 0) / n;
  let squares = 0;
  for (const point of known) {
    const own = point.cell.spread;
    const size = joulesOf(point.cell)?.[0] ? point.amount[0] / joulesOf(point.cell)[0] : 0;
    squares += (own.n - 1) * ((own.sd_j ?? 0) * size) ** 2 + own.n * (point.amount[0] - middle) ** 2;
  }
  return { run_mean: middle, run_sd: known.length === points.length && n > 1 ? Math.sqrt(squares / (n - 1)) : null };
}

const PLACES_SAID_N = 2;

/** From the least to the greatest; machines and results are never set against each other, since more than the task differs. */
function taskSentence(rows, scale) {
  const known = rows.filter((row) => row.amount && row.amount[0] > 0);
  if (!known.length) return nothingAbove(rows, scale) || `No task here has a known ${scale.noun}${whyUnknown()}.`;
  const text = (row) => `${plain(row.way, 60)} ${scale.show(row.amount)}`;
  if (known.length === 1) return `${text(known[0])} per ${scale.per}, the mean of ${count(known[0].models_n, "model")}.`;
  const places = [...grouped(known, (row) => row.where)].sort((a, b) => b[1].length - a[1].length);
  const said = places.slice(0, PLACES_SAID_N).map(([where, group]) => {
    const inPlace = where && `in ${where} `;
    const [least, greatest] = [group[0], group.at(-1)];
    if (group.length === 1) return `${inPlace}${text(least)}`;
    const [symbol, size] = unitFor(greatest.amount[0] / least.amount[0], "n");
    const ratio = `${number(greatest.amount[0] / least.amount[0] / size, 2)} ${symbol}`.trim();
    return `${inPlace}from ${text(least)} to ${text(greatest)}, ${ratio} times as much`;
  }).join("; ");
  const more = places.length > PLACES_SAID_N ? `; and ${places.length - PLACES_SAID_N} more` : "";
  const tasks = distinct(known, (row) => row.task).length;
  const apart = known.some((row) => row.isPrompted) ? ", prompted models apart" : "";
  return `Per ${scale.per}, ${said}${more}: means of ${count(tasks, "task")}${apart}.`;
}

const LANE_PX = 5;
const LABEL_LINES_N = 3; // of a row's name, which has one more where there is little room
const WIDE_LABELS = "slice(split(replace(replace(datum.label, ' (', '|('), ' · ', '|'), '|'), 0, 3)";
const NARROW_LABELS = "slice(split(replace(replace(replace(datum.label, ' (', '|('), ' · ', '|'), '-', '-|'), '|'), 0, 4)";

function taskFigure(content, rows, models, rowOf, scale, width) {
  const narrow = width < 560;
  const title = `${scale.noun === "carbon" ? "Carbon" : "Energy"} by task`;
  const marks = [];
  for (const [name, group] of grouped(models, rowOf)) {
    const ordered = marksOf(group, scale).sort((a, b) => a.value - b.value);
    const look = new Map(group.map((point) => [point.id, point.modality]));
    ordered.forEach((mark, i) => {
      marks.push({ ...mark, row: name, lane: ordered.length === 1 ? 0.4 : ((i + 0.5) / ordered.length) * 0.8, look: look.get(mark.id) });
    });
  }
  if (!marks.length) return { id: "tasks", title, data: {}, spec: {}, empty: noMark(models, scale, `no ${scale.noun} is known${whyUnknown()}`) };
  const means = rows.filter((row) => row.amount && row.amount[0] > 0 && row.counted.length > 1).map((row) => {
    const [value, low, high] = scale.of(row.amount);
    const range = low === null ? "" : ` (${scale.level}: ${number(low)} to ${number(high)})`;
    return { row: row.name, lane: 0.92, value, low: low ?? value, high: high ?? value, about: `${plain(row.name, 60)}: mean of ${modelsText(row.counted)} ${number(value)} ${scale.symbol}${range}` };
  });
  const values = [...marks, ...means].flatMap((mark) => [mark.value, mark.low, mark.high]);
  const x = axis("x", "value", scale.title, logEnds(values, narrow ? 4 : 8));
  const names = rows.map((row) => row.name).filter((name) => marks.some((mark) => mark.row === name));
  // Over all results and not those that pass, so that rows keep their height and the drawing can be kept.
  const groups = grouped(content.cells, (cell) => [cell.source_i, cell.machine_i, cell.task, cell.purpose].join());
  const [, most] = extremesOf([...groups.values()].map((group) => distinct(group, (cell) => cell.model).length));
  const left = narrow ? 100 : 140;
  const step = Math.min(150, Math.max((LABEL_LINES_N + narrow) * 14 + 6, LANE_PX * (most + 2)));
  const y = {
    field: "row", type: "nominal", title: null,
    axis: { labelExpr: narrow ? NARROW_LABELS : WIDE_LABELS, labelLimit: left, grid: true, ticks: false },
    scale: { paddingInner: 0.12, paddingOuter: 0.06 },
  };
  const lane = { field: "lane", type: "quantitative", scale: { domain: [0, 1] } };
  const looks = looksOf("look", MODALITIES, distinct(content.cells, (cell) => cell.modality), null);
  const ink = THEMES.light.ink;
  return {
    id: "tasks", title,
    signals: { ...x.signals, row_names: names },
    data: { marks, means },
    spec: {
      width: panelWidth(width, 1, left), height: { step, for: "position" },
      layer: [
        { data: { name: "marks" }, mark: { type: "rule", strokeWidth: 1, opacity: 0.7, aria: false }, encoding: { y, yOffset: lane, x: { ...x.encoding, field: "low" }, x2: { field: "high" }, stroke: looks.color } },
        { data: { name: "marks" }, mark: { type: "point", size: 42, strokeWidth: 1.4 }, encoding: { y, yOffset: lane, x: x.encoding, ...looks.marks, description: { field: "about" }, tooltip: { field: "about" } } },
        { data: { name: "means" }, mark: { type: "rule", strokeWidth: 2.5, color: ink, aria: false }, encoding: { y, yOffset: lane, x: { ...x.encoding, field: "low" }, x2: { field: "high" } } },
        { data: { name: "means" }, mark: { type: "point", shape: "diamond", size: 90, filled: true, fill: THEMES.light.paper, stroke: ink, strokeWidth: 1.6, opacity: 1 }, encoding: { y, yOffset: lane, x: x.encoding, description: { field: "about" }, tooltip: { field: "about" } } },
      ],
    },
    caption: [
      "A mark is a model (mean over its datasets); its line is the 95 % interval of the measurement. Diamond: mean of the models; bar: its 95 % interval (Student's t on logarithms).",
      ...scale.notes, provenanceSentence(drawable(models)), ...leftOut(models, scale),
      "A click on a mark, or Enter, shows its task alone.",
    ],
    click: (mark) => mark.task && state.set({ task: state.get("task") === mark.task ? "" : mark.task }),
  };
}

function taskTable(content, rows, models, scale) {
  const isPaper = distinct(content.cells, (cell) => cell.source.study).includes("luccioni2024");
  const printed = new Map((content.printed["2"] ?? []).map((row) => [row.task, row]));
  const isPrinted = isPaper && !scale.isCarbon && state.get("per") === "1000";
  const printedOf = (row) => (row.isPrompted || row.study !== "luccioni2024" ? null : printed.get(row.task)?.mean_kwh ?? null);
  const columns = [
    { key: "name", heading: "task", text: true },
    { key: "models_n", heading: "models" },
    { key: "datasets_n", heading: "datasets" },
    { key: "runs_n", heading: "runs" },
    ...amountColumns(scale).map((column) => (column.key === "amount" ? { ...column, heading: `mean of the models, ${scale.symbol}` } : column)),
    { key: "run_mean", heading: `mean of the runs, ${scale.symbol}`, value: (row) => (row.run_mean === null ? null : row.run_mean / scale.size) },
    { key: "run_sd", heading: "spread of the runs", value: (row) => (row.run_sd === null ? null : row.run_sd / scale.size) },
  ];
  for (const column of columns) if (column.key.startsWith("run_")) column.show = (row) => number(column.value(row));
  if (isPrinted) columns.push({ key: "printed", name: "printed_kwh", heading: "the paper prints, kWh", value: printedOf, show: (row) => (printedOf(row) === null ? null : String(printedOf(row))) });
  return {
    id: "tasks", title: `Table 2: ${scale.noun} by task`, columns, rows, sort: ["amount", "up"],
    notes: [
      "Mean of the models: each model once, or once for each of its settings; the interval of one model alone is that of its measurement. Mean and spread (sample standard deviation) of the runs: each run once, as in the paper's Table 2.",
      ...(holdsSpread() ? [] : ["The spread of the runs is known of all energy of the devices in use alone."]),
      ...unknownLeftOut(models, scale),
    ],
  };
}

/** What the means are worth in the nearest things of every day: one task in several, several tasks in one; for energies. */
function taskNotes(content, rows) {
  const known = rows.filter((row) => row.amount && row.amount[0] > 0);
  if (state.get("quantity") === "carbon" || !known.length) return [];
  const middle = Math.exp(mean(known.map((row) => Math.log(row.amount[0]))));
  const strange = (thing) => Math.abs(Math.log(middle / thing.unit_j));
  const things = content.things.filter((thing) => thing.unit_j && thing.preferred).sort((a, b) => strange(a) - strange(b));
  const shown = things.slice(0, known.length > 1 ? 1 : 4);
  const rowsShown = known.length > 1 ? [known[0], known.at(-1)] : known;
  const per = { 1000: "1,000 queries", 1: "One query", tokens: "1,000 tokens of answer" }[state.get("per")];
  return shown.map((thing) => {
    const worth = rowsShown.map((row) => `${plain(row.name, 60)} ${countText(row.amount, thing)}`);
    return `${per} in terms of one ${thing.label} (${show(thing.unit_j, "Wh")} each; ${plain(thing.source, 300)}; ${verifiedText(thing.verification)}): ${joined(worth)}.`;
  });
}

/** How many of a thing, from the fewest of the largest that is published to the most of the smallest. */
function countText(amount, { unit_j, low, high }) {
  const known = amount.map((end) => end ?? amount[0]);
  const [value, fewest, most] = timesRange(known, [1 / unit_j, high && 1 / high, low && 1 / low]);
  return fewest === most ? number(value) : `${number(value)} (${number(fewest)} to ${number(most)})`;
}
