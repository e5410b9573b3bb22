"use strict";
/* Panels with rows of dots: models side by side in lanes, below them the mean of two or more. */

const DOT_LANE_PX = 5;
const DOT_ROW_PX = [40, 150]; // the least and greatest height of a row
const PANEL_MAX_PX = 700;
const LABEL_FLUSH_PX = 14; // from an end of an axis, within which a label stays inside, clear of the next panel's
const DOTS_SHARE = 0.8; // of a row's height; the mean has the rest

/** The mean of models with its 95 % interval and the grid's range; one model alone has the interval of its measurement. */
function middleOf(points, quantiles) {
  const known = points.filter((point) => point.amount);
  return known.length === 1 ? known[0].amount : withGridRange(middleApart(points, quantiles));
}

/** The same without the range of the grid, for ratios: it is common to all. */
function middleApart(points, quantiles) {
  const known = points.filter((point) => point.amount);
  if (known.length === 1) return known[0].apart;
  return meanOfModels(known.map((point) => point.amount[0]), quantiles);
}

/** The rows of a panel, one for each kind of model, in the order of the kinds. */
function rowsOfKinds(panel, panel_i) {
  const kinds = grouped(panel.points, (point) => point.kind);
  const there = Object.keys(KINDS).filter((kind) => kinds.has(kind));
  return there.map((row) => ({ panel: panel.name, panel_i, row, points: drawable(kinds.get(row)) }));
}

/** The data of `rows`, which are {panel, panel_i, row, points}: a mark per model, and one per mean (`part`). */
function marksOfRows(rows, scale, quantiles) {
  const marks = new Map(marksOf(rows.flatMap((row) => row.points), scale).map((mark) => [mark.id, mark]));
  return rows.flatMap(({ panel, panel_i, row, points }) => {
    const place = { panel, panel_i, row };
    const shown = points.map((point) => marks.get(point.id)).filter(Boolean).sort((a, b) => a.value - b.value);
    const lanes = shown.map((mark, i) => {
      const lane = shown.length === 1 ? 0.5 : ((i + 0.5) / shown.length) * DOTS_SHARE;
      return { ...mark, ...place, lane, part: "model", pinned: isPinned(mark.id) };
    });
    return shown.length > 1 ? [...lanes, meanMark(place, points, scale, quantiles)] : lanes;
  });
}

function meanMark(place, points, scale, quantiles) {
  const [value, low, high] = scale.of(middleOf(points.filter((point) => point.amount?.[0] > 0), quantiles));
  const range = low === null ? "" : ` (${scale.level}: ${number(low)} to ${number(high)})`;
  const about = `${place.panel}, ${place.row}: mean of ${modelsText(points)} ${number(value)} ${scale.symbol}${range}`;
  return { ...place, part: "mean", lane: 0.91, value, low: low ?? value, high: high ?? value, about };
}

/** The height of a row that has room for as many models as any row can have. */
function heightOfRow(modelsMaxN) {
  const [least, greatest] = DOT_ROW_PX;
  return Math.min(greatest, Math.max(least, DOT_LANE_PX * (modelsMaxN + 2)));
}

/** What a figure of rows is drawn from: {signals, data, spec}. `looks` gives every row its colour and shape. */
function rowsOfDots(marks, { scale, looks, columns, width, left, step, ticksMax }) {
  const x = axis("x", "value", scale.title, logEnds(marks.flatMap((mark) => [mark.value, mark.low, mark.high]), ticksMax));
  x.encoding.axis.labelFlush = LABEL_FLUSH_PX;
  const gap = 24;
  const panelPx = Math.min(PANEL_MAX_PX, panelWidth(width - left, columns, 0, gap));
  const names = Object.keys(looks);
  const y = {
    field: "row", type: "nominal", title: null, sort: names,
    axis: { labelLimit: left, ticks: false, domain: false, grid: true }, scale: { paddingInner: 0.12, paddingOuter: 0.06 },
  };
  const yOffset = { field: "lane", type: "quantitative", scale: { domain: [0, 1] } };
  const ranged = { y, yOffset, x: { ...x.encoding, field: "low" }, x2: { field: "high" } };
  const said = { y, yOffset, x: x.encoding, description: { field: "about" }, tooltip: { field: "about" } };
  const encodings = Object.entries(looksOf("row", looks, names, null).marks);
  const look = Object.fromEntries(encodings.map(([channel, encoding]) => [channel, { ...encoding, legend: null }])); // rows have names
  const { ink, paper } = THEMES.light;
  const only = (part) => ({ transform: [{ filter: { field: "part", equal: part } }] });
  return {
    signals: { ...x.signals, panels_n: distinct(marks, (mark) => mark.panel).length },
    data: { marks },
    spec: {
      data: { name: "marks" }, ...facetsOf(panelPx, columns), spacing: gap,
      spec: {
        width: panelPx, height: { step, for: "position" },
        layer: [
          { ...only("model"), mark: { type: "rule", strokeWidth: 1, opacity: 0.55, aria: false }, encoding: { ...ranged, stroke: look.stroke } },
          { ...only("model"), mark: { type: "point", size: 42, strokeWidth: 1.4, opacity: 1 }, encoding: { ...said, ...look } },
          { transform: [{ filter: "datum.pinned === true" }], mark: { type: "point", size: 190, stroke: ink, strokeWidth: 2, aria: false }, encoding: { y, yOffset, x: x.encoding } },
          { ...only("mean"), mark: { type: "rule", strokeWidth: 2.5, color: ink, aria: false }, encoding: ranged },
          { ...only("mean"), mark: { type: "point", shape: "diamond", size: 90, filled: true, fill: paper, stroke: ink, strokeWidth: 1.6, opacity: 1 }, encoding: said },
        ],
      },
    },
  };
}

const MEAN_MARK = "Diamond: mean of two models or more; bar: its 95 % interval (Student's t on logarithms).";
