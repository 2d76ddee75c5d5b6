// The events of the stand-in: what they have, that they are signed, and that none is lost.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { eventually, order, System, signature } from "./harness.mjs";

async function initialized(system) {
  const asked = order();
  const { status, answer } = await system.call("POST", "/transaction/initialize", { body: JSON.stringify(asked) });
  assert.equal(status, 200);
  return { ...asked, url: answer.data.authorization_url };
}

/** The fields of each event's data, in the examples of Paystack's documentation. */
const FIELDS = {
  "charge.success": [
    ["amount", "authorization", "channel", "created_at", "currency", "customer", "domain", "fees", "gateway_response"],
    ["id", "ip_address", "log", "message", "metadata", "paid_at", "plan", "reference", "status"],
  ].flat(),
  "refund.pending": ["amount", "currency", "customer", "domain", "integration", "processor"],
  "refund.processing": ["refund_reference", "status", "transaction_reference"],
  "refund.processed": ["refund_reference", "status", "transaction_reference"],
  "refund.failed": ["refund_reference", "status", "transaction_reference", "processor"],
  "refund.needs-attention": ["customer_note", "id", "merchant_note", "refund_reference", "transaction_reference"],
  "charge.dispute.create": ["category", "created_at", "dueAt", "id", "refund_amount", "status", "transaction"],
  "bank.transfer.rejected": ["bank_transfer", "customer"],
};

test("every event has its fields and its signature", async () => {
  const system = await System.start();
  try {
    for (const end of ["succeeded", "failed", "needs-attention"]) {
      const made = await initialized(system);
      await system.press(made.url, "processing");
      await system.press(made.url, "failed", "settle");
      await system.press(made.url, "succeeded");
      await system.press(made.url, end, "refunds");
      const body = JSON.stringify({ transaction: made.reference });
      assert.equal((await system.call("POST", "/refund", { body })).status, 200);
      await system.press(made.url, "opened", "dispute");
    }
    const { merchant } = system;
    await eventually("an event of each kind", () => {
      const kinds = new Set(merchant.events.map((event) => event.event));
      return Object.keys(FIELDS).every((kind) => kinds.has(kind));
    });
    for (const { event, data, ...others } of merchant.events) {
      assert.deepEqual(others, {});
      for (const field of FIELDS[event]) assert.ok(field in data, `${field} of ${event}`);
    }
    assert.deepEqual([merchant.forged, [...merchant.statuses]], [[], [200]]);
  } finally {
    await system.stop();
  }
});

test("chat2pay accepts what is signed with the account's key, and nothing else", async () => {
  const system = await System.start();
  try {
    const body = JSON.stringify({ event: "customeridentification.success", data: { customer_id: "1" } });
    const status = async (text, given) => {
      const headers = { "content-type": "application/json", ...(given && { "x-paystack-signature": given }) };
      return (await fetch(`${system.base}/webhooks/paystack`, { method: "POST", body: text, headers })).status;
    };
    assert.equal(await status(body, signature(body)), 200);
    assert.equal(await status(body, signature(body)), 200, "a replay changes nothing");
    assert.equal(await status(`${body} `, signature(body)), 401);
    assert.equal(await status(body, signature(body, "sk_test_of0another0account0000000000")), 401);
    assert.equal(await status(body, signature(body).slice(1)), 401);
    assert.equal(await status(body), 401);
  } finally {
    await system.stop();
  }
});

test("what was acknowledged outlives a crash, and its events are sent until they are accepted", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "chat2pay-paystack-"));
  const system = await System.start({ flags: ["--data-dir", folder] });
  try {
    const made = await initialized(system);
    const other = await initialized(system);
    system.merchant.refuses = true;
    await system.press(made.url, "succeeded");
    await system.press(other.url, "processing");
    await system.restart();
    system.merchant.refuses = false;
    const seen = system.merchant.about(made.reference).length;
    await eventually("the event after the restart", () => system.merchant.about(made.reference).length > seen);
    const verified = async ({ reference }) =>
      (await system.call("GET", `/transaction/verify/${reference}`)).answer.data;
    assert.equal((await verified(made)).status, "success");
    assert.equal((await verified(other)).status, "pending");
    const duplicate = JSON.stringify(order({ reference: made.reference }));
    assert.equal((await system.call("POST", "/transaction/initialize", { body: duplicate })).status, 400);
    await system.press(other.url, "succeeded", "settle");
    assert.equal((await verified(other)).status, "success");
  } finally {
    await system.stop();
    await rm(folder, { recursive: true });
  }
});

test("a payment whose events are lost is there all the same", async () => {
  const silent = await System.start({ environment: { SANDBOX_WEBHOOKS: "off" } });
  const system = await System.start();
  try {
    const lost = await initialized(silent);
    await silent.press(lost.url, "succeeded");
    const { answer } = await silent.call("GET", `/transaction/verify/${lost.reference}`);
    assert.equal(answer.data.status, "success");
    assert.deepEqual([silent.merchant.events, silent.merchant.forged], [[], []]);

    const [unreported, reported] = [await initialized(system), await initialized(system)];
    assert.equal((await system.press(unreported.url, "succeeded", "pay", { webhooks: "off" })).status, 303);
    await system.press(reported.url, "succeeded");
    await system.merchant.received(reported.reference, "charge.success");
    assert.deepEqual(system.merchant.about(unreported.reference), []);
    const perhaps = await system.press((await initialized(system)).url, "succeeded", "pay", { webhooks: "perhaps" });
    assert.equal(perhaps.status, 422);
  } finally {
    await silent.stop();
    await system.stop();
  }
});
