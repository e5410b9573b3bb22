"use strict";
/* Method: how every figure of the page was made, of what, and what weakens it. */

section({
  id: "method",
  title: "How the figures were made",
  short: "Method",
  show({ content }) {
    const wanted = state.get("source");
    const sources = content.sources.filter((source) => !wanted || source.name === wanted);
    const cells = content.cells.filter((cell) => passes(cell));
    const findings = content.findings.filter((finding) => sources.includes(content.sources[finding.source_i]));
    return {
      sentence: methodSentence(content, sources, findings),
      parts: [
        ...sourceFacts(sources),
        sourceTable(sources),
        findingTable(content, findings, sources),
        reasonTable(content, cells),
        machineTable(content, sources),
        versionTable(content, sources),
        explanation(content),
      ],
    };
  },
});

function methodSentence(content, sources, findings) {
  const runs = sources.reduce((sum, source) => sum + source.runs_n, 0);
  const failed = sources.reduce((sum, source) => sum + source.failed_n, 0);
  const places = count(sources.length, "set of results", "sets of results");
  if (!runs) return `No figure can be drawn: ${failed ? `none of ${count(failed, "run")} in ${places} measured anything` : "nothing has been measured"}. ${sentenceOf(whyEmpty(content))}`;
  return `${count(runs, "run")} from ${places}${failed ? `, ${failed.toLocaleString("en-US")} more failed` : ""}; ${auditText(sources, findings)}.`;
}

/** What the audit found, and of whom it says nothing because they were not audited. */
function auditText(sources, findings) {
  const without = sources.filter((source) => source.notes.some((note) => note.startsWith("no findings")));
  if (without.length === sources.length) return "these were not audited";
  const found = `the audit has ${findings.length ? count(findings.length, "finding") : "no finding"}`;
  return without.length ? `${found}, and ${joined(without.map((source) => plain(source.name, 60)))} ${without.length === 1 ? "was" : "were"} not audited` : found;
}

