"use strict";
/* Multi-purpose models: prompted for every task, by architecture and length of answers. Figures 5 and 6 of the paper. */

section({
  id: "multi",
  figures: ["multi-tasks", "multi-lengths"],
  title: "Multi-purpose models",
  short: "Multi-purpose",
  paper: "Figures 5 and 6, Tables 3 and 4",
  show({ content, points, scale, width }) {
    const prompted = points.filter(isPromptedModel);
    const isWide = width >= 760 && page.embedded === null;
    const half = isWide ? (width - FIGURES_GAP_PX) / 2 : width;
    return {
      sentence: multiSentence(prompted, scale),
      isTwo: isWide,
      parts: [
        multiTaskFigure(content, prompted, scale, half),
        multiLengthFigure(content, prompted, scale, half),
        multiModelTable(content, prompted, scale),
        lengthTable(points),
      ],
      notes: [pinSentence(points, scale), multiNote(prompted)].filter(Boolean),
    };
  },
});

const FIGURES_GAP_PX = 22; // as in style.css
const NO_PROMPTED = "no prompted (multi-purpose) model passes the filters";

/** A point per model: the mean over all its tasks and datasets. */
function overTasks(points) {
  return byModel(points, ["source", "machine", "kind", "model"]);
}

/** The points of the place with the most of them, and where that is if there are others: amounts of one place compare. */
function largestPlace(points) {
  const [[place, largest] = ["", []]] = [...grouped(points, placesOf(points))].sort((a, b) => b[1].length - a[1].length);
  return { points: largest, where: place && ` in ${place}` };
}

function multiSentence(prompted, scale) {
  const { points, where } = largestPlace(overTasks(drawable(prompted)));
  const models = points.sort((a, b) => a.amount[0] - b.amount[0]);
  if (!models.length) return nothingAbove(prompted, scale) || (prompted.length ? `The ${scale.noun} of the prompted models here is not known${whyUnknown()}.` : `Nothing to compare: ${NO_PROMPTED}.`);
  const text = (point) => `${point.model_name} (${scale.show(point.amount)})`;
  if (models.length === 1) return `One prompted model: ${text(models[0])} per ${scale.per} on ${count(models[0].datasets_n, "dataset")}.`;
  const [least, greatest] = [models[0], models.at(-1)];
  const [fewest, most] = extremesOf(models.map((point) => point.datasets_n));
  const n = fewest === most ? count(most, "dataset") : `${fewest} to ${most} datasets`;
  const over = distinct(models, (point) => point.sets.join("\n\n")).length === 1 ? `over ${n} each` : `over ${n}, which are not the same for all`;
  const needs = scale.isCarbon ? "causes" : "needs";
  const times = number(greatest.amount[0] / least.amount[0]);
  return `Of ${modelsText(models).replace("model", "prompted model")}${where}, ${text(least)} ${needs} least and ${text(greatest)} most: ${times} times as much per ${scale.per}, means ${over}.${lengthSentence(prompted, scale)}`;
}

/** What the rank correlation does not say. */
function multiNote(prompted) {
  const tasks = distinct(withLengths(prompted).shown, (point) => point.task);
  return tasks.length > 1 ? "Tasks differ in the length of their answers and in more: the correlation is not one of length alone." : "";
}

/** How far long answers and large amounts go together. */
function lengthSentence(prompted, scale) {
  const { shown, unit } = withLengths(prompted);
  const { points, where } = largestPlace(shown);
  if (points.length < 5) return "";
  const lengths = points.map((point) => point.cell.output_n);
  const rank = spearman(lengths, points.map((point) => point.amount[0]));
  const pairs = `${points.length} pairs of model and dataset${where}`;
  if (rank === null) return ` ${pairs} have ${distinct(lengths, (one) => one).length === 1 ? "answers of one length" : `one ${scale.noun}`}: no correlation of the two is known.`;
  return ` Rank correlation of the length of answers (${unit}) and ${scale.noun}: ${number(rank, 2)} over ${pairs}.`;
}

