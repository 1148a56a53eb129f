// Talks to the server. `Away` is thrown where it does not answer, or cannot now.

export class Away extends Error {}

const PATIENCE_MS = 10_000;

export class Server {
  csrf = "";

  async page() {
    const told = await this.ask("/api/page");
    this.csrf = told.csrf;
    return told;
  }

  sync(have, want) {
    return this.post("/api/sync", { have, want });
  }

  answer(answers) {
    return this.post("/api/answer", { answers });
  }

  undo(answer) {
    return this.post("/api/undo", { answer });
  }

  post(path, body) {
    const headers = { "content-type": "application/json", "x-csrf-token": this.csrf };
    return this.ask(path, { method: "POST", headers, body: JSON.stringify(body) });
  }

  async ask(path, options = {}) {
    let response;
    try {
      response = await fetch(path, { ...options, signal: AbortSignal.timeout(PATIENCE_MS) });
    } catch {
      throw new Away("the server does not answer");
    }
    if (response.status === 401) {
      // Nobody is logged in any more; what was answered waits in the browser.
      location.assign("/login");
      throw new Away("logged out");
    }
    if (response.status >= 500 || response.status === 403) throw new Away(await response.text());
    if (!response.ok) throw new Error(await response.text());
    try {
      return await response.json();
    } catch {
      throw new Away("the answer broke off");
    }
  }
}
