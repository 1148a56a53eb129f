// The labelling page: one question at a time, the next ones already here, answers by key.

import { Outbox } from "./outbox.js";
import { Away, Server } from "./server.js";
import { body, el, progress, reasons } from "./show.js";

const AHEAD = 6;
const IDLE_MS = 1000;
const RETRY_MS = 1000;
// Who does nothing for so long has left: the questions are for somebody else.
const LEFT_MS = 600_000;
// s, n, u and w do something else.
const KEYS = "123456789abcdefghijklmopqrtvxyz";
const NOTICE_MS = 8000;

const $ = (id) => document.getElementById(id);
const server = new Server();
let page = null;
let outbox = null;
let queue = [];
let classes = [];
let recent = [];
let told = null;
let shown = null;
let pumping = false;
let online = false;
let syncing = false;
let heard_ms = 0;
let active_ms = 0;
let away = false;
const WAITING = $("empty").textContent;
const answered = new Set();
const mine = [];

async function begin() {
  for (;;) {
    try {
      page = await server.page();
      break;
    } catch (error) {
      line(false);
      await pause(RETRY_MS);
    }
  }
  outbox = new Outbox(page.name);
  heard_ms = active_ms = performance.now();
  $("add").hidden = !page.may_add;
  listen();
  await pump();
  await sync();
  beat();
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// Renews the leases, and gets questions as soon as there are some.
async function beat() {
  for (;;) {
    await pause(queue.length && online ? Math.min(5000, page.lease_s * 250) : IDLE_MS);
    if (outbox.length) await pump();
    if (performance.now() - active_ms > LEFT_MS) leave();
    if (!away) await sync();
    forget();
  }
}

// Who is not heard of loses the questions: they may be with somebody else by now.
function forget() {
  if (performance.now() - heard_ms < page.lease_s * 1000) return;
  queue = queue.filter(isEdit);
  render();
}

function leave() {
  away = true;
  $("empty").textContent = "You have been away, so your questions go to others. Press any key to go on.";
  queue = queue.filter(isEdit);
  render();
}

function comeBack() {
  active_ms = performance.now();
  if (!away) return;
  away = false;
  $("empty").textContent = WAITING;
  sync();
}

const isEdit = (item) => Boolean(item.was?.published);

async function sync() {
  if (syncing) return;
  syncing = true;
  try {
    const have = [...queue.filter((item) => !isEdit(item)).map((item) => item.request),
      ...outbox.requests].slice(0, 20);
    const asked_ms = performance.now();
    const now = await server.sync(have, Math.min(10, AHEAD + outbox.length));
    heard_ms = asked_ms;
    line(true);
    take(now);
  } catch (error) {
    await lost(error);
  } finally {
    syncing = false;
  }
}

function take(now) {
  const gone = new Set(now.gone);
  const current = queue[0];
  queue = queue.filter((item) => isEdit(item) || !gone.has(item.request));
  if (current && queue[0] !== current) {
    notice("That question is gone: it was answered, withdrawn, or its time is over.");
  }
  const here = new Set([...queue.map((item) => item.ticket)]);
  for (const item of now.items) {
    // What was answered while this was on its way is not asked again.
    if (!here.has(item.ticket) && !answered.has(item.ticket)) queue.push(item);
  }
  classes = now.classes;
  recent = now.recent;
  told = now.progress;
  render();
}

async function pump() {
  if (pumping) return;
  pumping = true;
  try {
    while (outbox.length) {
      const { answers } = await server.answer(outbox.next());
      outbox.done(new Set(answers.map((one) => one.answer)));
      for (const one of answers) if (one.state === "refused") notice(`Not taken: ${one.why}.`);
      line(true);
    }
  } catch (error) {
    outbox.failed();
    await lost(error);
  } finally {
    pumping = false;
  }
}

async function lost(error) {
  if (!(error instanceof Away)) {
    notice(`The server did not understand: ${error.message}`);
    return;
  }
  line(false);
  try {
    await server.page(); // the session may be a new one
  } catch {
    // It will be asked again.
  }
}

function line(well) {
  online = well;
  const waits = outbox?.length ? `, ${outbox.length} to be sent` : "";
  const log = told && told.reachable === false ? "answers wait for the log" : "online";
  $("line").textContent = well ? `${log}${waits}` : `offline${waits}`;
  $("line").className = well && log === "online" ? "mark good" : "mark warn";
}

async function answer(choice) {
  const item = queue.shift();
  if (!item) return;
  answered.add(item.ticket);
  if (answered.size > 500) answered.delete(answered.values().next().value);
  const name = outbox.add(item, choice);
  mine.push({ name, item });
  if (mine.length > 20) mine.shift();
  render();
  await pump();
  if (queue.length < AHEAD) await sync();
}

async function undo(name) {
  const own = name ?? mine.at(-1)?.name ?? recent[0]?.answer;
  if (!own) return notice("There is nothing to undo.");
  const at = mine.findIndex((one) => one.name === own);
  const unsent = outbox.requests.length ? outbox.pop(own) : null;
  if (unsent && at >= 0) {
    const [{ item }] = mine.splice(at, 1);
    answered.delete(item.ticket);
    return again({ ...item, was: { label: unsent.label ?? null, published: isEdit(item) } });
  }
  try {
    await settled();
    const { item, why } = await server.undo(own);
    const now = mine.findIndex((one) => one.name === own);
    if (now >= 0) mine.splice(now, 1);
    if (item) again(item);
    else notice(`Not to be answered again: ${why}.`);
    await sync();
  } catch (error) {
    notice("Offline: an answer that was sent can be undone when the line is back.");
    await lost(error);
  }
}

// What is on its way has come.
async function settled() {
  while (pumping) await pause(20);
}

function again(item) {
  queue = [item, ...queue.filter((one) => one.request !== item.request)];
  notice(isEdit(item) && !page.weighs
    ? "This answer was learned already; the pipeline keeps the first one, and notes that you differ."
    : "Answer it again.");
  render();
}

let notice_until = 0;
function notice(words) {
  $("notice").textContent = words;
  notice_until = performance.now() + NOTICE_MS;
  setTimeout(() => {
    if (performance.now() >= notice_until) $("notice").textContent = "";
  }, NOTICE_MS + 50);
}

function render() {
  const item = queue[0] ?? null;
  if (item !== shown) draw(item);
  drawClasses(item);
  drawLast();
  if (told) $("progress").replaceChildren(...progress(told, outbox.length));
  $("undo").disabled = !mine.length && !recent.length;
  line(online);
}

function draw(item) {
  shown = item;
  $("item").hidden = !item;
  $("empty").hidden = Boolean(item);
  $("item").dataset.request = item?.request ?? "";
  $("why").hidden = !item?.why;
  if (!item) return;
  $("item-name").textContent = item.id;
  const marks = [];
  if (item.was) {
    const was = item.was.label === null ? "skipped" : named(item.was.label);
    marks.push(el("span", { className: "mark", textContent: `you said: ${was}` }));
  }
  $("item-marks").replaceChildren(...marks);
  const parts = item.time ? [`event of ${item.time}`] : [];
  if (item.expires_ms) {
    const until = new Date(item.expires_ms);
    parts.push(`answer until ${until.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" })}`);
  }
  $("item-about").textContent = parts.join(" · ");
  $("item-body").replaceChildren(...body(item, page.highlight));
  $("why-body").replaceChildren(...(item.why ? reasons(item) : []));
  $("filter").value = "";
  closeAdd();
  scrollTo(0, 0);
}

const named = (label) => (label === page.none ? "none of these" : label);

function listed(item) {
  const wanted = $("filter").value.trim().toLowerCase();
  const all = classes.map((name, at) => ({ name, key: KEYS[at] ?? "" }));
  if (wanted) return all.filter((one) => one.name.toLowerCase().includes(wanted)).slice(0, KEYS.length);
  if (all.length <= KEYS.length) return all;
  const likely = new Set(item.candidates);
  return all.filter((one) => one.key || likely.has(one.name));
}

let drawn = "";
function drawClasses(item) {
  $("find").hidden = classes.length <= KEYS.length;
  $("none-yet").hidden = classes.length > 0;
  for (const id of ["none", "skip"]) $(id).disabled = !item;
  const rows = item ? listed(item) : [];
  const key = JSON.stringify([rows, item?.ticket]);
  if (key === drawn) return;
  drawn = key;
  $("classes").replaceChildren(...rows.map(({ name, key: letter }) => {
    const made = el("button", { type: "button" });
    if (letter) made.append(el("kbd", { textContent: letter }));
    made.append(el("span", { className: "name", textContent: name }));
    if (item.candidates.includes(name)) made.classList.add("likely");
    if (item.was?.label === name) made.classList.add("was");
    if (item.suggestion === name) {
      made.append(el("span", { className: "mark", textContent: "model" }));
    }
    made.addEventListener("click", () => answer({ label: name }));
    return made;
  }));
}

let listedLast = "";
function drawLast() {
  const now = JSON.stringify(recent);
  if (now === listedLast) return;
  listedLast = now;
  const focused = document.activeElement?.dataset.answer;
  $("last").replaceChildren(...recent.map(past));
  for (const one of $("last").querySelectorAll("button")) {
    if (focused && one.dataset.answer === focused) one.focus();
  }
}

function past(one) {
  const said = one.label === null ? "skipped" : named(one.label);
  const made = el("button", { type: "button" }, el("b", { textContent: said }),
    el("span", { className: "id", textContent: one.id }),
    el("span", { className: one.state === "published" ? "mark good" : "mark", textContent:
      one.state === "published" ? "published" : "held" }));
  made.dataset.answer = one.answer;
  made.addEventListener("click", () => undo(one.answer));
  return el("li", {}, made);
}

function openAdd() {
  if (!page.may_add || !queue.length) return;
  $("add-form").hidden = false;
  $("add-name").focus();
}

function closeAdd() {
  $("add-form").hidden = true;
  $("add-name").value = "";
}

function listen() {
  $("none").addEventListener("click", () => answer({ label: page.none }));
  $("skip").addEventListener("click", () => answer({ skip: true }));
  $("undo").addEventListener("click", () => undo());
  $("add").addEventListener("click", openAdd);
  $("help").addEventListener("click", () => $("keys").showModal());
  $("filter").addEventListener("input", () => drawClasses(queue[0] ?? null));
  $("add-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const name = $("add-name").value.trim();
    if (name) answer({ label: name });
  });
  for (const kind of ["keydown", "pointerdown", "wheel"]) {
    document.addEventListener(kind, comeBack, { passive: true });
  }
  document.addEventListener("keydown", key);
  addEventListener("online", () => sync());
}

