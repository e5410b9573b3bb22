"use strict";
/* One run: the reason to believe a number. Its power over time, its repetitions, its queries, and all that stood around it. */

section({
  id: "run",
  figures: ["run-trace", "run-repeats", "run-queries", "run-queries-power"],
  title: "A run",
  short: "Run",
  defaults: { run: "" },
  async show({ content, points, width }) {
    const cells = content.cells.filter((cell) => cell.runs.length && passes(cell));
    const { run, note } = chosenRun(content, cells);
    if (!run) return noRun(content, points);
    const repeats = [...run.cell.runs].sort((a, b) => String(a.started_at).localeCompare(String(b.started_at)) || a.order_i - b.order_i);
    const grid = chosenGrid(content);
    const amounts = new Map(repeats.map((one) => [one, amountOf(cellOfRun(one), grid)]));
    const ofCell = amountOf(run.cell, grid);
    const scale = scaleOf([{ amount: ofCell }, ...repeats.map((one) => ({ amount: amounts.get(one) }))]);
    const queries = run.queries ? await loadQueries(content) : null;
    return {
      sentence: runSentence(run, repeats, amounts, scale),
      controls: runControls(content, cells, run, repeats),
      parts: [
        traceFigure(run, width), channelTable(run),
        repeatFigure(content, run, repeats, amounts, ofCell, scale, width), repeatTable(content, run, repeats, amounts, scale),
        weaknessTable(content, run), runFindingTable(content, run.cell), factTable(content, run), phaseTable(run),
        ...queryParts(content, run, queries, width),
      ].filter(Boolean),
      notes: [note, run.cell.source.details && `${plain(run.cell.source.name, 60)}: ${plain(run.cell.source.details, 300)}.`].filter(Boolean),
    };
  },
});

/* ---- which run */

/** A run's name in an address: its id, with its cell where results of several machines or folders share the id. */
function runName(content, run) {
  content.run_names ??= grouped(content.runs, (one) => one.id);
  return content.run_names.get(run.id).length > 1 ? `${run.id}~${run.cell.id}` : run.id;
}

/** The address of a run's page. */
function runAddress(content, run) {
  return state.address({ run: runName(content, run) }, "run");
}

/** The run that is asked for, else the first that passes the bar; a note where these are not the same. */
function chosenRun(content, cells) {
  const wanted = state.get("run");
  const [id, cellId] = wanted.split("~");
  const named = content.runs.filter((run) => run.id === id);
  const found = named.find((run) => run.cell.id === cellId) ?? named.find((run) => cells.includes(run.cell)) ?? named[0];
  if (found) return { run: found, note: cells.includes(found.cell) ? "" : "The filters above leave the cell of this run out." };
  const note = wanted ? `No run here is called ${plain(wanted, 60)}: this is the first that passes the filters.` : "";
  return { run: cells[0]?.runs[0] ?? null, note };
}

/** No single run to show: why, and what is known of the cells instead. */
function noRun(content, points) {
  const sources = distinct(points, (point) => point.cell.source);
  const reasons = sources.map((source) => `${plain(source.name, 60)}: ${plain(source.details ?? "no run is stored", 300)}`);
  const why = points.length ? `No single run is in this page for what passes the filters. ${reasons.join("; ")}.` : `${whyNothing(content)} There is no run to show.`;
  const rows = points.filter((point) => point.cell.spread).map((point) => ({ ...point, ...point.cell.spread }));
  const unit = unitFor(median(rows.map((row) => row.least_j)) ?? 0, state.get("unit"));
  return {
    sentence: why,
    controls: [],
    parts: [
      nothingToDraw("run-trace", TRACE_TITLE, why),
      {
        id: "run-cells", title: "What is known of the repetitions", rows, empty: why, sort: ["model", "up"],
        columns: [
          ...nameColumns(),
          { key: "n", name: "runs_n", heading: "runs", show: (row) => whole(row.n) },
          ...[["least_j", "least"], ["greatest_j", "greatest"], ["sd_j", "standard deviation"]].map(([key, heading]) => joules(key, heading, unit)),
        ],
        notes: ["Energy per 1,000 queries in the devices in use: the least and the greatest of the repetitions, and how they scatter."],
      },
    ],
  };
}

