// What the log knows of one event, in a dialog.

import { byId, element, plain, say, time } from "./format.js";

const TOPICS = [
  ["events", "Event", "event"],
  ["predictions", "Prediction", "prediction"],
  ["label-requests", "Request", "request"],
  ["labels", "Label", "label"],
  ["dead-letters", "Dead letter", "letter"],
];

function part(title, kind, record, fate) {
  const head = element("h3", "", title);
  if (fate) head.append(" ", element("span", "mark", fate.step ? `${fate.fate}, step ${fate.step}` : fate.fate));
  const where = `${time(record.append_ms)}, [${record.partition}]@${record.offset}`;
  const { code, reason } = record.headers;
  const why = kind === "letter" ? element("p", "", element("span", "mark bad", code ?? ""), ` ${reason ?? ""}`) : "";
  const value = typeof record.value === "string" ? record.value : JSON.stringify(record.value, null, 1);
  return element("li", kind, head, element("div", "faint small", where), why, element("pre", "", value));
}

function show(found) {
  const parts = TOPICS.flatMap(([topic, title, kind]) => found[topic].map((record, i) => ({
    at: record.append_ms, made: part(title, kind, record, kind === "label" ? found.outcome[i] : null),
  })));
  byId("story-parts").replaceChildren(...parts.sort((a, b) => a.at - b.at).map(({ made }) => made));
  const left = found.unsearched.length
    ? `The log is large: ${found.unsearched.join(", ")} searched only as far back as time allowed. `
      + "stream-cl explain searches all of it."
    : "";
  say("story-said", parts.length ? left : `Nothing found. ${left}`);
}

export async function explain(id) {
  const dialog = byId("story");
  say("story-title", `Event ${plain(id)}`);
  say("story-said", "searching the log …");
  byId("story-parts").replaceChildren();
  if (!dialog.open) dialog.showModal();
  try {
    const response = await fetch(`/explain?id=${encodeURIComponent(id)}`);
    if (response.status === 401) location.assign("/login");
    else if (response.ok) show(await response.json());
    else say("story-said", await response.text());
  } catch {
    say("story-said", "The pipeline does not answer.");
  }
}

export function listen() {
  byId("story-close").addEventListener("click", () => byId("story").close());
  byId("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    const id = byId("event-id").value;
    if (id) explain(id);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-explain]");
    if (button) explain(button.dataset.explain);
  });
}
