"use strict";
/* Choose a model: the cheapest that is good and fast enough on a dataset, and what a year of it takes. */

section({
  id: "choose",
  figures: ["choose"],
  title: "Choose a model",
  short: "Choose",
  defaults: { ...SERVICE_DEFAULTS, choose_set: "", choose_quality: "", choose_latency: "", choose_price: "" },
  show({ content, width }) {
    const per = state.get("per") === "tokens" ? "1000" : state.get("per");
    const points = pointsOf(content, [], per);
    const sets = candidateSets(points);
    const asked = state.get("choose_set");
    const set = asked ? sets.find((one) => one.key === asked) : sets[0];
    const scale = scaleOf(set?.points ?? [], per);
    const candidates = set ? judged(set, scale) : [];
    const service = serviceOf(content);
    for (const one of candidates) one.year = service.rate ? yearOf(equipmentJoules(one.cell), service) : null;
    const [best, other] = bestAndOther(candidates);
    return {
      sentence: chooseSentence({ content, set, asked, candidates, best, other, service, scale }),
      controls: chooseControls(sets, set, service),
      parts: [
        chooseFigure({ content, set, candidates, best, other, scale, width }),
        yearTable(best, other, service),
        candidateTable(candidates, scale, service),
      ],
      notes: chooseNotes({ candidates, best, other, service }),
    };
  },
});

/** A rate is of queries, so that amounts here are never per 1,000 tokens. */
const CHOOSE_ASIDE = ["per"];

/* ---- who is compared with whom */

/** Cells of one task and dataset, which alone are comparable; those with the most models first. */
function candidateSets(points) {
  const taken = new Set();
  const sets = [...grouped(points, (point) => `${point.set} · ${point.task}`)].map(([name, group]) => {
    const metrics = grouped(group.filter((point) => point.metric), (point) => point.metric);
    const [metric] = [...metrics].sort((a, b) => b[1].length - a[1].length)[0] ?? [null];
    return {
      key: unusedText(name.slice(0, 200), taken), task: group[0].task, set: group[0].set, points: group, metric,
      models_n: distinct(group, (point) => point.model).length,
      lowerIsBetter: page.content.lower_is_better.includes(metric),
    };
  });
  return sets.sort((a, b) => b.models_n - a.models_n || (b.metric !== null) - (a.metric !== null));
}

/** The candidates of a dataset, each with a name of its own, its latency, and why it does not qualify, if so. */
function judged(set, scale) {
  const apart = settingsApart(set.points.map(({ cell }) => cell));
  const nameOf = namesApart(set.points, [(point) => point.machine, (point) => point.source, (point) => settingsText(point.cell, apart)]);
  const least = state.number("choose_quality");
  const most = state.number("choose_latency");
  return set.points.map((point) => {
    const quality = point.metric === set.metric ? point.quality : null;
    const latency = latencyOf(point.cell);
    const why = [];
    if (!point.amount) why.push(`${scale.noun} not known${whyUnknown(CHOOSE_ASIDE)}`);
    else if (!(point.amount[0] > 0)) why.push(`${scale.noun} not above zero`);
    if (least !== null) {
      const isBad = set.lowerIsBetter ? quality > least : quality < least;
      if (quality === null) why.push(point.metric && point.metric !== set.metric ? `scored by ${point.metric}` : "quality not known");
      else if (isBad) why.push(`${set.metric} ${number(quality)}`);
    }
    if (most !== null) {
      if (!latency) why.push("latency not known");
      else if (latency.s * 1000 > most) why.push(`${latency.what} ${show(latency.s, "s")}`);
    }
    return { ...point, name: nameOf(point), quality, latency, why: why.join("; "), qualifies: !why.length };
  });
}

/** How long a query takes: the 95th percentile of single queries where they are known, else the mean. */
function latencyOf(cell) {
  if (isKnown(cell.latency_s?.p95)) return { s: cell.latency_s.p95, what: "p95" };
  return cell.duration_s === null ? null : { s: cell.duration_s, what: "mean" };
}

