"use strict";
/* Single queries: how what they take scatters, and what the energy of single ones goes along with. */

/** What a cell is in, of which each group has a line of its own. */
const QUERY_GROUPS = {
  model: (cell) => cell.model,
  machine: (cell) => cell.machine?.label ?? "",
  task: (cell) => cell.task,
};
/** What the energy of a query can stand against: a column of the queries, and its name. */
const QUERY_CAUSES = {
  duration: ["duration_s", "duration"],
  output: ["output_tokens_n", "tokens of the answer"],
};
Object.assign(CHOICES, { queries_by: Object.keys(QUERY_GROUPS), queries_against: Object.keys(QUERY_CAUSES) });

const LINE_BINS_MAX_N = 60;
/** More marks than this take longer to draw than a reader should wait; then a density is drawn. */
const QUERY_POINTS_MAX_N = 1000;

section({
  id: "queries",
  figures: ["queries", "queries-energy"],
  title: "Single queries",
  short: "Queries",
  defaults: { queries_by: "model", queries_against: "duration" },
  async show({ content, points, width }) {
    const controls = [
      { key: "queries_by", label: "A line for each", kind: "select", options: Object.keys(QUERY_GROUPS).map((name) => [name, name]) },
      { key: "queries_against", label: "Energy against", kind: "select", options: Object.entries(QUERY_CAUSES).map(([key, [, name]]) => [key, name]) },
    ];
    const queries = await loadQueries(content);
    const shown = points.map((point) => queries.cells.get(point.cell)).filter((one) => one?.n);
    const without = points.filter((point) => !queries.cells.get(point.cell)?.n);
    const why = shown.length ? "" : whyNoQueries(content, points);
    const unit = unitFor(median(shown.map((one) => one.p50)) ?? 1, "s");
    const groups = queryGroups(shown);
    return {
      sentence: why || querySentence(shown),
      controls,
      parts: [
        why ? nothingToDraw("queries", QUERY_TITLE, why) : latencyFigure(groups, unit, width),
        queryEnergyFigure(queries, groups, shown, unit, width),
        queryTable(content, shown, unit, why),
      ],
      notes: shown.length && without.length ? [`Without single queries: ${without.length} of ${count(points.length, "cell")}. ${whyNoQueries(content, without)}`] : [],
    };
  },
});

const QUERY_TITLE = "How long single queries take";

/** A figure that cannot be drawn, and why. */
function nothingToDraw(id, title, why) {
  return { id, title, data: {}, spec: {}, empty: why, caption: ["Nothing is drawn that is not known."] };
}

/** Why cells have no single queries here. */
function whyNoQueries(content, points) {
  if (!points.length) return `${whyNothing(content)} There are no single queries to show.`;
  const reasons = distinct(points, (point) => point.cell.source).map((source) =>
    `${plain(source.name, 60)}: ${plain(source.details ?? "no single queries were stored, or are left out", 300)}`);
  if (content.queries.why) reasons.push(content.queries.why);
  return `No single queries are known here. ${reasons.join("; ")}.`;
}

/** The lines to draw: groups of cells by the chosen name, the largest first; the smallest share the last line. */
function queryGroups(shown) {
  const by = state.get("queries_by");
  const groups = grouped(shown, (one) => QUERY_GROUPS[by](one.cell));
  const texts = textsApart([...groups.keys()], PLACE_CUTS);
  const named = [...groups].map(([key, cells]) => ({
    key, name: by === "model" ? cells[0].cell.model_name : texts.get(key) || NO_NAME, cells, isRest: false,
  }));
  const n = ({ cells }) => cells.reduce((sum, one) => sum + one.n, 0);
  named.sort((a, b) => n(b) - n(a) || a.name.localeCompare(b.name));
  if (named.length > LOOKS.length) {
    const rest = named.splice(LOOKS.length - 1);
    named.push({ name: `the other ${count(rest.length, by)}`, cells: rest.flatMap((group) => group.cells), isRest: true });
  }
  return named.map((group, i) => ({ ...group, slot: String(i), n: n(group), counts: summedCounts(group.cells.map((one) => one.counts)) }));
}

