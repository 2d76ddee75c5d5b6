// Live updates: one socket for the whole page, on which every change of the requests arrives that the person may see.

/** @import { PaymentRequest } from "../client/index.js" */
/** @import { Api } from "./api.js" */

import { ProblemError } from "../client/index.js";
import { now } from "./api.js";

/** How often to ping, in milliseconds. A gateway ends a connection that is silent for ten minutes. */
const PING = 5 * 60_000;
/** The longest time to wait for a connection, in milliseconds. */
const PATIENCE = 10_000;
/** The pause before the first new attempt, in milliseconds; it doubles with each failure up to `LONGEST_PAUSE`. */
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 10 * 60_000;
/** How long a connection has to last to count as a success, in milliseconds. */
const STABLE = 30_000;
/** How often to look whether the machine has slept, in milliseconds. A hidden page's timers may be a minute late. */
const TICK = 30_000;
/** How late the look is after a sleep, in milliseconds. The gateway may have ended the connection meanwhile. */
const SLEPT = 150_000;

/** Of how many requests `Latest` keeps the latest change. */
const LATEST_AT_MOST = 1_000;

/** The changes that arrived, the latest of each request. */
export class Latest {
  /** @type {Map<string, PaymentRequest>} */
  #requests = new Map();

  /** @param {string} id */
  get(id) {
    return this.#requests.get(id);
  }

  /**
   * Keeps a change, and forgets the one that has been kept for the longest time if there are too many.
   * @param {PaymentRequest} request
   */
  keep(request) {
    this.#requests.delete(request.id);
    this.#requests.set(request.id, request);
    const [oldest] = this.#requests.keys();
    if (this.#requests.size > LATEST_AT_MOST) this.#requests.delete(oldest);
  }

  clear() {
    this.#requests.clear();
  }
}

/**
 * The connection. It dispatches `change` for each change (`detail`: the request), `open` when it is connected, also
 * again (`detail`: since when changes may have been missed, in milliseconds by the API's clock; `null` at first), and
 * `down` when it cannot be. What changed while it was not connected is not dispatched: whoever needs it reads it at
 * `open`. Between `down` and `open`, everything has to be read.
 */
export class Live extends EventTarget {
  #api;
  /** @type {AbortController | null} */
  #started = null;
  /** @type {WebSocket | null} */
  #socket = null;
  #isOpen = false;
  #isDown = false;
  #isConnecting = false;
  /** Whether the page's Content-Security-Policy forbids the connection. */
  #isForbidden = false;
  /** The origin of the address that was tried last. */
  #origin = "";
  #failures = 0;
  /**
   * When something last arrived, in milliseconds by the API's clock; `null` before the first connection.
   * @type {number | null}
   */
  #heardAt = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {Api} api */
  constructor(api) {
    super();
    this.#api = api;
  }

  /** Whether every change arrives. */
  get isOpen() {
    return this.#isOpen;
  }

