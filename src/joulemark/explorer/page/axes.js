"use strict";
/* Axes with round ticks that follow the data without building a figure anew: their ends are signals of Vega. */

/** The ends and ticks of a logarithmic axis over positive values. */
function logEnds(values, ticksMax = 8) {
  const known = values.filter((value) => value > 0 && Number.isFinite(value)).map(Math.log10);
  if (!known.length) return { low: 1, high: 10, ticks: [1, 10] };
  const [least, greatest] = extremesOf(known);
  const room = Math.max(0.05 * (greatest - least), 0.06);
  const [low, high] = [least - room, greatest + room];
  let ticks = [];
  for (const steps of [[1, 1.5, 2, 3, 4, 5, 6, 8], [1, 2, 5], [1, 3], [1]]) {
    ticks = [];
    for (let exponent = Math.floor(low); exponent <= Math.ceil(high); exponent += 1) {
      for (const step of steps) ticks.push(Number((step * 10 ** exponent).toPrecision(12)));
    }
    ticks = ticks.filter((tick) => Math.log10(tick) >= low && Math.log10(tick) <= high);
    if (ticks.length <= ticksMax) break;
  }
  while (ticks.length > ticksMax) ticks = ticks.filter((_, i) => i % 2 === 0);
  const ends = { low: 10 ** low, high: 10 ** high };
  if (ticks.length < 2) ticks = linearTicks(ends.low, ends.high); // values lie so close together that a power is far
  return { ...ends, ticks };
}

/** About five round places on a linear axis, both ends included. */
function linearTicks(low, high) {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= rough);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

const APART_RATIO = 1e-9; // values that differ by less are one: an axis between them has no numbers to tell

/** The ends and ticks of a linear axis. */
function linearEnds(values, fromZero = false) {
  const known = values.filter((value) => Number.isFinite(value));
  let [least, greatest] = extremesOf(known);
  if (!known.length) [least, greatest] = [0, 1];
  if (fromZero) least = Math.min(0, least);
  const most = Math.max(Math.abs(least), Math.abs(greatest));
  const span = greatest - least > APART_RATIO * most ? greatest - least : most || 1;
  const low = fromZero && least === 0 ? 0 : least - 0.06 * span;
  const high = greatest + 0.06 * span;
  return { low, high, ticks: linearTicks(low, high) };
}

/**
 * One channel of a figure: `encoding` for Vega-Lite, and the `signals` it needs with their values now.
 * `ends` come from logEnds or linearEnds; `name` tells its signals from those of other axes.
 */
function axis(name, field, title, ends, { log = true, format = ",~r", labels, grid = true } = {}) {
  const signals = { [`${name}_low`]: ends.low, [`${name}_high`]: ends.high, [`${name}_ticks`]: ends.ticks, [`${name}_title`]: title };
  const look = labels ? { labelExpr: labels } : { format };
  return {
    signals,
    encoding: {
      field, type: "quantitative",
      scale: {
        type: log ? "log" : "linear", nice: false, clamp: true, ...(log ? {} : { zero: false }),
        domain: [{ expr: `${name}_low` }, { expr: `${name}_high` }],
      },
      axis: { title: title === null ? null : `@${name}_title`, values: { expr: `${name}_ticks` }, grid, labelOverlap: "greedy", labelFlush: false, ...look },
    },
  };
}

/** Letters of a label in billions or millions, for axes of parameters. */
const PARAMETER_LABELS =
  "datum.value >= 1e9 ? format(datum.value / 1e9, ',~r') + ' B' : format(datum.value / 1e6, ',~r') + ' M'";

/** Colour, inside and shape of a field by fixed looks, as encodings with one legend; for rules `color` alone. */
function looksOf(field, looks, names, title) {
  const domain = Object.keys(looks).filter((name) => names.includes(name));
  const legend = domain.length > 1 ? { title, symbolOpacity: 1 } : null;
  const by = (place) => ({ field, type: "nominal", scale: { domain, range: domain.map((name) => looks[name][place]) }, legend });
  return { color: by(0), marks: { stroke: by(0), fill: by(0), shape: by(1), fillOpacity: FILL_OPACITY } };
}

/** Looks for names that have none of their own, in turn. */
function looksInTurn(names) {
  return Object.fromEntries(names.map((name, i) => [name, LOOKS[i % LOOKS.length]]));
}

/** For lines of groups, in turn. */
const DASHES = [[1, 0], [7, 3], [2, 2], [10, 3, 2, 3], [4, 2], [1, 3], [12, 4]];
const SLOT_LEGEND_PX = 210;
const SLOT_LETTERS = 30; // that such an entry has room for; longer names need lines of their own

/**
 * Colour and shape of up to as many groups as there are looks, whose names change with the filters: a datum's `slot` is
 * the place of its group in `names`, so that the drawing can be kept. For lines `color`.
 */
function looksBySlot(names, width) {
  const domain = LOOKS.map((_, i) => String(i));
  const entryPx = names.some((name) => name.length > SLOT_LETTERS) ? width - 60 : SLOT_LEGEND_PX;
  const legend = {
    title: null, symbolOpacity: 1, values: { expr: "slots" }, labelExpr: "slot_names[datum.value]",
    columns: Math.max(1, Math.floor((width - 60) / entryPx)), labelLimit: entryPx - 30,
  };
  const by = (place) => ({ field: "slot", type: "nominal", scale: { domain, range: LOOKS.map((look) => look[place]) }, legend });
  return {
    signals: { slots: domain.slice(0, names.length), slot_names: names },
    color: by(0), marks: { stroke: by(0), fill: by(0), shape: by(1), fillOpacity: FILL_OPACITY },
  };
}

/** The opacity of a mark's inside is in its data: how much of it was measured. */
const FILL_OPACITY = { field: "inside", type: "quantitative", scale: null, legend: null };