function nameColumns() {
  return [["model", "model"], ["task", "task"], ["set", "dataset"]].map(([key, heading]) => ({ key, heading, text: true }));
}

/** A column of joules, shown in a unit. */
function joules(key, heading, [symbol, size]) {
  return { key, heading: `${heading}, ${symbol}`, show: (row) => number(isKnown(row[key]) ? row[key] / size : null) };
}

/** Both fields hold the key of the run: one leads to another cell, the other to another repetition. */
function runControls(content, cells, run, repeats) {
  const value = (one) => (one === run ? state.get("run") : runName(content, one));
  const listed = cells.includes(run.cell) ? cells : [run.cell, ...cells];
  const text = cellTexts(content, listed);
  return [
    { key: "run", label: "Model, dataset, task", kind: "select", options: listed.map((cell) => [value(cell === run.cell ? run : cell.runs[0]), text(cell)]) },
    { key: "run", label: "Repetition", kind: "select", options: repeats.map((one, i) => [value(one), `${i + 1} of ${repeats.length}, ${when(one.started_at)}${one.failure ? ", failed" : ""}`]) },
  ];
}

/** What each of `cells` is, as a function of the cell; where several are alike, with the settings in which they differ. */
function cellTexts(content, cells) {
  const parts = (cell) => [
    `${cell.model_name} on ${plain(cell.set, 24)}`, plain(cell.task, 24),
    ...(content.machines.length > 1 && cell.machine ? [plain(cell.machine.label, 24)] : []),
    ...(content.sources.length > 1 ? [plain(cell.source.name, 20)] : []),
  ].join(", ");
  const alike = grouped(cells, parts);
  return (cell) => {
    const text = parts(cell);
    const differing = differingSettings(alike.get(text));
    return [text, settingsText(cell, differing) || (differing.length ? "default settings" : "")].filter(Boolean).join(", ");
  };
}

/* ---- the sentence */

const MEASURED_BY = ["counter", "sampled"];

/** The channels whose energies add up to that of the devices in use: not what meters the whole machine. */
function ownChannels(run) {
  return run.channels.filter((channel) => channel.in_use && channel.part_of === null && channel.component !== "system");
}

/** A cell with the energies of one of its runs in their place, so that it can be asked like a cell. */
function cellOfRun(run) {
  return { ...run.cell, energy: run.energy, carbon_logged_g: null };
}

function runSentence(run, repeats, amounts, scale) {
  const { cell } = run;
  const place = repeats.indexOf(run) + 1;
  const name = `${plain(cell.model, 60)} on ${plain(cell.set, 60)}, repetition ${place} of ${repeats.length}`;
  if (run.failure) return `${name} failed (${plain(run.failure.phase, 30)}): ${plain(run.failure.kind, 60)}: ${plain(run.failure.message, 300)}. It has no energy.`;
  const amount = amounts.get(run);
  const range = scale.range(amount);
  const found = amount
    ? `${scale.show(amount)}${range === UNKNOWN ? "" : ` (${scale.level}: ${range})`} per ${scale.per}: ${name}.`
    : `${name}: its ${scale.noun} is not known${whyUnknown()}.`;
  const codes = reasonsOf(run).map(({ code }) => code);
  const named = codes.slice(0, 3).map((code) => page.content.reasons[code]?.meaning ?? code);
  const more = codes.length > 3 ? `; and ${codes.length - 3} more, below` : "";
  const weak = codes.length ? `What weakens it: ${named.map((one) => plain(one, 160)).join("; ")}${more}.` : "Nothing that would weaken it was noted.";
  return [found, provenanceOfRun(run), weak].filter(Boolean).join(" ");
}

/** How the energy of a run is known, by shares; those of other boundaries than the devices in use are the cell's. */
function provenanceOfRun(run) {
  if (state.get("known") === "measured") return "Only energy that hardware counted or sampled is in this number.";
  if (state.get("boundary") !== "device") {
    const shares = sharesIn(run.cell);
    return shares ? `How it is known, over all repetitions: ${sharesText(shares)}.` : "";
  }
  const own = ownChannels(run);
  const energies = own.filter((channel) => isKnown(channel.energy_j));
  const all = energies.reduce((sum, channel) => sum + channel.energy_j, 0);
  if (!own.length || !(all > 0)) return "";
  const shares = [...grouped(energies, (channel) => channel.provenance)].map(([kind, group]) => [kind, group.reduce((sum, one) => sum + one.energy_j, 0) / all]);
  const unknown = own.length - energies.length;
  return `How it is known: ${sharesText(Object.fromEntries(shares))}${unknown ? `; ${count(unknown, "channel")} not known` : ""}.`;
}

