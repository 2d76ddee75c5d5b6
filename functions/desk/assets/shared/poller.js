// Polling: repeats a call while its result can still change and the page is visible.

/** The longest pause after failures, before jitter, in milliseconds. */
const SLOWEST_AFTER_FAILURES = 30_000;

/**
 * Polls once. Returns the pause before the next poll in milliseconds, or `null` to stop polling.
 * @typedef {(signal: AbortSignal) => Promise<number | null>} Poll
 */

/**
 * Repeats a poll until the poll returns `null`. Each time the poll throws, the pause doubles. While the page is hidden,
 * nothing is polled. When the page becomes visible, wakes from sleep or goes online, it polls at once.
 */
export class Poller {
  #poll;
  #every;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {AbortController | null} */
  #running = null;
  #failures = 0;
  #started = false;
  #again = false;

  /**
   * @param {Poll} poll
   * @param {number} every the base of the pause after failures, in milliseconds
   */
  constructor(poll, every) {
    this.#poll = poll;
    this.#every = every;
  }

  /** Starts polling, with a first poll at once. Does nothing if the poller has already started. */
  start() {
    if (this.#started) return;
    this.#started = true;
    document.addEventListener("visibilitychange", this.#wake);
    window.addEventListener("online", this.#wake);
    window.addEventListener("pageshow", this.#wake);
    window.addEventListener("focus", this.#wake);
    this.now();
  }

  /** Stops polling, and aborts the poll that is in flight. */
  stop() {
    if (!this.#started) return;
    this.#started = false;
    document.removeEventListener("visibilitychange", this.#wake);
    window.removeEventListener("online", this.#wake);
    window.removeEventListener("pageshow", this.#wake);
    window.removeEventListener("focus", this.#wake);
    clearTimeout(this.#timer);
    this.#running?.abort();
    this.#running = null;
  }

  /** Polls now; if a poll is in flight, polls once more after it. */
  now() {
    clearTimeout(this.#timer);
    if (!this.#started || document.hidden) return;
    if (this.#running) {
      this.#again = true;
      return;
    }
    this.#run();
  }

  #wake = () => this.now();

  async #run() {
    const running = new AbortController();
    this.#running = running;
    let pause;
    try {
      pause = await this.#poll(running.signal);
      this.#failures = 0;
    } catch {
      // The poll reports its failures itself. Here a failure only lengthens the pause.
      this.#failures += 1;
      pause = Math.min(this.#every * 2 ** this.#failures, SLOWEST_AFTER_FAILURES) * (0.75 + Math.random() / 2);
    }
    if (running.signal.aborted) return;
    this.#running = null;
    if (this.#again) {
      this.#again = false;
      this.now();
    } else if (pause !== null && !document.hidden) {
      this.#timer = setTimeout(() => this.now(), pause);
    }
  }
}

/**
 * Makes a poll that slows down, for a `Poller` where nothing is urgent. While the text that `read(signal)` returns
 * changes, the pause is `soonest` milliseconds. While the text stays the same, the pause grows to `slowest`.
 * @param {(signal: AbortSignal) => Promise<string>} read
 * @param {number} soonest
 * @param {number} slowest
 * @returns {Poll}
 */
export function slowing(read, soonest, slowest) {
  let pause = soonest;
  let seen = "";
  return async (signal) => {
    const found = await read(signal);
    pause = found === seen ? Math.min(pause * 1.5, slowest) : soonest;
    seen = found;
    return pause;
  };
}
