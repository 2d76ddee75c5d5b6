// Polling: repeats a call while its result can still change, the page is visible, and no live update reports changes.

/** @import { Live } from "./live.js" */

/** The longest pause after failures, before jitter, in milliseconds. */
const SLOWEST_AFTER_FAILURES = 30_000;

/**
 * Polls once. Returns the pause before the next poll in milliseconds, or `null` to stop polling.
 * @typedef {(signal: AbortSignal) => Promise<number | null>} Poll
 */

/**
 * Repeats a poll until the poll returns `null`. Each time the poll throws, the pause doubles. While the page is hidden,
 * nothing is polled. When the page becomes visible, wakes from sleep or goes online, it polls at once.
 *
 * With live updates it polls once whenever they are connected, because changes were missed until then, and not again
 * while they are.
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
  #live;
  /** Whether a poll is due that has waited for the page to become visible. */
  #due = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #soon;

  /**
   * @param {Poll} poll
   * @param {number} every the base of the pause after failures, in milliseconds
   * @param {Live | null} live
   */
  constructor(poll, every, live = null) {
    this.#poll = poll;
    this.#every = every;
    this.#live = live;
  }

  /** Starts polling, with a first poll at once. Does nothing if the poller has already started. */
  start() {
    if (this.#started) return;
    this.#started = true;
    document.addEventListener("visibilitychange", this.#wake);
    window.addEventListener("online", this.#wake);
    window.addEventListener("pageshow", this.#wake);
    window.addEventListener("focus", this.#wake);
    this.#live?.addEventListener("open", this.#connected);
    this.#live?.addEventListener("down", this.#wake);
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
    this.#live?.removeEventListener("open", this.#connected);
    this.#live?.removeEventListener("down", this.#wake);
    clearTimeout(this.#timer);
    clearTimeout(this.#soon);
    this.#soon = undefined;
    this.#running?.abort();
    this.#running = null;
  }

  /** Polls now; if a poll is in flight, polls once more after it. */
  now() {
    clearTimeout(this.#timer);
    if (!this.#started) return;
    this.#due = document.hidden;
    if (!document.hidden) this.#runOrRepeat();
  }

  /**
   * Polls after this pause, unless a poll is already waiting for another one.
   * @param {number} pause in milliseconds
   */
  soon(pause) {
    if (!this.#started || this.#soon !== undefined) return;
    this.#soon = setTimeout(() => {
      this.#soon = undefined;
      this.now();
    }, pause);
  }

  #runOrRepeat() {
    if (this.#running) {
      this.#again = true;
      return;
    }
    this.#run();
  }

  #wake = () => {
    if (this.#due || !this.#live?.isOpen) this.now();
  };

  /** Polls also while the page is hidden: it shows in its title what was missed. */
  #connected = () => {
    clearTimeout(this.#timer);
    this.#runOrRepeat();
  };

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
    } else if (pause === null || (this.#failures === 0 && this.#live?.isOpen)) {
      return;
    } else if (document.hidden) {
      this.#due = true;
    } else {
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