/** The cheapest that qualifies, and what it is compared with: the one pinned beside it, else the next cheapest. */
function bestAndOther(candidates) {
  const qualified = candidates.filter((one) => one.qualifies).sort((a, b) => a.amount[0] - b.amount[0]);
  const best = qualified[0] ?? null;
  const pinned = pinnedAmong(candidates).find((one) => one !== best && one.amount);
  return [best, (best && pinned) || qualified[1] || null];
}

/* ---- where it runs, and at what price */

/** The grid, price and water of the place, and how often a model is asked. */
function serviceOf(content) {
  const grid = chosenGrid(content);
  const written = state.get("choose_price");
  const price = written ? priceOf(written) : grid?.price ?? null;
  const facility = grid && content.pues.find((one) => one.id.toLowerCase() === grid.id.toLowerCase());
  return { rate: chosenRate(), grid, price, written, onsite: facility?.onsite_l_per_kwh ?? null };
}

const PRICE = /^(\d+(?:\.\d+)?)\s*([a-z]{3}|[€$£¥])?$/i;

/** A price as it is written: money per kWh and, if wanted, a currency; `null` where that is no price. */
function priceOf(text) {
  const [, amount, currency] = PRICE.exec(text.trim()) ?? [];
  return amount === undefined ? null : { per_kwh: Number(amount), currency: (currency ?? "").toUpperCase(), source: "written above" };
}

function chooseControls(sets, set, { grid }) {
  const label = (one) => `${plain(one.set, 30)} · ${plain(one.task, 30)}`;
  const [first, ...others] = sets;
  const byName = others.sort((a, b) => label(a).localeCompare(label(b)));
  const metric = set?.metric ? plain(set.metric, 20) : "Quality";
  const price = grid?.price ? `${grid.price.per_kwh} ${grid.price.currency}` : "0.30 EUR";
  return [
    { key: "choose_set", label: "Dataset and task", kind: "select", options: first ? [["", label(first)], ...byName.map((one) => [one.key, label(one)])] : [["", "none"]] },
    { key: "choose_quality", label: `${metric} at ${set?.lowerIsBetter ? "most" : "least"}`, kind: "number", placeholder: "any" },
    { key: "choose_latency", label: "Latency at most, ms", kind: "number", min: 0, placeholder: "any" },
    RATE_CONTROL,
    { key: "choose_price", label: "Electricity, money per kWh", kind: "text", placeholder: price },
  ];
}

/* ---- in words */

/** An amount of money in words, with its currency where that is known. */
function inCurrency(text, { currency }) {
  return `${text.trim()}${currency ? ` ${currency}` : ""}`;
}

function chooseSentence({ content, set, asked, candidates, best, other, service, scale }) {
  if (!set) return asked ? `No cell of ${plain(asked, 80)} passes the filters above.` : whyNothing(content);
  const on = `on ${plain(set.set, 40)} (${plain(set.task, 40)})`;
  if (!candidates.some((one) => one.amount)) return `No ${scale.noun} is known of ${count(candidates.length, "candidate")} ${on}${whyUnknown(CHOOSE_ASIDE)}.`;
  const none = notAboveZero(candidates, scale);
  if (none) return sentenceOf(`${on}, ${none} for ${count(candidates.length, "candidate")}: there is nothing to choose by`);
  if (!best) return `None of ${count(candidates.length, "candidate")} ${on} qualifies: the table says why.`;
  const qualified = candidates.filter((one) => one.qualifies).length;
  const among = qualified === candidates.length ? `all ${count(candidates.length, "candidate")}` : `the ${qualified} of ${count(candidates.length, "candidate")} that qualify`;
  const start = candidates.length === 1
    ? `${best.name} is the only candidate ${on}.`
    : `${best.name} needs the least ${scale.noun} of ${among} ${on}.`;
  const told = [best, other].filter(Boolean);
  const madeUp = madeUpOfEach(told, told.map((one) => one.name));
  const year = service.rate
    ? [yearSentence(best.year, service), otherSentence(best, other)]
    : ["How many queries a day? Write it below to see what a year takes."];
  return [start, ...year, madeUp].filter(Boolean).join(" ");
}

