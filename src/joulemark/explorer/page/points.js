"use strict";
/* What the sections draw: cells that pass the bar, each with its amount in the chosen quantity, boundary and unit. */

const TASK_SPECIFIC = "task-specific";
const J_PER_KWH = 3.6e6;

/** Colours of Okabe and Ito (2008), each with its own shape. */
const KINDS = {
  "task-specific": ["#0072B2", "circle"],
  "seq2seq": ["#D55E00", "square"],
  "decoder-only": ["#009E73", "triangle-up"],
  "multi-purpose": ["#CC79A7", "diamond"],
};
const MODALITIES = {
  "text-to-category": ["#0072B2", "circle"],
  "text-to-text": ["#D55E00", "square"],
  "image-to-category": ["#009E73", "triangle-up"],
  "image-to-text": ["#CC79A7", "diamond"],
  "text-to-image": ["#E69F00", "cross"],
  "other": ["#56B4E9", "triangle-down"],
};
/** For names of no fixed look (tasks, machines, models), in turn. */
const LOOKS = [
  ["#0072B2", "circle"], ["#D55E00", "square"], ["#009E73", "triangle-up"], ["#CC79A7", "diamond"],
  ["#E69F00", "cross"], ["#56B4E9", "triangle-down"], ["#999999", "triangle-right"],
];
/** How opaque a mark's inside is: how much of its energy hardware counted or sampled. */
const FILLS = { "measured": 0.8, "measured in part": 0.35, "not measured": 0, "not known": 0.1 };

/** The names of the bar's filters, and what of a cell each looks at. */
const FILTERS = {
  source: (cell) => cell.source.name,
  task: (cell) => cell.task,
  modality: (cell) => cell.modality,
  kind: (cell) => cell.kind,
  machine: (cell) => (cell.machine ? cell.machine.label : ""),
};

/** Whether a cell passes every filter of the bar but those in `aside`. */
function passes(cell, aside = []) {
  for (const [name, of] of Object.entries(FILTERS)) {
    const wanted = state.get(name);
    if (wanted && !aside.includes(name) && of(cell) !== wanted) return false;
  }
  const searched = state.get("q").toLowerCase();
  return !searched || aside.includes("q") || `${cell.model} ${cell.set}`.toLowerCase().includes(searched);
}

/** The grid that is chosen: one of the list, or a number of g/kWh; `null` where there is none. */
function chosenGrid(content) {
  const wanted = state.get("grid");
  if (!wanted) return null;
  const grid = content.grid_of.get(wanted);
  if (grid) return grid;
  const given = wanted.trim() === "" ? NaN : Number(wanted);
  return given >= 0 && given <= 10000 ? { id: wanted, name: "a grid of your own", g_per_kwh: given, year: null } : null;
}

/** The facility's energy ÷ its equipment's; `null` where none, or none that can be, is chosen. */
function chosenPue() {
  const given = state.number("pue");
  return given !== null && given >= 1 && given <= 10 ? given : null;
}

/** What is written above and cannot be taken, in sentences: nothing is chosen in its place. */
function notTaken(content) {
  const [grid, pue] = [state.get("grid"), state.get("pue")];
  return [
    grid && !chosenGrid(content) && `"${plain(grid, 40)}" is left aside: it is no grid of this page and no number of g/kWh from 0 to 10,000.`,
    pue && chosenPue() === null && `PUE ${plain(pue, 20)} is left aside: it is the building's energy ÷ that of its equipment, from 1 to 10.`,
  ].filter(Boolean);
}

/** Joules per 1,000 queries inside the chosen boundary, as an interval; `null` where that is not known. */
function joulesOf(cell, boundary = state.get("boundary"), known = state.get("known")) {
  if (boundary !== "facility") return cell.energy[boundary]?.[known] ?? null;
  const pue = chosenPue();
  const host = cell.energy.host?.[known];
  return pue === null || !host ? null : times(host, pue);
}

function times(interval, factor) {
  return interval && interval.map((value) => (value === null ? null : value * factor));
}

/** An interval times a factor [value, low, high] that is not below zero; an end that nobody states is taken as exact. */
function timesRange(interval, [value, low, high]) {
  if (!interval) return null;
  const [least, greatest] = [low ?? value, high ?? value];
  const [middle, down, up] = interval;
  return [
    middle * value,
    down === null ? null : down * (down < 0 ? greatest : least),
    up === null ? null : up * (up < 0 ? least : greatest),
  ];
}

