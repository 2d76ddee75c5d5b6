// The API as the pages use it: the client with its retries and time limits, errors as sentences, and the API's clock.

/** @import { CallOptions, ListPaymentRequestsParameters, ListWebhookDeliveriesParameters } from "../client/index.js" */
/** @import { NewPaymentRequest, NewWebhookEndpoint, ReportAgentsParameters } from "../client/index.js" */
/** @import { TokenSource, WebhookReplay } from "../client/index.js" */

import { Client, ProblemError, UnreachableError } from "../client/index.js";

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

/** The difference between the API's clock and this machine's, in milliseconds. */
let offset = 0;

/**
 * Returns the current time by the API's clock, in milliseconds. The API checks deadlines by its own clock, and an
 * agent's clock may be minutes off.
 */
export function now() {
  return Date.now() + offset;
}

/**
 * Sets the clock from the `Date` header of a response, which is exact to the second.
 * @param {Response} response
 * @param {number} sentAt when the call began, by this machine's clock
 */
function setClock(response, sentAt) {
  const date = Date.parse(response.headers.get("date") ?? "");
  if (Number.isNaN(date)) return;
  const receivedAt = Date.now();
  // The API wrote the header between the two moments, and truncated it to the whole second.
  const measured = date + 500 - (sentAt + receivedAt) / 2;
  // The header cannot show a difference of about a second, so a smaller one counts as none.
  offset = Math.abs(measured) > 1500 ? measured : 0;
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
 * Returns whether a retry of the same call may succeed.
 * @param {unknown} error
 */
export function isPassing(error) {
  if (!(error instanceof ProblemError)) return error instanceof UnreachableError;
  // A success that cannot be read is a failure on the way.
  return error.status === 429 || error.status >= 500 || error.status < 300;
}

/**
 * Returns the sentence about an error to show to a person.
 * @param {unknown} error
 */
export function sentenceOf(error) {
  if (error instanceof ProblemError) return error.detail ?? "The answer cannot be read. Please try again.";
  if (error instanceof UnreachableError) return "There is no connection.";
  return error instanceof Error ? error.message : String(error);
}

/** For how long a new token is taken for the answer to calls that were made with the old one, in milliseconds. */
const JUST_RENEWED = 5_000;

/**
 * Returns the source of the tokens for calls that are made at the same time. It asks `source` once for all of them: a
 * site that renews a token twice may lose both.
 * @param {TokenSource} source
 * @returns {TokenSource}
 */
function shared(source) {
  /** @type {Promise<string> | null} */
  let asked = null;
  /** @type {{ token: Promise<string>, at: number } | null} */
  let renewed = null;
  return ({ renew }) => {
    if (!renew) {
      asked ??= Promise.resolve(source({ renew })).finally(() => {
        asked = null;
      });
      return asked;
    }
    if (!renewed || Date.now() - renewed.at > JUST_RENEWED) {
      const token = Promise.resolve(source({ renew }));
      renewed = { token, at: Date.now() };
      // What failed is no answer to a later call.
      token.catch(() => {
        renewed = null;
      });
    }
    return renewed.token;
  };
}

/** The API, which acts for the person that the token names. */
export class Api {
  #client;

  /**
   * @param {URL} baseUrl
   * @param {TokenSource} source
   */
  constructor(baseUrl, source) {
    const tokens = shared(source);
    this.#client = new Client({
      baseUrl,
      async token(options) {
        try {
          const token = await tokens(options);
          if (typeof token === "string" && token !== "") return token;
        } catch (cause) {
          throw new SignInFailed(cause);
        }
        throw new SignInFailed();
      },
      async fetch(input, init) {
        const sentAt = Date.now();
        const response = await fetch(input, init);
        setClock(response, sentAt);
        return response;
      },
    });
  }

  /**
   * Creates a request. The call is idempotent by its key, so it is safe to retry until the API answers.
   * @param {NewPaymentRequest} body
   * @param {string} idempotencyKey
   * @param {AbortSignal} [signal]
   */
  create(body, idempotencyKey, signal) {
    return retried((options) => this.#client.createPaymentRequest({ idempotencyKey, body }, options), { signal });
  }

  /**
   * Reads the current state of one request, once: its poller repeats it.
   * @param {string} id
   * @param {AbortSignal} [signal]
   */
  get(id, signal) {
    return this.#client.readPaymentRequest({ id }, { signal, timeout: READ_TIMEOUT });
  }

  /**
   * Reads a page of requests, newest first.
   * @param {ListPaymentRequestsParameters} parameters
   * @param {AbortSignal} [signal]
   * @param {number} [tries] how often it is tried; once if a poller repeats it
   */
  list(parameters, signal, tries = TRIES) {
    const limits = { signal, timeout: READ_TIMEOUT };
    return retried((options) => this.#client.listPaymentRequests(parameters, options), limits, tries);
  }

  /**
   * Cancels a request. A second call fails with `already_canceled`.
   * @param {string} id
   * @param {AbortSignal} [signal]
   */
  cancel(id, signal) {
    return retried((options) => this.#client.cancelPaymentRequest({ id }, options), { signal });
  }

  /**
   * Reads the report on the requests sent in a period, by agent and in total.
   * @param {ReportAgentsParameters} parameters
   * @param {AbortSignal} [signal]
   */
  report(parameters, signal) {
    return retried((options) => this.#client.reportAgents(parameters, options), { signal });
  }

  /**
   * Gets the address of a connection for live updates, once: whoever connects repeats it.
   * @param {AbortSignal} [signal]
   */
  liveTicket(signal) {
    return this.#client.createLiveTicket({ signal, timeout: READ_TIMEOUT });
  }

  /**
   * Reads the workspace's webhook endpoints, newest first, once: their poller repeats it.
   * @param {AbortSignal} [signal]
   */
  endpoints(signal) {
    return this.#client.listWebhookEndpoints({ signal, timeout: READ_TIMEOUT });
  }

  /**
   * Adds a webhook endpoint, and returns it with its secret. A repeated call would be refused, because the address is
   * taken by then, and the secret would be lost. So it is made once.
   * @param {NewWebhookEndpoint} body
   * @param {AbortSignal} [signal]
   */
  addEndpoint(body, signal) {
    return this.#client.registerWebhookEndpoint({ body }, { signal });
  }

  /**
   * Removes a webhook endpoint. A second call fails with `not_found`.
   * @param {string} id
   * @param {AbortSignal} [signal]
   */
  removeEndpoint(id, signal) {
    return retried((options) => this.#client.removeWebhookEndpoint({ id }, options), { signal });
  }

  /**
   * Replaces the secret of a webhook endpoint, and returns the endpoint with the new one. Every call makes another
   * secret, so it is made once.
   * @param {string} id
   * @param {AbortSignal} [signal]
   */
  rotateSecret(id, signal) {
    return this.#client.rotateWebhookSecret({ id }, { signal });
  }

  /**
   * Reads a page of what was delivered to a webhook endpoint, newest first.
   * @param {ListWebhookDeliveriesParameters} parameters
   * @param {AbortSignal} [signal]
   */
  deliveries(parameters, signal) {
    const limits = { signal, timeout: READ_TIMEOUT };
    return retried((options) => this.#client.listWebhookDeliveries(parameters, options), limits);
  }

  /**
   * Delivers one event again, or all since a moment.
   * @param {string} id
   * @param {WebhookReplay} body
   * @param {AbortSignal} [signal]
   */
  replay(id, body, signal) {
    return retried((options) => this.#client.replayWebhooks({ id, body }, options), { signal });
  }
}

/**
 * Makes a call, and repeats it while a retry may succeed.
 * @template Answer
 * @param {(options: CallOptions) => Promise<Answer>} call
 * @param {CallOptions} options
 * @param {number} [tries]
 */
async function retried(call, options, tries = TRIES) {
  const { signal } = options;
  for (let tried = 1; ; tried += 1) {
    try {
      return await call(options);
    } catch (error) {
      signal?.throwIfAborted();
      if (!isPassing(error) || tried >= tries) throw error;
      const pause = FIRST_PAUSE * 2 ** (tried - 1) * (0.5 + Math.random());
      const retryAfter = error instanceof ProblemError ? (error.retryAfter ?? 0) * 1000 : 0;
      if (retryAfter > LONGEST_PAUSE) throw error;
      await sleep(Math.max(pause, retryAfter), signal);
    }
  }
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