/** What a year takes, and what of it is not known and why. */
function yearSentence(year, service) {
  const parts = [
    [year.joules && showInterval(year.joules, "Wh"), "energy"],
    [year.grams && `${showInterval(year.grams, "g")} CO₂e`, "CO₂e (choose a grid)"],
    [year.litres && `${showInterval(year.litres, "l")} of water`, service.grid ? "water (not published for this grid)" : "water (choose a grid)"],
    [year.money && inCurrency(showInterval(year.money, "n"), service.price), "money (write a price)"],
  ];
  const known = parts.filter(([text]) => text).map(([text]) => text);
  const unknown = parts.filter(([text]) => !text).map(([, why]) => why);
  const missing = unknown.length ? `; not known: ${joined(unknown)}` : "";
  return `A year at ${rateText()} takes ${joined(known)}${missing}.`;
}

/** The other one against the best, by ratio and difference, or that no difference is shown. */
function otherSentence(best, other) {
  if (!other) return "";
  const comparison = compared(best, other);
  if (!comparison) return `${other.name} cannot be compared: one of the energies is not above zero.`;
  const { ratio: [ratio, low, high], difference } = comparison;
  const range = low === null ? "how sure that is, is not known" : `95\u00a0%: ${number(low)} to ${number(high)}`;
  const times_ = `${number(ratio)} times as much energy (${range})`;
  const amount = showDifference(difference, "Wh");
  const unfit = other.qualifies ? "" : `, which does not qualify (${other.why}),`;
  if (low !== null && low <= 1 && high >= 1) return `Against ${other.name}${unfit} no difference is shown: that takes ${times_}, a difference of ${amount} a year.`;
  return `${other.name}${unfit} takes ${times_}, a difference of ${amount} a year.`;
}

/** Ratio and difference of a year's energy, other against best; `null` where they cannot be made. */
function compared(best, other) {
  const [first, second] = [other.year.joules, best.year.joules];
  if (!first || !second || first[0] <= 0 || second[0] <= 0) return null;
  return { ratio: pairedRatio(other.cell, best.cell) ?? ratioOf(first, second), difference: minusInterval(first, second) };
}

const BOUNDARY_WORDS = {
  device: "Boundary: the devices in use (boards, processor, memory as far as metered). The rest of the machine, such as fans, disks and the losses of its power supply, is not in it.",
  marginal: "Boundary: the devices in use above their idle power. What they draw while they wait, and the rest of the machine, is not in it.",
  host: "Boundary: the whole machine, as metered.",
  facility: "Boundary: the building, which is the whole machine times PUE.",
};

function chooseNotes({ candidates, best, other, service }) {
  const notes = [BOUNDARY_WORDS[state.get("boundary")], provenanceSentence(best ? [best, other].filter(Boolean) : candidates)];
  notes.push("A year is the energy of its queries alone: what the machine draws while it waits for the next one is not in it.");
  notes.push(chosenPue() === null
    ? "No PUE is chosen: cooling and losses of the building are left out."
    : `PUE ${chosenPue()}: energy, CO₂e and money are at the building's meter.`);
  const { grid, price, written } = service;
  if (grid) notes.push(`Grid: ${plain(grid.name, 60)}, ${number(grid.g_per_kwh)} g/kWh${rangeText(grid)}${grid.year ? `, ${grid.year}` : ""}; ${grid.source ? `${grid.basis}, ${grid.kind}; ${grid.source}; ${verifiedText(grid.verification)}` : "written by the reader"}.`);
  if (grid && service.onsite === null) notes.push("Water leaves out what the data centre takes on site: that is known for some cloud regions only; choose one as grid.");
  if (written && !price) notes.push(`"${plain(written, 30)}" is no price: write 0.30 or 0.30 EUR, for money per kWh.`);
  else if (price && !written) notes.push(`Price: ${price.per_kwh} ${price.currency} per kWh (${price.year}; ${price.source}; ${verifiedText(price.verification)}). It is weak: write your own.`);
  const kinds = distinct(candidates.filter((one) => one.latency), (one) => one.latency.what);
  if (kinds.length) notes.push(`Latency: ${kinds.map((kind) => (kind === "p95" ? "the 95th percentile of single queries" : "the mean, where single queries are not known")).join("; ")}.`);
  notes.push(...otherSamples(candidates.filter((one) => one.quality !== null)));
  if (distinct(candidates.map((one) => one.cell.samples).filter(Boolean), (hash) => hash).length > 1) notes.push("Not all were asked the same samples.");
  if (state.get("per") === "tokens") notes.push("Amounts here are per 1,000 queries, since a rate is of queries.");
  if (best && other) {
    const isPaired = pairedRatio(other.cell, best.cell) !== null;
    const isPartial = !isPaired && [best, other].every((one) => one.fill === "measured in part");
    notes.push(`${isPaired ? "The ratio is of their repetitions, pair by pair; the interval of the difference" : "The interval of the ratio"} takes both errors as independent.${isPartial ? " Between models on one machine much of the modelled or assumed part is common to both: \"only what was measured\", above, compares more sharply." : ""}`);
  }
  return notes;
}

