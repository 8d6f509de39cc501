// One request at a time, and the latest input wins: what was overtaken while waiting is never sent.

// Pause between requests: 80 ms feels live while drawing; back off to at most 1 s when the server answers 429.
const PAUSE_MS = [80, 1000];

export class Asker {
  #ask;
  #next = null;
  #running = false;
  #stop = new AbortController();
  #retry = 0;
  #pause = PAUSE_MS[0];

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

  /** Half as often from now on: the server said that it was too often. */
  slowDown() {
    this.#pause = Math.min(2 * this.#pause, PAUSE_MS[1]);
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
      const pause = new Promise((resolve) => setTimeout(resolve, this.#pause));
      await this.#ask(input, this.#stop.signal);
      await pause;
    }
    this.#running = false;
  }
}
