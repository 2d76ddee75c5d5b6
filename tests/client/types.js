// What the client's types accept and refuse. tests/scripts/run checks it, and nothing runs it.

import { Client, ProblemError } from "../../events/client/index.js";

const client = new Client({ baseUrl: "https://pay.example.com", token: async ({ renew }) => (renew ? "new" : "old") });

export async function accepted() {
  const { id, link, status } = await client.createPaymentRequest(
    {
      idempotencyKey: "order-10045",
      body: { order_number: "10045", amount: 25_000, currency: "ZAR", customer: { phone: "+27831234567" } },
    },
    { signal: AbortSignal.timeout(10_000) },
  );
  const { items, next_cursor: cursor } = await client.listPaymentRequests({ status: "paid", limit: 50 });
  const report = await client.reportAgents();
  /** @type {string} */
  const word = status;
  // A status and a code that a later version adds are texts like the others.
  if (status === "a later one") return [];
  return [id, link?.url, word, items[0]?.history[0].actor.type, cursor ?? "", report.total.statuses.paid?.count];
}

/** @param {unknown} error */
export function code(error) {
  return error instanceof ProblemError ? [error.code, ...error.errors.map(({ field }) => field)] : [];
}

export function refused() {
  const customer = { phone: "+27831234567" };
  return [
    // @ts-expect-error the client has a token
    new Client({ baseUrl: "https://pay.example.com" }),
    // @ts-expect-error the amount is missing
    client.createPaymentRequest({ body: { order_number: "10045", currency: "ZAR", customer } }),
    // @ts-expect-error an amount is a number of minor units
    client.createPaymentRequest({ body: { order_number: "10045", amount: "250.00", currency: "ZAR", customer } }),
    // @ts-expect-error unknown fields are refused
    client.createPaymentRequest({ body: { order_number: "1", amount: 1, currency: "ZAR", customer, note: "x" } }),
    // @ts-expect-error a request is read by its identifier
    client.readPaymentRequest({}),
    // @ts-expect-error the list has no such filter
    client.listPaymentRequests({ order: "10045" }),
    // @ts-expect-error the link may be gone
    client.readPaymentRequest({ id: "1" }).then(({ link }) => link.url),
  ];
}