function sentenceOf(text) {
  return `${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}

/** What each set of results says of itself, and what is left out of it. */
function sourceFacts(sources) {
  return sources.map((source) => {
    const left = [...source.notes, source.details].filter(Boolean);
    return h("div", {},
      h("h3", {}, plain(source.name, 80)),
      source.description ? h("p", {}, sentenceOf(plain(source.description, 400))) : null,
      left.map((note) => h("p", {}, sentenceOf(plain(note, 400)))));
  });
}

function sourceTable(sources) {
  const protocol = (key) => (row) => row.protocol?.[key] ?? null;
  const of = (key, heading, more = {}) => ({ key, heading, value: protocol(key), show: protocol(key), ...more });
  return {
    id: "sources", title: "Studies and protocols", rows: sources, empty: "No results.",
    columns: [
      { key: "name", heading: "results", text: true },
      { key: "study", heading: "study", text: true, hidden: sources.every((source) => source.name === source.study) },
      { key: "study_id", hidden: true },
      { key: "cells_n", heading: "cells" },
      { key: "runs_n", heading: "runs" },
      { key: "failed_n", heading: "failed" },
      of("queries_n", "queries a run", { show: (row) => protocol("queries_n")(row)?.toLocaleString("en-US") }),
      of("repeats_n", "repetitions"),
      of("order", "order", { text: true }),
      of("seed", "seed", { show: (row) => String(protocol("seed")(row)) }),
      of("warmup_n", "warm-up queries"),
      of("idle_s", "idle, s"),
      { key: "first_at", heading: "first run, UTC", text: true, show: (row) => when(row.first_at) },
      { key: "last_at", heading: "last run, UTC", text: true, show: (row) => when(row.last_at) },
      { key: "kept_as", heading: "kept as", text: true, value: (row) => (row.published ? "means, with the package" : row.place), show: (row) => (row.published ? "means, with the package" : row.place) },
    ],
    notes: ["Queries a run, repetitions and so on are what the study asks for; a run that failed, or is still to come, is not in any figure."],
  };
}

/** What the audit found; a finding with an explanation says what its rule tests and why that matters. */
function findingTable(content, findings, sources) {
  return {
    id: "findings", title: "What the audit found", rows: findings,
    empty: sources.length && sources.every((source) => source.published) ? "A publication of means cannot be audited: the rules read single runs." : "No finding, or nothing to audit.",
    columns: [
      { key: "code", heading: "code", text: true },
      { key: "severity", heading: "severity", text: true, show: (row) => h("span", { class: `severity-${row.severity}` }, row.severity) },
      { key: "source", heading: "results", text: true, hidden: sources.length < 2, value: (row) => content.sources[row.source_i].name, show: (row) => content.sources[row.source_i].name },
      { key: "subject", heading: "about", text: true },
      { key: "message", heading: "found", text: true, show: (row) => longText(row.message) },
      { key: "meaning", heading: "what it means", text: true, value: findingMeaning, show: (row) => longText(findingMeaning(row)) },
      { key: "remedy", heading: "what helps", text: true, show: (row) => longText(row.remedy) },
    ],
    notes: findings.length ? ["Error: a number says something that it is not. Warning: a number is weaker than it looks. Note: to keep in mind when reading."] : [],
  };
}

function findingMeaning(finding) {
  return finding.explanation ?? finding.title;
}

/** Codes that stand on cells, their runs and channels, with how many cells each is on. */
function reasonTable(content, cells) {
  const codes = new Map();
  for (const cell of cells) {
    const own = [...cell.reasons, ...cell.runs.flatMap((run) => [...run.reasons, ...run.channels.flatMap((channel) => channel.reasons)])];
    for (const code of new Set(own)) codes.set(code, (codes.get(code) ?? 0) + 1);
  }
  const rows = [...codes].map(([code, cells_n]) => ({ code, cells_n, ...content.reasons[code] }));
  return {
    id: "reasons", title: "What weakens the numbers", rows, sort: ["cells_n", "down"], empty: "No number here carries a reason code.",
    columns: [
      { key: "code", heading: "code", text: true },
      { key: "meaning", heading: "what it means", text: true, show: (row) => longText(row.meaning ?? "a code of another version of joulemark") },
      { key: "remedy", heading: "what helps", text: true, show: (row) => longText(row.remedy) },
      { key: "cells_n", heading: "cells" },
    ],
  };
}

function machineTable(content, sources) {
  const used = new Set(content.cells.filter((cell) => sources.includes(cell.source)).map((cell) => cell.machine_i));
  const gpus = (row) => [...grouped(row.gpus, (name) => name)].map(([name, group]) => (group.length > 1 ? `${group.length} × ${name}` : name)).join(", ") || "none";
  const told = (value) => (value === null ? "not known" : value ? "yes" : "no");
  return {
    id: "machines", title: "Machines", rows: content.machines.filter((_, i) => used.has(i)), empty: "No machine has measured anything yet.",
    columns: [
      { key: "label", heading: "machine", text: true },
      { key: "id", heading: "id", text: true },
      { key: "cpu", heading: "processor", text: true },
      { key: "cpus_n", heading: "CPUs" },
      { key: "gpus", heading: "boards", text: true, value: gpus, show: gpus },
      { key: "memory_byte", heading: "memory, GB", show: (row) => (row.memory_byte ? number(row.memory_byte / 1e9) : null) },
      { key: "virtualised", heading: "virtual machine", text: true, value: (row) => told(row.virtualised), show: (row) => told(row.virtualised) },
      { key: "system", heading: "system", text: true },
    ],
  };
}

/** Every package with the versions that measured; more than one can be why two numbers differ. */
function versionTable(content, sources) {
  const found = new Map();
  for (const run of content.runs) {
    if (run.versions_i === null || !sources.includes(run.cell.source)) continue;
    for (const [name, version] of Object.entries(content.versions[run.versions_i])) {
      if (!found.has(name)) found.set(name, new Map());
      found.get(name).set(version, (found.get(name).get(version) ?? 0) + 1);
    }
  }
  const rows = [...found].map(([name, versions]) => ({ name, versions: [...versions].map(([version, n]) => (versions.size > 1 ? `${version} (${count(n, "run")})` : version)).join(", ") }));
  return {
    id: "versions", title: "Versions", rows, empty: "The versions are known of single runs only, of which there are none here.",
    columns: [{ key: "name", heading: "package", text: true }, { key: "versions", heading: "version", text: true }],
  };
}

/** The rules behind all figures, with the grid and the building that are chosen. */
function explanation(content) {
  const facts = [
    ["Reading", "Counters are read once when a window begins and once when it ends; gauges, which show power, are sampled by a process of their own and integrated. Nothing else of joulemark runs while queries are answered."],
    ["How it is known", "counter: the difference of a hardware counter. sampled: the integral of a power gauge. modelled: a formula on load or size. assumed: a constant. The first two are measured: marks are full where all of the energy is, pale where part of it is, hollow where none is. A channel that failed has no energy, which is never taken for zero."],
    ["Interval", "95 %: the spread of the repetitions (Student's t) joined with the sensors' own error, which repeating does not make smaller. Means over models (diamonds) have an interval of their own, on logarithms; the measurement's error is not in it. Grams have the range of the grid's sources in their interval, too; ratios leave it out, since it is common to both. Ratios take the errors of both as independent."],
    ["Boundary", "devices in use: our boards, processors, and memory as far as it is metered. above idle: the same less what they draw while they wait. whole machine: a meter that sees all of it; without one it is not known. building: the whole machine times PUE. What has no sensor is not counted, and listed."],
    ["Left out", "What is not known is not drawn, and counted under each figure; neither is what a logarithmic axis cannot show."],
    ["Grid", gridText(content)],
    ["PUE", pueText(content)],
  ];
  return h("div", {}, h("h3", {}, "How a joule becomes a number"),
    h("dl", { class: "facts" }, facts.map(([name, text]) => [h("dt", {}, name), h("dd", {}, text)])));
}

function gridText(content) {
  const grid = chosenGrid(content);
  if (!grid) {
    return content.cells.some((cell) => cell.carbon_logged_g !== null)
      ? "None is chosen: carbon is what was logged when it was measured, inside the devices in use. Choose a grid to compute it anew."
      : `None is chosen, so that no carbon is shown: where a machine stands is never guessed.${ofStudies(content)}`;
  }
  if (!grid.source) return `${number(grid.g_per_kwh)} g CO₂e per kWh, as written by the reader. Carbon is energy × PUE × this.`;
  return `${plain(grid.name, 80)}: ${number(grid.g_per_kwh)} g CO₂e per kWh${rangeText(grid)}, ${grid.year ?? "year not stated"}, ${grid.basis}, ${grid.kind}. ${sentenceOf(grid.source)} Checked: ${sentenceOf(grid.verification)} Carbon is energy × PUE × this; its interval is that of the energy${hasRange(grid) ? " with the range of the sources" : "; that of the grid is not known"}.`;
}

/** The grids that studies name themselves, which are not taken without being asked for. */
function ofStudies(content) {
  const named = content.sources.filter((source) => source.grid).map((source) => `${plain(source.name, 60)} names ${plain(content.grid_of.get(source.grid)?.name ?? source.grid, 60)}`);
  return named.length ? ` The study of ${joined(named)}.` : "";
}

function pueText(content) {
  const pue = chosenPue();
  if (pue === null) return "None is chosen: cooling and losses of the building are left out, and the boundary building is not known.";
  const same = content.pues.filter((one) => one.pue[0] === pue).slice(0, 3);
  const published = same.map((one) => `${one.label} (${one.year ?? "year not stated"}; ${one.source}; ${verifiedText(one.verification)})`);
  return `${pue}, as written by the reader${published.length ? `; published with this value: ${joined(published)}` : ""}.`;
}