/* ---- power over time */

const TRACE_TITLE = "Power over time";
/** The windows of a run, with what part of the drawing each gets; between them nothing was measured. */
const WINDOWS = [["before", "idle before", 0.2], ["queries", "queries", 0.6], ["after", "idle after", 0.2]];

/** In which window a step lies: the queries begin at 0. */
function windowOf([, start, duration], run) {
  const middle = start + duration / 2;
  if (middle < 0) return "before";
  return middle > run.duration_s ? "after" : "queries";
}

function traceFigure(run, width) {
  const id = "run-trace";
  if (run.failure) return nothingToDraw(id, TRACE_TITLE, `Nothing to draw: the run failed (${plain(run.failure.phase, 30)}).`);
  if (!run.trace) return nothingToDraw(id, TRACE_TITLE, "Nothing to draw: no power over time is known of this run, or its trace is left out so that the page stays small.");
  const byName = new Map(run.channels.map((channel) => [channel.name, channel]));
  const energyOf = (name) => (byName.get(name)?.in_use ? 1e12 : 0) + (byName.get(name)?.energy_j ?? 0);
  const order = run.trace.channels.map((name, i) => ({ name, i })).sort((a, b) => energyOf(b.name) - energyOf(a.name));
  const shown = order.slice(0, LOOKS.length);
  const slots = new Map(shown.map(({ i }, slot) => [i, String(slot)]));
  const steps = run.trace.steps.filter(([channel]) => slots.has(channel));
  const data = { levels: [] };
  const signals = {};
  const there = WINDOWS.filter(([name]) => steps.some((step) => windowOf(step, run) === name));
  for (const [name, label] of there) {
    const inside = steps.filter((step) => windowOf(step, run) === name);
    data[name] = [];
    data[`${name}_marks`] = [];
    for (const [channel, group] of grouped(inside, ([one]) => one)) {
      const slot = slots.get(channel);
      for (const [, start, , power] of group) data[name].push({ slot, t: start, w: power });
      const [, start, duration, power] = group.at(-1);
      data[name].push({ slot, t: start + duration, w: power });
      data[`${name}_marks`].push(windowMark(slot, group, run.trace.channels[channel], label, byName));
    }
    const ends = linearEnds(data[name].map(({ t }) => t));
    const panel = axis(name, "t", name === "queries" ? "s since the queries began" : "s", { ...ends, ticks: name === "queries" ? ends.ticks : [ends.ticks[0], ...ends.ticks.slice(1).slice(-1)] }, { log: false });
    Object.assign(signals, panel.signals);
  }
  for (const { name, i } of shown) {
    const idle = [byName.get(name)?.idle_before_w, byName.get(name)?.idle_after_w].filter(isKnown);
    if (idle.length) data.levels.push({ slot: slots.get(i), w: mean(idle) });
  }
  const y = axis("w", "w", "power, W", linearEnds(there.flatMap(([name]) => data[name].map(({ w }) => w)), true), { log: false });
  const looks = looksBySlot(shown.map(({ name }) => plain(name, 28)), width);
  const parts = there.reduce((sum, [, , share]) => sum + share, 0);
  const room = width - 96 - 14 * (there.length - 1);
  const panels = there.map(([name, label, share], i) => tracePanel(name, label, y, looks, i === 0, Math.floor((room * share) / parts), signals));
  const single = there.every(([name]) => data[name].length === 2 * shown.length);
  return {
    id, title: TRACE_TITLE,
    signals: { ...signals, ...y.signals, ...looks.signals },
    data,
    spec: { hconcat: panels, spacing: 14 },
    caption: [
      `${there.length > 1 ? "Left and right the idle machine, shaded, in the middle the queries; times between are not drawn, and each part has its own scale of time. " : ""}Dashed: the mean of the idle powers of a channel. A mark is its mean over the window: full where it was measured by a counter or gauge, hollow where it is modelled or assumed.`,
      single ? "One step a window is all there is: what the sensor gives is no finer, or the power is modelled." : "Steps are what the sensors gave; many are joined to fewer, at their mean.",
      ...(order.length > shown.length ? [`Left out: ${count(order.length - shown.length, "channel")} of the least energy, or not in use.`] : []),
    ],
  };
}

