// The console: listens to the pipeline and shows what it tells.

import { Charts } from "./charts.js";
import * as explain from "./explain.js";
import { byId, count, duration, milliseconds, number, percent, say, within } from "./format.js";
import { Rows } from "./rows.js";
import * as tables from "./tables.js";

const SILENT_S = 5; // a pipeline that has not answered for so long is in a long step, or hangs
const AGAIN_MS = 5000;
const ADVICE = {
  go_on: "More labels would help: the next 1,000 add",
  stop: "More labels would hardly help: the next 1,000 add",
};

const charts = new Charts();
const state = { rows: new Rows(["time_s"]), glance: null, span_s: 900, paused: false, stream: null };

function mark(id, text, kind) {
  say(id, text);
  byId(id).className = `mark ${kind}`;
}

function showHead(head) {
  const silent = head.phase === "running" && head.silent_s > SILENT_S;
  if (silent) mark("state", `no step for ${duration(head.silent_s)}`, head.live ? "warn" : "bad");
  else mark("state", head.phase, head.phase === "running" ? "good" : "warn");
  const waits = head.phase !== "running";
  byId("notice").hidden = !waits && head.live;
  say("notice", waits || !head.live ? head.why : "");
  byId("asking").hidden = head.step === undefined;
  if (head.step === undefined) return;
  mark("asking", head.asking ? "asking" : "asking is paused", head.asking ? "good" : "warn");
  say("step", count(head.step));
  say("incarnation", count(head.incarnation));
  say("lag", `${count(head.lag)}`);
  say("open", count(head.open));
  const { answered = 0, unanswered = 0 } = head.counts;
  say("open-under", `${count(answered)} answered, ${count(unanswered)} expired`);
  say("rate-under", `${count(head.events)} in all`);
  const letters = Object.entries(head.counts).filter(([name]) => name.startsWith("dead_letters."));
  const total = letters.reduce((sum, [, n]) => sum + n, 0);
  say("refused", count(total));
  const [most] = letters.sort((a, b) => b[1] - a[1]);
  say("refused-under", most ? `mostly ${most[0].slice(13).replaceAll("_", " ")}` : "none");
}

function showTiles() {
  const { rows, glance } = state;
  const rates = rows.columns.events ? rows.rate("events") : [];
  say("rate", number(rates.length ? rates[rates.length - 1] : null));
  const behind = rows.columns.behind_ms_95?.findLast((value) => value !== null) ?? null;
  say("lag-under", behind === null ? "records" : `records; 95 % within ${milliseconds(behind)}`);
  if (!glance) return;
  const figure = glance.figures.window_unbiased;
  const baseline = glance.scores.window_no_change;
  say("accuracy", percent(figure ? figure[0] : null));
  say("accuracy-under", figure ? `${within(figure)}; baseline ${percent(baseline)}` : "no answers yet");
  const target = glance.spending?.target ?? null;
  say("spent", percent(glance.scores.spend_share, 2));
  say("spent-under", target === null ? "" : `of the events; target ${percent(target, 2)}`);
  const { says = "unknown", gain = null } = glance.advice ?? {};
  say("advice", `Accuracy of each block of answers, with its 95 % interval, against the labels answered. ${
    says in ADVICE ? `${ADVICE[says]} ${percent(gain[0])} (${within(gain)}).` : ""}`);
}

function showAll() {
  if (!state.rows.columns.events) return; // nothing was told yet
  showTiles();
  charts.show(state.rows, state.glance?.curve ?? [], state.span_s);
}

function take(told, whole) {
  if (whole) {
    state.rows = new Rows(told.columns);
    tables.clear();
  }
  showHead(told.head);
  if (told.rows?.length) state.rows.add(told.rows);
  if (told.predictions?.length) tables.predictions(told.predictions);
  if (told.letters?.length) tables.letters(told.letters);
  if (told.glance) {
    state.glance = told.glance;
    tables.glance(told.glance);
  }
  if (whole || told.rows?.length || told.glance) showAll();
}

function connect() {
  if (state.stream) return;
  const stream = new EventSource("/stream");
  state.stream = stream;
  stream.addEventListener("whole", (event) => take(JSON.parse(event.data), true));
  stream.addEventListener("more", (event) => take(JSON.parse(event.data), false));
  stream.addEventListener("error", () => {
    mark("state", "no connection, trying again", "bad");
    if (stream.readyState !== EventSource.CLOSED) return;
    disconnect();
    refused();
  });
}

// The stream was refused, which a browser does not retry: find out why.
async function refused() {
  try {
    const response = await fetch("/stream", { method: "HEAD" });
    if (response.status === 401) location.assign("/login");
    if (response.status === 503) mark("state", "too many watch already", "bad");
  } catch { /* tried again below */ }
  setTimeout(wanted, AGAIN_MS);
}

function disconnect() {
  state.stream?.close();
  state.stream = null;
}

// Nobody is told what nobody sees.
function wanted() {
  if (document.hidden || state.paused) disconnect();
  else connect();
}

function choose(event) {
  const button = event.target.closest("[data-span]");
  if (!button) return;
  state.span_s = Number(button.dataset.span);
  for (const one of document.querySelectorAll("[data-span]")) {
    one.setAttribute("aria-pressed", String(one === button));
  }
  showAll();
}

function pause() {
  state.paused = !state.paused;
  byId("pause").setAttribute("aria-pressed", String(state.paused));
  say("pause", state.paused ? "Go on" : "Pause");
  if (state.paused) mark("state", "paused by you", "warn");
  wanted();
}

explain.listen();
document.querySelector(".choice").addEventListener("click", choose);
byId("pause").addEventListener("click", pause);
document.addEventListener("visibilitychange", wanted);
wanted();
