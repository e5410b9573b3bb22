"use strict";
/* Pins: up to two cells that the reader puts beside each other. */

const PINS_MAX_N = 2;

function isPinned(id) {
  return state.list("pins").includes(id);
}

/** Pin a cell, or take its pin away; a third one takes the place of the first. */
function togglePin(id) {
  const pins = state.list("pins");
  const next = pins.includes(id) ? pins.filter((one) => one !== id) : [...pins, id].slice(-PINS_MAX_N);
  state.set({ pins: next.join("~") });
}

/** The button of a cell's row. */
function pinButton(point) {
  const pressed = isPinned(point.id);
  const label = `${pressed ? "Take the pin off" : "Pin"} ${plain(point.model, 60)} on ${plain(point.set, 40)}`;
  const attributes = { type: "button", "data-pin": point.id, "aria-pressed": String(pressed), "aria-label": label };
  return h("button", { ...attributes, click: () => togglePin(point.id) }, pressed ? "pinned" : "pin");
}

/** The pinned ones among points of cells, in the order in which they were pinned. */
function pinnedAmong(points) {
  return state.list("pins").map((id) => points.find((point) => point.id === id)).filter(Boolean);
}

/** Comparisons by pairs of repetitions are of the energy of the devices in use, whatever it is shown per. */
function holdsPaired() {
  return state.get("boundary") === "device" && state.get("known") === "all" && state.get("per") !== "tokens";
}

/** second ÷ first of first ÷ second. */
function inverseRatio([ratio, low, high]) {
  return [1 / ratio, high && 1 / high, low && 1 / low];
}

/** The ratio of two cells that were measured in the same blocks, with the interval of their pairs; `null` if they were not. */
function pairedRatio(first, second) {
  if (!holdsPaired()) return null;
  for (const { prompted, specific, ratio } of page.content.comparisons) {
    if (prompted === first && specific === second) return ratio;
    if (prompted === second && specific === first) return inverseRatio(ratio);
  }
  return null;
}

/** The names of two points, with what else tells them apart: where they were measured, and their settings. */
function namesOfTwo(points) {
  const [place, differing] = [placesOf(points), differingSettings(points.map(({ cell }) => cell))];
  return points.map((point) => {
    const parts = [plain(point.set, 40), place(point), plain(settingsText(point.cell, differing), 60)];
    return `${plain(point.model, 60)} (${parts.filter(Boolean).join(", ")})`;
  });
}

/** What two pinned points are to each other, in words: the ratio of their amounts with its interval. */
function pinSentence(points, scale) {
  const [first, second] = pinnedAmong(points);
  if (!first) return "";
  if (!second) return `Pinned: ${plain(first.model, 60)}. Pin a second one to compare.`;
  const names = namesOfTwo([first, second]);
  const of = [first, second].map((point) => point.amount);
  if (!of.every((amount) => amount && amount[0] > 0)) {
    return `${names[0]} and ${names[1]} cannot be compared: the ${scale.noun} of one is not ${of.every(Boolean) ? "above zero" : "known"}.`;
  }
  // By the ratio that is shown: that of the pairs can lie on the other side of 1 than that of the means.
  const found = pairedRatio(first.cell, second.cell) ?? ratioOf(first.apart, second.apart);
  const [[ratio, low, high], [more, less]] = found[0] >= 1 ? [found, names] : [inverseRatio(found), [...names].reverse()];
  return [ratioSentence(more, less, ratio, [low, high], scale.noun), madeUpOfEach([first, second], names)].filter(Boolean).join(" ");
}

function ratioSentence(more, less, ratio, [low, high], noun) {
  const text = `${number(ratio)} times the ${noun}`;
  if (low === null || high === null) return `${more} needs ${text} of ${less}; how sure that is, is not known.`;
  const range = `${number(low)} to ${number(high)}`;
  if (low <= 1 && high >= 1) return `Between ${more} and ${less} no difference is shown: ${text} (${range}).`;
  return `${more} needs ${text} of ${less} (${range}).`;
}
