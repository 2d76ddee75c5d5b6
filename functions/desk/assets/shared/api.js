// The client of the HTTP API: calls, retries, time limits and errors.

/** @import { NewPaymentRequest, Page, PaymentRequest, ProblemBody, Report } from "../../types/api.d.ts" */

import { setClock } from "./clock.js";

/**
 * The time limit of one call in milliseconds. It is longer than the API's own limit of 30 seconds, so that no answer of
 * the API is lost.
 */
const CALL_TIMEOUT = 32_000;
/**
 * The time limit of reading requests, in milliseconds. Reads are repeated, so the limit is short: a hanging connection
 * is noticed soon.
 */
const READ_TIMEOUT = 8_000;
/** The number of attempts before a call counts as failed. */
const TRIES = 4;
/** The pause before the first retry, in milliseconds; it doubles with each retry. */
const FIRST_PAUSE = 400;
/** The longest pause before an automatic retry, in milliseconds. A longer one is shown to the person as an error. */
const LONGEST_PAUSE = 5_000;

/**
 * The API rejected the call. `message` is a sentence to show to a person; `errors` has a message for each invalid
 * field.
 */
export class Problem extends Error {
  /**
   * @param {number} status
   * @param {ProblemBody | undefined} body
   * @param {number} retryAfter in seconds
   */
  constructor(status, body, retryAfter) {
    super(body?.detail ?? "The answer cannot be read. Please try again.");
    this.name = "Problem";
    this.status = status;
    this.code = body?.code ?? "unknown";
    this.errors = new Map((body?.errors ?? []).map(({ field, message }) => [field, message]));
    this.retryAfter = retryAfter;
  }

  /** Whether a retry of the same call may succeed. */
  get passing() {
    return this.status === 429 || this.status >= 500;
  }
}

/** The API did not answer. It is unknown whether the API carried out the call. */
export class Unreachable extends Error {
  /** @param {unknown} cause */
  constructor(cause) {
    super("There is no connection.", { cause });
    this.name = "Unreachable";
  }
}

/** The error for a call without an access token. */
export class SignInFailed extends Error {
  /** @param {unknown} [cause] */
  constructor(cause) {
    super("You are not signed in.", { cause });
    this.name = "SignInFailed";
  }
}

/**
 * Returns the message of an error.
 * @param {unknown} error
 */
export function sentenceOf(error) {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Returns an access token. With `renew`, the API rejected the previous token.
 * @typedef {(options: { renew: boolean }) => Promise<string> | string} TokenSource
 */

/**
 * The options of a call.
 * @typedef {object} Call
 * @property {Record<string, string>} [headers]
 * @property {string} [body]
 * @property {AbortSignal} [signal]
 * @property {number} [tries]
 * @property {number} [timeout] in milliseconds
 */

/** The client of the API, which acts for the person that the token names. */
export class Api {
  #base;
  #token;

  /**
   * @param {URL} base
   * @param {TokenSource} token
   */
  constructor(base, token) {
    this.#base = base;
    this.#token = token;
  }

  /**
   * Creates a request. The call is idempotent by its key, so it is safe to retry until the API answers.
   * @param {NewPaymentRequest} fields
   * @param {string} key
   * @param {AbortSignal} [signal]
   * @returns {Promise<PaymentRequest>}
   */
  create(fields, key, signal) {
    const headers = { "content-type": "application/json", "idempotency-key": key };
    return this.#call("POST", "payment-requests", { headers, body: JSON.stringify(fields), signal });
  }

  /**
   * Reads the current state of one request.
   * @param {string} id
   * @param {AbortSignal} [signal]
   * @returns {Promise<PaymentRequest>}
   */
  get(id, signal) {
    return this.#call("GET", `payment-requests/${encodeURIComponent(id)}`, { signal, tries: 1, timeout: READ_TIMEOUT });
  }

  /**
   * Reads a page of requests, newest first.
   * @param {Record<string, unknown>} parameters
   * @param {AbortSignal} [signal]
   * @returns {Promise<Page>}
   */
  list(parameters, signal) {
    return this.#call("GET", `payment-requests?${query(parameters)}`, { signal, timeout: READ_TIMEOUT });
  }

  /**
   * Cancels a request. A second call fails with `already_canceled`.
   * @param {string} id
   * @param {AbortSignal} [signal]
   * @returns {Promise<PaymentRequest>}
   */
  cancel(id, signal) {
    return this.#call("POST", `payment-requests/${encodeURIComponent(id)}/cancel`, { signal });
  }

  /**
   * Reads the report on the requests sent in a period, by agent and in total.
   * @param {Record<string, unknown>} parameters
   * @param {AbortSignal} [signal]
   * @returns {Promise<Report>}
   */
  report(parameters, signal) {
    return this.#call("GET", `reports/agents?${query(parameters)}`, { signal });
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {Call} call
   * @returns {Promise<any>}
   */
  async #call(method, path, { headers = {}, body, signal, tries = TRIES, timeout = CALL_TIMEOUT }) {
    let token = await this.#tokenOrFail(false);
    let renewed = false;
    for (let tried = 1; ; tried += 1) {
      const init = { method, headers: { ...headers, authorization: `Bearer ${token}` }, body };
      try {
        return await this.#once(path, init, signal, timeout);
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof Problem && error.status === 401 && !renewed) {
          renewed = true;
          tried -= 1;
          token = await this.#tokenOrFail(true);
          continue;
        }
        const passing = error instanceof Unreachable || (error instanceof Problem && error.passing);
        if (!passing || tried >= tries) throw error;
        const pause = FIRST_PAUSE * 2 ** (tried - 1) * (0.5 + Math.random());
        const retryAfter = error instanceof Problem ? error.retryAfter * 1000 : 0;
        if (retryAfter > LONGEST_PAUSE) throw error;
        await sleep(Math.max(pause, retryAfter), signal);
      }
    }
  }

  /** @param {boolean} renew */
  async #tokenOrFail(renew) {
    try {
      const token = await this.#token({ renew });
      if (typeof token === "string" && token !== "") return token;
    } catch (cause) {
      throw new SignInFailed(cause);
    }
    throw new SignInFailed();
  }

  /**
   * @param {string} path
   * @param {RequestInit} init
   * @param {AbortSignal | undefined} signal
   * @param {number} timeout
   */
  async #once(path, init, signal, timeout) {
    const limit = AbortSignal.timeout(timeout);
    const sentAt = Date.now();
    let response;
    let text;
    try {
      response = await fetch(new URL(path, this.#base), {
        ...init,
        cache: "no-store",
        credentials: "omit",
        signal: signal ? AbortSignal.any([signal, limit]) : limit,
      });
      text = await response.text();
    } catch (cause) {
      throw new Unreachable(cause);
    }
    setClock(response, sentAt);
    const answer = parse(text);
    if (response.ok && answer !== undefined) return answer;
    const retryAfter = Number(response.headers.get("retry-after")) || 0;
    throw new Problem(response.ok ? 502 : response.status, answer, retryAfter);
  }
}

/** @param {string} text */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** @param {Record<string, unknown>} parameters */
function query(parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
}

/**
 * @param {number} milliseconds
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
function sleep(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        reject(signal.reason);
      },
      { once: true },
    );
  });
}
