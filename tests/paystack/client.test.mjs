// Paystack's official client makes transactions and refunds at the stand-in, and reads its lists.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { KEY, officialClient, order, System } from "./harness.mjs";

let system;
let client;

before(async () => {
  system = await System.start();
  client = officialClient(system);
});
after(async () => await system?.stop());

async function initialized(changes) {
  const asked = order(changes);
  const made = await client.api.transaction.initialize(asked);
  assert.equal(made.status, true, made.message);
  return { ...asked, ...made.data, url: made.data.authorization_url };
}

async function paid(changes) {
  const made = await initialized(changes);
  assert.equal((await system.press(made.url, "succeeded")).status, 303);
  return made;
}

async function verified(reference) {
  return (await client.api.transaction.verify({ reference })).data;
}

/** Makes a call that is refused, and returns its status and code. The client hands the answer on as any other. */
async function refused(call) {
  const answer = await call();
  assert.equal(answer.status, false);
  const { status, answer: whole } = client.last;
  assert.equal(whole.message, answer.message);
  assert.ok(["validation_error", "api_error"].includes(whole.type), whole.type);
  assert.equal(typeof whole.meta.nextStep, "string");
  return [status, whole.code];
}

test("a transaction is made, paid on its page, and verified", async () => {
  const made = await initialized();
  assert.equal(made.url, `${system.base}/paystack/checkout/${made.access_code}`);
  const abandoned = await verified(made.reference);
  assert.deepEqual([abandoned.status, abandoned.domain, abandoned.paid_at], ["abandoned", "test", null]);
  const page = await system.page(made.url);
  assert.match(page, /250\.00 ZAR/);
  assert.match(page, /Order: 10045/);
  assert.ok(page.includes('<a href="https://pay.example.com/p/x?back">Cancel and go back</a>'), page);
  const back = `https://pay.example.com/p/x?done&trxref=${made.reference}&reference=${made.reference}`;
  assert.deepEqual(await system.press(made.url, "succeeded"), { status: 303, location: back });
  assert.deepEqual(
    await system.press(made.url, "succeeded"),
    { status: 303, location: back },
    "a repeat leads there too",
  );
  const paidFor = await verified(made.reference);
  assert.deepEqual([paidFor.status, paidFor.amount, paidFor.currency], ["success", 25000, "ZAR"]);
  assert.equal(paidFor.metadata.cancel_action, "https://pay.example.com/p/x?back");
  assert.ok(Math.abs(Date.parse(paidFor.paid_at) - Date.now()) < 60_000);
  assert.match(await system.page(made.url), /This order is paid/);
  const fetched = (await client.api.transaction.fetch({ id: paidFor.id })).data;
  assert.deepEqual([fetched.reference, fetched.fees], [made.reference, 375]);
  const [event] = await system.merchant.received(made.reference, "charge.success");
  assert.deepEqual([event.data.id, event.data.status, event.data.amount], [paidFor.id, "success", 25000]);
});

test("a page never closes: what was declined or abandoned may still be paid", async () => {
  const made = await initialized();
  const declined = await system.press(made.url, "declined");
  assert.deepEqual(declined, { status: 303, location: `/paystack/checkout/${made.access_code}?declined` });
  assert.match(await system.page(`${made.url}?declined`), /Your card was declined/);
  assert.doesNotMatch(await system.page(made.url), /was declined/);
  assert.equal((await verified(made.reference)).status, "failed");
  assert.equal((await system.press(made.url, "ongoing")).location, `/paystack/checkout/${made.access_code}`);
  assert.equal((await verified(made.reference)).status, "ongoing");
  await system.press(made.url, "succeeded");
  const paidFor = await verified(made.reference);
  assert.deepEqual([paidFor.status, paidFor.log.attempts, paidFor.log.errors], ["success", 3, 1]);
  await system.merchant.received(made.reference, "charge.success");
  assert.equal(system.merchant.about(made.reference).length, 1, "Paystack reports what succeeded alone");
});

