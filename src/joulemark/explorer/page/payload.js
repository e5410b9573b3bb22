"use strict";
/* What the page is made from: packed columns inside the page, decoded when they are asked for. */

/** The bytes of a packed element of the page; rejects where the browser cannot unpack them. */
function unpacked(id) {
  return unpackedText(document.getElementById(id).textContent.trim());
}

/** The bytes behind packed letters, which a page that serves itself is sent as well. */
async function unpackedText(text) {
  const packed = Uint8Array.fromBase64 ? Uint8Array.fromBase64(text) : bytesOf(atob(text));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function bytesOf(binary) {
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i += 1) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

async function readContent() {
  return prepared(JSON.parse(new TextDecoder().decode(await unpacked("content"))));
}

/** The content with names in the place of indices, and an identity for every cell that a link can hold. */
function prepared(content) {
  const seen = new Map();
  content.cells.forEach((cell, i) => {
    cell.i = i;
    cell.source = content.sources[cell.source_i];
    cell.machine = cell.machine_i === null ? null : content.machines[cell.machine_i];
    const id = `${cell.source_i}.${cell.machine_i ?? "x"}.${String(cell.cell_id).slice(0, 8)}`;
    const before = seen.get(id) ?? 0;
    seen.set(id, before + 1);
    cell.id = before ? `${id}.${before}` : id;
    cell.runs = [];
    cell.set = cell.dataset_config ? `${cell.dataset} (${cell.dataset_config})` : cell.dataset;
  });
  const names = textsApart(distinct(content.cells, (cell) => cell.model), MODEL_CUTS);
  for (const cell of content.cells) cell.model_name = names.get(cell.model);
  content.runs.forEach((run, i) => {
    run.i = i;
    run.cell = content.cells[run.cell_i];
    run.cell.runs.push(run);
  });
  content.comparisons = content.comparisons.map((one) => ({
    ...one, prompted: content.cells[one.prompted_i], specific: content.cells[one.specific_i],
  }));
  content.grid_of = new Map(content.grids.map((grid) => [grid.id, grid]));
  return content;
}
