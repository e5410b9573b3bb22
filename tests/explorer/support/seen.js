/* What a reader sees of the current section. */
() => {
  const section = [...document.querySelectorAll("main > section")].find((one) => one.checkVisibility())
  const visible = (selector) => [...section.querySelectorAll(selector)].filter((one) => one.checkVisibility())
  const words = (one) => one.innerText.replace(/\s+/g, " ").trim()
  const rows = (table) => [...table.tBodies].flatMap((body) => [...body.rows]).map((row) => [...row.cells].map(words))
  const heads = (table) => [...table.tHead.rows].flatMap((row) => [...row.cells]).map(words)
  const marks = (figure) =>
    [...figure.querySelectorAll(["symbol", "rect", "arc"].map((kind) => `svg .mark-${kind}.role-mark > path`).join())]
      .filter((mark) => mark.checkVisibility({ checkOpacity: true }))
      .map((mark) => mark.getAttribute("aria-label"))
  // As they stand, since Vega writes labels that it keeps and new ones in an order of its own.
  const labels = (figure) =>
    [...figure.querySelectorAll("svg text")]
      .filter((one) => one.textContent.trim() && one.checkVisibility({ checkOpacity: true }))
      .map((one) => [one.textContent, one.getBoundingClientRect(), one.ownerSVGElement.getBoundingClientRect()])
      .map(([text, box, all]) => [Math.round(box.top - all.top), Math.round(box.left - all.left), text])
      .sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2].localeCompare(b[2]))
      .map((one) => one.join(" "))
  const withoutDrawings = (element) => {
    const drawings = element.querySelectorAll("svg")
    for (const one of drawings) one.style.display = "none"
    const found = words(element)
    for (const one of drawings) one.style.display = ""
    return found
  }
  const byId = (found, attribute, what) => Object.fromEntries(found.map((one) => [one.dataset[attribute], what(one)]))
  const drawn = visible("figure[data-figure]").filter((one) => one.querySelector("svg")?.checkVisibility())
  return {
    section: section.id.replace("section-", ""),
    sentence: visible("p.sentence").map(words).join(" "),
    tables: byId(visible("table[data-table]"), "table", rows),
    heads: byId(visible("table[data-table]"), "table", heads),
    marks: byId(drawn, "figure", marks),
    labels: byId(drawn, "figure", labels),
    empty: visible("p.empty").map(words),
    text: withoutDrawings(section),
  }
}
