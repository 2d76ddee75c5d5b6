// The stand-in's answers are as Paystack's published description says (https://github.com/PaystackOSS/openapi): every
// required field is there, none has another type, and there is none that the description does not have.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import Ajv from "ajv";
import { parse } from "yaml";
import { order, System } from "./harness.mjs";

const FILE = createRequire(import.meta.url)
  .resolve("@alexasomba/paystack-node")
  .replace(/dist\/index\.js$/, "");
const DESCRIPTION = parse(await readFile(`${FILE}openapi.yaml`, "utf8"));

/** Times that Paystack sends under two names. The package's copy of the description has one of the two. */
const TWINS = { createdAt: "created_at", created_at: "createdAt", paidAt: "paid_at", paid_at: "paidAt" };

/** Returns a schema of the description as a JSON schema that allows no other fields. */
function closed(schema) {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== "object" || schema === null) return schema;
  if (schema.$ref) return closed(DESCRIPTION.components.schemas[schema.$ref.split("/").pop()]);
  const { nullable, example: _, properties, ...others } = schema;
  const made = Object.fromEntries(Object.entries(others).map(([name, value]) => [name, closed(value)]));
  if (properties) {
    made.properties = Object.fromEntries(Object.entries(properties).map(([name, of]) => [name, closed(of)]));
    for (const [name, twin] of Object.entries(TWINS)) {
      if (name in properties) made.properties[twin] ??= made.properties[name];
    }
    made.additionalProperties = false;
    // The merchant's own data has the fields that the merchant gives it.
    if (made.properties.metadata) delete made.properties.metadata.additionalProperties;
  }
  // Without a type anything is allowed, null as well.
  return nullable && made.type ? { anyOf: [made, { type: "null" }] } : made;
}

const ajv = new Ajv({ allErrors: true, strict: false, validateFormats: false });
const validators = new Map();

/** Returns where a value breaks the schema of this name, besides the places in `except`. */
function breaches(name, value, except = []) {
  if (!validators.has(name)) validators.set(name, ajv.compile(closed({ $ref: name })));
  const validate = validators.get(name);
  validate(value);
  const found = (validate.errors ?? []).map(
    ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
  );
  return found.filter((breach) => !except.some((place) => breach.startsWith(place)));
}

/**
 * Where the description, which was made from answers about paid transactions, contradicts the documentation: there is
 * no authorization and no time of payment before the customer has paid. A transaction without metadata has a text.
 */
const UNPAID = ["/data/authorization", "/data/paid_at", "/data/paidAt", "/data/fees "];
const UNPAID_IN_LIST = [/^\/data\/\d+\/authorization/];

let system;

before(async () => {
  system = await System.start();
});
after(async () => await system?.stop());

async function call(method, path, body) {
  const { status, answer } = await system.call(method, path, { body: body && JSON.stringify(body) });
  assert.equal(status, 200, JSON.stringify(answer));
  return answer;
}

function holds(name, value, except) {
  assert.deepEqual(breaches(name, value, except), [], `${name}: ${JSON.stringify(value)}`);
}

test("answers about transactions are of their schemas", async () => {
  for (const [outcomes, isPaid] of [
    [[], false],
    [["declined"], false],
    [["processing"], false],
    [["succeeded"], true],
  ]) {
    const asked = order({ channels: ["card", "bank_transfer"] });
    const made = await call("POST", "/transaction/initialize", asked);
    holds("TransactionInitializeResponse", made);
    for (const outcome of outcomes) await system.press(made.data.authorization_url, outcome);
    const verified = await call("GET", `/transaction/verify/${asked.reference}`);
    holds("VerifyResponse", verified, isPaid ? [] : ["/data/authorization"]);
    for (const [name, twin] of Object.entries(TWINS)) assert.equal(verified.data[name], verified.data[twin]);
    const fetched = await call("GET", `/transaction/${verified.data.id}`);
    holds("TransactionFetchResponse", fetched, isPaid ? [] : UNPAID);
    for (const [name, twin] of Object.entries(TWINS)) assert.equal(fetched.data[name], fetched.data[twin]);
  }
  const listed = await call("GET", "/transaction?perPage=100");
  assert.equal(listed.data.length, 4);
  const found = breaches("TransactionListResponse", listed);
  assert.deepEqual(
    found.filter((breach) => !UNPAID_IN_LIST.some((place) => place.test(breach))),
    [],
  );
  holds("TransactionListResponse", await call("GET", "/transaction?status=success"));
});

