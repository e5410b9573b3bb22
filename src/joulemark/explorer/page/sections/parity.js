"use strict";
/* Parity: when inference has used as much energy as training did. After Table 5 of Luccioni et al. (2024). */

section({
  id: "parity",
  figures: ["parity"],
  title: "When answering has taken as much as training",
  short: "Parity",
  paper: "Table 5",
  defaults: { ...SERVICE_DEFAULTS, parity_model: "", parity_training: "", parity_finetuning: "" },
  show({ content, points, width }) {
    const models = parityModels(content, points);
    const asked = state.get("parity_model");
    const chosen = asked ? models.find((one) => one.key === asked) : models[0];
    const own = chosen ? withTraining(chosen, ownTraining(chosen)) : null;
    const printed = new Map((content.printed["5"] ?? []).map((row) => [row.model, row]));
    return {
      sentence: points.length ? paritySentence(own, asked) : whyNothing(content),
      controls: parityControls(models, chosen),
      parts: [...parityFormula(own), parityFigure(own, width), parityTable(models, own, printed)],
      notes: parityNotes(models, printed),
    };
  },
});

/** Parity is of energy per query, whatever the bar has the other sections show. */
const PARITY_ASIDE = ["quantity", "per"];

/** Models on machines, with their energy per query: the mean over their datasets. Those of known training come first. */
function parityModels(content, points) {
  const published = new Map(content.training.map((row) => [row.model, row]));
  const taken = new Set();
  const key = (point) => [point.model, point.machine, point.source].map((name) => String(name).slice(0, 80)).join(" · ");
  const models = [...grouped(points, (point) => [point.model, point.machine, point.source].join("\n")).values()].map((group) => ({
    key: unusedText(key(group[0]), taken), model: group[0].model, model_name: group[0].model_name, machine: group[0].machine, source: group[0].source,
    perQuery: meanOfIntervals(group.map((point) => equipmentJoules(point.cell))),
    unknown_n: group.filter((point) => !equipmentJoules(point.cell)).length, published: published.get(group[0].model) ?? null,
  }));
  const place = ({ model }) => (published.has(model) ? content.training.findIndex((row) => row.model === model) : Infinity);
  return models.filter((one) => one.perQuery && one.perQuery[0] > 0).sort((a, b) => place(a) - place(b) || a.key.localeCompare(b.key));
}

/** Training and fine-tuning in kWh: what the reader wrote, else what is published; `null` where neither is. */
function ownTraining(model) {
  const [training, finetuning] = [amountWritten("parity_training"), amountWritten("parity_finetuning")];
  if (training === null && !model.published) return null;
  return {
    training: training ?? model.published.training_kwh,
    finetuning: finetuning ?? (training === null ? model.published.finetuning_kwh : 0),
    isOwn: training !== null || finetuning !== null,
  };
}

function amountWritten(key) {
  const value = state.number(key);
  return value !== null && value >= 0 ? value : null;
}

function publishedTraining({ published }) {
  return { training: published.training_kwh, finetuning: published.finetuning_kwh, isOwn: false };
}

/** A model with its training and all that follows; without training it stays as it is. */
function withTraining(model, energies) {
  const upfront = energies ? (energies.training + energies.finetuning) * J_PER_KWH : 0;
  if (!upfront) return model;
  const parity = parityQueries(upfront, model.perQuery);
  const rate = chosenRate();
  return {
    ...model, ...energies, upfront, parity,
    days: rate ? times(parity, 1 / rate) : null,
    year: rate ? times(model.perQuery, rate * DAYS_PER_YEAR * buildingRatio()) : null,
  };
}

function parityControls(models, chosen) {
  const label = namesApart(models, [(one) => one.machine, (one) => one.source]);
  const [first, ...others] = models;
  const options = first ? [["", label(first)], ...others.map((one) => [one.key, label(one)])] : [["", "none"]];
  const kwh = (value) => value ?? "not published";
  return [
    { key: "parity_model", label: "Model", kind: "select", options },
    { key: "parity_training", label: "Training, kWh", kind: "number", min: 0, placeholder: kwh(chosen?.published?.training_kwh) },
    { key: "parity_finetuning", label: "Fine-tuning, kWh", kind: "number", min: 0, placeholder: kwh(chosen?.published?.finetuning_kwh) },
    RATE_CONTROL,
  ];
}

