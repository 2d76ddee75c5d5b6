// Made from events/openapi.json by tests/client/run --write.

// The part of the client that is the same for every operation: token, time limit, answers and errors.

/**
 * The time limit of one attempt in milliseconds. It is longer than the API's own limit of 30 seconds, so that no answer
 * of the API is lost.
 */
const TIMEOUT = 32_000;

/**
 * The code of an answer that the gateway in front of the functions gives by itself, by its status.
 * @type {Record<number, string>}
 */
const GATEWAY_CODES = {
  401: "unauthenticated",
  413: "body_too_large",
  503: "temporarily_unavailable",
  429: "too_many_requests",
  404: "not_found",
};

/** The API refused the call. Distinguish problems by `code`. */
export class ProblemError extends Error {
  /**
   * @param {number} status
   * @param {any} body the parsed body; undefined if it is not JSON
   * @param {number | null} retryAfter
   */
  constructor(status, body, retryAfter) {
    const detail = typeof body?.detail === "string" ? body.detail : null;
    super(detail ?? `HTTP ${status}: ${body?.message ?? "the answer cannot be read"}`);
    this.name = "ProblemError";
    this.status = status;
    this.code = body?.code ?? GATEWAY_CODES[status] ?? "unknown";
    this.detail = detail;
    this.errors = body?.errors ?? [];
    this.retryAfter = retryAfter;
  }
}

/** The API did not answer. It is unknown whether it carried out the call. */
export class UnreachableError extends Error {
  /** @param {unknown} cause */
  constructor(cause) {
    super("The API did not answer.", { cause });
    this.name = "UnreachableError";
  }
}

/**
 * What one operation sends.
 * @typedef {object} Sent
 * @property {Record<string, unknown>} [query]
 * @property {Record<string, string | undefined>} [headers]
 * @property {unknown} [body]
 * @property {boolean} [empty] whether the answer has no body
 */

class Caller {
  #baseUrl;
  #token;
  #fetch;
  #timeout;

  /**
   * @param {object} options
   * @param {string | URL} options.baseUrl
   * @param {(options: { renew: boolean }) => string | Promise<string>} options.token
   * @param {typeof globalThis.fetch} [options.fetch]
   * @param {number} [options.timeout]
   */
  constructor({ baseUrl, token, fetch = (input, init) => globalThis.fetch(input, init), timeout = TIMEOUT }) {
    const base = new URL(baseUrl);
    // What a client adds is below the base address, also if that ends with the name of a stage.
    if (!base.pathname.endsWith("/")) base.pathname += "/";
    this.#baseUrl = base;
    this.#token = token;
    this.#fetch = fetch;
    this.#timeout = timeout;
  }

  /**
   * Makes one call. After a 401 it asks for another token, once.
   * @param {string} method
   * @param {string} path relative to the base address
   * @param {Sent} sent
   * @param {{ signal?: AbortSignal, timeout?: number }} [options]
   * @returns {Promise<any>}
   */
  async call(method, path, { query = {}, headers = {}, body, empty = false }, options = {}) {
    const url = new URL(path, this.#baseUrl);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined && value !== null && value !== "") url.searchParams.append(name, String(value));
    }
    const all = new Headers();
    for (const [name, value] of Object.entries(headers)) if (value !== undefined) all.set(name, value);
    if (body !== undefined) all.set("content-type", "application/json");
    for (let renew = false; ; renew = true) {
      all.set("authorization", `Bearer ${await this.#token({ renew })}`);
      const init = { method, headers: all, body: body === undefined ? undefined : JSON.stringify(body) };
      const { response, text } = await this.#exchange(url, init, options);
      if (response.status === 401 && !renew) continue;
      const answer = parsed(text);
      if (response.ok && (empty || answer !== undefined)) return empty ? undefined : answer;
      throw new ProblemError(response.status, answer, Number(response.headers.get("retry-after")) || null);
    }
  }

  /**
   * Sends a request and reads its whole response.
   * @param {URL} url
   * @param {RequestInit} init
   * @param {{ signal?: AbortSignal, timeout?: number }} options
   */
  async #exchange(url, init, { signal, timeout = this.#timeout }) {
    signal?.throwIfAborted();
    const limit = AbortSignal.timeout(timeout);
    const send = this.#fetch;
    try {
      const response = await send(url, {
        ...init,
        cache: "no-store",
        credentials: "omit",
        signal: signal ? AbortSignal.any([signal, limit]) : limit,
      });
      return { response, text: await response.text() };
    } catch (cause) {
      signal?.throwIfAborted();
      throw new UnreachableError(cause);
    }
  }
}

/**
 * Returns a path parameter as one segment of a path.
 * @param {string} value
 */
function segment(value) {
  // A segment that is missing or made of dots would be the address of something else.
  if (!value || value === "." || value === "..") throw new TypeError(`${value} cannot be a part of an address`);
  return encodeURIComponent(value);
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The HTTP API, with a method for each operation. */
export class Client extends Caller {
  /** Get the address of a connection for live updates. */
  async createLiveTicket(options) {
    return this.call("POST", "live/tickets", {}, options);
  }

  /** List payment requests. */
  async listPaymentRequests(query = {}, options) {
    return this.call("GET", "payment-requests", { query }, options);
  }

  /** Create a payment request and send its link. */
  async createPaymentRequest({ idempotencyKey, body }, options) {
    return this.call("POST", "payment-requests", { headers: { "idempotency-key": idempotencyKey }, body }, options);
  }

  /** Read a payment request. */
  async readPaymentRequest({ id }, options) {
    return this.call("GET", `payment-requests/${segment(id)}`, {}, options);
  }

  /** Cancel a payment request. */
  async cancelPaymentRequest({ id }, options) {
    return this.call("POST", `payment-requests/${segment(id)}/cancel`, {}, options);
  }

  /** Report the totals of each agent. */
  async reportAgents(query = {}, options) {
    return this.call("GET", "reports/agents", { query }, options);
  }

  /** List the webhook endpoints. */
  async listWebhookEndpoints(options) {
    return this.call("GET", "webhook-endpoints", {}, options);
  }

  /** Register a webhook endpoint. */
  async registerWebhookEndpoint({ body }, options) {
    return this.call("POST", "webhook-endpoints", { body }, options);
  }

  /** Remove a webhook endpoint. */
  async removeWebhookEndpoint({ id }, options) {
    return this.call("DELETE", `webhook-endpoints/${segment(id)}`, { empty: true }, options);
  }

  /** List the deliveries to a webhook endpoint. */
  async listWebhookDeliveries({ id, ...query }, options) {
    return this.call("GET", `webhook-endpoints/${segment(id)}/deliveries`, { query }, options);
  }

  /** Replay one event, or all since a moment. */
  async replayWebhooks({ id, body }, options) {
    return this.call("POST", `webhook-endpoints/${segment(id)}/replay`, { body, empty: true }, options);
  }

  /** Rotate the secret of a webhook endpoint. */
  async rotateWebhookSecret({ id }, options) {
    return this.call("POST", `webhook-endpoints/${segment(id)}/rotate-secret`, {}, options);
  }
}
