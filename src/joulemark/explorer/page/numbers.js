"use strict";
/* Numbers for people: the same digits, units and marks as the command line prints. */

const UNKNOWN = "–";
const LADDERS = {
  Wh: [["GWh", 3.6e12], ["MWh", 3.6e9], ["kWh", 3.6e6], ["Wh", 3600], ["mWh", 3.6], ["µWh", 3.6e-3], ["nWh", 3.6e-6]],
  J: [["GJ", 1e9], ["MJ", 1e6], ["kJ", 1e3], ["J", 1], ["mJ", 1e-3], ["µJ", 1e-6]],
  g: [["t", 1e6], ["kg", 1e3], ["g", 1], ["mg", 1e-3], ["µg", 1e-6]],
  s: [["h", 3600], ["min", 60], ["s", 1], ["ms", 1e-3], ["µs", 1e-6]],
  W: [["MW", 1e6], ["kW", 1e3], ["W", 1], ["mW", 1e-3]],
  l: [["m³", 1e3], ["l", 1], ["ml", 1e-3]],
  days: [["years", 365.25], ["days", 1], ["hours", 1 / 24]],
  n: [["trillion", 1e12], ["billion", 1e9], ["million", 1e6], ["", 1]],
};

function isKnown(value) {
  return value !== null && value !== undefined;
}

/** The unit of a ladder, as [symbol, size], in which `value` (in base units) reads best; zero has the ladder's own. */
function unitFor(value, ladder) {
  if (value === 0) return LADDERS[ladder].find(([symbol]) => symbol === ladder) ?? LADDERS[ladder].at(-1);
  return LADDERS[ladder].find(([, size]) => Math.abs(value) >= size) ?? LADDERS[ladder].at(-1);
}

/** A formatter per number of decimals, since making one takes longer than using it. */
const DECIMALS = Array.from({ length: 12 }, (_, n) => new Intl.NumberFormat("en-US", { minimumFractionDigits: n, maximumFractionDigits: n }));

/** `value` rounded to significant digits, without an exponent between 0.001 and a million; `null` is unknown. */
function number(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return UNKNOWN;
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const magnitude = Math.floor(Math.log10(Math.abs(value)));
  if (magnitude < -3 || magnitude >= 6) return value.toExponential(digits - 1).replace(/e([+-])(\d)$/, "e$10$2");
  return DECIMALS[Math.max(0, digits - 1 - magnitude)].format(value);
}

/** `value` in base units, with the unit of a ladder that suits it. */
function show(value, ladder, digits = 3) {
  if (value === null || value === undefined) return UNKNOWN;
  const [symbol, size] = unitFor(value, ladder);
  return `${number(value / size, digits)} ${symbol}`;
}

/** An interval [value, low, high] in one unit: "2.1 (1.9 to 2.3) Wh"; unknown bounds are left out. */
function showInterval(interval, ladder) {
  if (!interval) return UNKNOWN;
  const [value, low, high] = interval;
  const [symbol, size] = unitFor(value, ladder);
  if (low === null || high === null) return `${number(value / size)} ${symbol}`;
  return `${number(value / size)} (${number(low / size)} to ${number(high / size)}) ${symbol}`;
}

/** A share as a percentage. */
function percent(share) {
  return share === null || share === undefined ? UNKNOWN : `${number(share * 100, share < 0.1 ? 2 : 3)} %`;
}

/** How far a figure of the catalogue was verified, in a word or two; what is only recalled is marked. */
function verifiedText(verification) {
  const [first] = verification.split(/[;, ]/);
  if (first === "unverified") return "◌ unverified";
  return `${first || UNKNOWN}${/unverified|recalled/.test(verification) ? ", ◌ partly unverified" : ""}`;
}

/** A count of parameters: 66 M, 1.3 B. */
function parameters(n) {
  if (n === null || n === undefined) return UNKNOWN;
  const [symbol, size] = [["B", 1e9], ["M", 1e6], ["k", 1e3], ["", 1]].find(([, one]) => n >= one) ?? ["", 1];
  return `${number(n / size)}${symbol && ` ${symbol}`}`;
}

/** A count with separators. */
function whole(n) {
  return DECIMALS[0].format(n);
}

/** "1 model", "3 models". */
function count(n, noun, nouns = `${noun}s`) {
  return `${whole(n)} ${n === 1 ? noun : nouns}`;
}

/** Names in a sentence: "a, b and c". */
function joined(names) {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

/** A day and an hour, as written in the results (UTC). */
function when(iso) {
  return iso ? String(iso).slice(0, 16).replace("T", " ") : UNKNOWN;
}
