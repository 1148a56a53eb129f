// The tables. What comes from the stream is put in as text.

import { byId, count, duration, element, milliseconds, number, percent, time, within } from "./format.js";

const KEPT = 50;

function cell(className, ...children) {
  return element("td", className, ...children);
}

function idButton(id) {
  const button = element("button", "id", id);
  button.type = "button";
  button.dataset.explain = id;
  button.title = "What the log knows of this event";
  return button;
}

// One row for each item. A row that is there already stays, with its first cell, so that neither
// focus nor a click is lost when the figures beside it change.
function fill(id, items, key, make, none) {
  const body = byId(id);
  const keys = new Set(items.map(key));
  const there = new Map();
  for (const row of [...body.children]) {
    if (keys.has(row.dataset.key)) there.set(row.dataset.key, row);
    else row.remove();
  }
  let next = body.firstElementChild;
  for (const item of items) {
    const made = make(item);
    made.dataset.key = key(item);
    const row = there.get(made.dataset.key) ?? made;
    if (row !== made) {
      [...made.children].slice(1).forEach((cell, i) => row.children[i + 1].replaceWith(cell));
    }
    if (row === next) next = next.nextElementSibling;
    else body.insertBefore(row, next);
  }
  if (none) byId(none).hidden = items.length > 0;
}

// New records on top; what was there stays where it is, so that focus and selection do.
function push(id, made, none) {
  const body = byId(id);
  body.prepend(...made.reverse());
  while (body.children.length > KEPT) body.lastElementChild.remove();
  byId(none).hidden = body.children.length > 0;
}

export function clear() {
  for (const id of ["predictions", "letters"]) byId(id).replaceChildren();
}

export function predictions(records) {
  push("predictions", records.map((one) => element(
    "tr", "",
    cell("id", idButton(one.id)),
    cell("", one.label ?? element("span", "faint", "none known")),
    cell("number", percent(one.probability)),
    cell("", one.asked ? element("span", "mark", one.reason) : element("span", "faint", "no")),
    cell("number", count(one.step)),
  )), "predictions-none");
}

export function letters(records) {
  push("letters", records.map((one) => {
    const body = element("pre", "", one.text);
    body.tabIndex = 0; // it scrolls
    const cut = one.bytes > 2048 ? ", the first 2,048" : "";
    return element(
      "li", "",
      element("span", "mark bad", one.code ?? "unknown"), " ",
      element("span", "", one.reason ?? ""), " ",
      element("span", "faint", `${time(one.time_ms)}, ${one.topic}[${one.partition}]@${one.offset}`),
      element("details", "", element("summary", "", `${count(one.bytes)} bytes${cut}`), body),
    );
  }), "letters-none");
}

function interval(figure) {
  if (!figure) return cell("number faint", "too few labels");
  return cell("number", percent(figure[0]), element("div", "faint small", within(figure)));
}

export function glance({ classes, questions, stores, annotators }) {
  fill("classes", classes, (one) => one.name, (one) => element(
    "tr", "", cell("", one.name), cell("number", percent(one.share)),
    interval(one.recall), interval(one.precision),
  ), "classes-none");
  fill("questions", questions, (one) => one.id, (one) => element(
    "tr", "",
    cell("id", idButton(one.id)),
    cell("number", duration(one.age_s)),
    cell("", one.predicted ?? element("span", "faint", "none known"), " ",
      element("span", "faint", one.predicted === null ? "" : percent(one.confidence, 0))),
    cell("number", `${number(one.propensity)}${one.held_out ? ", held out" : ""}`),
    cell("number", duration(one.left_s)),
  ), "questions-none");
  const bounded = Object.entries(stores).filter(([, [, bound]]) => bound);
  fill("stores", bounded, ([name]) => name, ([name, [entries, bound]]) => {
    const shown = name.replaceAll("_", " ");
    const meter = element("meter");
    meter.max = bound;
    meter.value = entries;
    meter.setAttribute("aria-label", `${shown}: ${percent(entries / bound)} full`);
    return element("tr", "", cell("", shown), cell("", meter),
      cell("number", count(entries)), cell("number", count(bound)));
  });
  const people = Object.entries(annotators);
  byId("annotators-table").hidden = people.length === 0;
  fill("annotators", people, ([name]) => name, ([name, one]) => element(
    "tr", "", cell("", name), cell("number", count(one.answers)),
    cell("number", one.seconds === undefined ? "–" : milliseconds(1000 * one.seconds)),
    cell("number", one.trust === undefined ? "–" : percent(one.trust)),
  ));
}
