// The JavaScript client against the local runner at BASE, and against a server that answers as a runner cannot be made
// to.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { test } from "node:test";
import { Client, ProblemError, UnreachableError } from "../../events/client/index.js";
import { client as generated } from "./generate.mjs";

const BASE = process.env.BASE;
const DESCRIPTION = JSON.parse(await readFile(new URL("../../events/openapi.json", import.meta.url), "utf8"));
const CALLER = await readFile(new URL("caller.js", import.meta.url), "utf8");
const ORDER = { order_number: "10045", amount: 25_000, currency: "ZAR", customer: { phone: "+27831234567" } };
const UNKNOWN = "01990000-0000-7000-8000-000000000000";

async function tokenOf(person) {
  const response = await fetch(`${BASE}/local/token`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ workspace: "client-js", ...person }),
  });
  return (await response.json()).access_token;
}

/** Returns a client that acts for a person, by default for an agent. */
async function clientOf(person = { sub: "alice", name: "Alice", role: "agent" }) {
  const token = await tokenOf(person);
  return new Client({ baseUrl: BASE, token: () => token });
}

/** Returns the problem that a call is refused with. */
async function problemOf(call) {
  const error = await call.then(
    () => assert.fail("the call was not refused"),
    (error) => error,
  );
  assert.ok(error instanceof ProblemError, error);
  return error;
}