/** What a grid's kWh weighs in grams, with the range of its sources. */
function intensityOf(grid) {
  return [grid.g_per_kwh, grid.low ?? null, grid.high ?? null];
}

/** Whether the sources of a grid differ, so that its grams have a range. */
function hasRange(grid) {
  return Boolean(grid) && isKnown(grid.low) && isKnown(grid.high);
}

/** How far the sources of a grid differ, in brackets; "" where no range is known. */
function rangeText(grid) {
  return hasRange(grid) ? ` (sources differ from ${number(grid.low)} to ${number(grid.high)})` : "";
}

/** The grid whose range is in the amounts that are shown; `null` where they have none. */
function rangedGrid() {
  const grid = state.get("quantity") === "carbon" ? chosenGrid(page.content) : null;
  return hasRange(grid) ? grid : null;
}

/** An interval that takes the grid as exact, as one of amounts, which have the range of its sources. */
function withGridRange(interval) {
  const grid = rangedGrid();
  return grid && grid.g_per_kwh > 0 ? timesRange(interval, [1, grid.low / grid.g_per_kwh, grid.high / grid.g_per_kwh]) : interval;
}

/** Grams of CO2e per 1,000 queries: by the chosen grid and its range, else as logged; `null` where neither is known. */
function gramsOf(cell, grid) {
  const joules = joulesOf(cell);
  if (grid) {
    const building = state.get("boundary") === "facility" ? 1 : chosenPue() ?? 1;
    return timesRange(times(joules, building / J_PER_KWH), intensityOf(grid));
  }
  const logged = cell.carbon_logged_g;
  if (logged === null || state.get("boundary") !== "device" || state.get("known") !== "all") return null;
  return joules && joules[0] > 0 ? times(joules, logged / joules[0]) : [logged, null, null];
}

/** What one of the bar's amounts is of: 1,000 queries, one, or 1,000 tokens of answer; `null` where that is unknown. */
function perFactor(cell, per) {
  if (per === "1000") return 1;
  if (per === "1") return 1 / 1000;
  return cell.output_unit === "tokens" && cell.output_n > 0 ? 1 / cell.output_n : null;
}

/** What a cell, or something like one, needs for the bar's choices: an interval of joules or grams, `null` where unknown. */
function amountOf(cell, grid, per = state.get("per")) {
  const factor = perFactor(cell, per);
  return factor === null ? null : times(state.get("quantity") === "carbon" ? gramsOf(cell, grid) : joulesOf(cell), factor);
}

/** How the energy inside the chosen boundary is known, by shares; a building's is as its machine's is. */
function sharesIn(cell) {
  const boundary = state.get("boundary");
  return cell.shares[boundary === "facility" ? "host" : boundary];
}

/**
 * A point for every cell with runs that passes the bar; `amount` is in joules or grams, `null` where not known. `apart` is
 * the same without the range of the grid, which is common to all points: ratios of two are made of it.
 */
function pointsOf(content, aside = [], per = state.get("per")) {
  const grid = chosenGrid(content);
  const exact = grid && { ...grid, low: null, high: null };
  return content.cells.filter((cell) => cell.runs_n > 0 && passes(cell, aside)).map((cell) => {
    const shares = sharesIn(cell);
    return {
      cell, id: cell.id, task: cell.task, model: cell.model, model_name: cell.model_name, set: cell.set, sets: [`${cell.task}\n${cell.set}`],
      kind: cell.kind, modality: cell.modality, machine: cell.machine?.label ?? "", source: cell.source.name,
      parameters_n: cell.parameters_n, quality: cell.quality, metric: cell.metric, datasets_n: 1, runs_n: cell.runs_n,
      settings: settingsText(cell), amount: amountOf(cell, grid, per), apart: amountOf(cell, exact, per), shares, fill: fillOf(shares),
    };
  });
}

function fillOf(shares) {
  if (state.get("known") === "measured") return "measured";
  if (!shares) return "not known";
  const measured = shares.counter + shares.sampled;
  return measured > 0.995 ? "measured" : measured < 0.005 ? "not measured" : "measured in part";
}

