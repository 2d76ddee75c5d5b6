// The workspace's webhook endpoints, for all of the supervisor's pages.

/** @import { WebhookEndpoint } from "../client/index.js" */
/** @import { Api } from "../shared/api.js" */

import { Poller } from "../shared/poller.js";

/** The base of the pause after failures, in milliseconds. */
const AGAIN = 15_000;

/**
 * The endpoints. They are read at first, and whenever somebody comes back to the page: they change by a person's hand,
 * or after five days of failures. It dispatches `change` after every read, also after one that failed.
 */
export class Endpoints extends EventTarget {
  #api;
  #poller;
  /**
   * The endpoints, newest first; `null` until they have been read.
   * @type {WebhookEndpoint[] | null}
   */
  items = null;
  /**
   * The error of the last poll; `null` if it succeeded.
   * @type {unknown}
   */
  error = null;

  /** @param {Api} api */
  constructor(api) {
    super();
    this.#api = api;
    this.#poller = new Poller(async (signal) => {
      await this.#read(signal);
      return null;
    }, AGAIN);
  }

  start() {
    this.#poller.start();
  }

  stop() {
    this.#poller.stop();
  }

  /** Reads the endpoints now. */
  now() {
    this.#poller.now();
  }

  /**
   * Returns an endpoint if it is there.
   * @param {string} id
   */
  find(id) {
    return this.items?.find((endpoint) => endpoint.id === id);
  }

  /**
   * Shows an endpoint as a call has just returned it, without waiting for the next poll.
   * @param {WebhookEndpoint} endpoint
   */
  added({ id, url, events, description, status, created_at }) {
    const others = (this.items ?? []).filter((other) => other.id !== id);
    // Only these fields are kept: the secret beside them must not be.
    this.items = [{ id, url, events, description, status, created_at }, ...others];
    this.#changed();
  }

  /** @param {string} id */
  removed(id) {
    this.items = (this.items ?? []).filter((endpoint) => endpoint.id !== id);
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
    this.now();
  }

  /** @param {AbortSignal} signal */
  async #read(signal) {
    try {
      const { items } = await this.#api.endpoints(signal);
      this.items = items;
      this.error = null;
    } catch (error) {
      if (signal.aborted) throw error;
      this.error = error;
      this.dispatchEvent(new Event("change"));
      throw error;
    }
    this.dispatchEvent(new Event("change"));
  }
}