/* ---- figure */

/** What stands against the amount: the quality where it is known, else how long a query takes. */
function upwardOf(set, candidates) {
  if (candidates.some((one) => one.quality !== null)) {
    return {
      noun: "quality", title: `${plain(set.metric, 30)}${set.lowerIsBetter ? " (less is better)" : ""}`,
      of: (one) => one.quality, lowerIsBetter: set.lowerIsBetter, log: false, limit: state.number("choose_quality"),
    };
  }
  const limit = state.number("choose_latency");
  return {
    noun: "latency", title: "time per query, ms (less is better)", of: (one) => (one.latency ? one.latency.s * 1000 : null),
    lowerIsBetter: true, log: true, limit: limit > 0 ? limit : null,
  };
}

const AXIS_PX = 76; // beside the plot, about
const RING_PX = 9;
const RULE_STEP_PX = 8; // names keep clear of the lines, too

function chooseFigure({ content, set, candidates, best, other, scale, width }) {
  const upward = set ? upwardOf(set, candidates) : { noun: "quality" };
  const title = `${scale.isCarbon ? "Carbon" : "Energy"} and ${upward.noun}${set ? `: ${plain(set.set, 40)}` : ""}`;
  const byId = new Map(candidates.map((one) => [one.id, one]));
  const known = candidates.filter((one) => one.amount && upward.of(one) !== null);
  const shown = drawable(known).filter((one) => !upward.log || upward.of(one) > 0);
  const marks = marksOf(shown, scale).map((mark) => {
    const one = byId.get(mark.id);
    const why = one.qualifies ? "" : `; does not qualify: ${one.why}`;
    return { ...mark, up: upward.of(one), look: one.kind, shown: one.qualifies ? 1 : 0.25, name: one.name, about: `${mark.about}${why}` };
  });
  if (!marks.length) return { id: "choose", title, data: {}, spec: {}, empty: set ? noMark(candidates, scale, `no ${scale.noun} is known together with a quality or a time${whyUnknown(CHOOSE_ASIDE)}`) : whyNothing(content) };
  const qualified = marks.filter((mark) => byId.get(mark.id).qualifies);
  const isFront = paretoFront(qualified.map((mark) => [mark.value, mark.up]), upward.lowerIsBetter);
  const front = qualified.filter((_, i) => isFront[i]);
  const narrow = width < 560;
  const high = narrow ? 300 : 400;
  const ends = {
    x: logEnds(marks.flatMap((mark) => [mark.value, mark.low, mark.high]), narrow ? 4 : 8),
    y: (upward.log ? logEnds : linearEnds)([...marks.map((mark) => mark.up), ...(upward.limit === null ? [] : [upward.limit])]),
  };
  const x = axis("x", "value", scale.title, ends.x);
  const y = axis("y", "up", upward.title, ends.y, { log: upward.log });
  const wanted = [best, other].filter(Boolean).map((one) => marks.find((mark) => mark.id === one.id)).filter(Boolean);
  const named = new Set([...wanted, ...front]);
  const across = (value) => along(value, ends.x, true) * (width - AXIS_PX);
  const down = (mark) => (1 - along(mark.up, ends.y, upward.log)) * high;
  const spots = [...named, ...marks.filter((mark) => !named.has(mark))].map((mark) => ({
    x: across(mark.value), y: down(mark), radius: front.includes(mark) ? RING_PX : 0, text: named.has(mark) ? mark.name : null, mark,
  }));
  for (const mark of marks) {
    for (let x = across(mark.low); x < across(mark.high); x += RULE_STEP_PX) spots.push({ x, y: down(mark), text: null });
  }
  const labels = placeLabels(spots, width - AXIS_PX, high).map(({ spot, ...label }) => ({ ...label, value: spot.mark.value, up: spot.mark.up }));
  const looks = looksOf("look", KINDS, distinct(content.cells, (cell) => cell.kind), null);
  const opacity = { field: "shown", type: "quantitative", scale: null, legend: null };
  const ink = THEMES.light.ink;
  const [unknown, low] = [candidates.length - known.length, known.length - shown.length];
  return {
    id: "choose", title,
    signals: { ...x.signals, ...y.signals },
    data: { marks, front, labels, limits: upward.limit === null ? [] : [{ up: upward.limit }] },
    spec: {
      width: width - 10, height: high,
      layer: [
        { data: { name: "limits" }, mark: { type: "rule", strokeDash: [5, 4], aria: false }, encoding: { y: y.encoding } },
        { data: { name: "marks" }, mark: { type: "rule", strokeWidth: 1, aria: false }, encoding: { x: { ...x.encoding, field: "low" }, x2: { field: "high" }, y: y.encoding, stroke: looks.color, opacity } },
        { data: { name: "front" }, mark: { type: "point", shape: "circle", size: 240, strokeWidth: 1.5, stroke: ink, aria: false }, encoding: { x: x.encoding, y: y.encoding } },
        {
          data: { name: "marks" }, mark: { type: "point", size: 70, strokeWidth: 1.5 },
          encoding: { x: x.encoding, y: y.encoding, ...looks.marks, opacity, description: { field: "about" }, tooltip: { field: "about" } },
        },
        { data: { name: "labels" }, mark: labelMark(), encoding: { x: x.encoding, y: y.encoding, text: { field: "text" } } },
      ],
    },
    caption: [
      `A mark is a candidate; its line is the 95 % interval of the measurement. Ringed: the Pareto front of those that qualify (none is ${upward.noun === "quality" ? "as good" : "as fast"} for less). Pale: does not qualify.`,
      ...(upward.noun === "latency" ? ["No quality is known here, so that time per query stands in its place."] : []),
      ...(upward.limit === null ? [] : ["Dashed: the limit that is asked for."]),
      ...scale.notes, provenanceSentence(shown),
      ...leftOutFor([[unknown, `of unknown ${scale.noun} or ${upward.noun}`], [low, "at or below zero, which a logarithmic axis cannot show"]]),
      "A click on a mark, or Enter, pins it: it is then compared with the cheapest.",
    ],
    click: (mark) => mark.id && togglePin(mark.id),
  };
}