function querySentence(shown) {
  const n = shown.reduce((sum, one) => sum + one.n, 0);
  const all = `${count(n, "query", "queries")} of ${count(shown.length, "cell")}`;
  const tail = TAILS.find(([, , least]) => shown.some((one) => one.n >= least));
  if (!tail) return `${all}: too few in each to say what the slowest take.`;
  const [name, share, least] = tail;
  const slowest = `the slowest ${percent(share).replace(".0", "")}`;
  const enough = shown.filter((one) => one.n >= least).sort((a, b) => a[name] / a.p50 - b[name] / b.p50);
  const times = (one) => `${number(one[name] / one.p50)} times`;
  const cellName = ({ cell }) => `${cell.model_name} on ${plain(cell.set, 40)}`;
  if (enough.length === 1) {
    const [one] = enough;
    return `Of ${count(one.n, "query", "queries")} of ${cellName(one)}, ${slowest} take at least ${times(one)} the median: ${show(one[name], "s")} against ${show(one.p50, "s")}.`;
  }
  const [first, last] = [enough[0], enough.at(-1)];
  const middle = number(median(enough.map((one) => one[name] / one.p50)));
  return `Of ${all}, ${slowest} take at least ${middle} times the median of their cell in the middle of the cells: from ${times(first)} (${cellName(first)}) to ${times(last)} (${cellName(last)}).`;
}

/** Steps over bins of equal width on a logarithmic axis, a line a group, with its median and its slowest marked. */
function latencyFigure(groups, [symbol, size], width) {
  const all = summedCounts(groups.map((group) => group.counts));
  const n = groups.reduce((sum, group) => sum + group.n, 0);
  const binsN = Math.min(LINE_BINS_MAX_N, Math.max(8, Math.round(4 * Math.cbrt(n))));
  const fineN = Math.max(1, Math.ceil(all.n.length / binsN));
  const edge = (bin) => Math.exp((all.low + bin * fineN) * FINE_STEP) / size;
  const steps = [];
  const marks = [];
  for (const group of groups) {
    const shares = new Float64Array(Math.ceil(all.n.length / fineN));
    group.counts.n.forEach((one, i) => (shares[Math.floor((group.counts.low + i - all.low) / fineN)] += (100 * one) / group.n));
    const [start, last] = [shares.findIndex((share) => share > 0), shares.findLastIndex((share) => share > 0)];
    const step = (bin, share) => steps.push({ slot: group.slot, dash: DASHES[group.slot], t: edge(bin), share });
    step(start, 0);
    for (let bin = start; bin <= last; bin += 1) step(bin, shares[bin]);
    step(last + 1, 0);
    const [only] = group.cells;
    for (const [name, share, text, inside, least] of LATENCY_MARKS) {
      if (group.n < least) continue;
      const value = group.cells.length === 1 ? only[name] : quantileOfCounts(group.counts, share);
      const bin = Math.min(last, Math.max(0, Math.floor((Math.log(value) / FINE_STEP - all.low) / fineN)));
      marks.push({
        slot: group.slot, t: value / size, share: shares[bin], inside, size: inside ? 80 : 36,
        model: state.get("queries_by") === "model" && !group.isRest ? group.key : null,
        about: `${group.name}: ${text} of ${count(group.n, "query", "queries")} took longer than ${show(value, "s")}`,
      });
    }
  }
  const x = axis("x", "t", `time of a query, ${symbol}`, logEnds(steps.map((step) => step.t), width < 560 ? 4 : 8));
  const y = axis("y", "share", "share of the queries in a bin, %", linearEnds(steps.map((step) => step.share), true), { log: false });
  const looks = looksBySlot(groups.map((group) => group.name), width);
  const rest = groups.find((group) => group.isRest);
  return {
    id: "queries", title: QUERY_TITLE,
    signals: { ...x.signals, ...y.signals, ...looks.signals },
    data: { steps, marks },
    spec: {
      width: width - 10, height: 320,
      layer: [
        { data: { name: "steps" }, mark: { type: "line", interpolate: "step-after", strokeWidth: 1.6, aria: false }, encoding: { x: x.encoding, y: y.encoding, stroke: looks.color, strokeDash: { field: "dash", type: "nominal", scale: null, legend: null } } },
        { data: { name: "marks" }, mark: { type: "point", strokeWidth: 1.6 }, encoding: { x: x.encoding, y: y.encoding, ...looks.marks, size: { field: "size", type: "quantitative", scale: null, legend: null }, description: { field: "about" }, tooltip: { field: "about" } } },
      ],
    },
    caption: [
      `A line is the share of a ${state.get("queries_by")}'s queries in each bin; bins are ${percent(Math.expm1(fineN * FINE_STEP))} wide. Full mark: the median; hollow ones: what the slowest 5 % and 1 % take at least, where there are enough queries.`,
      ...(rest ? [`The last line joins ${rest.name}.`] : []),
      "All repetitions are in it, each with its first queries.",
    ],
  };
}

