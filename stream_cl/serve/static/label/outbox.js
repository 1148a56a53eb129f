// Answers on their way: kept in the browser until the server has them on disk, sent again until it
// says so. Every answer has a name of its own, so that one which comes twice counts once.

const BATCH = 20;

export class Outbox {
  // `person`: whose answers; several people may use one browser.
  constructor(person) {
    this.key = `stream_cl_label ${person}`;
    this.kept = [];
    this.sending = 0;
    try {
      const kept = JSON.parse(localStorage.getItem(this.key) ?? "[]");
      if (Array.isArray(kept)) this.kept = kept;
    } catch {
      // Nothing that we wrote.
    }
  }

  get length() {
    return this.kept.length;
  }

  // The requests of the questions that are answered here and not there.
  get requests() {
    return this.kept.map((one) => one.request);
  }

  add(item, choice) {
    const one = { answer: newName(), ticket: item.ticket, request: item.request, ...choice };
    this.kept.push(one);
    this.store();
    return one.answer;
  }

  // Take the last answer back; null where it is on its way already.
  pop(name) {
    const at = this.kept.findIndex((one) => one.answer === name);
    if (at < this.sending) return null;
    const [one] = this.kept.splice(at, 1);
    this.store();
    return one;
  }

  // The next answers to be sent; from now on they are on their way.
  next() {
    const batch = this.kept.slice(0, BATCH);
    this.sending = batch.length;
    return batch.map(({ request, ...sent }) => sent);
  }

  // The server has these, or will never take them.
  done(names) {
    this.sending = 0;
    this.kept = this.kept.filter((one) => !names.has(one.answer));
    this.store();
  }

  failed() {
    this.sending = 0;
  }

  store() {
    try {
      localStorage.setItem(this.key, JSON.stringify(this.kept));
    } catch {
      // Full or forbidden: they are still in memory.
    }
  }
}

function newName() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
