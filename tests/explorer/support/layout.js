/* What of a page's text is cut off, lies over other text, or makes the page wider than its window: a list of words. */
() => {
  const faults = []
  const name = (element) => {
    const id = element.id ? `#${element.id}` : ""
    const text = (element.textContent ?? "").trim().replace(/\s+/g, " ").slice(0, 40)
    return `${element.tagName.toLowerCase()}${id}${element.className?.baseVal ?? element.className ? "." + (element.className?.baseVal ?? element.className).replace(/\s+/g, ".") : ""} “${text}”`
  }
  const shown = (element) => element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true })
  const inSight = (element) => shown(element) && !element.closest("[aria-hidden=true]:not(svg *)")
  const clips = (value) => value !== "visible"

  const page = document.documentElement
  if (page.scrollWidth > page.clientWidth) {
    faults.push(`the page is ${page.scrollWidth} px wide in a window of ${page.clientWidth}`)
  }

  /** The part of a box that its ancestors let through; null where they hide it all. */
  const cropped = (box, element) => {
    let [left, top, right, bottom] = box
    for (let one = element; one && one !== document.body && one !== page; one = one.parentElement) {
      const style = getComputedStyle(one)
      if (!clips(style.overflowX) && !clips(style.overflowY)) continue
      const edge = one.getBoundingClientRect()
      if (clips(style.overflowX)) [left, right] = [Math.max(left, edge.left), Math.min(right, edge.right)]
      if (clips(style.overflowY)) [top, bottom] = [Math.max(top, edge.top), Math.min(bottom, edge.bottom)]
    }
    return right - left > 1 && bottom - top > 1 ? [left, top, right, bottom] : null
  }
  const layer = (element) => {
    for (let one = element; one && one !== page; one = one.parentElement) {
      if (["fixed", "sticky"].includes(getComputedStyle(one).position)) return one
    }
    return null
  }

  const hiddenForEyes = (element) => {
    const box = element.getBoundingClientRect()
    return box.width <= 1 && box.height <= 1
  }

  // Text outside of pictures: one box for each line of each node.
  const lines = []
  const nodes = []
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement
    if (!node.data.trim() || element.closest("svg, script, style, noscript, option, datalist, template")) continue
    if (!inSight(element) || hiddenForEyes(element)) continue
    nodes.push({ element, node })
    const range = document.createRange()
    range.selectNodeContents(node)
    for (const rect of range.getClientRects()) {
      if (rect.width < 1 || rect.height < 1) continue
      if (rect.right < 0 || rect.bottom + scrollY < 0) continue // put aside until it has the focus
      if (rect.right > page.clientWidth + 1 || rect.left < -1) {
        const box = cropped([rect.left, rect.top, rect.right, rect.bottom], element)
        const scrolls = [...ancestors(element)].some((one) => scrollsX(one))
        if (box && !scrolls && (box[2] > page.clientWidth + 1 || box[0] < -1)) faults.push(`outside: ${name(element)}`)
      }
      const inset = rect.height * 0.22 // a line's box is higher than its letters
      const box = cropped([rect.left, rect.top + inset, rect.right, rect.bottom - inset], element)
      if (box) lines.push({ box, element, layer: layer(element) })
    }
  }
  function* ancestors(element) {
    for (let one = element; one && one !== page; one = one.parentElement) yield one
  }
  function scrollsX(one) {
    return ["auto", "scroll"].includes(getComputedStyle(one).overflowX)
  }

  lines.sort((a, b) => a.box[1] - b.box[1])
  for (let i = 0; i < lines.length; i += 1) {
    const one = lines[i]
    for (let k = i + 1; k < lines.length && lines[k].box[1] < one.box[3] - 1.5; k += 1) {
      const other = lines[k]
      const wide = Math.min(one.box[2], other.box[2]) - Math.max(one.box[0], other.box[0])
      const high = Math.min(one.box[3], other.box[3]) - Math.max(one.box[1], other.box[1])
      if (wide > 1.5 && high > 1.5 && one.layer === other.layer && one.element !== other.element) {
        faults.push(`over each other: ${name(one.element)} and ${name(other.element)}`)
      }
    }
  }

  // Short words that are broken in two where there is no hyphen.
  for (const { element, node } of nodes) {
    const isName = element.closest("tbody") && /[/_:\d]|.{25}/.test(node.data) // of a model: long, without spaces
    if (isName || !element.closest("th, button, label, legend, summary, nav, h1, h2, h3, p.sentence")) continue
    for (const { 0: word, index } of node.data.matchAll(/(?<![\p{L}\p{N}])[\p{L}\p{N}]{2,20}(?![\p{L}\p{N}])/gu)) {
      const range = document.createRange()
      range.setStart(node, index)
      range.setEnd(node, index + word.length)
      const tops = [...range.getClientRects()].filter((rect) => rect.width > 0.5).map((rect) => Math.round(rect.top))
      if (Math.max(...tops) - Math.min(...tops) > 5) faults.push(`broken in two: “${word}” in ${name(element)}`)
    }
  }

  // What is wider or higher than the box that hides the rest of it. An ellipsis needs the whole text in its title.
  for (const element of document.body.querySelectorAll("*")) {
    if (element.closest("svg") || !inSight(element) || hiddenForEyes(element)) continue
    const style = getComputedStyle(element)
    const hides = (value) => ["hidden", "clip"].includes(value)
    const told = element.title || element.closest("[title]")
    if (hides(style.overflowX) && element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 1 && !told) {
      faults.push(`cut at the side: ${name(element)}`)
    }
    if (hides(style.overflowY) && element.scrollHeight > element.clientHeight + 2 && element.clientHeight > 1 && !told) {
      faults.push(`cut below: ${name(element)}`)
    }
    if (["BUTTON", "INPUT"].includes(element.tagName) && element.scrollWidth > element.clientWidth + 1 && !told) {
      faults.push(`cut in its control: ${name(element)} ${element.name ?? ""} ${element.value ?? ""}`)
    }
    if (element.placeholder && !element.value) {
      const pen = document.createElement("canvas").getContext("2d")
      pen.font = style.font
      const room = element.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight)
      if (pen.measureText(element.placeholder).width > room + 1) faults.push(`cut in its field: ${element.name} “${element.placeholder}”`)
    }
    if (element.tagName === "SELECT" && !element.multiple && element.selectedOptions.length) {
      const pen = document.createElement("canvas").getContext("2d")
      pen.font = style.font
      const room = element.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight)
      const need = pen.measureText(element.selectedOptions[0].textContent.trim()).width
      if (need > room + 1 && !told) faults.push(`cut in its list: ${element.name} needs ${Math.round(need)} of ${Math.round(room)} px`)
    }
  }

  // Text inside pictures: the corners of each, which may be turned.
  for (const picture of document.querySelectorAll("svg")) {
    if (!inSight(picture)) continue
    const frame = picture.getBoundingClientRect()
    const texts = []
    for (const text of picture.querySelectorAll("text")) {
      if (!text.textContent.trim() || !shown(text)) continue
      const own = text.getBBox()
      const turn = text.getScreenCTM()
      const inset = 0.2 * parseFloat(getComputedStyle(text).fontSize) // above and below its letters
      const corners = [
        [own.x, own.y + inset], [own.x + own.width, own.y + inset],
        [own.x + own.width, own.y + own.height - inset], [own.x, own.y + own.height - inset],
      ].map(([x, y]) => [turn.a * x + turn.c * y + turn.e, turn.b * x + turn.d * y + turn.f])
      const xs = corners.map(([x]) => x)
      const ys = corners.map(([, y]) => y)
      const box = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)]
      if (box[0] < frame.left - 2 || box[2] > frame.right + 2 || box[1] < frame.top - 2 || box[3] > frame.bottom + 2) {
        faults.push(`outside its picture: text “${text.textContent.slice(0, 40)}”`)
      }
      texts.push({ text, corners, box })
    }
    for (let i = 0; i < texts.length; i += 1) {
      for (let k = i + 1; k < texts.length; k += 1) {
        if (apart(texts[i], texts[k])) continue
        const words = [texts[i], texts[k]].map(({ text }) => `“${text.textContent.slice(0, 30)}”`)
        faults.push(`over each other in a picture: ${words.join(" and ")}`)
      }
    }
  }

  /** Whether a line divides two quadrangles: one of their sides, if any does. */
  function apart(one, other) {
    const [a, b] = [one.box, other.box]
    if (a[2] < b[0] + 1 || b[2] < a[0] + 1 || a[3] < b[1] + 1 || b[3] < a[1] + 1) return true
    for (const corners of [one.corners, other.corners]) {
      for (let i = 0; i < 4; i += 1) {
        const [[x0, y0], [x1, y1]] = [corners[i], corners[(i + 1) % 4]]
        const length = Math.hypot(x1 - x0, y1 - y0) || 1
        const along = ([x, y]) => ((y1 - y0) * x - (x1 - x0) * y) / length
        const [mine, yours] = [one.corners.map(along), other.corners.map(along)]
        if (Math.max(...mine) < Math.min(...yours) + 1 || Math.max(...yours) < Math.min(...mine) + 1) return true
      }
    }
    return false
  }

  return [...new Set(faults)]
}
