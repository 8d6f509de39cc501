// Sends one request at a time. The latest input wins: an input that is replaced while it waits is never sent.

// Pause between requests: 80 ms feels live while drawing; back off to at most 1 s when the server answers 429.
const PAUSE_MS = [80, 1000];

export class Asker {
  #ask;
  #next = null;
  #running = false;
  #stop = new AbortController();
  #retry = 0;
  #pause = PAUSE_MS[0];

  /** `ask(input, signal)` must return a promise that does not reject. */
  constructor(ask) {
    this.#ask = ask;
  }

  request(input) {
    clearTimeout(this.#retry);
    this.#next = input;
    if (!this.#running) this.#run();
  }

  /** Repeats the request in some seconds, unless there is another one first. */
  requestLater(input, seconds) {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.request(input), seconds * 1000);
  }

  /** Halves the request rate from now on, because the server answered 429. */
  slowDown() {
    this.#pause = Math.min(2 * this.#pause, PAUSE_MS[1]);
  }

  /** Drops the waiting request and aborts the one in flight. */
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
