// Live updates: one socket for the whole page, on which every change of the requests arrives that the person may see.

/** @import { PaymentRequest } from "../client/index.js" */
/** @import { Api } from "./api.js" */

/** How often to ping, in milliseconds. A gateway ends a connection that is silent for ten minutes. */
const PING = 5 * 60_000;
/** The longest time to wait for a connection, in milliseconds. */
const PATIENCE = 10_000;
/** The pause before the first new attempt, in milliseconds; it doubles with each failure up to `LONGEST_PAUSE`. */
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 60_000;
/** How long a connection has to last to count as a success, in milliseconds. */
const STABLE = 30_000;

/**
 * The connection. It dispatches `change` for each change (`detail`: the request), `open` when it is connected, also
 * again, and `down` when it cannot be. What changed while it was not connected is not dispatched: whoever needs it
 * reads it at `open`. Between `down` and `open`, everything has to be read.
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
  #failures = 0;
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
  }

  /** Connects now instead of after the pause. */
  #soon = () => {
    if (!this.#started || document.hidden || this.#isOpen || this.#isConnecting) return;
    clearTimeout(this.#timer);
    this.#connect(this.#started.signal);
  };

  #lost = () => {
    if (!this.#isOpen || !this.#started) return;
    this.#isOpen = false;
    this.#isDown = true;
    this.#socket?.close();
    this.#socket = null;
    this.dispatchEvent(new Event("down"));
    this.#again(this.#started.signal);
  };

  /** @param {AbortSignal} signal ends with this start */
  async #connect(signal) {
    this.#isConnecting = true;
    try {
      const { url } = await this.#api.liveTicket(signal);
      signal.throwIfAborted();
      const socket = new WebSocket(url);
      this.#socket = socket;
      await opened(socket, signal);
      this.#isConnecting = false;
      this.#watch(socket, signal);
    } catch {
      if (signal.aborted) return;
      this.#isConnecting = false;
      if (!this.#isDown) {
        this.#isDown = true;
        this.dispatchEvent(new Event("down"));
      }
      this.#again(signal);
    }
  }

  /**
   * @param {WebSocket} socket
   * @param {AbortSignal} signal
   */
  #watch(socket, signal) {
    const openedAt = Date.now();
    const pinging = setInterval(() => socket.send(JSON.stringify({ type: "ping" })), PING);
    socket.addEventListener("message", ({ data }) => {
      const message = parsed(data);
      if (message?.type === "changed" && !signal.aborted) {
        this.dispatchEvent(new CustomEvent("change", { detail: message.request }));
      }
    });
    socket.addEventListener("close", () => {
      clearInterval(pinging);
      if (signal.aborted || socket !== this.#socket) return;
      this.#isOpen = false;
      if (Date.now() - openedAt > STABLE) this.#failures = 0;
      this.#again(signal);
    });
    this.#isOpen = true;
    this.#isDown = false;
    this.dispatchEvent(new Event("open"));
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
