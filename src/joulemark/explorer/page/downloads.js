"use strict";
/* What is shown, as a file. */

/** Hand a file to the reader. */
function save(name, content, type) {
  const address = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  const link = h("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

/** A name for a file, from letters that every system takes. */
function fileName(...parts) {
  return parts.join("-").toLowerCase().replace(/[^a-z0-9.]+/g, "-").slice(0, 80);
}

/** The drawing alone, light, with its title and caption, since it will stand without the page. */
async function standalone(figure) {
  const spec = wholeSpec(figure, "light");
  const lines = (figure.caption ?? []).flatMap((line) => wrapped(line, 110));
  const title = { text: figure.title, subtitle: lines, anchor: "start", offset: 14, fontSize: 15, subtitleFontSize: 11 };
  const whole = { ...spec, title, background: "white", padding: 12 };
  return (await vegaEmbed(document.createElement("div"), whole, { ...EMBEDDING, patch: (compiled) => withSignals(compiled, figure), tooltip: false })).view;
}

function wrapped(text, lettersMax) {
  const lines = [""];
  for (const word of text.split(" ")) {
    if (lines.at(-1) && lines.at(-1).length + word.length >= lettersMax) lines.push("");
    lines[lines.length - 1] += (lines.at(-1) ? " " : "") + word;
  }
  return lines;
}

async function downloadFigure(place, form) {
  const view = await standalone(place.figure);
  const name = fileName("joulemark", place.id);
  if (form === "svg") {
    save(`${name}.svg`, await view.toSVG(), "image/svg+xml");
  } else {
    const canvas = await view.toCanvas(2);
    canvas.toBlob((blob) => save(`${name}.png`, blob, "image/png"));
  }
  view.finalize();
}

/** The address of one figure alone, with all choices, to put into another page. */
function embedAddress(id) {
  return `${location.href.split(/[?#]/)[0]}?embed=${encodeURIComponent(id)}${location.hash}`;
}

async function copyEmbed(place) {
  const address = embedAddress(place.id);
  const button = place.downloads.querySelector("[data-copy]");
  try {
    await navigator.clipboard.writeText(address);
    button.textContent = "Link copied";
  } catch {
    window.prompt("The address of this figure alone:", address);
  }
  setTimeout(() => (button.textContent = "Copy link"), 2000);
}

/** A table's rows, with the keys of its columns; what is unknown is null. */
function tableRecords(table) {
  const columns = table.columns.filter((column) => column.key && !column.screen);
  return table.rows.map((row) => Object.fromEntries(columns.map((column) => [column.name ?? column.key, raw(column, row)])));
}

/** The value of a column in a row, in full precision. */
function raw(column, row) {
  const value = column.value ? column.value(row) : row[column.key];
  return value === undefined || Number.isNaN(value) ? null : value;
}

/** A field of CSV; a text that a spreadsheet would take for a formula gets an apostrophe before it. */
function csvField(value) {
  if (value === null) return "";
  let text = String(value);
  if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function downloadTable(table, form) {
  const records = tableRecords(table);
  const name = fileName("joulemark", table.id);
  if (form === "json") {
    const content = { table: table.title, state: location.hash, notes: table.notes ?? [], rows: records };
    save(`${name}.json`, JSON.stringify(content, null, 2), "application/json");
    return;
  }
  const names = table.columns.filter((column) => column.key && !column.screen).map((column) => column.name ?? column.key);
  const lines = [names, ...records.map((record) => Object.values(record))];
  save(`${name}.csv`, `${lines.map((line) => line.map(csvField).join(",")).join("\r\n")}\r\n`, "text/csv");
}
