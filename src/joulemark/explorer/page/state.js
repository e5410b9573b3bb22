"use strict";
/* Every choice of the reader, kept in the address: a link brings the same page back. */

/** The choices of the bar, which hold in every section, and what they are where nothing is chosen. */
const BAR_DEFAULTS = {
  source: "", task: "", modality: "", kind: "", machine: "", q: "",
  quantity: "energy", boundary: "device", known: "all", per: "1000", unit: "Wh", grid: "", pue: "",
};
const PAGE_DEFAULTS = { theme: "", pins: "", sort: "", rows: "" };
const CHOICES = {
  quantity: ["energy", "carbon"],
  boundary: ["device", "marginal", "host", "facility"],
  known: ["all", "measured"],
  per: ["1000", "1", "tokens"],
  unit: ["Wh", "J"],
  theme: ["", "light", "dark"],
};

const state = {
  section: "",
  values: {},
  defaults: { ...BAR_DEFAULTS, ...PAGE_DEFAULTS },
  changed: () => {},

  /** The chosen value of a key, else its default. */
  get(key) {
    return this.values[key] ?? this.defaults[key] ?? "";
  },

  /** A number that was chosen, or `null` where there is none. */
  number(key) {
    const text = this.get(key);
    const value = Number(text);
    return text.trim() === "" || !Number.isFinite(value) ? null : value;
  },

  /** Several values of a key. */
  list(key) {
    return this.get(key).split("~").filter(Boolean);
  },

  /** Change some keys; the old page stays behind the browser's back button. */
  set(changes, section = this.section) {
    const address = this.address(changes, section);
    if (address === location.hash) return;
    history.pushState(null, "", address);
    this.read();
    this.changed();
  },

  /** The address of a section with some keys changed; the bar's choices are kept, a section's own as well. */
  address(changes = {}, section = this.section) {
    const values = { ...this.values, ...changes };
    const pairs = Object.entries(values)
      .filter(([key, value]) => key in this.defaults && String(value) !== String(this.defaults[key]))
      .map(([key, value]) => `${key}=${encodeURIComponent(value).replaceAll("~", "%7E").replaceAll("%7E", "~")}`);
    return `#${section}${pairs.length ? `?${pairs.sort().join("&")}` : ""}`;
  },

  /** Take the choices from the address; what does not belong there is left aside. */
  read() {
    const [section, query = ""] = location.hash.slice(1).split("?", 2);
    this.section = section;
    this.values = {};
    for (const [key, value] of new URLSearchParams(query.replaceAll("+", "%2B"))) {
      if (!Object.hasOwn(this.defaults, key)) continue;
      if (CHOICES[key] && !CHOICES[key].includes(value)) continue;
      if (value !== this.defaults[key]) this.values[key] = value.slice(0, 2000);
    }
  },
};

window.addEventListener("popstate", () => {
  state.read();
  state.changed();
});