/**
 * A point per source, machine, task, kind and model (else by other `keys`): the mean over its datasets, each counting
 * once. What a model took on one dataset with other settings is a point of its own.
 */
function byModel(points, keys = ["source", "machine", "task", "kind", "model"]) {
  const groups = [...grouped(points, (point) => keys.map((key) => point[key]).join("\n")).values()];
  return groups.flatMap((group) => {
    const apart = settingsApart(group.map(({ cell }) => cell));
    return [...grouped(group, ({ cell }) => settingsText(cell, apart)).values()].map(meanPoint);
  });
}

/** The mean over points; its counts are of those with an amount, unless there is none. */
function meanPoint(group) {
  if (group.length === 1) return group[0];
  const counted = countedOf(group);
  const sets = setsOf(counted);
  const shares = sharesOf(group);
  const cells = group.map(({ cell }) => cell);
  const differing = differingSettings(cells);
  const common = Object.keys(group[0].cell.settings).filter((name) => !differing.includes(name));
  return {
    ...group[0],
    id: group.map((point) => point.id).join("~"),
    set: setsText(group), sets, datasets_n: sets.length, cells,
    sets_unknown_n: group.length - group.filter((point) => point.amount).length,
    quality: null, metric: null, shares, fill: fillOf(shares),
    settings: settingsText(group[0].cell, common),
    runs_n: runsOf(counted),
    amount: meanOfIntervals(group.map((point) => point.amount)),
    apart: meanOfIntervals(group.map((point) => point.apart)),
  };
}

/** The datasets of points, each of a task, by name. */
function setsOf(points) {
  return [...new Set(points.flatMap((point) => point.sets))].sort();
}

/** The points that a mean is of; all of them where it is not known. */
function countedOf(points) {
  const known = points.filter((point) => point.amount);
  return known.length ? known : points;
}

function runsOf(points) {
  return points.reduce((sum, point) => sum + point.runs_n, 0);
}

function modelsN(points) {
  return distinct(points, (point) => point.model).length;
}

/** "3 models", or how many points they are, if some occur more than once. */
function modelsText(points) {
  const n = modelsN(points);
  return n === points.length ? count(n, "model") : `${count(points.length, "variant")} of ${count(n, "model")}`;
}

/** How the mean over points is known: their shares by their amounts; `null` where those of one are not known. */
function sharesOf(points) {
  const known = points.filter((point) => point.amount && point.amount[0] > 0);
  if (!known.length || known.some((point) => !point.shares)) return null;
  const all = known.reduce((sum, point) => sum + point.amount[0], 0);
  const share = (kind) => known.reduce((sum, point) => sum + (point.shares[kind] ?? 0) * point.amount[0], 0) / all;
  return Object.fromEntries([...new Set(known.flatMap((point) => Object.keys(point.shares)))].map((kind) => [kind, share(kind)]));
}

/** Over how many datasets a mean goes, and how many there are; of one its name. */
function setsText(group) {
  const [all_n, known_n] = [group, group.filter((point) => point.amount)].map((points) => setsOf(points).length);
  if (all_n === 1) return group[0].set;
  return `${known_n && known_n < all_n ? `${known_n} of ` : ""}${count(all_n, "dataset")}`;
}

/** The unit in which all amounts of a view are shown, by the median of `points`, and how that is called. */
function scaleOf(points, perId = state.get("per")) {
  const isCarbon = state.get("quantity") === "carbon";
  const known = points.filter((point) => point.amount).map((point) => Math.abs(point.amount[0])).filter((v) => v > 0);
  const [symbol, size] = unitFor(median(known) ?? 0, isCarbon ? "g" : state.get("unit"));
  const per = { 1000: "1,000 queries", 1: "query", tokens: "1,000 tokens of answer" }[perId];
  const noun = isCarbon ? "carbon" : "energy";
  const isRanged = rangedGrid() !== null;
  return {
    isCarbon, noun, size, per, perId,
    level: isRanged ? "95 % and the grid's range" : "95 %",
    interval: isRanged ? "95 %\u00a0interval and\u00a0grid's\u00a0range" : "95 % interval",
    notes: isRanged ? ["All intervals of carbon have the range of the grid's sources in them, which is common to all marks."] : [],
    symbol: isCarbon ? `${symbol} CO₂e` : symbol,
    title: `${noun} per ${per}, ${isCarbon ? `${symbol} CO₂e` : symbol}`,
    of: (amount) => (amount ? amount.map((value) => (value === null ? null : value / size)) : null),
    show: (amount) => (amount ? `${number(amount[0] / size)} ${isCarbon ? `${symbol} CO₂e` : symbol}` : UNKNOWN),
    range: (amount) =>
      amount && amount[1] !== null && amount[2] !== null
        ? `${number(amount[1] / size)} to ${number(amount[2] / size)}`
        : UNKNOWN,
  };
}

