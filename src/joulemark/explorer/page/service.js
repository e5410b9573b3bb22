"use strict";
/* A model in service: what a year at a steady rate takes, and when that is as much as making the model took. */

const DAYS_PER_YEAR = 365.25;
/** The rate is the reader's own and holds wherever a section asks for it. */
const SERVICE_DEFAULTS = { per_day: "100000" };
const RATE_CONTROL = { key: "per_day", label: "Queries a day", kind: "number", min: 0 };

/** Queries a day; `null` where what was written is no rate. */
function chosenRate() {
  const rate = state.number("per_day");
  return rate > 0 ? rate : null;
}

/** The rate in words, with all its digits. */
function rateText() {
  return `${chosenRate().toLocaleString("en-US")} queries a day`;
}

/** Joules of the equipment per query inside the chosen boundary, as an interval; the building's share is not in it. */
function equipmentJoules(cell) {
  if (state.get("boundary") !== "facility") return times(joulesOf(cell), 1 / 1000);
  return chosenPue() === null ? null : times(joulesOf(cell, "host"), 1 / 1000);
}

/** What the building makes of the equipment's energy: 1 where no PUE is chosen. */
function buildingRatio() {
  return chosenPue() ?? 1;
}

/** The sum of two intervals whose errors may go together. */
function plusInterval(first, second) {
  if (!first || !second) return null;
  return first.map((value, i) => (value === null || second[i] === null ? null : value + second[i]));
}

/**
 * What a year takes, from joules of the equipment per query. `service` is {rate, grid, price, onsite}: queries a day, a
 * grid of the content, {per_kwh} and litres per kWh of the equipment, each `null` where not known. Energy and money are
 * at the building's meter. Water by Li et al. (arXiv:2304.03271): equipment × on-site + equipment × PUE × off-site.
 */
function yearOf(perQuery, { rate, grid, price, onsite }) {
  const equipment = times(perQuery, rate * DAYS_PER_YEAR);
  const meter = times(equipment, buildingRatio());
  const kwh = times(meter, 1 / J_PER_KWH);
  const offsite = grid?.offsite_l_per_kwh ? timesRange(kwh, grid.offsite_l_per_kwh) : null;
  const atHome = onsite === null ? null : times(equipment, onsite / J_PER_KWH);
  return {
    joules: meter,
    grams: grid ? timesRange(kwh, intensityOf(grid)) : null,
    litres: onsite === null ? offsite : plusInterval(offsite, atHome),
    money: price ? times(kwh, price.per_kwh) : null,
  };
}

/** first − second of two intervals, as if their errors were independent. */
function minusInterval(first, second) {
  if (!first || !second) return null;
  const [a, down, up] = first;
  const [b, least, greatest] = second;
  if ([down, up, least, greatest].includes(null)) return [a - b, null, null];
  return [a - b, a - b - Math.hypot(a - down, greatest - b), a - b + Math.hypot(up - a, b - least)];
}

/** Queries until inference has used `upfront` joules; an energy that may be zero gives no upper bound. */
function parityQueries(upfront, perQuery) {
  const [value, low, high] = times(perQuery, buildingRatio());
  return [upfront / value, high === null ? null : upfront / high, low !== null && low > 0 ? upfront / low : null];
}

/** A difference in words, in the unit of its farthest end. */
function showDifference([value, low, high], ladder) {
  const [symbol, size] = unitFor(Math.max(...[value, low, high].map((part) => Math.abs(part ?? 0))), ladder);
  if (low === null) return `${number(value / size)} ${symbol}`.trim();
  return `${number(value / size)} (${number(low / size)} to ${number(high / size)}) ${symbol}`.trim();
}

/** An interval in words, also where its end is open. */
function openInterval(interval, ladder) {
  const [value, low, high] = interval;
  if (low === null || high !== null) return showInterval(interval, ladder).trim();
  return `${show(value, ladder).trim()} (at least ${show(low, ladder).trim()})`;
}