/** Starts a server, and returns a client of it and the requests that it has had. */
async function stub(context, answer, options = {}) {
  const requests = [];
  const server = createServer((request, response) => {
    requests.push(request);
    answer(request, response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const baseUrl = `http://127.0.0.1:${server.address().port}${options.path ?? ""}`;
  return { client: new Client({ baseUrl, token: () => "token", ...options }), requests };
}

function respond(response, status, body, headers = {}) {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(body);
}

test("a request is created once, read, listed and canceled", async () => {
  const client = await clientOf();
  const idempotencyKey = randomUUID();
  const created = await client.createPaymentRequest({ idempotencyKey, body: ORDER });
  assert.equal(created.status, "sent");
  assert.equal(created.amount, 25_000);
  const again = await client.createPaymentRequest({ idempotencyKey, body: ORDER });
  assert.equal(again.id, created.id);
  const { id } = created;
  assert.deepEqual(await client.readPaymentRequest({ id }), created);
  const second = await client.createPaymentRequest({ body: ORDER });
  const page = await client.listPaymentRequests({ status: "sent", limit: 1 });
  assert.deepEqual(
    page.items.map((item) => item.id),
    [second.id],
  );
  const { items } = await client.listPaymentRequests({ limit: 1, cursor: page.next_cursor, status: "sent" });
  assert.equal(items[0].id, id);
  const canceled = await client.cancelPaymentRequest({ id });
  assert.equal(canceled.status, "canceled");
  assert.equal(canceled.history.length, 2);
});

test("an empty parameter counts as absent", async () => {
  const client = await clientOf({ sub: "ben", name: "Ben", role: "agent" });
  assert.deepEqual(await client.listPaymentRequests({ phone: "", cursor: undefined }), {
    items: [],
    next_cursor: null,
  });
});

test("a supervisor reads the report, and an agent is refused it", async () => {
  const supervisor = await clientOf({ sub: "sara", name: "Sara", role: "supervisor" });
  const report = await supervisor.reportAgents({ include: "clicks,days" });
  assert.equal(report.total.clicked, 0);
  assert.ok(report.days.length > 0);
  const problem = await problemOf((await clientOf()).reportAgents());
  assert.deepEqual([problem.status, problem.code], [403, "forbidden"]);
});

test("a token that is not accepted is renewed once", async () => {
  const asked = [];
  const good = await tokenOf({ sub: "alice", name: "Alice", role: "agent" });
  const renewing = ({ renew }) => {
    asked.push(renew);
    return Promise.resolve(renew ? good : "expired");
  };
  await new Client({ baseUrl: BASE, token: renewing }).listPaymentRequests();
  assert.deepEqual(asked, [false, true]);
  const problem = await problemOf(new Client({ baseUrl: BASE, token: () => "nobody" }).listPaymentRequests());
  // The gateway answers it, and not the API.
  assert.deepEqual([problem.status, problem.code, problem.detail], [401, "unauthenticated", null]);
  assert.equal(problem.message, "HTTP 401: Unauthorized");
});

test("what the token's function throws is what the call fails with", async () => {
  const failed = new Error("nobody is signed in");
  const client = new Client({ baseUrl: BASE, token: () => Promise.reject(failed) });
  await assert.rejects(client.listPaymentRequests(), failed);
});

test("each refusal is a problem with its code", async () => {
  const client = await clientOf();
  const { id } = await client.createPaymentRequest({ body: ORDER });
  await client.cancelPaymentRequest({ id });
  const missing = await problemOf(client.readPaymentRequest({ id: UNKNOWN }));
  assert.deepEqual([missing.status, missing.code], [404, "not_found"]);
  const conflict = await problemOf(client.cancelPaymentRequest({ id }));
  assert.deepEqual([conflict.status, conflict.code], [409, "already_canceled"]);
  assert.equal(conflict.message, "This request is already canceled.");
  assert.equal(conflict.detail, conflict.message);
  assert.deepEqual([conflict.errors, conflict.retryAfter], [[], null]);
  const invalid = await problemOf(
    client.createPaymentRequest({ body: { ...ORDER, amount: 0, customer: { phone: "0831234567" } } }),
  );
  assert.deepEqual([invalid.status, invalid.code], [422, "validation_failed"]);
  assert.deepEqual(invalid.errors.map(({ field }) => field).sort(), ["amount", "customer.phone"]);
  const idempotencyKey = randomUUID();
  await client.createPaymentRequest({ idempotencyKey, body: ORDER });
  const reused = await problemOf(client.createPaymentRequest({ idempotencyKey, body: { ...ORDER, amount: 1 } }));
  assert.equal(reused.code, "idempotency_key_reused");
  const cursor = await problemOf(client.listPaymentRequests({ cursor: "?" }));
  assert.deepEqual([cursor.status, cursor.code], [400, "invalid_cursor"]);
});

test("an identifier that is no part of an address reaches nothing", async (context) => {
  const { client, requests } = await stub(context, (_, response) => respond(response, 200, "{}"));
  for (const id of ["", ".", "..", undefined]) await assert.rejects(client.cancelPaymentRequest({ id }), TypeError);
  await client.readPaymentRequest({ id: "a/../b?c" });
  assert.deepEqual(
    requests.map(({ url }) => url),
    ["/payment-requests/a%2F..%2Fb%3Fc"],
  );
});

test("a base address may have a path, and nothing but what was given is sent", async (context) => {
  const { client, requests } = await stub(context, (_, response) => respond(response, 200, "{}"), { path: "/stage" });
  await client.listPaymentRequests({ order_number: "a&b", limit: 5 });
  await client.cancelPaymentRequest({ id: "1" });
  const [list, cancel] = requests;
  assert.equal(list.url, "/stage/payment-requests?order_number=a%26b&limit=5");
  assert.equal(list.headers.authorization, "Bearer token");
  assert.equal(cancel.url, "/stage/payment-requests/1/cancel");
  assert.deepEqual([cancel.headers["content-type"], cancel.headers["idempotency-key"]], [undefined, undefined]);
});

test("the wait that an answer asks for is in the error", async (context) => {
  const problem = DESCRIPTION.components.examples.too_many_requests.value;
  const { client } = await stub(context, (_, response) =>
    respond(response, 429, JSON.stringify(problem), { "retry-after": "17" }),
  );
  const limited = await problemOf(client.listPaymentRequests());
  assert.deepEqual([limited.code, limited.retryAfter], ["too_many_requests", 17]);
});

test("an answer of the gateway has the code of its status, and another one none", async (context) => {
  let status = 0;
  let body = "";
  const { client } = await stub(context, (_, response) => respond(response, status, body));
  for (const [answered, text, code] of [
    [429, '{"message":"Too Many Requests"}', "too_many_requests"],
    [503, '{"message":"Service Unavailable"}', "temporarily_unavailable"],
    [400, '{"message":"Bad Request"}', "unknown"],
    [502, "<html>", "unknown"],
    [200, "<html>", "unknown"],
    [200, "", "unknown"],
  ]) {
    [status, body] = [answered, text];
    const problem = await problemOf(client.listPaymentRequests());
    assert.deepEqual([problem.status, problem.code, problem.detail], [answered, code, null]);
  }
});

test("no answer within the time limit is an error of its own", async (context) => {
  const { client } = await stub(context, () => {}, { timeout: 50 });
  await assert.rejects(client.listPaymentRequests(), (error) => {
    assert.ok(error instanceof UnreachableError);
    assert.equal(error.cause.name, "TimeoutError");
    return true;
  });
  const nobody = new Client({ baseUrl: "http://127.0.0.1:1", token: () => "token" });
  await assert.rejects(nobody.listPaymentRequests(), UnreachableError);
});

test("the time that the token takes is not part of the time limit", async (context) => {
  const order = [];
  const token = async () => order.push("token");
  const { client } = await stub(context, (_, response) => respond(response, 200, "{}"), { token });
  const { timeout } = AbortSignal;
  context.mock.method(AbortSignal, "timeout", (limit) => {
    order.push(limit);
    return timeout.call(AbortSignal, limit);
  });
  await client.listPaymentRequests({}, { timeout: 8_000 });
  assert.deepEqual(order, ["token", 8_000]);
});

test("a call that is aborted fails with the reason", async (context) => {
  const given = new AbortController();
  const { client, requests } = await stub(context, () => given.abort(new Error("enough")));
  await assert.rejects(client.listPaymentRequests({}, { signal: given.signal }), /enough/);
  await assert.rejects(client.listPaymentRequests({}, { signal: given.signal }), /enough/);
  assert.equal(requests.length, 1);
});

test("every operation for integrators is a method, and no other", () => {
  const named = Object.values(DESCRIPTION.paths)
    .flatMap((item) => Object.values(item))
    .filter((operation) => ["integrator", "supervisor"].includes(operation["x-audience"]))
    .map(({ operationId }) => operationId);
  const methods = Object.getOwnPropertyNames(Client.prototype).filter((name) => name !== "constructor");
  assert.deepEqual(methods.sort(), named.sort());
});

test("what the generator does not know is an error", () => {
  const changed = (change) => {
    const description = structuredClone(DESCRIPTION);
    change(description);
    return () => generated(description, CALLER);
  };
  assert.doesNotThrow(changed(() => {}));
  const operation = ({ paths }) => paths["/payment-requests/{id}"].get;
  for (const [change, message] of [
    [({ components }) => Object.assign(components.schemas.Payment, { not: {} }), /unknown in a schema: not/],
    [({ components }) => delete components.schemas.Payment, /unknown reference: .*Payment/],
    [({ components }) => Object.assign(components.schemas.Sum.properties, { count: {} }), /without a type/],
    [({ components }) => Object.assign(components.schemas.Sum, { type: "tuple" }), /unknown type: tuple/],
    [(all) => Object.assign(operation(all).parameters[0], { in: "cookie" }), /has a parameter in its cookie/],
    [(all) => Object.assign(operation(all).responses, { 202: {} }), /has not exactly one answer/],
    [(all) => operation(all).parameters.push({ in: "query", name: "id" }), /two parameters of one name/],
    [(all) => operation(all).parameters.push({ in: "query", name: "x-y" }), /cannot be a member's name/],
  ]) {
    assert.throws(changed(change), message);
  }
});

test("the generator makes what this description does not have", () => {
  const list = { type: "array", items: { anyOf: [{ type: "string" }, { type: "null" }] } };
  const description = structuredClone(DESCRIPTION);
  description.paths = {
    "/things/{thing_id}": {
      delete: {
        operationId: "deleteThing",
        "x-audience": "integrator",
        summary: "Delete a thing",
        parameters: [
          { in: "path", name: "thing_id", required: true, schema: { type: "string" } },
          { in: "header", name: "If-Match", required: true, schema: { type: ["string", "null"] } },
          { in: "query", name: "force", schema: { type: "boolean" } },
        ],
        responses: { 204: {} },
      },
      put: {
        operationId: "putThing",
        "x-audience": "integrator",
        summary: "Put a thing",
        parameters: [{ in: "path", name: "thing_id", required: true, schema: { type: "string" } }],
        requestBody: { content: { "application/json": { schema: { oneOf: [{ const: 1 }, list] } } } },
        responses: { 200: { content: { "application/json": { schema: { type: "integer" } } } } },
      },
    },
  };
  const files = generated(description, CALLER);
  const method = files["index.js"].slice(files["index.js"].indexOf("async deleteThing"));
  assert.match(method, /async deleteThing\(\{ thing_id, ifMatch, \.\.\.query \}, options\)/);
  assert.match(method, /"DELETE", `things\/\$\{segment\(thing_id\)\}`/);
  assert.match(method, /\{ query, headers: \{ "if-match": ifMatch \}, empty: true \}, options/);
  const types = files["index.d.ts"];
  assert.match(types, /deleteThing\(parameters: DeleteThingParameters, options\?: CallOptions\): Promise<void>/);
  assert.match(types, /thing_id: string;\n {2}ifMatch: string \| null;\n {2}force\?: boolean;/);
  assert.match(types, /putThing\(parameters: PutThingParameters, options\?: CallOptions\): Promise<number>/);
  assert.match(types, /body\?: 1 \| \(string \| null\)\[\];/);
});
