// Draws a question. Everything that comes from the stream is put in as text, never as HTML.

const TEXT_CHARS = 1200;
const ROWS = 40;
const NUMBERS = 64;

export function el(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// The features of a question as they are best seen.
export function body(item, words) {
  const parts = [];
  if (item.picture) parts.push(picture(item.picture));
  if (item.vector) parts.push(vector(item.vector));
  if (item.rows.length) parts.push(table(item.rows, words));
  if (item.left_out) {
    parts.push(el("p", { className: "faint", textContent:
      "The features were too large to be sent with the question." }));
  } else if (!parts.length) {
    parts.push(el("p", { className: "faint", textContent: "Nothing of this event may be shown." }));
  }
  return parts;
}

function table(rows, words) {
  const box = el("div", { className: "wide" });
  const found = el("tbody");
  box.append(el("table", { className: "features" }, found));
  // What is unusual must not be among what is left out.
  const first = rows.length <= ROWS ? rows : [...rows].sort((a, b) => !!b.mark - !!a.mark);
  found.append(...first.slice(0, ROWS).map((row) => line(row, words)));
  if (rows.length > ROWS) {
    const rest = el("button", { type: "button", className: "plain more", textContent:
      `Show all ${rows.length}` });
    rest.addEventListener("click", () => {
      found.append(...first.slice(ROWS).map((row) => line(row, words)));
      rest.remove();
    });
    box.append(rest);
  }
  return box;
}

function line(row, words) {
  const cell = el("td", { className: row.kind });
  if (row.kind === "image") {
    cell.append(el("img", { src: row.value, alt: `image: ${row.name}` }));
  } else if (row.kind === "text") {
    cell.append(...text(row.value, words));
  } else {
    cell.textContent = row.value;
  }
  if (row.mark) {
    cell.append(el("span", { className: "mark warn", textContent: row.mark.split(":")[0],
      title: row.mark }), el("span", { className: "unseen", textContent: row.mark }));
  }
  return el("tr", { className: row.mark ? "unusual" : "" },
    el("th", { scope: "row", textContent: row.name }), cell);
}

function text(whole, words) {
  const parts = marked(whole.slice(0, TEXT_CHARS), words);
  if (whole.length <= TEXT_CHARS) return parts;
  const more = el("button", { type: "button", className: "plain more", textContent:
    `Show more (${whole.length.toLocaleString("en")} characters)` });
  more.addEventListener("click", () => more.replaceWith(...marked(whole.slice(TEXT_CHARS), words)));
  return [...parts, el("br"), more];
}

function marked(part, words) {
  if (!words.length) return [part];
  const found = new RegExp(`(${words.map(escaped).join("|")})`, "giu");
  // Every second piece is what was found.
  return part.split(found).map((piece, at) =>
    at % 2 ? el("mark", { textContent: piece }) : piece);
}

function escaped(word) {
  return word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

function vector(values) {
  const shown = el("p", { className: "mono", textContent: values.slice(0, NUMBERS).join("  ") });
  if (values.length <= NUMBERS) return shown;
  const more = el("button", { type: "button", className: "plain more", textContent:
    `Show all ${values.length} numbers` });
  more.addEventListener("click", () => {
    shown.textContent = values.join("  ");
    more.remove();
  });
  return el("div", {}, shown, more);
}

// A vector as an image: stretched over the range that it has, unless it fits 0–1 or 0–255.
function picture({ shape: [rows, columns, colours = 1], values }) {
  const canvas = el("canvas", { width: columns, height: rows, role: "img" });
  canvas.setAttribute("aria-label", `image of ${rows} by ${columns}`);
  const low = Math.min(0, ...values);
  const high = Math.max(...values);
  const span = (high > 1 ? Math.max(255, high) : 1) - low;
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  for (let at = 0; at < rows * columns; at++) {
    for (let colour = 0; colour < 3; colour++) {
      const value = values[at * colours + (colours === 3 ? colour : 0)];
      image.data[at * 4 + colour] = Math.round((255 * (value - low)) / span);
    }
    image.data[at * 4 + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

const DRAWS = {
  drawn: "The strategy found it useful, and a draw chose it.",
  held_out: "It was drawn blindly, to measure the accuracy with.",
  cold_start: "It is among the first: the model knows nothing yet.",
};

// Why this event: what the strategy and the budget made of it, and what was like it.
export function reasons(item) {
  const why = item.why;
  const parts = [];
  const say = (words) => parts.push(el("p", { textContent: words }));
  if (DRAWS[why.draw]) say(DRAWS[why.draw]);
  if (item.attempt > 1) say("It was asked before: another opinion is wanted.");
  if (typeof why.utility === "number") {
    const line = typeof why.threshold === "number"
      ? `; from ${why.threshold} on it would be asked for certain` : "";
    say(`Strategy ${why.strategy}: utility ${why.utility}${line}.`);
  }
  if (typeof item.coverage === "number" && item.candidates.length) {
    say(`In ${Math.round(100 * item.coverage)} of 100 questions the right class is among the ` +
      "marked ones.");
  }
  const examples = Array.isArray(why.examples) ? why.examples : [];
  if (examples.length) {
    const rows = examples.map((one) => el("tr", {}, el("td", { textContent: one.id }),
      el("td", { textContent: one.label }),
      el("td", { className: "number", textContent: one.distance })));
    parts.push(el("p", { textContent: "Answered events that are most like it:" }),
      el("div", { className: "wide" }, el("table", {},
        el("thead", {}, el("tr", {}, el("th", { scope: "col", textContent: "event" }),
          el("th", { scope: "col", textContent: "class" }),
          el("th", { scope: "col", className: "number", textContent: "distance" }))),
        el("tbody", {}, ...rows))));
  }
  return parts;
}

// How it goes, as names and values.
export function progress(told, unsent) {
  const share = (pair) => pair && `${pair[0]} of ${pair[1]} (${Math.round((100 * pair[0]) / pair[1])} %)`;
  const model = told.model;
  const learned = model?.now && share(model.now) +
    (model.before ? `; ${share(model.before)} before` : "");
  const accuracy = told.accuracy;
  const lines = [
    ["You answered", `${told.answered}${told.skipped ? `, skipped ${told.skipped}` : ""}`],
    ["Your pace", told.per_minute ? `${told.per_minute} a minute` : "–"],
    ["Everybody", `${told.all_answered} answered, ${told.open} open`],
    ["You and others agree", share(told.agreement)],
    ["Known answers", told.gold && `${share(told.gold)} right`],
    ["The model's first guess", learned && `right in ${learned}`],
    [`Accuracy, ${accuracy?.latest ? "latest" : "all"} events`, accuracy && accuracyText(accuracy)],
    ["On the way", unsent + told.unpublished ? `${unsent + told.unpublished}` : null],
  ];
  return lines.filter(([, value]) => value).flatMap(([name, value]) =>
    [el("dt", { textContent: name }), el("dd", { textContent: value })]);
}

function accuracyText({ value, low, high, before, since_s }) {
  const percent = (share) => (100 * share).toFixed(1);
  const ago = since_s < 90 ? `${since_s} s` : `${Math.round(since_s / 60)} min`;
  const then = typeof before === "number" ? `; ${percent(before)} % ${ago} ago` : "";
  return `${percent(value)} % (${percent(low)} to ${percent(high)})${then}`;
}