const ACTIONS = {
  n: () => answer({ label: page.none }),
  s: () => answer({ skip: true }),
  u: () => undo(),
  w: () => ($("why").open = !$("why").open),
  "+": openAdd,
  "?": () => $("keys").showModal(),
  "/": () => $("find").hidden || $("filter").focus(),
  ArrowDown: () => walk(1),
  ArrowUp: () => walk(-1),
  Escape: () => document.activeElement?.blur(),
};

function key(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || $("keys").open) return;
  if (event.target instanceof HTMLInputElement) {
    if (event.key === "Escape") {
      closeAdd();
      $("filter").value = "";
      event.target.blur();
      render();
    } else if (event.key === "Enter" && event.target === $("filter")) {
      const first = queue[0] && listed(queue[0])[0];
      if (first && $("filter").value.trim()) answer({ label: first.name });
      event.target.blur();
    }
    return;
  }
  if (event.repeat) return; // a key that is held down must not answer what was not read
  const pressed = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const act = ACTIONS[pressed];
  const at = pressed.length === 1 ? KEYS.indexOf(pressed) : -1;
  if (act) {
    event.preventDefault();
    act();
  } else if (at >= 0 && at < classes.length && queue.length) {
    event.preventDefault();
    answer({ label: classes[at] });
  }
}

// Through the last answers; the focus is on one of them.
function walk(step) {
  const all = [...$("last").querySelectorAll("button")];
  const at = all.indexOf(document.activeElement);
  const next = at < 0 ? (step > 0 ? 0 : all.length - 1) : at + step;
  if (all[next]) all[next].focus();
}

begin();