/** The quantiles that are marked, in words, with how full the mark is and how many queries each needs. */
const LATENCY_MARKS = [["p50", 0.5, "half", 0.85, 1], ["p95", 0.95, "5 %", 0, 20], ["p99", 0.99, "1 %", 0, 100]];

/* ---- energy of single queries */

function queryEnergyFigure(queries, groups, shown, timeUnit, width) {
  const [column, name] = QUERY_CAUSES[state.get("queries_against")];
  const title = `Energy of a query against its ${name}`;
  const id = "queries-energy";
  const known = shown.filter((one) => one.energy_n);
  if (!known.length) return nothingToDraw(id, title, `The energy of single queries is not known here${shown.length ? "" : ", since there are none"}. It is where counters alone give the energy of the devices in use: they are read between queries. Gauges, models and assumptions say nothing of a single query.`);
  const causes = known.filter((one) => one.ends[column]);
  if (!causes.length) return nothingToDraw(id, title, `The ${name} of these queries are not known.`);
  const energy = unitFor(median(known.map((one) => one.energy_j)), state.get("unit"));
  const cause = column === "duration_s" ? timeUnit : ["", 1];
  const frame = {
    id, title, width, column, name,
    ends: { x: joinedEnds(causes, column), y: joinedEnds(causes, "energy_j") },
    xTitle: cause[0] ? `${name} of a query, ${cause[0]}` : `${name}, number`, yTitle: `energy of a query, ${energy[0]}`,
    size: { x: cause[1], y: energy[1] }, units: { x: cause[0] || "tokens", y: energy[0] },
  };
  const n = causes.reduce((sum, one) => sum + one.energy_n, 0);
  const drawn = n <= QUERY_POINTS_MAX_N ? queryPoints(queries, groups, causes, frame) : queryDensity(queries, causes, frame);
  const methods = distinct(causes.flatMap((one) => one.runs), (run) => run.per_query).filter(Boolean);
  const unknown = shown.reduce((sum, one) => sum + one.n, 0) - drawn.n;
  return {
    ...drawn.figure,
    caption: [
      ...drawn.figure.caption,
      `Energy of the devices in use, whatever boundary is chosen above, known by ${methods.map((method) => ownOf(QUERY_METHODS, method) ?? plain(method, 40)).join("; or by ") || "what was stored"}; its interval for a single query is in the results, not in this page.`,
      ...(unknown ? [`Left out: ${whole(unknown)} queries of unknown energy or ${name}, or of none.`] : []),
    ],
  };
}

const QUERY_METHODS = {
  counter: "counters that were read around each query",
  regression: "what counters said of several queries together, shared out by time and tokens",
};

function joinedEnds(cells, column) {
  const ends = cells.map((one) => one.ends[column]).filter(Boolean);
  return extremesOf(ends.flat());
}