function multiTaskFigure(content, prompted, scale, width) {
  const title = `Multi-purpose models: ${scale.noun} by task and architecture`;
  const models = byModel(prompted);
  const tasks = panelsOf(drawable(models), ["task"]);
  const shown = tasks.slice(0, PANELS_MAX_N);
  const rows = shown.flatMap(rowsOfKinds);
  const marks = marksOfRows(rows, scale, content.t.quantiles);
  if (!marks.length) {
    const why = prompted.length ? `the ${scale.noun} of prompted models is not known${whyUnknown()}` : NO_PROMPTED;
    return { id: "multi-tasks", title, data: {}, spec: {}, empty: noMark(prompted, scale, why) };
  }
  const most = rows.reduce((greatest, row) => Math.max(greatest, row.points.length), 1);
  return {
    id: "multi-tasks", title,
    ...rowsOfDots(marks, { scale, looks: KINDS, columns: 1, width, left: 106, step: heightOfRow(most), ticksMax: 4 }),
    caption: [
      `A mark is a model (mean over the task's datasets); its line is the 95 % interval of the measurement. ${MEAN_MARK}`,
      ...scale.notes, provenanceSentence(shown.flatMap((panel) => panel.points)), ...leftOut(models, scale), ...morePanels(tasks),
      "The pointer or the arrow keys on a mark show its model in both figures and in the tables.",
    ],
    click: (mark) => mark.part === "model" && !mark.id.includes("~") && togglePin(mark.id),
  };
}

/** Points of known length and amount in the commonest unit of length, that unit, and how many there are in others. */
function withLengths(points) {
  const long = drawable(points).filter((point) => point.cell.output_n > 0 && point.cell.output_unit);
  const units = [...grouped(long, (point) => point.cell.output_unit)].sort((a, b) => b[1].length - a[1].length);
  const [unit, shown] = units[0] ?? ["", []];
  return { shown, unit, others_n: long.length - shown.length };
}

function multiLengthFigure(content, prompted, scale, width) {
  const title = `Multi-purpose models: length of the answers and ${scale.noun}`;
  const { shown, unit, others_n } = withLengths(prompted);
  if (!shown.length) {
    const why = prompted.length ? `no prompted model here has both a known length of its answers and known ${scale.noun}${whyUnknownOf(prompted)}` : NO_PROMPTED;
    return { id: "multi-lengths", title, data: {}, spec: {}, empty: noMark(prompted, scale, why) };
  }
  const byId = new Map(shown.map((point) => [point.id, point]));
  const kinds = Object.keys(KINDS).filter((kind) => shown.some((point) => point.kind === kind));
  const marks = marksOf(shown, scale).map((mark) => {
    const { cell, kind } = byId.get(mark.id);
    return {
      ...mark, panel: kind, panel_i: kinds.indexOf(kind), look: plain(mark.task, 40), length: cell.output_n, pin: isPinned(mark.id) ? 1 : 0,
      about: `${mark.about}; answers of ${number(cell.output_n)} ${unit}`,
    };
  });
  const columns = Math.min(kinds.length, width >= 460 ? 2 : 1);
  const [left, gap] = [62, 24];
  const size = { width: panelWidth(width - left, columns, 0, gap), height: 280 };
  const x = axis("x", "length", `length of an answer, ${unit}`, linearEnds(marks.map((mark) => mark.length), true), { log: false });
  x.encoding.axis.labelFlush = LABEL_FLUSH_PX;
  const y = axis("y", "value", scale.title, logEnds(marks.flatMap((mark) => [mark.value, mark.low, mark.high])));
  const tasks = distinct(content.cells.filter(isPromptedModel), (cell) => plain(cell.task, 40));
  const looks = looksOf("look", looksInTurn(tasks), tasks, null);
  const ink = THEMES.light.ink;
  const at = { x: x.encoding, y: y.encoding };
  return {
    id: "multi-lengths", title,
    signals: { ...x.signals, ...y.signals, panels_n: kinds.length },
    data: { marks },
    spec: {
      data: { name: "marks" }, ...facetsOf(size.width, columns), spacing: gap,
      spec: {
        ...size,
        layer: [
          { mark: { type: "rule", strokeWidth: 1, opacity: 0.55, aria: false }, encoding: { x: at.x, y: { ...at.y, field: "low" }, y2: { field: "high" }, stroke: looks.color } },
          { mark: { type: "point", size: 60, strokeWidth: 1.4, opacity: 1 }, encoding: { ...at, ...looks.marks, description: { field: "about" }, tooltip: { field: "about" } } },
          { mark: { type: "point", size: 220, stroke: ink, strokeWidth: 2, aria: false }, encoding: { ...at, opacity: { field: "pin", type: "quantitative", scale: null, legend: null } } },
        ],
      },
    },
    caption: [
      "A mark is a model on a dataset, at the mean length of its answers; its line is the 95 % interval of the measurement.",
      ...(unit === "words" ? ["Words are split at white space."] : []),
      ...scale.notes, provenanceSentence(shown), ...leftOut(prompted, scale), ...leftOutFor([
        [drawable(prompted).length - shown.length - others_n, "of unknown length of answers"],
        [others_n, `with lengths in another unit than ${unit}`],
      ]),
      "A click on a mark, or Enter, pins it.",
    ],
    click: (mark) => mark.id && togglePin(mark.id),
  };
}

