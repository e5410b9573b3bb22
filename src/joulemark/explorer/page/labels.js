"use strict";
/* Names beside marks, where there is room for them. */

const NAME_PX = 10;
const MARK_RADIUS_PX = 5;
/** Places tried around a mark: alignment, and the direction away from it in units of its radius. */
const NAME_PLACES = [
  ["left", "middle", 1, 0], ["right", "middle", -1, 0], ["center", "bottom", 0, -1], ["center", "top", 0, 1],
  ["left", "bottom", 0.7, -0.7], ["left", "top", 0.7, 0.7], ["right", "bottom", -0.7, -0.7], ["right", "top", -0.7, 0.7],
];
const ACROSS = { left: 0, right: -1, center: -0.5 }; // where a text begins, in its own lengths
const DOWN = { middle: -0.5, bottom: -1, top: 0 };

const labelPen = document.createElement("canvas").getContext("2d");

/** Where a value lies on an axis with ends from logEnds or linearEnds, from 0 at the low end to 1. */
function along(value, ends, isLog) {
  const of = isLog ? Math.log : (one) => one;
  return (of(value) - of(ends.low)) / (of(ends.high) - of(ends.low));
}

/**
 * Labels for spots {x, y, radius, text} in pixels from the upper left corner; those without `text` are only kept free.
 * Earlier ones go first; none lies on a mark, on another label or outside, and none is repeated.
 */
function placeLabels(spots, width, height) {
  labelPen.font = `${NAME_PX}px ${FONT}`;
  const radius = (spot) => Math.max(MARK_RADIUS_PX, spot.radius ?? 0);
  const taken = spots.map((spot) => [spot.x - radius(spot), spot.y - radius(spot), spot.x + radius(spot), spot.y + radius(spot)]);
  const placed = [];
  for (const spot of spots) {
    if (!spot.text || placed.some((label) => label.text === spot.text)) continue;
    const long = labelPen.measureText(spot.text).width + 2;
    const away = radius(spot) + 2;
    for (const [align, baseline, right, down] of NAME_PLACES) {
      const [dx, dy] = [right * away, down * away];
      const left = spot.x + dx + ACROSS[align] * long;
      const top = spot.y + dy + DOWN[baseline] * (NAME_PX + 2);
      const box = [left, top, left + long, top + NAME_PX + 2];
      if (left < 0 || top < 0 || box[2] > width || box[3] > height || taken.some((other) => areOver(box, other))) continue;
      taken.push(box);
      placed.push({ spot, text: spot.text, align, baseline, dx, dy });
      break;
    }
  }
  return placed;
}

function areOver(one, other) {
  return one[0] < other[2] && other[0] < one[2] && one[1] < other[3] && other[1] < one[3];
}

/** The mark that writes labels from data with `text`, `align`, `baseline`, `dx` and `dy`. */
function labelMark() {
  const of = (field) => ({ expr: `datum.${field}` });
  return {
    type: "text", fontSize: NAME_PX, color: THEMES.light.ink, aria: false,
    align: of("align"), baseline: of("baseline"), dx: of("dx"), dy: of("dy"),
  };
}