/** Every query whose energy and cause are known: `take` gets its place in the columns. */
function eachKnown(queries, cells, column, take) {
  const [x, y] = [queries.columns[column].bins, queries.columns.energy_j.bins];
  for (const { runs } of cells) {
    for (const { queries: { first, n } } of runs) {
      for (let i = first; i < first + n; i += 1) if (x[i] !== UNKNOWN_BIN && y[i] !== UNKNOWN_BIN) take(i, x[i], y[i]);
    }
  }
}

function queryAxes(frame) {
  const narrow = frame.width < 560;
  const ends = (which) => frame.ends[which].map((bin, i) => Math.exp((bin + i) * FINE_STEP) / frame.size[which]);
  return {
    x: axis("x", "x", frame.xTitle, logEnds(ends("x"), narrow ? 4 : 8)),
    y: axis("y", "y", frame.yTitle, logEnds(ends("y"), 7)),
  };
}

/** A mark a query. */
function queryPoints(queries, groups, causes, frame) {
  const [x, y] = [queries.columns[frame.column].values, queries.columns.energy_j.values];
  const marks = [];
  for (const group of groups) {
    eachKnown(queries, group.cells.filter((one) => causes.includes(one)), frame.column, (i) => {
      const [cause, joules] = [x[i] / frame.size.x, y[i] / frame.size.y];
      marks.push({ slot: group.slot, x: cause, y: joules, inside: 0.3, about: `${group.name}: ${number(cause)} ${frame.units.x}, ${number(joules)} ${frame.units.y}` });
    });
  }
  const axes = queryAxes(frame);
  const looks = looksBySlot(groups.map((group) => group.name), frame.width);
  const encoding = { x: axes.x.encoding, y: axes.y.encoding, ...looks.marks, description: { field: "about" }, tooltip: { field: "about" } };
  return {
    n: marks.length,
    figure: {
      id: frame.id, title: frame.title,
      signals: { ...axes.x.signals, ...axes.y.signals, ...looks.signals }, data: { marks },
      spec: { width: frame.width - 10, height: 320, layer: [{ data: { name: "marks" }, mark: { type: "point", size: 24, strokeWidth: 1 }, encoding }] },
      caption: ["A mark is a query."],
    },
  };
}

/** Shades for few and many queries, on either paper. */
const DENSITY_SHADES = { light: ["#d6e6f4", "#0b3c6f"], dark: ["#173a5e", "#cfe6ff"] };

/** Fields with the number of queries in each, since so many marks would hide one another. */
function queryDensity(queries, causes, frame) {
  const most = { x: frame.width < 560 ? 22 : 44, y: 28 };
  const span = (which) => frame.ends[which][1] - frame.ends[which][0] + 1;
  const fine = { x: Math.max(1, Math.ceil(span("x") / most.x)), y: Math.max(1, Math.ceil(span("y") / most.y)) };
  const columnsN = Math.ceil(span("x") / fine.x);
  const counts = new Uint32Array(columnsN * Math.ceil(span("y") / fine.y));
  const [lowX, lowY] = [frame.ends.x[0], frame.ends.y[0]];
  let n = 0;
  eachKnown(queries, causes, frame.column, (_, x, y) => {
    counts[(((y - lowY) / fine.y) | 0) * columnsN + (((x - lowX) / fine.x) | 0)] += 1;
    n += 1;
  });
  const edge = (which, place) => Math.exp((frame.ends[which][0] + place * fine[which]) * FINE_STEP) / frame.size[which];
  const fields = [];
  counts.forEach((found, place) => {
    if (!found) return;
    const [column, row] = [place % columnsN, Math.floor(place / columnsN)];
    const [x, x2, y, y2] = [edge("x", column), edge("x", column + 1), edge("y", row), edge("y", row + 1)];
    const range = (low, high, unit) => `${number(low)} to ${number(high)} ${unit}`;
    fields.push({ x, x2, y, y2, n: found, about: `${count(found, "query", "queries")} of ${range(x, x2, frame.units.x)} and ${range(y, y2, frame.units.y)}` });
  });
  const greatest = fields.reduce((sum, field) => Math.max(sum, field.n), 2);
  const axes = queryAxes(frame);
  const shades = logEnds([1, greatest], 4).ticks.filter((tick) => tick >= 1 && tick <= greatest);
  const color = {
    field: "n", type: "quantitative",
    scale: { type: "log", domain: [1, { expr: "most_n" }], range: DENSITY_SHADES[theme()], nice: false },
    legend: { title: "queries in a field", values: { expr: "shades" }, format: ",d", gradientLength: 180 },
  };
  return {
    n,
    figure: {
      id: frame.id, title: frame.title,
      signals: { ...axes.x.signals, ...axes.y.signals, most_n: greatest, shades }, data: { fields },
      spec: {
        width: frame.width - 10, height: 320,
        layer: [{
          data: { name: "fields" }, mark: { type: "rect" },
          encoding: { x: axes.x.encoding, x2: { field: "x2" }, y: axes.y.encoding, y2: { field: "y2" }, fill: color, description: { field: "about" }, tooltip: { field: "about" } },
        }],
      },
      caption: [`The shade of a field is the number of queries in it; ${whole(n)} queries are too many for a mark each. Fields are ${percent(Math.expm1(fine.x * FINE_STEP))} by ${percent(Math.expm1(fine.y * FINE_STEP))} wide.`],
    },
  };
}