function paritySentence(own, asked) {
  if (!own && asked) return `No energy of ${plain(asked, 80)} is known under the filters above.`;
  if (!own) return `No model here has a known energy per query${whyUnknown(PARITY_ASIDE)}.`;
  const name = plain(own.model, 60);
  if (!own.parity) return `${name} takes ${showInterval(times(own.perQuery, buildingRatio()), "Wh")} per query. What its training took is not published: write it below to see when answering has taken as much.`;
  const rate = chosenRate();
  const days = rate ? `, at ${rateText()} in ${openInterval(own.days, "days")}` : "";
  return `${own.finetuning ? "Training and fine-tuning" : "Training"} ${name} took ${show(own.upfront, "Wh")}; ${openInterval(own.parity, "n")} queries take as much${days}.`;
}

/** The formula of Table 5, in words and with the numbers put in. */
function parityFormula(own) {
  if (!own?.parity) return [];
  const pue = chosenPue();
  const building = pue === null ? "" : ` × PUE ${pue}`;
  const kwh = (value) => value.toLocaleString("en-US");
  return [h("dl", { class: "facts" },
    h("dt", {}, "Queries to parity"),
    h("dd", {}, `(training + fine-tuning) ÷ (energy per query${pue === null ? "" : " × PUE"})`),
    h("dt", {}, "With the numbers"),
    h("dd", {}, `(${kwh(own.training)} kWh + ${kwh(own.finetuning)} kWh) ÷ (${show(own.perQuery[0], "Wh", 4)}${building}) = ${show(own.parity[0], "n", 4).trim()}`),
    ...(own.year ? [
      h("dt", {}, "A year"),
      h("dd", {}, `${rateText()} × 365.25 × ${show(own.perQuery[0], "Wh", 4)}${building} = ${showInterval(own.year, "Wh")}`),
    ] : []))];
}

const COUNT_LABELS = [[1e12, "trillion"], [1e9, "billion"], [1e6, "million"], [1e3, "thousand"]]
  .reduceRight((rest, [size, word]) => `datum.value >= ${size} ? format(datum.value / ${size}, ',~r') + ' ${word}' : ${rest}`, "format(datum.value, ',~r')");
const PARITY_LOOKS = { "training and fine-tuning": ["#D55E00", [6, 3]], "answering": ["#0072B2", [1, 0]] };
const PARITY_ROOM = 30; // times as many and as few queries as at parity are in the figure
const PARITY_DATES = [["1 day", 1], ["1 year", DAYS_PER_YEAR], ["10 years", 10 * DAYS_PER_YEAR]];