/** The mean of a channel over a window, in the middle of it. */
function windowMark(slot, group, name, label, byName) {
  const [start, end] = [group[0][1], group.at(-1)[1] + group.at(-1)[2]];
  const seconds = group.reduce((sum, [, , duration]) => sum + duration, 0);
  const power = group.reduce((sum, [, , duration, w]) => sum + duration * w, 0) / seconds;
  const channel = byName.get(name);
  return {
    slot, t: (start + end) / 2, w: power, inside: MEASURED_BY.includes(channel?.provenance) ? 0.85 : 0,
    about: `${plain(name, 40)}, ${label}: ${show(power, "W")} in the mean of ${show(seconds, "s")}${channel ? `; ${channel.provenance}${channel.in_use ? "" : ", not in use"}` : ""}`,
  };
}

function tracePanel(name, label, y, looks, isFirst, width, signals) {
  const ends = { low: signals[`${name}_low`], high: signals[`${name}_high`], ticks: signals[`${name}_ticks`] };
  const x = axis(name, "t", name === "queries" ? "s since the queries began" : "s", ends, { log: false }).encoding;
  const side = isFirst ? y.encoding : { ...y.encoding, axis: { ...y.encoding.axis, title: null, labels: false, ticks: false, domain: false } };
  const { soft, grid } = THEMES.light;
  const level = { data: { name: "levels" }, mark: { type: "rule", strokeDash: [3, 4], strokeWidth: 1, aria: false }, encoding: { y: side, stroke: looks.color } };
  return {
    title: { text: label, anchor: "middle", fontSize: 12, fontWeight: "normal", color: soft },
    width, height: 240,
    view: name === "queries" ? {} : { fill: grid, fillOpacity: 0.5 },
    layer: [
      ...(name === "queries" ? [level] : []),
      { data: { name }, mark: { type: "line", interpolate: "step-after", strokeWidth: 1.6, aria: false }, encoding: { x, y: side, stroke: looks.color } },
      { data: { name: `${name}_marks` }, mark: { type: "point", size: 60, strokeWidth: 1.6 }, encoding: { x, y: side, ...looks.marks, description: { field: "about" }, tooltip: { field: "about" } } },
    ],
  };
}

function channelTable(run) {
  const unit = unitFor(median(run.channels.map((channel) => channel.energy_j).filter(isKnown)) ?? 0, state.get("unit"));
  const watts = (key, heading) => ({ key, heading: `${heading}, W`, show: (row) => number(row[key]) });
  const rows = run.channels.map((channel) => ({ ...channel, reasons: channel.reasons.join(", "), use: channel.in_use ? "yes" : "no", mean_w: isKnown(channel.energy_j) && run.duration_s > 0 ? channel.energy_j / run.duration_s : null }));
  return {
    id: "run-channels", title: "Channels", rows, empty: "Nothing was metered: the run failed before its queries ended.",
    columns: [
      { key: "name", heading: "channel", text: true },
      { key: "component", heading: "of", text: true },
      { key: "provenance", heading: "known by", text: true },
      joules("energy_j", "energy", unit), joules("low_j", "at least", unit), joules("high_j", "at most", unit),
      watts("mean_w", "power"), watts("idle_before_w", "idle before"), watts("idle_after_w", "idle after"),
      { key: "use", name: "in_use", heading: "in use", text: true },
      { key: "part_of", heading: "part of", text: true, hidden: run.channels.every((channel) => channel.part_of === null) },
      { key: "reasons", heading: "weakened by", text: true },
    ],
    notes: ["Energy of all queries of this run, with its 95 % interval by the sensor's error; of a channel that is not in use nothing counts."],
  };
}

/* ---- the repetitions */

const REPEATS_MAX_N = 200;

