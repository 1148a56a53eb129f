// Numbers and times as people read them; and elements whose text is always text.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const few = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

export const NONE = "–";

export function number(value) {
  if (value === null || value === undefined) return NONE;
  return Math.abs(value) >= 100 ? whole.format(value) : few.format(value);
}

export function count(value) {
  return value === null || value === undefined ? NONE : whole.format(value);
}

export function percent(value, digits = 1) {
  return value === null || value === undefined ? NONE : `${(100 * value).toFixed(digits)}\u00a0%`;
}

export function milliseconds(value) {
  if (value === null || value === undefined) return NONE;
  return value < 1000 ? `${few.format(value)}\u00a0ms` : duration(value / 1000);
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return NONE;
  if (seconds < 0) return "over";
  if (seconds < 60) return `${few.format(seconds)}\u00a0s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}\u00a0min`;
  if (seconds < 172800) return `${few.format(seconds / 3600)}\u00a0h`;
  return `${few.format(seconds / 86400)}\u00a0d`;
}

export function time(milliseconds) {
  return clock.format(new Date(milliseconds));
}

// [value, low, high] as "84.1 %" and "80.2 to 87.9"
export function within(interval) {
  return `${(100 * interval[1]).toFixed(1)} to ${(100 * interval[2]).toFixed(1)}\u00a0%`;
}

export function byId(id) {
  return document.getElementById(id);
}

export function say(id, text) {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
}

// What would hide, or turn the writing around.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

export function plain(text) {
  return String(text).replace(UNSEEN, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

// An element with a class and children; a string among them becomes a text, never markup.
export function element(tag, className = "", ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children.map((child) => (child instanceof Node ? child : plain(child))));
  return made;
}