test("a transfer takes time, and then arrives or fails", async () => {
  for (const outcome of ["succeeded", "failed"]) {
    const made = await initialized({ channels: ["card", "bank_transfer"] });
    assert.equal((await system.press(made.url, "succeeded", "settle")).status, 422, "there is none yet");
    await system.press(made.url, "processing");
    const pending = await verified(made.reference);
    assert.deepEqual([pending.status, pending.channel, pending.paid_at], ["pending", "bank_transfer", null]);
    assert.match(await system.page(made.url), /Your transfer is on its way/);
    assert.equal((await system.press(made.url, outcome, "settle")).status, 303);
    const settled = await verified(made.reference);
    if (outcome === "succeeded") {
      assert.deepEqual([settled.status, settled.channel], ["success", "bank_transfer"]);
      await system.merchant.received(made.reference, "charge.success");
    } else {
      assert.equal(settled.status, "failed");
      await system.merchant.received(String(settled.id), "bank.transfer.rejected");
      await system.press(made.url, "succeeded");
      assert.equal((await verified(made.reference)).status, "success", "the page can still be paid");
    }
  }
});

test("a reference is used once, and what Paystack does not take is refused", async () => {
  const made = await initialized();
  const again = () => client.api.transaction.initialize(order({ reference: made.reference }));
  assert.deepEqual(await refused(again), [400, "duplicate_reference"]);
  assert.equal(client.last.answer.message, "Duplicate Transaction Reference");
  for (const [changes, code] of [
    [{ email: "" }, "invalid_params"],
    [{ email: "nobody" }, "invalid_email_address"],
    [{ amount: 99 }, "invalid_amount"],
    [{ amount: 1_000_000_001 }, "invalid_amount"],
    [{ amount: 250.5 }, "invalid_params"],
    [{ currency: "NGN", amount: 4_999 }, "invalid_amount"],
    [{ currency: "KES", amount: 299 }, "invalid_amount"],
    [{ currency: "GHS", amount: 9 }, "invalid_amount"],
    [{ currency: "EUR" }, "unsupported_currency"],
    [{ reference: "a_b" }, "invalid_params"],
    [{ callback_url: "nonsense" }, "invalid_params"],
    [{ channels: ["cheque"] }, "invalid_params"],
    [{ plan: "PLN_x" }, "invalid_params"],
  ]) {
    const found = await refused(() => client.api.transaction.initialize(order(changes)));
    assert.deepEqual(found, [400, code], JSON.stringify(changes));
  }
  for (const changes of [
    { currency: "NGN", amount: 5_000 },
    { currency: "KES", amount: 300 },
    { currency: "GHS", amount: 10 },
    { currency: "ZAR", amount: 100 },
    { currency: "USD", amount: 200 },
    { reference: undefined, metadata: undefined, callback_url: undefined },
  ]) {
    await initialized(changes);
  }
  const missing = await system.call("POST", "/transaction/initialize", { body: "{}" });
  assert.deepEqual([missing.status, missing.answer.code], [400, "missing_params"]);
});

test("a body is JSON or a form", async () => {
  const asked = order({ channels: undefined });
  const form = new URLSearchParams(Object.entries(asked).filter(([, value]) => value !== undefined));
  form.append("channels[]", "card");
  const made = await system.call("POST", "/transaction/initialize", { body: form });
  assert.deepEqual([made.status, made.answer.data.reference], [200, asked.reference]);
  assert.equal((await verified(asked.reference)).metadata.custom_fields[0].value, "10045");
  for (const body of ["[]", "{", "amount=1"]) {
    const headers = { "content-type": "application/json" };
    const malformed = await system.call("POST", "/transaction/initialize", { body, headers });
    assert.deepEqual([malformed.status, malformed.answer.code], [400, "invalid_params"]);
  }
});

test("what is unknown is not found", async () => {
  for (const [call, found] of [
    [() => client.api.transaction.verify({ reference: "unknown" }), [400, "transaction_not_found"]],
    [() => client.api.transaction.fetch({ id: 1 }), [404, "transaction_not_found"]],
    [() => client.api.transaction.fetch({ id: "x" }), [404, "transaction_not_found"]],
    [() => client.api.refund.fetch({ id: 1 }), [404, "not_found"]],
    [() => client.api.refund.create({ transaction: "unknown" }), [404, "transaction_not_found"]],
    [() => client.api.dispute.fetch({ id: 1 }), [404, "not_found"]],
    [() => client.api.customer.list({}), [404, "not_found"]],
  ]) {
    assert.deepEqual(await refused(call), found);
  }
});