function parityFigure(own, width) {
  const title = own ? `Energy over queries: ${plain(own.model, 60)}` : "Energy over queries";
  if (!own) return { id: "parity", title, data: {}, spec: {}, empty: `Nothing to draw: no model here has a known energy per query${whyUnknown(PARITY_ASIDE)}.` };
  if (!own.parity) return { id: "parity", title, data: {}, spec: {}, empty: "Nothing to draw: the energy of training is not known, or is zero. Write it above." };
  const [symbol, size] = unitFor(own.upfront, "Wh");
  const [value, low, high] = own.parity;
  const [perQuery, least, greatest] = times(own.perQuery, buildingRatio());
  const ends = [(low ?? value) / PARITY_ROOM, (high ?? value) * PARITY_ROOM];
  const upfront = own.upfront / size;
  const name = plain(own.model, 60);
  const lines = ends.flatMap((n) => [
    { x: n, y: upfront, what: "training and fine-tuning" }, { x: n, y: (n * perQuery) / size, what: "answering" },
  ]);
  const isSure = least !== null && least > 0 && greatest !== null;
  const band = isSure ? ends.map((n) => ({ x: n, low: (n * least) / size, high: (n * greatest) / size })) : [];
  const crossing = [{
    x: value, y: upfront, low: low ?? value, high: high ?? value,
    about: `${name}: answering has taken ${show(own.upfront, "Wh")}, as much as training, after ${openInterval(own.parity, "n")} queries`,
  }];
  const rate = chosenRate();
  const dates = PARITY_DATES.map(([label, days]) => ({ label, x: (rate ?? 0) * days })).filter(({ x: n }) => n > ends[0] && n < ends[1]);
  const narrow = width < 560;
  const x = axis("x", "x", "queries", logEnds(ends, narrow ? 3 : 7), { labels: COUNT_LABELS });
  const y = axis("y", "y", `energy until then, ${symbol}`, logEnds(lines.map((one) => one.y), 6));
  const look = Object.entries(PARITY_LOOKS);
  const legend = { title: null };
  const domain = look.map(([what]) => what);
  const theme_ = THEMES.light;
  return {
    id: "parity", title,
    signals: { ...x.signals, ...y.signals },
    data: { lines, band, crossing, dates },
    spec: {
      width: width - 10, height: narrow ? 300 : 380,
      layer: [
        { data: { name: "dates" }, mark: { type: "rule", strokeDash: [2, 4], aria: false }, encoding: { x: x.encoding } },
        { data: { name: "dates" }, mark: { type: "text", y: 10, dx: 4, align: "left", fill: theme_.soft, aria: false }, encoding: { x: x.encoding, text: { field: "label" } } },
        { data: { name: "band" }, mark: { type: "area", opacity: 0.18, color: PARITY_LOOKS.answering[0], aria: false }, encoding: { x: x.encoding, y: { ...y.encoding, field: "low" }, y2: { field: "high" } } },
        {
          data: { name: "lines" }, mark: { type: "line", strokeWidth: 2, aria: false },
          encoding: {
            x: x.encoding, y: y.encoding,
            color: { field: "what", type: "nominal", scale: { domain, range: look.map(([, [colour]]) => colour) }, legend },
            strokeDash: { field: "what", type: "nominal", scale: { domain, range: look.map(([, [, dash]]) => dash) }, legend },
          },
        },
        { data: { name: "crossing" }, mark: { type: "rule", strokeWidth: 3, color: theme_.ink, aria: false }, encoding: { x: { ...x.encoding, field: "low" }, x2: { field: "high" }, y: y.encoding } },
        {
          data: { name: "crossing" }, mark: { type: "point", shape: "diamond", size: 110, filled: true, fill: theme_.paper, stroke: theme_.ink, strokeWidth: 2, opacity: 1 },
          encoding: { x: x.encoding, y: y.encoding, description: { field: "about" }, tooltip: { field: "about" } },
        },
      ],
    },
    caption: [
      "Rising: what all queries so far have taken, its band the 95 % interval. Level: what making the model took. The diamond is parity, its bar the 95 % interval.",
      ...(isSure ? [] : ["No band: the interval of the energy is not known, or goes down to zero."]),
      ...(dates.length ? [`Dotted: how far ${rateText()} have come after ${joined(dates.map(({ label }) => label))}.`] : []),
    ],
  };
}