function repeatFigure(content, run, repeats, amounts, ofCell, scale, width) {
  const id = "run-repeats";
  const title = `Repetitions: ${scale.noun} in the order of measurement`;
  const first = Math.max(0, Math.min(repeats.indexOf(run), repeats.length - REPEATS_MAX_N));
  const shown = repeats.slice(first, first + REPEATS_MAX_N);
  const fill = fillOf(sharesIn(run.cell));
  const marks = shown.filter((one) => amounts.get(one)).map((one) => {
    const [value, low, high] = scale.of(amounts.get(one));
    const place = repeats.indexOf(one) + 1;
    const range = scale.range(amounts.get(one));
    return {
      place: String(place), run_i: one.i, value, low: low ?? value, high: high ?? value, inside: FILLS[fill],
      stroke: one === run ? 3 : 1.4, size: one === run ? 150 : 60,
      about: `repetition ${place}, ${when(one.started_at)}: ${scale.show(amounts.get(one))}${range === UNKNOWN ? "" : ` (${scale.level}: ${range})`}${one === run ? "; this run" : ""}`,
    };
  });
  if (!marks.length) return nothingToDraw(id, title, `Nothing to draw: no repetition has a known ${scale.noun}${whyUnknown()}.`);
  const middle = scale.of(ofCell);
  const band = middle ? [{ value: middle[0], low: middle[1] ?? middle[0], high: middle[2] ?? middle[0] }] : [];
  const y = axis("y", "value", scale.title, linearEnds([...marks, ...band].flatMap((mark) => [mark.value, mark.low, mark.high])), { log: false });
  const { ink, line } = THEMES.light;
  const x = { field: "place", type: "ordinal", title: "repetition", sort: null, axis: { labelAngle: 0, labelOverlap: "greedy" } };
  const colour = KINDS[run.cell.kind]?.[0] ?? LOOKS[0][0];
  const failed = shown.filter((one) => one.failure).length;
  const unknown = shown.length - failed - marks.length;
  return {
    id, title, signals: y.signals, data: { marks, band },
    spec: {
      width: width - 10, height: 240,
      layer: [
        { data: { name: "band" }, mark: { type: "rect", fill: line, opacity: 0.25, aria: false }, encoding: { y: { ...y.encoding, field: "low" }, y2: { field: "high" } } },
        { data: { name: "band" }, mark: { type: "rule", stroke: ink, strokeWidth: 1.4, aria: false }, encoding: { y: y.encoding } },
        { data: { name: "marks" }, mark: { type: "rule", stroke: colour, strokeWidth: 1.2, aria: false }, encoding: { x, y: { ...y.encoding, field: "low" }, y2: { field: "high" } } },
        {
          data: { name: "marks" }, mark: { type: "point", shape: "circle", stroke: colour, fill: colour },
          encoding: {
            x, y: y.encoding, fillOpacity: FILL_OPACITY,
            strokeWidth: { field: "stroke", type: "quantitative", scale: null, legend: null }, size: { field: "size", type: "quantitative", scale: null, legend: null },
            description: { field: "about" }, tooltip: { field: "about" },
          },
        },
      ],
    },
    caption: [
      `A mark is a repetition, its line the 95 % interval of the sensors; the largest is this run.${band.length ? " Across: the mean of the cell, and as a band its 95 % interval by repetitions and sensors." : ""}`,
      ...scale.notes, ...(repeats.length > shown.length ? [`Shown are ${shown.length} of ${repeats.length}.`] : []),
      ...(failed ? [`Left out: ${failed} that failed.`] : []), ...(unknown ? [`Left out: ${unknown} of unknown ${scale.noun}${whyUnknown()}.`] : []),
      "A click on a mark, or Enter, shows its run.",
    ],
    click: (mark) => mark.run_i !== undefined && state.set({ run: runName(content, content.runs[mark.run_i]) }),
  };
}

