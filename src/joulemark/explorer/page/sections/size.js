"use strict";
/* Size: parameters against energy or carbon. After Figure 2 of Luccioni et al. (2024). */

section({
  id: "size",
  figures: ["size"],
  title: "Size and what it costs",
  short: "Size",
  paper: "Figure 2",
  defaults: { from: "", to: "" },
  show({ content, points, scale, width }) {
    const models = byModel(points);
    const sized = models.filter((point) => point.parameters_n);
    const [from, to] = [state.number("from"), state.number("to")];
    const chosen = sized.filter((point) => (from === null || point.parameters_n >= from * 1e6) && (to === null || point.parameters_n <= to * 1e6));
    return {
      sentence: sizeSentence(chosen, scale),
      controls: [
        { key: "from", label: "From, million parameters", kind: "number", min: 0, placeholder: "any" },
        { key: "to", label: "To, million parameters", kind: "number", min: 0, placeholder: "any" },
      ],
      parts: [sizeFigure(content, models, sized, chosen, scale, width), sizeTable(chosen, scale)],
      notes: [pinSentence(points, scale)].filter(Boolean),
    };
  },
});

function sizeSentence(points, scale) {
  const known = points.filter((point) => point.amount && point.amount[0] > 0);
  if (!known.length) return nothingAbove(points, scale) || `No model here has a known size and ${scale.noun}${whyUnknown()}.`;
  const place = placesOf(known);
  const [where, most] = [...grouped(known, place)].sort((a, b) => b[1].length - a[1].length)[0];
  const bySize = [...most].sort((a, b) => a.parameters_n - b.parameters_n);
  const text = (point) => `${point.model_name} (${parameters(point.parameters_n)}, ${scale.show(point.amount)})`;
  const inPlace = where && ` in ${where}`;
  if (most.length < 3) return `${joined(bySize.map(text))}${inPlace}: too few models to say what size does.`;
  const sizes = bySize.map((point) => Math.log(point.parameters_n));
  const amounts = bySize.map((point) => Math.log(point.amount[0]));
  const rank = spearman(sizes, amounts);
  if (rank === null) return `${count(most.length, "point")}${inPlace}, all of the same ${distinct(sizes, (one) => one).length === 1 ? "size" : scale.noun}: what size does cannot be said.`;
  const strength = Math.abs(rank) < 0.3 ? "says little about" : Math.abs(rank) < 0.7 ? "goes along with" : "goes closely along with";
  const words = rank < 0 ? strength.replace("along with", "against") : strength;
  return `Size ${words} ${scale.noun}${inPlace}: rank correlation ${number(rank, 2)} over ${count(most.length, "point")}, from ${text(bySize[0])} to ${text(bySize.at(-1))}.`;
}

/** Spearman's rank correlation, ties sharing their mean rank; `null` where all values of one side are the same. */
function spearman(first, second) {
  const ranks = (values) => {
    const order = values.map((value, i) => [value, i]).sort((a, b) => a[0] - b[0]);
    const found = new Array(values.length);
    for (let i = 0; i < order.length; ) {
      let end = i;
      while (end + 1 < order.length && order[end + 1][0] === order[i][0]) end += 1;
      for (let k = i; k <= end; k += 1) found[order[k][1]] = (i + end) / 2;
      i = end + 1;
    }
    return found;
  };
  const [a, b] = [ranks(first), ranks(second)];
  const [middleA, middleB] = [mean(a), mean(b)];
  const together = a.reduce((sum, value, i) => sum + (value - middleA) * (b[i] - middleB), 0);
  const alone = (values, middle) => Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0));
  const product = alone(a, middleA) * alone(b, middleB);
  return product ? together / product : null;
}

function sizeFigure(content, models, sized, chosen, scale, width) {
  const title = `Size and ${scale.noun}`;
  const byId = new Map(sized.map((point) => [point.id, point]));
  const inside = new Set(chosen.map((point) => point.id));
  const marks = marksOf(sized, scale).map((mark) => ({
    ...mark, size: byId.get(mark.id).parameters_n, look: byId.get(mark.id).modality, chosen: inside.has(mark.id) ? 1 : 0.18,
  }));
  if (!marks.length) return { id: "size", title, data: {}, spec: {}, empty: noMark(sized, scale, `no model's parameters and ${scale.noun} are both known${whyUnknown()}`) };
  const narrow = width < 560;
  const x = axis("x", "size", "parameters", logEnds(marks.map((mark) => mark.size), narrow ? 3 : 6), { labels: PARAMETER_LABELS });
  const y = axis("y", "value", scale.title, logEnds(marks.flatMap((mark) => [mark.value, mark.low, mark.high])));
  const looks = looksOf("look", MODALITIES, distinct(content.cells, (cell) => cell.modality), null);
  const opacity = { field: "chosen", type: "quantitative", scale: null, legend: null };
  const unknown = models.length - sized.length;
  return {
    id: "size", title,
    signals: { ...x.signals, ...y.signals },
    data: { marks },
    spec: {
      width: width - 10, height: narrow ? 300 : 420, data: { name: "marks" },
      layer: [
        { mark: { type: "rule", strokeWidth: 1, aria: false }, encoding: { x: x.encoding, y: { ...y.encoding, field: "low" }, y2: { field: "high" }, stroke: looks.color, opacity: { value: 0.35 } } },
        {
          params: [{ name: "brush", select: { type: "interval", encodings: ["x"], clear: false } }],
          mark: { type: "point", size: 60, strokeWidth: 1.5 },
          encoding: { x: x.encoding, y: y.encoding, ...looks.marks, opacity, description: { field: "about" }, tooltip: { field: "about" } },
        },
      ],
    },
    caption: [
      "A mark is a model on a task (mean over its datasets); its line is the 95 % interval of the measurement.",
      ...scale.notes, provenanceSentence(drawable(sized)), ...leftOut(sized, scale),
      ...(unknown ? [`Left out: ${unknown} of unknown size.`] : []),
      "Draw over the figure to choose a range of sizes for the table; the fields above do the same.",
    ],
    click: (mark) => mark.id && !mark.id.includes("~") && togglePin(mark.id),
    drawn: (view) => view.addSignalListener("brush", (_, brush) => brushed(brush.size)),
  };
}

let brushTimer = null;

/** Take a range of sizes from the drawing, once the pointer rests. */
function brushed(range) {
  clearTimeout(brushTimer);
  if (!range) return;
  const [from, to] = [Math.min(...range), Math.max(...range)].map((value) => Number((value / 1e6).toPrecision(3)));
  brushTimer = setTimeout(() => state.set(from < to ? { from, to } : { from: "", to: "" }), 250);
}

function sizeTable(points, scale) {
  return {
    id: "size", title: `Models by size`, sort: ["parameters_n", "up"], rows: points,
    columns: [
      { key: "model", heading: "model", text: true },
      { key: "task", heading: "task", text: true },
      { key: "set", heading: "dataset", text: true },
      { key: "modality", heading: "modality", text: true },
      { key: "parameters_n", heading: "parameters", show: (row) => parameters(row.parameters_n) },
      ...amountColumns(scale),
      knownByColumn("shares"),
      { key: "pin", heading: "compare", screen: true, show: (row) => (row.cells ? h("span") : pinButton(row)) },
      settingsColumn(points),
    ],
  };
}