/** All that is known of a point, in words: every mark carries it. */
function aboutPoint(point, scale) {
  const parts = [`${plain(point.model, 80)}, ${plain(point.task, 40)}, ${plain(point.set, 60)}`];
  const range = scale.range(point.amount);
  parts.push(`${scale.show(point.amount)}${range === UNKNOWN ? "" : ` (${scale.level}: ${range})`} per ${scale.per}`);
  if (point.shares && state.get("known") === "all") parts.push(sharesText(point.shares));
  if (point.quality !== null && point.quality !== undefined) parts.push(`${plain(point.metric, 30)} ${number(point.quality)}`);
  if (point.parameters_n) parts.push(`${parameters(point.parameters_n)} parameters`);
  parts.push(count(point.runs_n, "run"));
  if (point.machine) parts.push(plain(point.machine, 60));
  if (point.settings) parts.push(plain(point.settings, 80));
  return parts.join("; ");
}

/** "sampled 60 %, assumed 40 %". */
function sharesText(shares) {
  if (!shares) return UNKNOWN;
  const parts = Object.entries(shares).filter(([, share]) => share >= SHARE_STEP);
  return parts.map(([kind, share]) => `${kind} ${wholePercent(share)} %`).join(", ") || UNKNOWN;
}

const SHARE_STEP = 1e-5; // shares add up to 1 but for rounding

/** A share as a whole percentage, of which neither all nor nothing is rounded to. */
function wholePercent(share) {
  if (share < SHARE_STEP) return 0;
  return share > 1 - SHARE_STEP ? 100 : Math.min(99, Math.max(1, Math.round(share * 100)));
}

/** What a mark of a logarithmic axis needs: only amounts above zero can be drawn; bounds that are not end at the floor. */
function marksOf(points, scale) {
  const shown = points.filter((point) => point.amount && point.amount[0] > 0);
  const values = shown.flatMap((point) => scale.of(point.amount)).filter((value) => value !== null && value > 0);
  const floor = extremesOf(values)[0] / 1.5;
  return shown.map((point) => {
    const [value, low, high] = scale.of(point.amount);
    return {
      id: point.id, value, model: point.model, task: point.task, set: point.set, kind: point.kind,
      low: low === null ? value : Math.max(low, floor), high: high ?? value,
      inside: FILLS[point.fill], about: aboutPoint(point, scale),
    };
  });
}

/** In words that nothing of what is known is above zero; "" where something is, or nothing is known. */
function notAboveZero(points, scale) {
  const known = points.filter((point) => point.amount);
  if (!known.length || known.some(({ amount }) => amount[0] > 0)) return "";
  const found = known.every(({ amount }) => amount[0] === 0) ? "zero" : "not above zero";
  return known.length === points.length ? `the ${scale.noun} is known, and ${found}` : `what is known of the ${scale.noun} is ${found}`;
}

/** The sentence of a section in which all that is known is not above zero, so that nothing can be compared; else "". */
function nothingAbove(points, scale) {
  const words = notAboveZero(points, scale);
  return words && sentenceOf(`${words}: there is nothing to compare`);
}

/** Why a figure has no mark: that nothing is above zero, or `why` it is not known. */
function noMark(points, scale, why) {
  const words = notAboveZero(points, scale);
  return `Nothing to draw: ${words ? `${words}, which a logarithmic axis cannot show` : why}.`;
}

/** Why points are not drawn, by count: sentences for a caption, none where all are. */
function leftOut(points, scale) {
  const low = points.filter((point) => point.amount && !(point.amount[0] > 0)).length;
  const sentences = unknownLeftOut(points, scale);
  if (low) sentences.push(`Left out: ${whole(low)} at or below zero, which a logarithmic axis cannot show.`);
  return sentences;
}

