"use strict";
/* Panels: the models of one dataset beside each other, and the names that tell panels apart. */

const PANELS_MAX_N = 24;

/**
 * A panel {name, dataset, points} per dataset of a task (else by other `keys`), source and machine, since only there
 * amounts can be compared. The name has source and machine where the same dataset comes from several.
 */
function panelsOf(points, keys = ["task", "set"]) {
  const panels = [];
  const taken = new Set(); // long names are cut, and may then be the same
  for (const group of grouped(points, (point) => keys.map((key) => point[key]).join("\n")).values()) {
    const parts = [...grouped(group, (point) => `${point.source}\n${point.machine}`).values()];
    const telling = ["source", "machine"].filter((key) => distinct(parts, (part) => part[0][key]).length > 1);
    for (const part of parts) {
      const [one] = part;
      const dataset = keys.map((key) => plain(one[key], 50)).join(" · ");
      const name = [dataset, ...telling.map((key) => plain(one[key], 40))].join(" · ");
      panels.push({ name: unusedText(name, taken), dataset, points: part });
    }
  }
  return panels;
}

/** Points with an amount that a logarithmic axis and a ratio can bear. */
function drawable(points) {
  return points.filter((point) => point.amount && point.amount[0] > 0);
}

const HEADING_PX = 300; // of a panel that bears task and dataset on one line

/**
 * The facets of a figure: one per panel of the data, in the order of their numbers; headings break at `\n`. Every panel
 * has an axis of its own below it, which is left blank but in the lowest of each column (see withSignals): the figure
 * needs a signal `panels_n`.
 */
function facetsOf(panelPx, columns) {
  const label = panelPx < HEADING_PX ? "replace(datum.label, ' · ', '\\n')" : "datum.label";
  return {
    facet: {
      field: "panel", type: "nominal", title: null, sort: { field: "panel_i", op: "min" },
      header: { labelAnchor: "start", labelLimit: panelPx, labelExpr: `split(${label}, '\\n')` },
    },
    columns, resolve: { axis: { x: "independent" } }, align: { row: "each", column: "all" },
  };
}

/** Why amounts are not known, if that is so of any of these points. */
function whyUnknownOf(points) {
  return points.some((point) => !point.amount) ? whyUnknown() : "";
}

/** What a figure has no place for, from pairs of a count and its reason: a sentence for a caption, none where all is there. */
function leftOutFor(reasons) {
  const parts = reasons.filter(([n]) => n > 0).map(([n, why]) => `${n} ${why}`);
  return parts.length ? [`Left out: ${joined(parts)}.`] : [];
}

/** A sentence for a caption about the panels that there was no room for. */
function morePanels(panels) {
  const more = panels.length - PANELS_MAX_N;
  return more > 0 ? [`${count(more, "further panel")} not drawn: the filters above choose some.`] : [];
}
