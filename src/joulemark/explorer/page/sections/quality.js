"use strict";
/* Accuracy for energy: size against quality on each dataset, with what it costs. After Figure 4 of the paper. */

/** What is kept beside a headline metric and is none: lengths and counts. */
const NO_QUALITY = /_(words|tokens|n|s|j)$/;

section({
  id: "quality",
  figures: ["quality"],
  title: "Accuracy for energy",
  short: "Quality",
  paper: "Figure 4 and the evaluation tables",
  defaults: { quality_metric: "", quality_set: "", quality_least: "" },
  show({ content, points, scale, width }) {
    const all = qualityPanels(points);
    const wanted = state.get("quality_set");
    const panels = all.filter((panel) => !wanted || panel.dataset === wanted);
    const compared = panels.filter((panel) => panel.points.length > 1);
    return {
      sentence: qualitySentence(points, compared, scale),
      controls: qualityControls(content, compared),
      parts: [
        qualityFigure(content, points, panels, compared, scale, width),
        qualityDatasetTable(compared, scale),
        qualityModelTable(panels, scale),
      ],
      notes: [pinSentence(points, scale)].filter(Boolean),
    };
  },
});

/** Panels of points with a quality by the chosen metric, else by each dataset's own; a panel for each metric. */
function qualityPanels(points) {
  const metric = state.get("quality_metric");
  const least = state.number("quality_least");
  const scored = points.map((point) => qualityOf(point, metric)).filter((point) => point.quality !== null && drawable([point]).length);
  return panelsOf(scored).flatMap((panel) =>
    [...grouped(panel.points, (point) => point.metric)].map(([name, group]) => {
      const lower = group[0].lower;
      const front = paretoFront(group.map((point) => [point.amount[0], point.quality]), lower);
      const reaches = (point) => least === null || (lower ? point.quality <= least : point.quality >= least);
      return {
        ...panel, metric: plain(name, 40), lower, least,
        points: group.map((point, i) => ({ ...point, panel: panel.name, front: front[i], reaches: reaches(point) })),
      };
    }));
}

/** A point with its quality by a metric (`""`: its own); `lower`: less is better. */
function qualityOf(point, metric) {
  const { cell } = point;
  const isOwn = !metric || metric === cell.metric;
  return {
    ...point,
    quality: isOwn ? cell.quality : ownOf(cell.others, metric),
    metric: isOwn ? cell.metric : metric,
    lower: page.content.lower_is_better.includes(isOwn ? cell.metric : metric),
    samples: cell.scored_n > 0 ? "the same" : "others",
  };
}

function qualityControls(content, compared) {
  const cells = content.cells.filter((cell) => cell.runs_n > 0);
  const own = cells.filter((cell) => cell.quality !== null).map((cell) => cell.metric);
  const others = cells.flatMap((cell) => Object.keys(cell.others)).filter((name) => !NO_QUALITY.test(name));
  const metrics = [...new Set([...own, ...others])].sort();
  const datasets = distinct(panelsOf(cells.map(plainPoint)), (panel) => panel.dataset);
  const isLower = compared.length > 0 && compared.every((panel) => panel.lower);
  return [
    { key: "quality_metric", label: "Quality", kind: "select", options: [["", "each dataset's own"], ...metrics.map((name) => [name, name])] },
    { key: "quality_set", label: "Dataset", kind: "select", options: [["", "all"], ...datasets.map((name) => [name, name])] },
    { key: "quality_least", label: isLower ? "At most this quality" : "At least this quality", kind: "number", placeholder: "any" },
  ];
}

/** What panelsOf needs of a cell, whether or not it passes the filters. */
function plainPoint(cell) {
  return { task: cell.task, set: cell.set, source: "", machine: "" };
}

/** The point of the least amount, of those that reach the wanted quality; none where none does. */
function cheapestOf(panel) {
  const reaching = panel.points.filter((point) => point.reaches);
  return reaching.reduce((least, point) => (!least || point.amount[0] < least.amount[0] ? point : least), null);
}

/** The point of the best quality; of several as good the cheapest. */
function bestOf(panel) {
  const good = (point) => (panel.lower ? -point.quality : point.quality);
  return panel.points.reduce((best, point) =>
    good(point) > good(best) || (good(point) === good(best) && point.amount[0] < best.amount[0]) ? point : best);
}