function queryTable(content, shown, [symbol, size], why) {
  const energy = unitFor(median(shown.filter((one) => one.energy_n).map((one) => one.energy_j)) ?? 0, state.get("unit"));
  const rows = shown.map((one) => ({
    ...one, model: one.cell.model, model_name: one.cell.model_name, task: one.cell.task, set: one.cell.set,
    machine: one.cell.machine?.label ?? "", source: one.cell.source.name,
    p95: one.n < 20 ? null : one.p95, p99: one.n < 100 ? null : one.p99,
    output_n: one.cell.output_n, method: distinct(one.runs, (run) => run.per_query).filter(Boolean).join(", "),
  }));
  const hasEnergy = rows.some((row) => row.energy_n);
  const time = (key, heading, name) => ({ key, name, heading: `${heading}, ${symbol}`, show: (row) => number(row[key] === null ? null : row[key] / size) });
  return {
    id: "queries", title: "Time and energy of single queries", rows, empty: why && "No single queries: see above.", sort: ["p50", "up"],
    columns: [
      { key: "model", heading: "model", text: true },
      { key: "task", heading: "task", text: true },
      { key: "set", heading: "dataset", text: true },
      { key: "machine", heading: "machine", text: true, hidden: content.machines.length < 2 },
      { key: "source", heading: "results", text: true, hidden: content.sources.length < 2 },
      { key: "n", name: "queries_n", heading: "queries", show: (row) => whole(row.n) },
      { key: "runs", heading: "runs", screen: true, show: (row) => h("a", { href: runAddress(content, row.runs[0]), "aria-label": `Runs of ${plain(row.model, 60)} on ${plain(row.set, 40)}` }, count(row.runs.length, "run")) },
      time("mean_s", "mean", "mean_s"), time("p50", "median", "median_s"),
      time("p95", "slowest 5 %", "p95_s"), time("p99", "slowest 1 %", "p99_s"),
      { key: "ratio", name: "p99_to_median", heading: "slowest 1 % ÷ median", value: (row) => (row.p99 === null ? null : row.p99 / row.p50), show: (row) => (row.p99 === null ? null : number(row.p99 / row.p50)) },
      { key: "output_n", name: "output_tokens_mean_n", heading: "tokens of an answer", hidden: rows.every((row) => row.output_n === null), show: (row) => number(row.output_n) },
      { key: "energy_j", name: "energy_mean_j", heading: `energy, ${energy[0]}`, hidden: !hasEnergy, show: (row) => number(row.energy_j === null ? null : row.energy_j / energy[1]) },
      { key: "method", name: "energy_known_by", heading: "energy known by", text: true, hidden: !hasEnergy },
    ],
    notes: ["Slowest 5 % and 1 %: what they take at least; given from 20 and 100 queries on. Energy: mean of a query in the devices in use, where it is known."],
  };
}