test("a wrong key is nobody's, and a live account is told apart by its key", async () => {
  for (const key of ["sk_test_wrong0of0another0account0000", KEY.replace("sk_test_", "sk_live_"), "pk_test_public"]) {
    const wrong = await system.call("GET", "/transaction/verify/x", { key });
    assert.deepEqual([wrong.status, wrong.answer.message], [401, "Invalid key"]);
    assert.ok(!JSON.stringify(wrong.answer).includes(key));
  }
  const without = await system.call("GET", "/transaction/verify/x", { key: null });
  assert.equal(without.status, 401);
  const basic = { authorization: `Basic ${Buffer.from(`${KEY}:`).toString("base64")}` };
  assert.equal((await system.call("GET", "/transaction", { key: null, headers: basic })).status, 401);
  const key = KEY.replace("sk_test_", "sk_live_");
  const live = await System.start({
    environment: { PAYSTACK_SECRET_KEY: `${key} ${KEY.replace("test", "live")}0old` },
  });
  try {
    assert.equal((await live.call("GET", "/transaction", { key: KEY })).status, 401);
    const body = JSON.stringify(order({ reference: "live-1" }));
    assert.equal((await live.call("POST", "/transaction/initialize", { key, body })).status, 200);
    assert.equal((await live.call("GET", "/transaction/verify/live-1", { key })).answer.data.domain, "live");
    assert.equal((await live.call("GET", "/refund", { key: `${key}0old` })).status, 200, "a key that is replaced");
  } finally {
    await live.stop();
  }
});

test("a payment is refunded once, and is reversed then", async () => {
  const made = await paid();
  const refund = (await client.api.refund.create({ transaction: made.reference, merchant_note: "too late" })).data;
  assert.deepEqual([refund.status, refund.amount, refund.currency], ["pending", 25000, "ZAR"]);
  assert.equal(refund.transaction.reference, made.reference);
  const kinds = ["refund.pending", "refund.processing", "refund.processed"];
  const [pending, , processed] = await system.merchant.received(made.reference, ...kinds);
  assert.equal(pending.data.transaction_reference, made.reference);
  assert.deepEqual([processed.data.status, processed.data.amount], ["processed", "25000"]);
  const fetched = (await client.api.refund.fetch({ id: refund.id })).data;
  assert.deepEqual([fetched.status, fetched.transaction_reference], ["processed", made.reference]);
  assert.equal(fetched.merchant_note, "too late");
  assert.equal((await verified(made.reference)).status, "reversed");
  const again = await refused(() => client.api.refund.create({ transaction: made.reference }));
  assert.deepEqual(again, [400, "transaction_reversed"]);
});

test("a refund takes no more than there is", async () => {
  const made = await paid();
  const refund = (changes) => client.api.refund.create({ transaction: made.reference, ...changes });
  assert.equal((await refund({ amount: 10000 })).data.amount, 10000);
  assert.equal((await verified(made.reference)).status, "success");
  assert.deepEqual(await refused(() => refund({ amount: 15001 })), [400, "invalid_params"]);
  assert.deepEqual(await refused(() => refund({ currency: "NGN" })), [400, "invalid_params"]);
  assert.equal((await refund({ currency: "ZAR" })).data.amount, 15000);
  assert.equal((await verified(made.reference)).status, "reversed");
  const abandoned = await initialized();
  const early = await refused(() => client.api.refund.create({ transaction: abandoned.reference }));
  assert.deepEqual(early, [400, "invalid_params"]);
});

test("a refund waits, needs a person, or fails later", async () => {
  for (const [end, status, kind] of [
    ["succeeded", "processed", "refund.processed"],
    ["needs-attention", "needs-attention", "refund.needs-attention"],
    ["failed", "failed", "refund.failed"],
  ]) {
    const made = await paid();
    assert.equal((await system.press(made.url, "waiting", "refunds")).status, 303);
    const refund = (await client.api.refund.create({ transaction: made.reference })).data;
    assert.equal((await client.api.refund.fetch({ id: refund.id })).data.status, "pending");
    assert.equal((await verified(made.reference)).status, "reversal-pending");
    await system.press(made.url, end, "refunds");
    const left = { processed: "reversed", failed: "success" }[status] ?? "reversal-pending";
    assert.equal((await verified(made.reference)).status, left);
    assert.equal((await client.api.refund.fetch({ id: refund.id })).data.status, status);
    const [event] = await system.merchant.received(made.reference, kind);
    assert.equal(event.data.status, status);
    await system.press(made.url, "succeeded", "refunds");
    const again = await client.api.refund.create({ transaction: made.reference });
    assert.equal(again.status, end === "failed", "a refund that failed can be asked for again");
  }
  const made = await paid();
  await system.press(made.url, "refused", "refunds");
  const call = () => client.api.refund.create({ transaction: made.reference });
  assert.deepEqual(await refused(call), [400, "insufficient_balance"]);
  assert.equal((await system.press(made.url, "nonsense", "refunds")).status, 422);
});

