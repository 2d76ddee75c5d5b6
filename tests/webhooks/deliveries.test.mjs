// The official libraries of Standard Webhooks verify what an endpoint of the local runner receives.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { Webhook } from "standardwebhooks";

let runner;
let base;
let endpoint;
const waiting = [];
const received = [];

/** Returns the next delivery that the endpoint receives. */
async function nextDelivery() {
  return received.shift() ?? new Promise((resolve) => waiting.push(resolve));
}

const receiver = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const delivery = { headers: request.headers, body: Buffer.concat(chunks).toString() };
  response.writeHead(204).end();
  const resolve = waiting.shift();
  if (resolve) resolve(delivery);
  else received.push(delivery);
});

before(async () => {
  runner = spawn(process.env.RUNNER, ["--port", "0"], { stdio: ["ignore", "pipe", "inherit"] });
  for await (const line of createInterface(runner.stdout)) {
    const ready = line.match(/^ready (.+)$/);
    if (ready) {
      base = ready[1];
      break;
    }
  }
  receiver.listen(0, "127.0.0.1");
  await once(receiver, "listening");
  endpoint = await call("supervisor", "POST", "/webhook-endpoints", {
    url: `http://127.0.0.1:${receiver.address().port}/hook`,
  });
});

after(async () => {
  receiver.close();
  runner.kill("SIGTERM");
  const [status] = await once(runner, "exit");
  assert.equal(status, 0);
});

/** Calls the API as a user of the workspace with this role. */
async function call(role, method, path, body) {
  const claims = { sub: role, name: role, role, workspace: "acme" };
  const headers = { "content-type": "application/json" };
  const token = await fetch(`${base}/local/token`, { method: "POST", headers, body: JSON.stringify(claims) });
  headers.authorization = `Bearer ${(await token.json()).access_token}`;
  const response = await fetch(base + path, { method, headers, body: JSON.stringify(body) });
  assert.ok(response.ok, `${method} ${path}: ${response.status} ${await response.clone().text()}`);
  return response.json();
}

function create() {
  return call("agent", "POST", "/payment-requests", {
    order_number: "10045",
    amount: 25000,
    currency: "ZAR",
    customer: { phone: "+27831234567", name: "Zoë 🎟" },
  });
}

/** Verifies a delivery with the library for Python, and returns its type. */
function verifiedByPython(secret, { headers, body }) {
  const input = JSON.stringify({ secret, headers, body });
  const run = spawnSync(process.env.PYTHON, ["tests/webhooks/verify.py"], { input, encoding: "utf8" });
  return run.status === 0 ? run.stdout.trim() : null;
}

test("both libraries verify a delivery, and neither a changed one", async () => {
  const request = await create();
  const delivery = await nextDelivery();
  const payload = new Webhook(endpoint.secret).verify(delivery.body, delivery.headers);
  assert.equal(payload.type, "PaymentRequestStatusChanged");
  assert.equal(payload.data.id, request.id);
  assert.equal(delivery.headers["webhook-id"], payload.data.event_id);
  assert.equal(verifiedByPython(endpoint.secret, delivery), "PaymentRequestStatusChanged");
  const changed = { ...delivery, body: delivery.body.replace("25000", "1") };
  assert.throws(() => new Webhook(endpoint.secret).verify(changed.body, changed.headers));
  assert.equal(verifiedByPython(endpoint.secret, changed), null);
});

test("after a rotation both libraries accept the earlier secret and the new one", async () => {
  const rotated = await call("supervisor", "POST", `/webhook-endpoints/${endpoint.id}/rotate-secret`);
  assert.notEqual(rotated.secret, endpoint.secret);
  await create();
  const delivery = await nextDelivery();
  for (const secret of [endpoint.secret, rotated.secret]) {
    assert.ok(new Webhook(secret).verify(delivery.body, delivery.headers));
    assert.equal(verifiedByPython(secret, delivery), "PaymentRequestStatusChanged");
  }
});
