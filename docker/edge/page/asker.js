// One request at a time, and the latest input wins: what was overtaken while waiting is never sent.

const PAUSE_MS = 80; // from one start to the next: a drawing hand needs no more

export class Asker {
  #ask;
  #next = null;
  #running = false;
  #stop = new AbortController();
  #retry = 0;

  /** ask(input, signal): a promise that does not reject. */
  constructor(ask) {
    this.#ask = ask;
  }

  request(input) {
    clearTimeout(this.#retry);
    this.#next = input;
    if (!this.#running) this.#run();
  }

  /** The same again in some seconds, unless something else is asked before. */
  requestLater(input, seconds) {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.request(input), seconds * 1000);
  }

  /** Forgets what waits and what is on its way. */
  cancel() {
    clearTimeout(this.#retry);
    this.#next = null;
    this.#stop.abort();
    this.#stop = new AbortController();
  }

  async #run() {
    this.#running = true;
    while (this.#next) {
      const input = this.#next;
      this.#next = null;
      const pause = new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      await this.#ask(input, this.#stop.signal);
      await pause;
    }
    this.#running = false;
  }
}