function qualitySentence(points, panels, scale) {
  if (!panels.length) return nothingAbove(points, scale) || `No dataset here has two models whose quality and ${scale.noun} are known${whyUnknownOf(points)}: there is nothing to weigh.`;
  const text = (panel, point) => `${point.model_name} (${panel.metric} ${number(point.quality)}, ${scale.show(point.amount)})`;
  const wish = (panel) => (panel.least === null ? "" : ` with ${panel.metric} of at ${panel.lower ? "most" : "least"} ${panel.least}`);
  if (panels.length === 1) {
    const [panel] = panels;
    const [cheapest, best] = [cheapestOf(panel), bestOf(panel)];
    if (!cheapest) return `On ${panel.name}, none of ${modelsText(panel.points)} is there${wish(panel)}; the best is ${text(panel, best)}.`;
    if (cheapest === best) return `On ${panel.name}, the cheapest model${wish(panel)} is also the best: ${text(panel, best)}.`;
    const [ratio, low, high] = ratioOf(best.apart, cheapest.apart);
    const range = low === null ? "" : ` (95 %: ${number(low)} to ${number(high)})`;
    const which = panel.least === null ? "cheapest model" : "cheapest";
    return `On ${panel.name}, the ${which}${wish(panel)} is ${text(panel, cheapest)}; the best, ${text(panel, best)}, costs ${number(ratio)} times the ${scale.noun}${range}.`;
  }
  const reached = panels.filter(cheapestOf);
  if (!reached.length) return `No model reaches the quality wanted on any of ${count(panels.length, "dataset")}.`;
  const factors = reached.map((panel) => ({ panel, factor: bestOf(panel).amount[0] / cheapestOf(panel).amount[0] })).sort((a, b) => a.factor - b.factor);
  const factor = Math.exp(mean(factors.map((one) => Math.log(one.factor))));
  const [least, greatest] = [factors[0], factors.at(-1)].map((one) => `${number(one.factor)} times on ${one.panel.name}`);
  const cheapest = panels[0].least === null ? "the cheapest" : `the cheapest of at ${panels.every((panel) => panel.lower) ? "most" : "least"} ${panels[0].least}`;
  const where = reached.length === panels.length ? `On ${count(panels.length, "dataset")}` : `On the ${reached.length} of ${panels.length} datasets where a model is good enough`;
  return `${where}, the model of the best quality costs ${number(factor)} times the ${scale.noun} of ${cheapest} (geometric mean): from ${least} to ${greatest}.`;
}

const DISC_PX2 = 900; // the area of the largest disc
const QUALITY_LABEL_CUTS = [(name) => plain(name, 22), (name) => name];
const QUALITY_MAX_PX = 520; // of a panel
const QUALITY_AXIS_PX = 66; // what the axis at the left takes
const QUALITY_GAP_PX = { column: 58, row: 74 }; // between panels, with the ticks and headings that stand there

function qualityFigure(content, points, panels, compared, scale, width) {
  const title = `Quality for ${scale.noun}: size, quality and ${scale.noun} of every model`;
  const sized = compared
    .map((panel) => ({ ...panel, points: panel.points.filter((point) => point.parameters_n) }))
    .filter((panel) => panel.points.length > 1);
  const shown = sized.slice(0, PANELS_MAX_N);
  if (!shown.length) {
    const empty = noMark(points, scale, `this figure needs a dataset with two models whose size, quality and ${scale.noun} are all known, and none passes the filters${whyUnknownOf(points)}`);
    return { id: "quality", title, data: {}, spec: {}, empty };
  }
  const columns = Math.min(width < 560 ? 1 : width < 900 ? 2 : 3, shown.length);
  const size = { width: Math.min(QUALITY_MAX_PX, panelWidth(width - QUALITY_AXIS_PX, columns, 0, QUALITY_GAP_PX.column)), height: 200 };
  const sizes = logEnds(shown.flatMap((panel) => panel.points.map((point) => point.parameters_n)), 4);
  const greatest = extremesOf(shown.flatMap((panel) => panel.points.map((point) => point.amount[0])))[1] / scale.size;
  const x = axis("x", "size", "parameters", sizes, { labels: PARAMETER_LABELS });
  const all = shown.flatMap((panel) => panel.points);
  return {
    id: "quality", title,
    signals: { ...x.signals, panels_n: shown.length, area_greatest: greatest, area_ticks: areaTicks(greatest) },
    data: { marks: shown.flatMap((panel, i) => qualityMarks(panel, i, scale, sizes, greatest, size)) },
    spec: {
      data: { name: "marks" }, ...facetsOf(size.width, columns), spacing: QUALITY_GAP_PX, bounds: "flush",
      spec: { ...size, layer: qualityLayers(content, x, scale, columns === 1 ? "bottom" : "top") },
    },
    caption: [
      `The area of a disc is the ${scale.noun}. Ringed, and named where there is room: no other model of the panel is as good for less ${scale.noun}, or better for no more (Pareto front of the means). Intervals are in the tables.`,
      ...otherSamples(all), provenanceSentence(all), ...qualityLeftOut(points, panels, sized, scale), ...morePanels(sized),
    ],
    click: (mark) => mark.part === "model" && togglePin(mark.id),
  };
}