/** What means and figures leave out because it is not known, and why. */
function unknownLeftOut(points, scale) {
  const unknown = points.filter((point) => !point.amount).length;
  const sets = points.reduce((sum, point) => sum + (point.amount ? point.sets_unknown_n ?? 0 : 0), 0);
  const sentences = [];
  if (unknown) sentences.push(`Left out: ${whole(unknown)} of unknown ${scale.noun}${whyUnknown()}.`);
  if (sets) sentences.push(`Left out of the means: ${count(sets, "dataset")} of unknown ${scale.noun}${whyUnknown()}.`);
  return sentences;
}

/** The likeliest reason for unknown amounts under the bar's choices, but for those `aside`, which a section leaves out. */
function whyUnknown(aside = []) {
  const reasons = [];
  if (state.get("quantity") === "carbon" && !chosenGrid(page.content) && !aside.includes("quantity")) reasons.push("no grid is chosen");
  const boundary = state.get("boundary");
  if (boundary === "facility" && chosenPue() === null) reasons.push("no PUE is chosen");
  if (boundary === "facility" || boundary === "host") reasons.push("the whole machine was not metered");
  if (boundary === "marginal") reasons.push("idle was not measured");
  if (state.get("known") === "measured") reasons.push("nothing of it was measured");
  if (state.get("per") === "tokens" && !aside.includes("per")) reasons.push("tokens were not counted");
  return reasons.length ? ` (${reasons.join("; ")})` : "";
}

/** How the energy of what is drawn is known, in a sentence. */
function provenanceSentence(points) {
  if (state.get("known") === "measured") return "Only energy that hardware counted or sampled is in these numbers.";
  const measured = points.filter((point) => point.shares).map((point) => point.shares.counter + point.shares.sampled);
  if (!measured.length) return "How the energy is known is not said.";
  const unsaid_n = points.length - measured.length;
  const unsaid = unsaid_n ? ` Of ${whole(unsaid_n)} more it is not said how.` : "";
  const [least, greatest] = extremesOf(measured).map(wholePercent);
  if (least === 100) return `All of the energy was measured by counters or gauges.${unsaid}`;
  const otherwise = unmeasuredWords(points);
  if (greatest === 0) return `None of the energy was measured: it is ${otherwise}.${unsaid}`;
  const share = least === greatest ? `${least} %` : `${least} to ${greatest} %`;
  return `Measured by counters or gauges: ${share} of a mark's energy; the rest is ${otherwise}.${unsaid}`;
}

const PROVENANCES = ["counter", "sampled", "modelled", "assumed"];

/** The ways in which the energy of points is known, each once. */
function kindsOf(points) {
  return [...new Set(points.flatMap((point) => Object.entries(point.shares ?? {}).filter(([, share]) => share > 0).map(([kind]) => kind)))];
}

/** What is made up of energy: "fake", "replayed". */
function madeUpOf(points) {
  return kindsOf(points).filter((kind) => !PROVENANCES.includes(kind));
}

/** That nobody measured an energy, in the words of `joulemark report`; `whose` it is where it is not all that is told. */
function madeUpSentence(words, whose = "That energy") {
  return words.length ? `${whose} is ${joined(words)}: nobody measured it.` : "";
}

/** The same of points that are set against each other, of which `names` are those of each. */
function madeUpOfEach(points, names) {
  const all = points.map((point) => madeUpOf([point]));
  if (all.every((words) => words.length)) return madeUpSentence(madeUpOf(points));
  return all.map((words, i) => madeUpSentence(words, `The energy of ${names[i]}`)).filter(Boolean).join(" ");
}

/** How energy is known that was not measured: "modelled or assumed", and made up where some of it is. */
function unmeasuredWords(points) {
  const kinds = kindsOf(points);
  const madeUp = madeUpOf(points);
  const isModelled = kinds.some((kind) => ["modelled", "assumed"].includes(kind)) || !madeUp.length;
  const words = [...(isModelled ? ["modelled", "assumed"] : []), ...madeUp];
  return words.length > 1 ? `${words.slice(0, -1).join(", ")} or ${words.at(-1)}` : words[0];
}
