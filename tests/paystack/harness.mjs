// The harness of the tests of the stand-in for Paystack: a local runner, Paystack's official client on it, the customer
// on a page, and the merchant who receives the events.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import http from "node:http";
import https from "node:https";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

/** The account's secret key, with which it also signs its events. */
export const KEY = "sk_test_official0client0of0the0tests";

/** The time limit of everything that a test waits for, in milliseconds. It is no measurement. */
const PATIENCE = 30_000;

/** Waits until `look` returns something, and returns that. */
export async function eventually(what, look) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    assert.ok(Date.now() < end, `${what} did not happen within ${PATIENCE} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Computes the signature of an event, as Paystack's documentation does. */
export function signature(body, key = KEY) {
  return createHmac("sha512", key).update(body).digest("hex");
}

/**
 * Where the stand-in sends its events: `events` has those that are signed, and `forged` the others. It hands each on to
 * chat2pay, unless `refuses` is set, and answers as chat2pay does: `statuses` has how.
 */
class Merchant {
  events = [];
  forged = [];
  statuses = new Set();
  refuses = false;

  static async start() {
    const merchant = new Merchant();
    merchant.server = http.createServer(async (request, response) => {
      const body = await text(request);
      const given = request.headers["x-paystack-signature"];
      const kept = given === signature(body) ? merchant.events : merchant.forged;
      kept.push(JSON.parse(body));
      response.statusCode = merchant.refuses ? 500 : await merchant.forward(body, given);
      if (!merchant.refuses) merchant.statuses.add(response.statusCode);
      response.end();
    });
    await new Promise((resolve) => merchant.server.listen(0, "127.0.0.1", resolve));
    merchant.url = `http://127.0.0.1:${merchant.server.address().port}`;
    return merchant;
  }

  async forward(body, given) {
    const headers = { "content-type": "application/json", "x-paystack-signature": given };
    return (await fetch(`${this.base}/webhooks/paystack`, { method: "POST", body, headers })).status;
  }

  /** Returns the events about a transaction, oldest first. */
  about(reference) {
    return this.events.filter((event) => JSON.stringify(event).includes(JSON.stringify(reference)));
  }

  /** Waits until there is an event of each of these kinds about a transaction, and returns them. */
  async received(reference, ...kinds) {
    return await eventually(`${kinds} about ${reference}`, () => {
      const found = kinds.map((kind) => this.about(reference).find((event) => event.event === kind));
      return found.every(Boolean) && found;
    });
  }
}

async function text(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts).toString();
}

/** A local runner with the stand-in. `base` is its address; `merchant` receives its events. */
export class System {
  static async start({ environment = {}, flags = [] } = {}) {
    const system = new System();
    system.merchant = await Merchant.start();
    system.environment = environment;
    system.flags = flags;
    try {
      await system.begin(0);
    } catch (error) {
      system.merchant.server.close();
      throw error;
    }
    return system;
  }

  /** Starts the program, on this port or a free one. */
  async begin(port) {
    const variables = {
      ...process.env,
      PAYMENT_PROVIDER: "paystack",
      PAYSTACK_SECRET_KEY: KEY,
      PAYSTACK_WEBHOOK_URL: this.merchant.url,
      RUST_LOG: "warn",
      ...this.environment,
    };
    const options = { env: variables, stdio: ["ignore", "pipe", "inherit"] };
    this.process = spawn(process.env.RUNNER, ["--port", String(port), ...this.flags], options);
    this.ended = new Promise((resolve) => this.process.once("exit", resolve));
    for await (const line of createInterface({ input: this.process.stdout })) {
      if (line.startsWith("ready ")) {
        this.base = line.slice("ready ".length);
        this.merchant.base = this.base;
        return;
      }
    }
    throw new Error("the local runner did not become ready");
  }

  async end(signal) {
    this.process.kill(signal);
    await this.ended;
  }

  /** Ends the program as a crash does, and starts it again with the same data. */
  async restart() {
    await this.end("SIGKILL");
    await this.begin(Number(new URL(this.base).port));
  }

  async stop() {
    await this.end("SIGTERM");
    this.merchant.server.close();
  }

  /** Calls the API without a client, and returns the status and the whole answer. */
  async call(method, path, { key = KEY, headers = {}, body } = {}) {
    const authorization = key ? { authorization: `Bearer ${key}` } : {};
    const answer = await fetch(`${this.base}/paystack${path}`, {
      method,
      body,
      headers: { ...authorization, ...headers },
    });
    return { status: answer.status, answer: await answer.json() };
  }

  /** Submits a form on a transaction's page. Returns the status, and where the customer goes next. */
  async press(url, outcome, form = "pay", fields = {}) {
    const body = new URLSearchParams({ outcome, ...fields });
    const answer = await fetch(`${url}/${form}`, { method: "POST", body, redirect: "manual" });
    return { status: answer.status, location: answer.headers.get("location") };
  }

  /** Reads a page as the customer does. */
  async page(url) {
    return await (await fetch(url)).text();
  }

  /** Settles every payment, in place of the clock. */
  async settle() {
    assert.equal((await fetch(`${this.base}/paystack/settlements`, { method: "POST" })).status, 204);
  }
}

/**
 * The official client for this account. It knows one address, so its calls are led to the runner. It hands on neither
 * the status nor the code of an answer: `last` has the whole of the last one.
 */
export function officialClient(system, key = KEY) {
  const client = { last: undefined };
  https.request = (base, options, answered) => {
    assert.equal(String(base), "https://api.paystack.co");
    const { path, ...others } = options;
    return http.request(`${system.base}/paystack${path}`, others, async (response) => {
      const whole = await text(response);
      client.last = { status: response.statusCode, answer: JSON.parse(whole) };
      answered(new Replay(whole));
    });
  };
  const require = createRequire(import.meta.url);
  // The client takes over the functions of `https` when it is loaded.
  delete require.cache[require.resolve("@paystack/paystack-sdk")];
  const { Paystack } = require("@paystack/paystack-sdk");
  return Object.assign(client, { api: new Paystack(key) });
}

/** An answer that was read already, for the client to read. */
class Replay {
  constructor(whole) {
    this.whole = whole;
  }

  on(event, listener) {
    if (event === "data") queueMicrotask(() => listener(Buffer.from(this.whole)));
    if (event === "end") queueMicrotask(() => queueMicrotask(listener));
    return this;
  }
}

let references = 0;

/** Returns a transaction as chat2pay asks for one, with a reference of its own. */
export function order(changes = {}) {
  references += 1;
  return {
    email: "customer@example.com",
    amount: 25000,
    currency: "ZAR",
    reference: `order-${process.pid}-${references}`,
    callback_url: "https://pay.example.com/p/x?done",
    metadata: JSON.stringify({
      cancel_action: "https://pay.example.com/p/x?back",
      custom_fields: [{ display_name: "Order", variable_name: "order", value: "10045" }],
    }),
    ...changes,
  };
}
