"use strict";
/*
 * Single queries: packed columns, read when a section first asks for them. What does not change with the filters is
 * counted once for every cell, so that a change of a filter only adds counts up.
 */

/** Width of the bins in which queries are counted, as a natural logarithm: coarser bins of drawings hold whole ones. */
const FINE_STEP = 0.002;
const UNKNOWN_BIN = -32768;
/** Fewer queries do not say what the slowest 1 % or 5 % of them take. */
const TAILS = [["p99", 0.01, 100], ["p95", 0.05, 20]];

let queriesLoading = null;

/**
 * The single queries of the page, decoded once: {columns, cells}. A column has `values` (NaN where unknown) and `bins`
 * of all queries; `cells` holds for every cell that has any what does not depend on the filters.
 */
function loadQueries(content) {
  queriesLoading ??= decodedQueries(content);
  return queriesLoading;
}

/** The content is new: what was decoded is not of it. */
function forgetQueries() {
  queriesLoading = null;
}

async function decodedQueries(content) {
  const { columns: described, packed, n } = content.queries;
  const found = await Promise.all(Object.entries(described).map(async ([name, column]) => {
    const bytes = await (packed?.[name] ? unpackedText(packed[name]) : unpacked(column.id));
    return [name, decodedColumn(column, bytes, n)];
  }));
  const columns = Object.fromEntries(found);
  const withQueries = content.cells.filter((cell) => cell.runs.some((run) => run.queries));
  return { columns, cells: new Map(withQueries.map((cell) => [cell, countedCell(cell, columns)])) };
}

/** Values and bins of a column, whose bytes stand plane by plane; a code of up to two bytes is looked up in a table. */
function decodedColumn(column, bytes, n) {
  const codes = new Uint32Array(n);
  for (let plane = 0; plane < column.bytes; plane += 1) {
    const [first, shift] = [plane * n, 8 * plane];
    for (let i = 0; i < n; i += 1) codes[i] |= bytes[first + i] << shift;
  }
  const valueOf = (code) => {
    if (code === column.unknown) return NaN;
    const steps = column.step * (code - 1);
    return column.scale === "log" ? column.least * Math.exp(steps) : column.least + steps;
  };
  const binOf = (value) => (value > 0 ? Math.floor(Math.log(value) / FINE_STEP) : UNKNOWN_BIN);
  const [values, bins] = [new Float32Array(n), new Int16Array(n)];
  if (column.bytes > 2) {
    for (let i = 0; i < n; i += 1) {
      values[i] = valueOf(codes[i]);
      bins[i] = binOf(values[i]);
    }
    return { values, bins };
  }
  const [tableValues, tableBins] = [new Float32Array(256 ** column.bytes), new Int16Array(256 ** column.bytes)];
  for (let code = 0; code < tableValues.length; code += 1) {
    tableValues[code] = valueOf(code);
    tableBins[code] = binOf(tableValues[code]);
  }
  for (let i = 0; i < n; i += 1) {
    values[i] = tableValues[codes[i]];
    bins[i] = tableBins[codes[i]];
  }
  return { values, bins };
}

/** Of one cell: its runs with queries, quantiles and mean of what they took, the counts in fine bins, energies. */
function countedCell(cell, columns) {
  const runs = cell.runs.filter((run) => run.queries);
  const sorted = knownOf(runs, columns.duration_s?.values).sort();
  const energies = knownOf(runs, columns.energy_j?.values);
  return {
    cell, runs, n: sorted.length,
    mean_s: sorted.length ? mean(sorted) : null,
    p50: quantileOf(sorted, 0.5), p95: quantileOf(sorted, 0.95), p99: quantileOf(sorted, 0.99),
    counts: countsOf(runs, columns.duration_s?.bins),
    energy_n: energies.length, energy_j: energies.length ? mean(energies) : null,
    ends: Object.fromEntries(Object.entries(columns).map(([name, column]) => [name, endsOf(runs, column.bins)])),
  };
}

/** The known values of runs, in an array of their own. */
function knownOf(runs, values) {
  if (!values) return new Float32Array(0);
  const own = new Float32Array(runs.reduce((sum, run) => sum + run.queries.n, 0));
  let n = 0;
  for (const { queries: { first, n: more } } of runs) {
    for (let i = first; i < first + more; i += 1) if (!Number.isNaN(values[i])) own[n++] = values[i];
  }
  return own.subarray(0, n);
}

/** A quantile of sorted values, between neighbours in proportion; `null` where there are none. */
function quantileOf(sorted, share) {
  if (!sorted.length) return null;
  const place = share * (sorted.length - 1);
  const [below, above] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
  return below + (above - below) * (place - Math.floor(place));
}

/** The least and the greatest bin of runs; `null` where nothing is known. */
function endsOf(runs, bins) {
  let [low, high] = [Infinity, -Infinity];
  for (const { queries: { first, n } } of runs) {
    for (let i = first; i < first + n; i += 1) {
      if (bins[i] === UNKNOWN_BIN) continue;
      if (bins[i] < low) low = bins[i];
      if (bins[i] > high) high = bins[i];
    }
  }
  return low > high ? null : [low, high];
}

/** How many queries fall into each fine bin, from bin `low` on. */
function countsOf(runs, bins) {
  const ends = bins ? endsOf(runs, bins) : null;
  if (!ends) return { low: 0, n: new Uint32Array(0) };
  const [low, high] = ends;
  const n = new Uint32Array(high - low + 1);
  for (const { queries: { first, n: more } } of runs) {
    for (let i = first; i < first + more; i += 1) if (bins[i] !== UNKNOWN_BIN) n[bins[i] - low] += 1;
  }
  return { low, n };
}

/** The counts of several cells together. */
function summedCounts(all) {
  const known = all.filter((one) => one.n.length);
  if (!known.length) return { low: 0, n: new Uint32Array(0) };
  const [low, high] = extremesOf(known.flatMap((one) => [one.low, one.low + one.n.length]));
  const n = new Uint32Array(high - low);
  for (const one of known) for (let i = 0; i < one.n.length; i += 1) n[one.low - low + i] += one.n[i];
  return { low, n };
}

/** A quantile from counts, as exact as a fine bin is wide. */
function quantileOfCounts({ low, n }, share) {
  const wanted = share * n.reduce((sum, one) => sum + one, 0);
  let before = 0;
  for (let i = 0; i < n.length; i += 1) {
    if (n[i] && before + n[i] >= wanted) return Math.exp((low + i + (wanted - before) / n[i]) * FINE_STEP);
    before += n[i];
  }
  return null;
}