function repeatTable(content, run, repeats, amounts, scale) {
  const rows = repeats.map((one, i) => ({
    run: one, place: i + 1, started_at: one.started_at, amount: amounts.get(one), duration_s: one.duration_s, quality: one.quality,
    reasons: one.failure ? `failed: ${one.failure.kind}` : reasonsOf(one).map(({ code }) => code).join(", "), class: one === run ? "pinned" : null,
  }));
  return {
    id: "run-repeats", title: "Repetitions of this cell", rows,
    columns: [
      { key: "place", name: "repetition", heading: "repetition", show: (row) => h("a", { href: runAddress(content, row.run), "aria-current": row.run === run ? "true" : null }, String(row.place)) },
      { key: "started_at", heading: "started, UTC", text: true, show: (row) => when(row.started_at) },
      ...amountColumns(scale),
      { key: "duration_s", heading: "time of the queries", show: (row) => show(row.duration_s, "s") },
      { key: "quality", heading: run.cell.metric ? plain(run.cell.metric, 30) : "quality", hidden: repeats.every((one) => one.quality === null) },
      { key: "reasons", heading: "weakened by", text: true },
    ],
  };
}

/* ---- its single queries */

const QUERY_MARKS_MAX_N = 300;

function queryParts(content, run, queries, width) {
  const id = "run-queries";
  const title = "The queries of this run, in their order";
  if (!run.queries || !queries.columns.duration_s) {
    const why = content.queries.why ?? (run.failure ? "the run failed" : "none were stored with it");
    return [nothingToDraw(id, title, `The single queries of this run are not in this page: ${why}.`)];
  }
  const { first, n } = run.queries;
  const part = (name) => queries.columns[name]?.values.subarray(first, first + n);
  const rows = rowsOfQueries(n, Object.fromEntries(["duration_s", "energy_j", "input_tokens_n", "output_tokens_n", "score"].map((name) => [name, part(name)])));
  const unit = unitFor(median(rows.map((row) => row.duration_s).filter(isKnown)) ?? 1, "s");
  const parts = [orderFigure(id, title, rows.map((row) => row.duration_s), `time of a query, ${unit[0]}`, unit, width, run.duration_s)];
  if (rows.some((row) => row.power_w !== null)) {
    const watts = unitFor(median(rows.map((row) => row.power_w).filter(isKnown)), "W");
    parts.push(orderFigure(`${id}-power`, "The power of each query of this run", rows.map((row) => row.power_w), `power over a query, ${watts[0]}`, watts, width));
  }
  const energy = unitFor(median(rows.map((row) => row.energy_j).filter(isKnown)) ?? 0, state.get("unit"));
  const counted = (key, heading) => ({ key, heading, hidden: rows.every((row) => row[key] === null), show: (row) => (row[key] === null ? null : whole(row[key])) });
  parts.push({
    id, title: "Single queries of this run", rows,
    columns: [
      { key: "place", name: "query", heading: "query", show: (row) => whole(row.place) },
      { key: "duration_s", heading: `time, ${unit[0]}`, show: (row) => number(row.duration_s === null ? null : row.duration_s / unit[1]) },
      { ...joules("energy_j", "energy", energy), hidden: rows.every((row) => row.energy_j === null) },
      { key: "power_w", heading: "power, W", hidden: rows.every((row) => row.power_w === null) },
      counted("input_tokens_n", "tokens in"), counted("output_tokens_n", "tokens out"),
      { key: "score", heading: "score", hidden: rows.every((row) => row.score === null), show: (row) => number(row.score) },
    ],
    notes: ["Times and energies are within 0.03 % of what was stored. What was asked and answered is not in this page."],
  });
  return parts;
}

/** A row a query; what is not known is null. */
function rowsOfQueries(n, columns) {
  const value = (name, i) => (columns[name] && !Number.isNaN(columns[name][i]) ? Number(columns[name][i].toPrecision(6)) : null);
  return Array.from({ length: n }, (_, i) => {
    const row = Object.fromEntries(Object.keys(columns).map((name) => [name, value(name, i)]));
    const power = row.energy_j !== null && row.duration_s > 0 ? row.energy_j / row.duration_s : null;
    return { place: i + 1, ...row, power_w: power };
  });
}

