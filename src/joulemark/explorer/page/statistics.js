"use strict";
/* Intervals and fronts: the rules of joulemark.analysis, over what the page shows. */

function mean(values) {
  return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
}

function median(values) {
  if (!values.length) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2;
}

/** The least and the greatest of values, however many there are: a call takes some 100,000 arguments at most. */
function extremesOf(values) {
  return values.reduce(([least, greatest], value) => [Math.min(least, value), Math.max(greatest, value)], [Infinity, -Infinity]);
}

/** The sample standard deviation; `null` below two values. */
function deviation(values) {
  if (values.length < 2) return null;
  const middle = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1));
}

/** The quantile of Student's t for a two-sided 95 % interval. */
function tQuantile(quantiles, freedom) {
  return quantiles[Math.min(freedom, quantiles.length) - 1];
}

/** The mean of models with its 95 % interval by Student's t on logarithms, since models differ by factors. */
function meanOfModels(values, quantiles) {
  if (!values.length) return null;
  const middle = mean(values);
  if (values.length < 2 || values.some((value) => value <= 0)) return [middle, null, null];
  const spread = deviation(values.map(Math.log));
  const half = (tQuantile(quantiles, values.length - 1) * spread) / Math.sqrt(values.length);
  return [middle, middle * Math.exp(-half), middle * Math.exp(half)];
}

/** The mean of intervals, each counting once; a bound is known where all of them are. */
function meanOfIntervals(intervals) {
  const known = intervals.filter(Boolean);
  if (!known.length) return null;
  const bound = (place) => (known.every((one) => one[place] !== null) ? mean(known.map((one) => one[place])) : null);
  return [mean(known.map((one) => one[0])), bound(1), bound(2)];
}

/** first ÷ second of two means with intervals, as if their errors were independent; bounds `null` where unknown. */
function ratioOf(first, second) {
  const ratio = first[0] / second[0];
  const sure = (one) => one[1] !== null && one[2] !== null && one[1] > 0;
  if (!sure(first) || !sure(second)) return [ratio, null, null];
  const down = Math.hypot(Math.log(first[0] / first[1]), Math.log(second[2] / second[0]));
  const up = Math.hypot(Math.log(first[2] / first[0]), Math.log(second[0] / second[1]));
  return [ratio, ratio * Math.exp(-down), ratio * Math.exp(up)];
}

/** Whether each [cost, quality] is on the Pareto front: none is as good at less cost, or better at no more. */
function paretoFront(pairs, lowerIsBetter) {
  const good = ([, quality]) => (lowerIsBetter ? -quality : quality);
  const beats = (one, other) =>
    one[0] <= other[0] && good(one) >= good(other) && (one[0] !== other[0] || one[1] !== other[1]);
  return pairs.map((pair) => !pairs.some((other) => beats(other, pair)));
}

/** Groups of `items` by a key, in the order in which keys first come. */
function grouped(items, key) {
  const groups = new Map();
  for (const item of items) {
    const name = key(item);
    const group = groups.get(name);
    if (group) group.push(item);
    else groups.set(name, [item]);
  }
  return groups;
}

/** The values of a key that occur, each once, in their order. */
function distinct(items, key) {
  return [...new Set(items.map(key))];
}