/**
 * The data of a panel: its models, the ticks of its axis and the wanted quality. Qualities are placed here (`height`, from
 * 0 to 1), since every panel has an axis of its own and a scale of Vega that follows the data warns when a panel goes.
 */
function qualityMarks(panel, panel_i, scale, sizes, greatest, { width, height }) {
  const ends = linearEnds(panel.points.map((point) => point.quality));
  const direction = panel.lower ? "less is better" : "more is better";
  const place = { panel: `${panel.name}\n${panel.metric} (${direction})`, panel_i };
  const heightOf = (quality) => along(quality, ends, false);
  const names = textsApart(distinct(panel.points, (point) => point.model_name), QUALITY_LABEL_CUTS);
  const marks = panel.points.map((point) => {
    const value = point.amount[0] / scale.size;
    return {
      ...place, part: "model", id: point.id, model: point.model, name: names.get(point.model_name), size: point.parameters_n, height: heightOf(point.quality), value,
      look: point.kind, inside: 1, chosen: point.reaches ? 1 : 0.25, ring: point.front ? 1 : 0, text: "", pin: isPinned(point.id) ? 1 : 0,
      about: aboutPoint(point, scale),
    };
  });
  const cheapest = cheapestOf(panel)?.id;
  const spots = marks.map((mark) => ({
    x: along(mark.size, sizes, true) * width, y: (1 - mark.height) * height,
    radius: Math.sqrt((DISC_PX2 * mark.value) / greatest / Math.PI), text: mark.ring && mark.chosen === 1 ? mark.name : null, mark,
  }));
  spots.sort((a, b) => (b.mark.id === cheapest) - (a.mark.id === cheapest) || a.mark.value - b.mark.value);
  for (const { spot, ...label } of placeLabels(spots, width, height)) Object.assign(spot.mark, label);
  const ticks = ends.ticks.filter((tick) => heightOf(tick) > 0.03 && heightOf(tick) < 0.96).map((tick) => ({ ...place, part: "tick", height: heightOf(tick), text: String(tick) }));
  const isInside = panel.least !== null && panel.least > ends.low && panel.least < ends.high;
  return [...ticks, ...marks, ...(isInside ? [{ ...place, part: "wanted", height: heightOf(panel.least) }] : [])];
}

/** Ticks of the legend of areas: some round amounts, of which the greatest is drawn. */
function areaTicks(greatest) {
  const ticks = linearEnds([0, greatest], true).ticks.filter((tick) => tick > 0 && tick <= greatest);
  return ticks.length > 1 ? [ticks[0] / 5, ticks[0], ticks.at(-1)] : [greatest];
}

/** The layers of a panel; the legend of areas stands at the side `orient`. */
function qualityLayers(content, x, scale, orient) {
  const { ink, soft, grid } = THEMES.light;
  const looks = looksOf("look", KINDS, distinct(content.cells, (cell) => cell.kind), null);
  const y = {
    field: "height", type: "quantitative", scale: { domain: [0, 1], nice: false },
    axis: { title: "quality", titlePadding: 40, labels: false, ticks: false, grid: false },
  };
  const at = { x: x.encoding, y };
  const seen = (field) => ({ field, type: "quantitative", scale: null, legend: null });
  const area = {
    field: "value", type: "quantitative", title: scale.title,
    scale: { type: "linear", domain: [0, { expr: "area_greatest" }], range: [0, DISC_PX2] },
    legend: { values: { expr: "area_ticks" }, format: ",~r", orient, columns: 3, titleLimit: 320, symbolFillColor: soft, symbolStrokeColor: soft, symbolOpacity: 0.5 },
  };
  const only = (part) => ({ transform: [{ filter: { field: "part", equal: part } }] });
  const outline = { type: "point", stroke: ink, strokeWidth: 1.8, aria: false };
  const layers = [
    { mark: { type: "circle", strokeWidth: 0, fillOpacity: 0.35 }, encoding: { ...at, size: area, fill: looks.marks.fill, opacity: seen("chosen"), description: { field: "about" }, tooltip: { field: "about" } } },
    { mark: { type: "point", size: 30, strokeWidth: 0, aria: false }, encoding: { ...at, ...looks.marks, opacity: seen("chosen") } },
    { mark: { ...outline, size: 90 }, encoding: { ...at, opacity: seen("ring") } },
    { mark: { ...outline, shape: "square", size: 260 }, encoding: { ...at, opacity: seen("pin") } },
    { mark: labelMark(), encoding: { ...at, text: { field: "text" } } },
  ];
  return [
    { ...only("tick"), mark: { type: "rule", color: grid, aria: false }, encoding: { y } },
    { ...only("tick"), mark: { type: "text", fontSize: 12, color: ink, align: "right", baseline: "middle", x: -5, aria: false }, encoding: { y, text: { field: "text" } } },
    { ...only("wanted"), mark: { type: "rule", strokeDash: [5, 4], strokeWidth: 1.5, color: ink, aria: false }, encoding: { y } },
    ...layers.map((layer) => ({ ...only("model"), ...layer })),
  ];
}