/** What queries took, one after the other; neighbours are joined where there are more than can be told apart. */
function orderFigure(id, title, values, yTitle, [symbol, size], width) {
  const joinedN = Math.ceil(values.length / QUERY_MARKS_MAX_N);
  const marks = [];
  for (let i = 0; i < values.length; i += joinedN) {
    const some = values.slice(i, i + joinedN).filter(isKnown).map((value) => value / size);
    if (!some.length) continue;
    const [value, low, high] = [median(some), Math.min(...some), Math.max(...some)];
    const last = Math.min(values.length, i + joinedN);
    marks.push({
      place: (i + 1 + last) / 2, value, low, high, inside: 0.5,
      about: joinedN === 1 ? `query ${i + 1}: ${number(value)} ${symbol}` : `queries ${i + 1} to ${last}: ${number(value)} ${symbol} in the middle, ${number(low)} to ${number(high)}`,
    });
  }
  const ends = marks.flatMap((mark) => [mark.low, mark.high]);
  const isWide = Math.max(...ends) > 20 * Math.min(...ends) && Math.min(...ends) > 0;
  const y = axis("y", "value", yTitle, isWide ? logEnds(ends, 6) : linearEnds(ends, true), { log: isWide });
  const x = axis("x", "place", "query, in order", linearEnds([1, values.length]), { log: false });
  const unknown = values.filter((value) => value === null).length;
  const shape = { x: x.encoding, stroke: { value: LOOKS[0][0] } };
  return {
    id, title, signals: { ...x.signals, ...y.signals }, data: { marks },
    spec: {
      width: width - 10, height: 200, data: { name: "marks" },
      layer: [
        { mark: { type: "rule", strokeWidth: 1, opacity: 0.6, aria: false }, encoding: { ...shape, y: { ...y.encoding, field: "low" }, y2: { field: "high" } } },
        { mark: { type: "point", size: 16, strokeWidth: 1, fill: LOOKS[0][0] }, encoding: { ...shape, y: y.encoding, fillOpacity: FILL_OPACITY, description: { field: "about" }, tooltip: { field: "about" } } },
      ],
    },
    caption: [
      joinedN === 1 ? "A mark is a query." : `A mark joins ${joinedN} queries: the middle one, with a line from the least to the greatest.`,
      "A first part that lies higher is a machine that was not warm yet; a drift is one that heats up or throttles.",
      ...(unknown ? [`Left out: ${whole(unknown)} not known.`] : []),
    ],
  };
}

/* ---- what stood around it */

function phaseTable(run) {
  if (!run.phases.length) return null;
  const unit = unitFor(median(run.phases.map((phase) => phase.energy_j).filter(isKnown)) ?? 0, state.get("unit"));
  return {
    id: "run-phases", title: "Phases of the queries", rows: run.phases,
    columns: [
      { key: "name", heading: "phase", text: true },
      { key: "duration_s", heading: "time", show: (row) => show(row.duration_s, "s") },
      { key: "share", heading: "share of the time", value: (row) => (run.duration_s > 0 ? row.duration_s / run.duration_s : null), show: (row) => percent(run.duration_s > 0 ? row.duration_s / run.duration_s : null) },
      joules("energy_j", "energy", unit), joules("uncertainty_j", "give or take", unit),
    ],
    notes: run.phases.every((phase) => phase.energy_j === null) ? ["The energy of phases is not known: it needs counters that are read between queries."] : [],
  };
}

/** What weakens a run: codes with what they are noted of. */
function reasonsOf(run) {
  const noted = [
    ...run.reasons.map((code) => [code, "run"]),
    ...run.channels.filter((channel) => channel.in_use).flatMap((channel) => channel.reasons.map((code) => [code, channel.name])),
  ];
  return [...grouped(noted, ([code]) => code)].map(([code, group]) => ({ code, of: distinct(group, ([, of]) => of).join(", ") }));
}

function weaknessTable(content, run) {
  return {
    id: "run-reasons", title: "What weakens this run", empty: run.failure ? "The run failed: see above." : "Nothing that would weaken it was noted.",
    rows: reasonsOf(run).map((row) => ({ ...row, meaning: content.reasons[row.code]?.meaning ?? null, remedy: content.reasons[row.code]?.remedy ?? null })),
    columns: [
      { key: "code", heading: "reason", text: true },
      { key: "of", heading: "noted of", text: true },
      { key: "meaning", heading: "what it means", text: true, show: (row) => longText(row.meaning) },
      { key: "remedy", heading: "what to do", text: true, show: (row) => longText(row.remedy) },
    ],
  };
}