test("transactions are listed newest first, by page, time and status", async () => {
  const from = new Date(Math.floor(Date.now() / 1000) * 1000);
  const made = [await initialized(), await paid(), await paid()].reverse();
  const to = new Date(Date.now() + 1000);
  const mine = async (parameters) => {
    const found = (await client.api.transaction.list({ from, to, ...parameters })).data;
    return found.map((transaction) => transaction.reference);
  };
  const references = made.map((transaction) => transaction.reference);
  assert.deepEqual((await mine({ perPage: 3 })).slice(0, 3), references);
  assert.deepEqual(await mine({ perPage: 1, page: 2 }), [references[1]]);
  const { meta } = client.last.answer;
  assert.deepEqual([meta.perPage, meta.page, meta.skipped], [1, 2, 1]);
  assert.ok(meta.total >= 3 && meta.pageCount === meta.total && meta.total_volume >= 75000, JSON.stringify(meta));
  assert.deepEqual(await mine({ from: new Date(Date.now() + 60_000) }), []);
  const dated = `/transaction?from=${from.toISOString().slice(0, 10)}&per_page=1&status=success`;
  assert.equal((await system.call("GET", dated)).answer.data[0].reference, references[0]);
  for (const wrong of [
    "perPage=0",
    "page=0",
    "perPage=x",
    "from=soon",
    "status=pending",
    "nonsense=1",
    "use_cursor=true",
  ]) {
    const { status, answer } = await system.call("GET", `/transaction?${wrong}`);
    assert.deepEqual([status, answer.code], [400, "invalid_params"], wrong);
  }
});

test("refunds and disputes lead to their transactions", async () => {
  const made = await paid();
  const { id } = await verified(made.reference);
  const refund = (await client.api.refund.create({ transaction: String(id), amount: 1000 })).data;
  const listed = await system.call("GET", `/refund?transaction=${id}&perPage=10`);
  assert.deepEqual(
    listed.answer.data.map((found) => [found.id, found.transaction, found.amount]),
    [[refund.id, id, 1000]],
  );
  assert.deepEqual([listed.answer.meta.total, listed.answer.meta.failedRefundCount], [1, 0]);
  assert.equal((await client.api.refund.list({ perPage: 1 })).data[0].id, refund.id);
  for (const _ of [1, 2]) assert.equal((await system.press(made.url, "opened", "dispute")).status, 303);
  const [event] = await system.merchant.received(made.reference, "charge.dispute.create");
  const disputes = (await client.api.dispute.list({ perPage: 10, transaction: String(id), from: new Date(0) })).data;
  assert.deepEqual(
    disputes.map((found) => [found.id, found.transaction.reference, found.status]),
    [[event.data.id, made.reference, "awaiting-merchant-feedback"]],
  );
  assert.equal((await client.api.dispute.fetch({ id: event.data.id })).data.transaction.id, id);
  const unpaid = await initialized();
  await system.press(unpaid.url, "opened", "dispute");
  assert.deepEqual(system.merchant.about(unpaid.reference), []);
});

test("a settlement has what was paid since the last one", async () => {
  await system.settle();
  const made = [await paid(), await paid({ amount: 5000 })];
  await initialized();
  await system.settle();
  const [settlement] = (await client.api.settlement.fetch({ perPage: 1, page: 1 })).data;
  assert.deepEqual([settlement.status, settlement.currency, settlement.total_processed], ["success", "ZAR", 30000]);
  assert.deepEqual([settlement.total_fees, settlement.effective_amount], [450, 29550]);
  const settled = await system.call("GET", `/settlement/${settlement.id}/transactions`);
  const references = settled.answer.data.map((transaction) => transaction.reference);
  assert.deepEqual(references, [made[1].reference, made[0].reference]);
  const filtered = await system.call("GET", `/transaction?settlement=${settlement.id}`);
  assert.deepEqual(filtered.answer.data, settled.answer.data);
});
