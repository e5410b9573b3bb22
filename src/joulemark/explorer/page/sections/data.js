"use strict";
/* Data: every row there is, also those that failed or were never run. After Tables 1 and 6 of Luccioni et al. (2024). */

section({
  id: "data",
  title: "All rows",
  short: "Data",
  paper: "Tables 1 and 6",
  show({ content, points, scale }) {
    const cells = content.cells.filter((cell) => passes(cell));
    const amounts = new Map(points.map((point) => [point.cell, point]));
    const empty = content.cells.length ? "No cell passes the filters above." : `No cell: ${whyEmpty(content)}.`;
    return {
      sentence: dataSentence(content, cells),
      parts: [cellTable(content, cells, amounts, scale), taskTableOne(cells), modelTable(cells)].map((table) => ({ ...table, empty })),
      notes: [
        "Spread of runs: their standard deviation ÷ their mean, in the devices in use.",
        "The downloads have all rows that pass the filters and more columns than the screen: energies in joules per 1,000 queries, durations in seconds per query. What is not known is empty in CSV and null in JSON, never zero.",
        ...content.sources.filter(({ details }) => details).map((source) => `${plain(source.name, 60)}: ${plain(source.details, 300)}.`),
      ],
    };
  },
});

function dataSentence(content, cells) {
  if (!content.cells.length) return `These results have no cell yet: ${whyEmpty(content)}.`;
  if (!cells.length) return `None of ${count(content.cells.length, "cell")} passes the filters above.`;
  const measured = cells.filter((cell) => cell.runs_n > 0);
  const failed = cells.filter((cell) => !cell.runs_n && cell.failed_n > 0).length;
  const idle = cells.length - measured.length - failed;
  const runs = measured.reduce((sum, cell) => sum + cell.runs_n, 0);
  const queries = measured.reduce((sum, cell) => sum + cell.queries_n, 0);
  const without = [failed && `${count(failed, "cell")} only failed`, idle && `${count(idle, "cell")} without a run so far`].filter(Boolean);
  const rest = without.length ? `; ${joined(without)}` : "";
  return `${count(cells.length, "cell")} of ${count(distinct(cells, (cell) => cell.model).length, "model")} on ${count(distinct(cells, (cell) => cell.set).length, "dataset")}: ${count(runs, "run")} with ${count(queries, "query", "queries")}${rest}.${runs ? "" : ` ${sentenceOf(whyEmpty(content))}`}`;
}

/** Why there is nothing, in the words of the sources. */
function whyEmpty(content) {
  const notes = content.sources.flatMap((source) => source.notes.map((note) => plain(note, 300)));
  return notes.join("; ") || "joulemark run adds them";
}

/** Why no cell with runs is shown: the filters, or that nothing has been measured. */
function whyNothing(content) {
  const isMeasured = content.cells.some((cell) => cell.runs_n > 0);
  return isMeasured ? "No cell with runs passes the filters above." : `Nothing has been measured: ${whyEmpty(content)}.`;
}

const BOUNDARIES = ["device", "marginal", "host"];

function cellTable(content, cells, amounts, scale) {
  const rows = cells.map((cell) => ({ ...cell, cell, shares: sharesIn(cell), amount: amounts.get(cell)?.amount ?? null }));
  const several = (of) => distinct(cells, of).length > 1;
  const text = (key, heading, value, more = {}) => ({ key, heading, text: true, value, show: value, ...more });
  const extra = (key, value) => ({ key, hidden: true, value });
  const energies = BOUNDARIES.flatMap((boundary) => ["all", "measured"].flatMap((known) =>
    ["", "_low", "_high"].map((end, i) => extra(`${boundary}_${known}${end}_j`, (row) => row.energy[boundary][known]?.[i] ?? null))));
  const latency = (key) => ({ key, name: `latency_${key}_s`, heading: key, hidden: key !== "p95" || !cells.some((cell) => cell.latency_s), value: (row) => row.latency_s?.[key] ?? null, show: (row) => (row.latency_s ? show(row.latency_s[key], "s") : null) });
  return {
    id: "cells", title: "Cells: a model on a dataset, on a machine", rows,
    columns: [
      { key: "model", heading: "model", text: true },
      { key: "task", heading: "task", text: true },
      text("dataset", "dataset", (row) => row.set),
      text("source", "results", (row) => row.cell.source.name, { hidden: !several((cell) => cell.source) }),
      text("machine", "machine", (row) => row.cell.machine?.label ?? null, { hidden: !several((cell) => cell.machine) }),
      { key: "failure", heading: "failure", text: true, hidden: !cells.some((cell) => cell.failure) },
      ...amountColumns(scale),
      { key: "sd_j", heading: "spread of runs", value: (row) => row.spread?.sd_j ?? null, show: spreadText },
      text("shares", "known by", (row) => (row.shares ? sharesText(row.shares) : null)),
      { key: "duration_s", heading: "time per query", show: (row) => (row.duration_s === null ? null : show(row.duration_s, "s")) },
      ...["p50", "p95", "p99"].map(latency),
      { key: "quality", heading: "quality", show: (row) => (row.quality === null ? null : `${number(row.quality)} ${plain(row.metric, 20)}`) },
      { key: "parameters_n", heading: "parameters", show: (row) => parameters(row.parameters_n) },
      { key: "runs_n", heading: "runs" },
      { key: "failed_n", heading: "failed", hidden: !cells.some((cell) => cell.failed_n) },
      { key: "run", heading: "each run", screen: true, show: (row) => runLink(content, row.cell) },
      ...["kind", "modality", "metric", "split", "purpose", "weights", "queries_n", "scored_n", "quality_reason", "input_n", "output_n", "output_unit", "carbon_logged_g", "samples", "cell_id"].map((key) => extra(key)),
      ...energies,
      extra("host_all_at_least_j", (row) => row.energy.host.all_low ?? null),
      extra("spread_n", (row) => row.spread?.n ?? null),
      ...distinct(cells.flatMap((cell) => Object.keys(cell.by_component)), (part) => part).map((part) => extra(`${part}_j`, (row) => row.by_component[part] ?? null)),
      ...["counter", "sampled", "modelled", "assumed"].map((kind) => extra(`share_${kind}`, (row) => row.shares?.[kind] ?? null)),
      extra("reasons", (row) => row.reasons.join(", ") || null),
      extra("settings", (row) => settingsText(row) || null),
      extra("not_metered", (row) => row.missing.join(", ") || null),
      extra("not_in_use", (row) => row.unused.join(", ") || null),
      extra("other_metrics", (row) => Object.entries(row.others).map(([name, value]) => `${name} ${value}`).join(", ") || null),
      extra("phases", (row) => Object.entries(row.phases_s).map(([name, value]) => `${name} ${value} s`).join(", ") || null),
    ],
  };
}