  /** Connects, and connects again whenever the connection is lost. Does nothing if it has already started. */
  start() {
    if (this.#started) return;
    this.#started = new AbortController();
    const { signal } = this.#started;
    window.addEventListener("online", this.#soon, { signal });
    // A socket that has lost its network stays open for minutes.
    window.addEventListener("offline", this.#lost, { signal });
    document.addEventListener("visibilitychange", this.#soon, { signal });
    document.addEventListener("securitypolicyviolation", this.#forbidden, { signal });
    this.#wakeAfterSleep(signal);
    this.#failures = 0;
    this.#connect(signal);
  }

  /** Ends the connection for good. */
  stop() {
    this.#started?.abort();
    this.#started = null;
    clearTimeout(this.#timer);
    this.#socket?.close();
    this.#socket = null;
    this.#isOpen = false;
    this.#isDown = false;
    this.#isConnecting = false;
    this.#isForbidden = false;
    this.#heardAt = null;
  }

  /** Connects now instead of after the pause. */
  #soon = () => {
    if (!this.#started || document.hidden || this.#isOpen || this.#isConnecting || this.#isForbidden) return;
    clearTimeout(this.#timer);
    this.#connect(this.#started.signal);
  };

  /** @param {SecurityPolicyViolationEvent} event */
  #forbidden = ({ effectiveDirective, blockedURI }) => {
    if (effectiveDirective !== "connect-src" || this.#origin === "" || !blockedURI.startsWith(this.#origin)) return;
    // Another attempt would only be one more line in the site's console.
    this.#isForbidden = true;
    clearTimeout(this.#timer);
  };

  #lost = () => {
    if (!this.#isOpen || !this.#started) return;
    this.#isOpen = false;
    this.#socket?.close();
    this.#socket = null;
    this.#down();
    this.#again(this.#started.signal);
  };

  /**
   * Connects again after the machine has slept. The socket may then be gone without a word.
   * @param {AbortSignal} signal
   */
  #wakeAfterSleep(signal) {
    let last = Date.now();
    const ticking = setInterval(() => {
      const passed = Date.now() - last;
      last = Date.now();
      if (passed < SLEPT || !this.#isOpen) return;
      this.#failures = 0;
      this.#lost();
    }, TICK);
    signal.addEventListener("abort", () => clearInterval(ticking));
  }

  /** Says, once, that changes do not arrive. */
  #down() {
    if (this.#isDown) return;
    this.#isDown = true;
    this.dispatchEvent(new Event("down"));
  }

  /** @param {AbortSignal} signal ends with this start */
  async #connect(signal) {
    this.#isConnecting = true;
    try {
      const { url } = await this.#api.liveTicket(signal);
      signal.throwIfAborted();
      this.#origin = new URL(url).origin;
      const socket = new WebSocket(url);
      this.#socket = socket;
      await opened(socket, signal);
      this.#isConnecting = false;
      this.#watch(socket, signal);
    } catch (error) {
      if (signal.aborted) return;
      this.#isConnecting = false;
      this.#down();
      // Who may not watch, may not in a minute either.
      const isFinal = this.#isForbidden || (error instanceof ProblemError && error.status === 403);
      if (!isFinal) this.#again(signal);
    }
  }

  /**
   * @param {WebSocket} socket
   * @param {AbortSignal} signal
   */
  #watch(socket, signal) {
    const openedAt = Date.now();
    const pinging = setInterval(() => {
      // It may have been given up.
      if (socket === this.#socket) socket.send(JSON.stringify({ type: "ping" }));
    }, PING);
    socket.addEventListener("message", ({ data }) => {
      const message = parsed(data);
      if (message?.type === "changed" && !signal.aborted) {
        this.#heardAt = now();
        this.dispatchEvent(new CustomEvent("change", { detail: message.request }));
      }
    });
    socket.addEventListener("close", () => {
      clearInterval(pinging);
      if (signal.aborted || socket !== this.#socket) return;
      this.#isOpen = false;
      if (Date.now() - openedAt > STABLE) this.#failures = 0;
      // The first new attempt comes within two seconds. Later ones may take long.
      if (this.#failures > 0) this.#down();
      this.#again(signal);
    });
    this.#isOpen = true;
    this.#isDown = false;
    const missedSince = this.#heardAt;
    this.#heardAt = now();
    this.dispatchEvent(new CustomEvent("open", { detail: missedSince }));
  }

  /** @param {AbortSignal} signal */
  #again(signal) {
    const pause = Math.min(FIRST_PAUSE * 2 ** this.#failures, LONGEST_PAUSE) * (0.5 + Math.random());
    this.#failures += 1;
    this.#timer = setTimeout(() => this.#connect(signal), pause);
  }
}

/**
 * Waits until a socket is open.
 * @param {WebSocket} socket
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
function opened(socket, signal) {
  return new Promise((resolve, reject) => {
    const fail = () => {
      clearTimeout(timer);
      socket.close();
      reject(new Error("The connection for live updates was not opened."));
    };
    const timer = setTimeout(fail, PATIENCE);
    socket.addEventListener("close", fail, { once: true });
    signal.addEventListener("abort", fail, { once: true });
    socket.addEventListener(
      "open",
      () => {
        clearTimeout(timer);
        socket.removeEventListener("close", fail);
        signal.removeEventListener("abort", fail);
        resolve();
      },
      { once: true },
    );
  });
}

/**
 * @param {unknown} text
 * @returns {{ type?: string, request: PaymentRequest } | null}
 */
function parsed(text) {
  try {
    return JSON.parse(String(text));
  } catch {
    return null;
  }
}
