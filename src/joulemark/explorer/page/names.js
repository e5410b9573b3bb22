"use strict";
/* Names: cut for the eye, and still no two alike. What is grouped or linked goes by the whole name. */

/** A model's name without its owner. */
function shortName(model, lettersMax = 30) {
  const last = String(model).slice(0, 300).split("/").filter(Boolean).at(-1) ?? model;
  return plain(last, lettersMax) || NO_NAME;
}

const NO_NAME = "(no name)";
const MODEL_CUTS = [shortName, (model) => plain(model).trim() || NO_NAME];
const PLACE_CUTS = [(name) => plain(name, 40), (name) => plain(name)];

/** `text`, with a number if it is among those `taken` already, which it joins. */
function unusedText(text, taken) {
  let found = text;
  for (let i = 2; taken.has(found); i += 1) found = `${text} (${i})`;
  taken.add(found);
  return found;
}

/** A text for each of `names` that is no other's: by the first of `cuts` that tells it from all others, else with a number. */
function textsApart(names, cuts) {
  const alike = cuts.map((cut) => grouped(names, cut));
  const taken = new Set();
  return new Map(names.map((name) => {
    const telling = cuts.findIndex((cut, i) => alike[i].get(cut(name)).length === 1);
    return [name, unusedText(cuts.at(telling)(name), taken)];
  }));
}

/** What an object itself has under a name that may be any text, such as "constructor"; else `null`. */
function ownOf(object, name) {
  return Object.hasOwn(object, name) ? object[name] : null;
}

/** What a cell's settings are, as far as they are not the defaults; of some of them if `names` are given. Prompts are long. */
function settingsText(cell, names = Object.keys(cell.settings)) {
  const there = names.filter((name) => name in cell.settings).sort((a, b) => (a === "prompt") - (b === "prompt"));
  return there.map((name) => `${name} ${cell.settings[name]}`).join(", ");
}

/** The settings in which cells of one model, task and dataset differ; what goes with a task or model tells none apart. */
function settingsApart(cells) {
  const alike = [...grouped(cells, (cell) => [cell.model, cell.task, cell.set].join("\n")).values()];
  return [...new Set(alike.flatMap(differingSettings))];
}

/** The settings that are not the same in all of `cells`. */
function differingSettings(cells) {
  const names = new Set(cells.length > 1 ? cells.flatMap((cell) => Object.keys(cell.settings)) : []);
  return [...names].filter((name) => distinct(cells, (cell) => String(cell.settings[name])).length > 1);
}

/**
 * Where each point was measured, as a function of the point: "" if all are from one machine of one results folder, else
 * a text that no other place has. Means are never taken across places.
 */
function placesOf(points) {
  const [sources, machines] = ["source", "machine"].map((key) => distinct(points, (point) => point[key]));
  const hasMachines = distinct(points, (point) => `${point.source}\n${point.machine}`).length > sources.length;
  const parts = [
    ...(sources.length > 1 ? [["source", textsApart(sources, PLACE_CUTS)]] : []),
    ...(hasMachines ? [["machine", textsApart(machines, PLACE_CUTS)]] : []),
  ];
  return (point) => parts.map(([key, texts]) => texts.get(point[key])).join(" · ");
}

/** Names of models; where one occurs more than once, with those of `parts` (point → text) that tell it apart. */
function namesApart(points, parts) {
  const telling = new Map([...grouped(points, (point) => point.model)].map(([model, alike]) => {
    const values = parts.map((part) => [part, distinct(alike, part)]).filter(([, found]) => found.length > 1);
    return [model, values.map(([part, found]) => [part, textsApart(found, PLACE_CUTS)])];
  }));
  return (point) => {
    const texts = telling.get(point.model).map(([part, found]) => found.get(part(point)) || "default settings");
    return [point.model_name, ...texts].join(", ");
  };
}