/** How the runs of a cell scatter, as a share of their mean: both of the devices in use. */
function spreadText({ spread, energy }) {
  if (!isKnown(spread?.sd_j) || !(energy.device.all[0] > 0)) return null;
  return percent(spread.sd_j / energy.device.all[0]);
}

/** A link to the runs of a cell; none where only their means are known. */
function runLink(content, cell) {
  const [run] = cell.runs;
  if (!run) return null;
  const label = `Runs of ${plain(cell.model, 60)} on ${plain(cell.set, 40)}`;
  return h("a", { href: runAddress(content, run), "aria-label": label }, "runs");
}

const MULTI_PURPOSE = "multi-purpose";

/** Table 1: what was asked of how many models. */
function taskTableOne(cells) {
  const rows = [...grouped(cells, (cell) => cell.task)].map(([task, group]) => {
    const models = (isMulti) => distinct(group.filter((cell) => (cell.purpose === MULTI_PURPOSE) === isMulti), (cell) => cell.model).length;
    const sets = distinct(group, (cell) => cell.set);
    return {
      task, modality: group[0].modality, datasets: sets.join(", "), datasets_n: sets.length,
      models_n: models(false), multi_purpose_n: models(true),
      runs_n: group.reduce((sum, cell) => sum + cell.runs_n, 0),
    };
  });
  return {
    id: "table-1", title: "Table 1: tasks, datasets and models", rows,
    columns: [
      { key: "task", heading: "task", text: true },
      { key: "modality", heading: "modality", text: true },
      { key: "datasets", heading: "datasets", text: true },
      { key: "datasets_n", heading: "datasets" },
      { key: "models_n", heading: "models" },
      { key: "multi_purpose_n", name: "multi_purpose_models_n", heading: "multi-purpose" },
      { key: "runs_n", heading: "runs" },
    ],
  };
}

/** Table 6: the models, those for every task last. */
function modelTable(cells) {
  const groups = grouped(cells, (cell) => `${cell.purpose === MULTI_PURPOSE ? MULTI_PURPOSE : cell.task}\n${cell.model}`);
  const rows = [...groups.values()].map((group) => ({
    task: group[0].purpose === MULTI_PURPOSE ? MULTI_PURPOSE : group[0].task,
    model: group[0].model, model_name: group[0].model_name,
    kind: group[0].kind, parameters_n: group.find((cell) => cell.parameters_n)?.parameters_n ?? null,
    weights: distinct(group.map((cell) => cell.weights).filter(Boolean), (weights) => weights).join(", ") || null,
    datasets_n: distinct(group, (cell) => cell.set).length,
    runs_n: group.reduce((sum, cell) => sum + cell.runs_n, 0),
  }));
  rows.sort((a, b) => (a.task === MULTI_PURPOSE) - (b.task === MULTI_PURPOSE));
  return {
    id: "table-6", title: "Table 6: models", rows,
    columns: [
      { key: "task", heading: "task", text: true },
      { key: "model", heading: "model", text: true },
      { key: "kind", heading: "kind", text: true },
      { key: "parameters_n", heading: "parameters", show: (row) => parameters(row.parameters_n) },
      { key: "weights", heading: "weights", text: true },
      { key: "datasets_n", heading: "datasets" },
      { key: "runs_n", heading: "runs" },
    ],
  };
}