/** Where the quality is of other samples than the energy, in a sentence. */
function otherSamples(points) {
  const n = points.filter((point) => point.cell.scored_n === 0).length;
  if (!n) return [];
  return [`Quality of ${n === points.length ? "all of them" : `${n} of ${points.length}`}: from other samples than the energy.`];
}

function qualityLeftOut(points, panels, sized, scale) {
  const named = panels.flatMap((panel) => panel.points).length;
  const alone = panels.filter((panel) => panel.points.length === 1).length;
  const drawn = sized.flatMap((panel) => panel.points).length;
  const wanted = state.get("quality_set");
  const asked = wanted ? panelsOf(points).filter((panel) => panel.dataset === wanted).flatMap((panel) => panel.points) : points;
  const unscored = drawable(asked).length - named;
  const unsized = named - alone - drawn;
  const reasons = [[unscored, "without a known quality"], [alone, "alone on their dataset"], [unsized, "of unknown size"]];
  return [...leftOut(asked, scale), ...leftOutFor(reasons)];
}

function qualityDatasetTable(panels, scale) {
  const rows = panels.map((panel) => {
    const [cheapest, best] = [cheapestOf(panel), bestOf(panel)];
    return {
      panel: panel.name, metric: panel.metric, models_n: modelsN(panel.points), reaching_n: modelsN(panel.points.filter((point) => point.reaches)),
      model: cheapest?.model ?? null, quality: cheapest?.quality ?? null, amount: cheapest?.amount ?? null,
      best: best.model, best_quality: best.quality, ratio: !cheapest ? [null, null, null] : cheapest === best ? [1, null, null] : ratioOf(best.apart, cheapest.apart),
    };
  });
  const least = panels[0]?.least ?? null;
  return {
    id: "quality-cheapest", title: least === null ? "The cheapest and the best model of each dataset" : "The cheapest model that is good enough, by dataset", rows,
    empty: "No dataset that passes the filters has two models of known quality.",
    columns: [
      { key: "panel", name: "task_and_dataset", heading: "task · dataset", text: true },
      { key: "metric", heading: "quality", text: true },
      { key: "models_n", heading: "models" },
      { key: "reaching_n", heading: "good enough", hidden: least === null },
      { key: "model", name: "cheapest_model", heading: "cheapest", text: true, show: (row) => row.model ?? "none is good enough" },
      { key: "quality", name: "cheapest_quality", heading: "its quality" },
      ...amountColumns(scale).map((column) => (column.key === "amount" ? { ...column, heading: `its ${column.heading}` } : column)),
      { key: "best", name: "best_model", heading: "best quality", text: true },
      { key: "best_quality", heading: "its quality" },
      ...ratioColumns("best ÷ cheapest", "ratio"),
    ],
  };
}

function qualityModelTable(panels, scale) {
  const rows = panels.flatMap((panel) => panel.points);
  return {
    id: "quality-models", title: "Quality of the models", rows,
    empty: "No model that passes the filters has a known quality.",
    columns: [
      { key: "model", heading: "model", text: true },
      { key: "task", heading: "task", text: true },
      { key: "set", name: "dataset", heading: "dataset", text: true },
      { key: "kind", heading: "kind of model", text: true },
      { key: "pin", heading: "compare", screen: true, show: pinButton },
      { key: "parameters_n", heading: "parameters", show: (row) => parameters(row.parameters_n) },
      { key: "quality", heading: "quality" },
      { key: "metric", heading: "metric", text: true },
      ...amountColumns(scale),
      { key: "front", heading: "front", value: (row) => (row.front ? "yes" : "no"), show: (row) => (row.front ? "yes" : "no") },
      { key: "reaches", heading: "good enough", hidden: state.number("quality_least") === null, value: (row) => (row.reaches ? "yes" : "no"), show: (row) => (row.reaches ? "yes" : "no") },
      { key: "samples", name: "quality_samples", heading: "scored on", text: true },
      settingsColumn(rows),
      ...machineColumn(rows),
    ],
    notes: ["Front: no other model of the dataset is as good for less, or better for no more. Scored on: the samples whose energy was measured, or others."],
  };
}