/** Table 5: models with a published training, and the one that is chosen, whose numbers may be the reader's. */
function parityTable(models, own, printed) {
  const rows = models.filter((one) => one.published && one.key !== own?.key).map((one) => withTraining(one, publishedTraining(one)));
  if (own?.parity) rows.unshift(own);
  for (const row of rows) {
    row.printed = printed.get(row.model) ?? null;
    row.follows = row.printed ? parityFromPrinted(row.printed) : null;
    row.trained_by = row.isOwn ? "written above" : `${row.published.source}, ${row.published.basis}`;
  }
  const part = (field, place, factor) => (row) => (row[field]?.[place] ?? null) === null ? null : row[field][place] * factor;
  const whole = (value) => (value === null ? null : value.toLocaleString("en-US"));
  const hasPrinted = rows.some((row) => row.printed);
  const fromPrint = (key, name, heading, of, shown) => ({ key, name, heading, hidden: !hasPrinted, value: of, show: shown });
  return {
    id: "parity", title: "Table 5: training against answering", rows, sort: ["parity", "down"],
    empty: "No model here has a published energy of training. Write one above.",
    columns: [
      { key: "model", heading: "model", text: true },
      { key: "machine", heading: "machine", text: true, hidden: distinct(rows, (row) => row.machine).length < 2 },
      { key: "training", name: "training_kwh", heading: "training, kWh", show: (row) => whole(row.training) },
      { key: "finetuning", name: "finetuning_kwh", heading: "fine-tuning, kWh", show: (row) => whole(row.finetuning) },
      { key: "perQuery", name: "energy_per_query_wh", heading: "energy per query", value: part("perQuery", 0, 1 / 3600), show: (row) => showInterval(row.perQuery, "Wh") },
      { key: "perQuery_low", name: "energy_per_query_low_wh", hidden: true, value: part("perQuery", 1, 1 / 3600) },
      { key: "perQuery_high", name: "energy_per_query_high_wh", hidden: true, value: part("perQuery", 2, 1 / 3600) },
      { key: "parity", name: "parity_queries", heading: "queries to parity", value: part("parity", 0, 1), show: (row) => openInterval(row.parity, "n") },
      { key: "parity_low", name: "parity_low_queries", hidden: true, value: part("parity", 1, 1) },
      { key: "parity_high", name: "parity_high_queries", hidden: true, value: part("parity", 2, 1) },
      fromPrint("printed_per_query", "printed_energy_per_query_kwh", "the paper prints, kWh", (row) => row.printed?.inference_kwh ?? null, (row) => (row.printed ? String(row.printed.inference_kwh) : null)),
      fromPrint("printed_parity", "printed_parity_queries", "the paper prints, queries", (row) => row.printed?.parity_n ?? null, (row) => whole(row.printed?.parity_n ?? null)),
      fromPrint("follows", "parity_of_printed_inputs_queries", "of its own inputs", (row) => row.follows, (row) => whole(row.follows)),
      { key: "days", name: "days_to_parity", heading: "time to parity", value: part("days", 0, 1), show: (row) => (row.days ? openInterval(row.days, "days") : null) },
      { key: "year", name: "year_kwh", heading: "a year, kWh", value: part("year", 0, 1 / J_PER_KWH), show: (row) => (row.year ? number(row.year[0] / J_PER_KWH) : null) },
      { key: "year_low", name: "year_low_kwh", hidden: true, value: part("year", 1, 1 / J_PER_KWH) },
      { key: "year_high", name: "year_high_kwh", hidden: true, value: part("year", 2, 1 / J_PER_KWH) },
      { key: "trained_by", name: "training_from", hidden: true },
    ],
  };
}

/** What follows from the inputs that the paper prints; it cuts decimals off. */
function parityFromPrinted({ training_kwh, finetuning_kwh, inference_kwh }) {
  const exact = (training_kwh + finetuning_kwh) / inference_kwh;
  return Math.floor(exact * (1 + 4 * Number.EPSILON)); // decimals such as 0.0001 are not exact in binary
}

function parityNotes(models, printed) {
  const sources = distinct(models.filter((one) => one.published), (one) => `${one.published.source} (${one.published.basis})`);
  const notes = [`Energies of training are estimates themselves: no interval of theirs is known, and none is in these numbers.${sources.length ? ` From ${joined(sources)}.` : ""}`];
  const pue = chosenPue();
  notes.push(pue === null
    ? "No PUE is chosen: answering is counted at the machine, as training is."
    : `The energy per query is multiplied by PUE ${pue} (unless training is counted at the building's meter too, choose none).`);
  if (state.get("boundary") === "device") notes.push("Boundary: the devices in use. The rest of the machine is not in the energy per query, so that parity comes sooner than these numbers say.");
  notes.push("A query's energy is the mean over the datasets of a model, each counting once. The machine's waiting between queries is not in the year.");
  const unknown = models.reduce((sum, one) => sum + one.unknown_n, 0);
  if (unknown) notes.push(`Left out of the means: ${count(unknown, "cell")} of unknown energy${whyUnknown(PARITY_ASIDE)}.`);
  for (const model of distinct(models, (one) => one.model)) {
    const row = printed.get(model);
    const follows = row && parityFromPrinted(row);
    if (!row || follows === row.parity_n) continue;
    const off = (row.parity_n - follows) * row.inference_kwh;
    notes.push(`${plain(model, 60)}: the ${row.parity_n.toLocaleString("en-US")} queries that the paper prints do not follow from its own inputs, which give ${follows.toLocaleString("en-US")}: ${off > 0 ? "+" : ""}${number(off, 2)} kWh.`);
  }
  return notes;
}