function multiModelTable(content, prompted, scale) {
  const rows = overTasks(prompted);
  const isPrinted = rows.some((row) => isOfPaper(row)) && state.get("per") === "1000";
  const printed = new Map((content.printed["3"] ?? []).map((row) => [row.model, row]));
  const printedOf = (key) => (row) => (isOfPaper(row) ? printed.get(row.model)?.[key] ?? null : null);
  const columns = [
    { key: "model", heading: "model", text: true },
    { key: "kind", heading: "architecture", text: true },
    { key: "parameters_n", heading: "parameters", show: (row) => parameters(row.parameters_n) },
    { key: "datasets_n", heading: "datasets" },
    { key: "runs_n", heading: "runs" },
    ...amountColumns(scale).map((column) => (column.key === "amount" ? { ...column, heading: `mean ${column.heading}` } : column)),
    settingsColumn(rows),
    ...machineColumn(rows),
  ];
  if (isPrinted) {
    for (const [key, heading] of [["energy_kwh", "the paper prints, kWh"], ["carbon_g", "the paper prints, g CO₂e"]]) {
      const value = printedOf(key);
      columns.push({ key, name: `printed_${key}`, heading, value, show: (row) => (value(row) === null ? null : String(value(row))) });
    }
  }
  return {
    id: "multi-models", title: `Table 3: ${scale.noun} of multi-purpose models`, columns, rows, sort: ["amount", "up"],
    empty: `No row: ${NO_PROMPTED}.`,
    notes: [
      "Means over the datasets that pass the filters, each dataset counting once; a bound of the interval is the mean of theirs.",
      ...unknownLeftOut(rows, scale),
    ],
  };
}

/** Whether a point comes from the paper's own results. */
function isOfPaper(point) {
  return (point.cell ?? point.cells[0]).source.study === "luccioni2024";
}

function lengthTable(points) {
  const rows = points.filter((point) => point.cell.output_n !== null).map((point) => ({ ...point, input_n: point.cell.input_n, output_n: point.cell.output_n, unit: point.cell.output_unit }));
  const isWords = rows.some((row) => row.unit === "words");
  return {
    id: "multi-lengths", title: "Table 4: mean length of questions and answers", rows,
    empty: "No model that passes the filters has a known length of its answers.",
    columns: [
      { key: "model", heading: "model", text: true },
      { key: "task", heading: "task", text: true },
      { key: "set", name: "dataset", heading: "dataset", text: true },
      { key: "kind", heading: "kind of model", text: true },
      { key: "pin", heading: "compare", screen: true, show: pinButton },
      { key: "input_n", name: "asked_n", heading: "asked" },
      { key: "output_n", name: "answered_n", heading: "answered" },
      { key: "unit", heading: "unit", text: true },
    ],
    notes: isWords ? ["Words are split at white space; the paper calls its logged counts tokens."] : [],
  };
}