/** Findings of the audit that name the cell, or no other. */
function runFindingTable(content, cell) {
  const rows = content.findings.filter((finding) => finding.source_i === cell.source_i).map((finding) => ({
    ...finding, names: finding.cell_ids.includes(cell.cell_id),
  })).filter((finding) => finding.names || !finding.subject.includes(" × "));
  return {
    id: "run-findings", title: "Findings of the audit", rows: rows.map((row) => ({ ...row, of: row.names ? "this cell" : "the study" })),
    empty: "The audit found nothing about this cell or its study, or was not made: see Method.",
    columns: [
      { key: "code", heading: "code", text: true },
      { key: "severity", heading: "severity", text: true, show: (row) => h("span", { class: `severity-${["error", "warning"].includes(row.severity) ? row.severity : "note"}` }, plain(row.severity, 20)) },
      { key: "of", heading: "names", text: true },
      { key: "subject", heading: "about", text: true },
      { key: "message", heading: "what was found", text: true, show: (row) => longText(row.message) },
      { key: "remedy", heading: "what to do", text: true, show: (row) => longText(row.remedy) },
    ],
    notes: rows.length ? ["A finding about several cells may or may not mean this one."] : [],
  };
}

function factTable(content, run) {
  const rows = factsOf(content, run).filter(([, value]) => isKnown(value) && value !== "").map(([fact, value]) => ({ fact, value: String(value) }));
  return {
    id: "run-facts", title: "How it was measured", rows,
    columns: [{ key: "fact", heading: "fact", text: true }, { key: "value", heading: "value", text: true, show: (row) => longText(row.value) }],
  };
}

function factsOf(content, run) {
  const { cell } = run;
  const { machine, source } = cell;
  const { protocol } = source;
  const load = run.load && `${show(run.load.duration_s, "s")}, ${show(run.load.energy_j, state.get("unit"))}`;
  return [
    ["run", run.id],
    ["results", source.name === source.place ? source.name : `${source.name} (${source.place})`],
    ["task", cell.task], ["model", cell.model], ["weights", cell.weights], ["parameters", parameters(cell.parameters_n)],
    ["dataset", [cell.set, cell.split].filter(Boolean).join(", ")], ["samples", cell.samples],
    ["settings", Object.entries(cell.settings).map(([key, value]) => `${key}: ${typeof value === "string" ? value : JSON.stringify(value)}`).join("; ")],
    ["failed", run.failure && `${run.failure.phase}: ${run.failure.kind}: ${run.failure.message}`],
    ["machine", machine && [machine.cpu, machine.cpus_n && `${machine.cpus_n} CPUs`, machine.memory_byte && `${number(machine.memory_byte / 2 ** 30)} GiB`, ...machine.gpus].filter(Boolean).join("; ")],
    ["virtual machine", machine && { true: "yes", false: "no" }[machine.virtualised]],
    ["system", machine && machine.system], ["machine's id", machine && machine.id],
    ["versions", Object.entries(content.versions[run.versions_i] ?? {}).map(([name, version]) => `${name} ${version}`).join("; ")],
    ["protocol", `${count(protocol.queries_n, "query", "queries")}, ${count(protocol.repeats_n, "repetition")}, order ${protocol.order}, seed ${protocol.seed}, idle for ${show(protocol.idle_s, "s")}`],
    ["started, UTC", run.started_at], ["place in the order of the study", run.order_i + 1],
    ["queries", count(run.queries_n, "query", "queries")], ["warm-up", isKnown(run.warmup_n) ? count(run.warmup_n, "query", "queries") : null],
    ["time of the queries", isKnown(run.duration_s) ? show(run.duration_s, "s") : null],
    ["idle before, after", run.idle_before_s || run.idle_after_s ? `${show(run.idle_before_s, "s")}, ${show(run.idle_after_s, "s")}` : "not measured"],
    ["loading the model", load], ["processor time of the harness", isKnown(run.harness_cpu_s) ? show(run.harness_cpu_s, "s") : null],
    ["energy of single queries", ownOf(QUERY_METHODS, run.per_query) ?? run.per_query ?? "not known"],
    [cell.metric ? `quality, ${cell.metric}` : "quality", isKnown(run.quality) ? number(run.quality) : null],
    ["imported from", run.source_file],
  ];
}