/* ---- tables */

/** A year in service, the best beside the other, with the formula of every row in words. */
function yearTable(best, other, service) {
  const title = "A year in service";
  if (!best || !service.rate) return { id: "year", title, rows: [], columns: [], empty: best ? "Write above how many queries a day are asked." : "No candidate qualifies." };
  const pue = chosenPue() === null ? "" : " × PUE";
  const isSame = service.onsite === null;
  // What is common to both, as the grid is, must not count twice: the difference is made before the factors are put on.
  const between = other && minusInterval(equipmentJoules(other.cell), equipmentJoules(best.cell));
  const apart = between && yearOf(between, service);
  const rows = [
    ["energy", "joules", "Wh", `energy per query × queries a day × 365.25${pue}`, "J", "choose another boundary"],
    ["CO₂e", "grams", "g", "energy in kWh × grams per kWh of the grid", "g", "choose a grid"],
    ["water", "litres", "l", `energy in kWh × litres per kWh of the grid's power stations${isSame ? "" : " + equipment's kWh × litres per kWh of the data centre"}`, "l", service.grid ? "nothing is published for this grid" : "choose a grid"],
    ["money", "money", "n", "energy in kWh × price per kWh", service.price?.currency || "money", "choose a grid or write a price"],
  ].map(([what, key, ladder, formula, unit, unknown]) => {
    const [mine, its, difference] = [best.year[key], other?.year[key] ?? null, apart?.[key] ?? null];
    const text = (one, words) => (ladder === "n" ? inCurrency(words(one, ladder), service.price) : words(one, ladder));
    const how = `${what}: ${formula}${mine ? "" : ` (not known: ${unknown})`}`;
    return { what, unit, formula, how, mine, its, difference, text: (one, words) => (one ? text(one, words) : UNKNOWN) };
  });
  const ends = (key, name) => ["", "_low", "_high"].map((end, i) => ({ key: `${key}${end}`, name: `${name}${end}`, hidden: true, value: (row) => row[key]?.[i] ?? null }));
  const shown = (key, heading, words = showInterval) => ({ key: `${key}_text`, heading, screen: true, show: (row) => row.text(row[key], words) });
  return {
    id: "year", title: `${title}, ${rateText()}`, rows,
    columns: [
      { key: "what", heading: "a year of", text: true },
      { key: "unit", hidden: true },
      shown("mine", best.name), ...ends("mine", "best"),
      ...(other ? [shown("its", other.name), ...ends("its", "other"), shown("difference", "difference", showDifference), ...ends("difference", "difference")] : []),
      { key: "formula", hidden: true },
    ],
    notes: [`${rows.map((row) => row.how).join("; ")}.`, "In brackets: 95 % interval of the energy; for CO₂e and water with the range of their sources. PUE and price are taken as exact."],
  };
}