test("answers about refunds and disputes are of their schemas", async () => {
  for (const end of ["succeeded", "waiting", "needs-attention", "failed"]) {
    const asked = order();
    const made = await call("POST", "/transaction/initialize", asked);
    await system.press(made.data.authorization_url, "succeeded");
    await system.press(made.data.authorization_url, end, "refunds");
    const refund = await call("POST", "/refund", { transaction: asked.reference, amount: 100 });
    holds("RefundCreateResponse", refund);
    holds("RefundFetchResponse", await call("GET", `/refund/${refund.data.id}`));
    await system.press(made.data.authorization_url, "opened", "dispute");
  }
  const refunds = await call("GET", "/refund?perPage=10");
  assert.equal(refunds.data.length, 4);
  holds("RefundListResponse", refunds);
  const disputes = await call("GET", "/dispute?perPage=10");
  assert.equal(disputes.data.length, 4);
  holds("DisputeListResponse", disputes);
  holds("DisputeFetchResponse", await call("GET", `/dispute/${disputes.data[0].id}`));
});

test("refusals are of the schema of a refusal", async () => {
  for (const [method, path, body, key] of [
    ["POST", "/transaction/initialize", {}],
    ["POST", "/transaction/initialize", order({ amount: 1 })],
    ["POST", "/refund", { transaction: "unknown" }],
    ["GET", "/transaction/verify/unknown"],
    ["GET", "/transaction?page=0"],
    ["GET", "/transaction", undefined, "sk_test_wrong"],
  ]) {
    const { answer } = await system.call(method, path, { body: body && JSON.stringify(body), key });
    assert.equal(answer.status, false);
    holds("TransactionInitializeBadRequestModel", answer);
    // The schema requires none of them.
    assert.deepEqual(Object.keys(answer).sort(), ["code", "message", "meta", "status", "type"]);
  }
});

test("what is missing, strange or of another kind is seen", async () => {
  const asked = order();
  const made = await call("POST", "/transaction/initialize", asked);
  await system.press(made.data.authorization_url, "succeeded");
  const verified = await call("GET", `/transaction/verify/${asked.reference}`);
  const { data } = verified;
  const twins = Object.keys(TWINS);
  for (const name of Object.keys(data).filter((field) => !twins.includes(field))) {
    const { [name]: _, ...others } = data;
    assert.notDeepEqual(breaches("VerifyResponse", { ...verified, data: others }), [], name);
  }
  for (const change of [{ nonsense: 1 }, { amount: "25000" }, { status: null }, { paidAt: 1 }, { customer: {} }]) {
    assert.notDeepEqual(breaches("VerifyResponse", { ...verified, data: { ...data, ...change } }), []);
  }
});

test("the parameters of each operation are the description's", () => {
  const names = (path) => DESCRIPTION.paths[path].get.parameters.map(({ name }) => name);
  for (const [path, known] of [
    ["/transaction", ["from", "to", "page", "per_page", "status", "settlement", "channel", "amount"]],
    ["/refund", ["from", "to", "page", "perPage"]],
    ["/dispute", ["from", "to", "page", "perPage", "status", "transaction"]],
    ["/settlement", ["page", "perPage"]],
  ]) {
    for (const name of known) assert.ok(names(path).includes(name), `${name} of ${path}`);
  }
});
