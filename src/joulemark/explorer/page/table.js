"use strict";
/* Tables: sorted by any column, cut to what a screen bears, downloaded whole. */

const ROWS_FIRST_N = 30;
const LONG_N = 60; // letters of a text that wants a wide column
const LONG_TEXT_N = 1000;
const LONG_WORD = /[^\s/-]{25}/u; // without a place where browsers break it

/** A place for one table: its heading, rows, notes and downloads. */
function tablePlace(id) {
  const place = {
    id, table: null,
    title: h("h3"),
    head: h("thead"),
    body: h("tbody"),
    notes: h("p", { class: "notes" }),
    more: h("button", { type: "button", class: "more", click: () => state.set({ rows: "all" }) }),
    empty: h("p", { class: "empty" }),
    downloads: h("div", { class: "downloads" }),
  };
  for (const [form, label] of [["csv", "CSV"], ["json", "JSON"]]) {
    const button = h("button", { type: "button", "data-download": form, click: () => downloadTable(sorted(place.table), form) });
    button.textContent = label;
    place.downloads.append(button);
  }
  place.element = h("table", { "data-table": id }, place.head, place.body);
  place.frame = h("div", { class: "scroll", tabindex: "0", role: "region" }, place.element);
  place.block = h("div", { class: "table" }, place.title, place.frame, place.empty, place.more, place.notes, place.downloads);
  return place;
}

/**
 * Show a table: {id, title, columns, rows, notes, empty, sort}. A column has a `key`, a `heading`, and if wanted `show`
 * (row → text or element), `value` (row → what is sorted and downloaded), `text` (it is one, and stands left), `name` (in
 * downloads, with its unit), `screen` (it is not downloaded).
 */
function drawTable(place, table) {
  place.table = table;
  place.title.textContent = table.title;
  place.frame.setAttribute("aria-label", `${table.title}, table`);
  const nothing = !table.rows.length;
  place.frame.hidden = nothing;
  place.downloads.hidden = nothing;
  place.empty.hidden = !nothing;
  place.empty.textContent = nothing ? table.empty ?? whyNothing(page.content) : "";
  place.notes.textContent = (table.notes ?? []).join(" ");
  place.notes.hidden = !table.notes?.length;
  const [key, direction] = sortOf(table);
  const columns = table.columns.filter((column) => !column.hidden);
  const headings = columns.map((column) => {
    if (!column.heading || column.screen) return h("th", { scope: "col", class: column.text ? "text" : "" }, column.heading ?? "");
    const order = column.key === key ? (direction === "up" ? "ascending" : "descending") : "none";
    const next = column.key === key && direction === "down" ? "up" : column.key === key ? "down" : column.text ? "up" : "down";
    const button = h("button", { type: "button", "data-sort": column.key }, column.heading);
    button.addEventListener("click", () => state.set({ sort: `${table.id}~${column.key}~${next}` }));
    return h("th", { scope: "col", "aria-sort": order, class: column.text ? "text" : "" }, button);
  });
  const rows = sorted(table).rows;
  const shown = state.get("rows") === "all" ? rows : rows.slice(0, ROWS_FIRST_N);
  const focused = place.element.contains(document.activeElement) ? document.activeElement.dataset : {};
  const lines = shown.map((row) => tableRow(columns, row));
  headings.forEach((heading, i) => {
    if (columns[i].text && lines.some((line) => line.children[i].textContent.length > LONG_N)) heading.classList.add("long");
  });
  replaceChildren(place.head, h("tr", {}, headings));
  replaceChildren(place.body, lines);
  for (const key of ["pin", "sort"]) {
    if (key in focused) place.element.querySelector(`[data-${key}="${CSS.escape(focused[key])}"]`)?.focus();
  }
  place.more.hidden = shown.length === rows.length;
  place.more.textContent = `Show all ${whole(rows.length)} rows`;
}

function tableRow(columns, row) {
  const cells = columns.map((column, i) => {
    const value = column.show ? column.show(row) : row[column.key];
    const content = value === null || value === undefined || value === "" ? (column.heading ? UNKNOWN : "") : value;
    const shown = content instanceof Node ? content : typeof content === "number" ? cellNumber(content) : breakable(plain(content, 200).trim().replaceAll(" %", "\u00a0%") || "(blank)");
    return i === 0 && column.text
      ? h("th", { scope: "row", class: "text" }, shown)
      : h("td", { class: column.text ? "text" : "" }, shown);
  });
  return h("tr", { "data-model": row.model ?? null, class: row.class }, cells);
}

/** A text in a table that may be longer than a name. */
function longText(text) {
  return h("span", {}, isKnown(text) ? breakable(plain(text, LONG_TEXT_N)) : UNKNOWN);
}

/** A text whose long words may be broken, so that no name makes its column wider than a screen. */
function breakable(text) {
  if (!LONG_WORD.test(text)) return text;
  return text.match(/[^\s/-]{1,24}[\s/-]*|[\s/-]+/gu).flatMap((part, i) => (i ? [h("wbr"), part] : [part]));
}

/** Counts stay whole. */
function cellNumber(value) {
  return Number.isInteger(value) ? whole(value) : number(value);
}

/** The column and direction by which a table is sorted. */
function sortOf(table) {
  const [id, key, direction] = state.get("sort").split("~");
  if (id === table.id && table.columns.some((column) => column.key === key)) return [key, direction];
  return table.sort ?? ["", ""];
}

/** The table with its rows in order; what is unknown comes last either way. */
function sorted(table) {
  const [key, direction] = sortOf(table);
  const column = table.columns.find((one) => one.key === key);
  if (!column) return table;
  const sign = direction === "up" ? 1 : -1;
  const compare = (a, b) => {
    const [first, second] = [raw(column, a), raw(column, b)];
    if (first === null || second === null) return (first === null) - (second === null);
    return typeof first === "string" ? sign * first.localeCompare(String(second)) : sign * (first - second);
  };
  return { ...table, rows: [...table.rows].sort(compare) };
}

/** The column of how an energy is known. */
function knownByColumn(key = "known_by") {
  const shares = (row) => (row.shares ? sharesText(row.shares) : null);
  return { key, heading: "known by", text: true, value: shares, show: shares };
}

/** The columns of amounts in a table of points: value, interval, and how it is known. */
function amountColumns(scale) {
  const unit = scale.symbol.replaceAll("µ", "u").replaceAll("₂", "2").replace(/\W+/g, "_");
  const per = { 1000: "per_1000_queries", 1: "per_query", tokens: "per_1000_tokens" }[scale.perId];
  const of = (place) => (row) => (row.amount && row.amount[place] !== null ? row.amount[place] / scale.size : null);
  return [
    { key: "amount", name: `${scale.noun}_${unit}_${per}`, heading: `${scale.noun}, ${scale.symbol}`, value: of(0), show: (row) => (row.amount ? number(of(0)(row)) : null) },
    { key: "range", name: "interval", screen: true, heading: scale.interval, show: (row) => scale.range(row.amount) },
    { key: "low", name: `low_${unit}`, value: of(1), hidden: true },
    { key: "high", name: `high_${unit}`, value: of(2), hidden: true },
  ];
}