function candidateTable(candidates, scale, service) {
  const apart = (key) => distinct(candidates, (one) => one[key]).length < 2;
  const year = (key, factor) => (row) => (row.year?.[key] ? row.year[key][0] * factor : null);
  const ofYear = (key, name, heading, factor, isHidden) => ({ key, name, heading, hidden: isHidden, value: year(key, factor), show: (row) => number(year(key, factor)(row)) });
  const currency = service.price?.currency || "money";
  return {
    id: "candidates", title: "All candidates", rows: candidates, sort: ["amount", "up"],
    columns: [
      { key: "model", heading: "model", text: true },
      { key: "why", heading: "qualifies", text: true, show: (row) => (row.qualifies ? "yes" : `no: ${row.why}`), value: (row) => (row.qualifies ? "yes" : `no: ${row.why}`) },
      ...amountColumns(scale),
      knownByColumn(),
      { key: "quality", heading: "quality", show: (row) => number(row.quality) },
      { key: "metric", heading: "metric", text: true, hidden: true },
      { key: "latency", name: "latency_s", heading: "latency", value: (row) => row.latency?.s ?? null, show: (row) => (row.latency ? `${show(row.latency.s, "s")} (${row.latency.what})` : null) },
      { key: "latency_is", hidden: true, value: (row) => row.latency?.what ?? null },
      ofYear("joules", "year_kwh", "a year, kWh", 1 / J_PER_KWH, !service.rate),
      ofYear("grams", "year_kg_co2e", "a year, kg CO₂e", 1e-3, !service.grid || !service.rate),
      ofYear("litres", "year_water_l", "a year, l of water", 1, !service.grid || !service.rate),
      ofYear("money", `year_${currency.replace(/\W/g, "_")}`, `a year, ${currency}`, 1, !service.price || !service.rate),
      { key: "kind", hidden: true },
      { key: "machine", heading: "machine", text: true, hidden: apart("machine") },
      { key: "source", heading: "results", text: true, hidden: apart("source") },
      { key: "settings", heading: "settings", text: true, hidden: distinct(candidates, (one) => settingsText(one.cell)).length < 2, value: (row) => settingsText(row.cell) || null, show: (row) => settingsText(row.cell) || "default" },
      { key: "pin", heading: "compare", screen: true, show: (row) => pinButton(row) },
    ],
  };
}
