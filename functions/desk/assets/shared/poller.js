// Looking again and again, for as long as there is something to see and somebody to see it.

const SLOWEST_AFTER_FAILURES = 30_000;

/**
 * Looks once. Answers after how many milliseconds to look again, or `null` for never.
 * @typedef {(signal: AbortSignal) => Promise<number | null>} Look
 */

/**
 * Calls its look until that says that nothing can change any more. If the look throws, the pause doubles each time.
 * While the page is hidden nothing is asked; when it shows again, comes back from sleep or goes online, it looks at
 * once.
 */
export class Poller {
  #look;
  #every;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {AbortController | null} */
  #running = null;
  #failures = 0;
  #started = false;
  #again = false;

  /**
   * @param {Look} look
   * @param {number} every the pause that failures lengthen, in milliseconds
   */
  constructor(look, every) {
    this.#look = look;
    this.#every = every;
  }

  /** Begins, with a look at once unless there was one already. */
  start() {
    if (this.#started) return;
    this.#started = true;
    document.addEventListener("visibilitychange", this.#wake);
    window.addEventListener("online", this.#wake);
    window.addEventListener("pageshow", this.#wake);
    window.addEventListener("focus", this.#wake);
    this.now();
  }

  /** Ends for good, and gives up what is under way. */
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

  /** Looks now, or once more after the look that is under way. */
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
      pause = await this.#look(running.signal);
      this.#failures = 0;
    } catch {
      // Whoever looks tells of failures itself; here they only slow things down.
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
 * Makes a look for a `Poller` where nothing is urgent: every `soonest` milliseconds while `look(signal)` answers
 * another text than before, and ever more rarely, down to every `slowest`, while it answers the same.
 * @param {(signal: AbortSignal) => Promise<string>} look
 * @param {number} soonest
 * @param {number} slowest
 * @returns {Look}
 */
export function slowing(look, soonest, slowest) {
  let pause = soonest;
  let seen = "";
  return async (signal) => {
    const found = await look(signal);
    pause = found === seen ? Math.min(pause * 1.5, slowest) : soonest;
    seen = found;
    return pause;
  };
}
