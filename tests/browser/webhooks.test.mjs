import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { accessible, faultless, fits, launch, open, picture, System, until, wire } from "./harness.mjs";

const HOSTILE = ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", `"quoted" ${"long".repeat(45)}`];
const DAY = 86_400_000;

let system;
let browser;
const receivers = [];
before(async () => {
  [system, browser] = await Promise.all([System.start(), launch()]);
});
after(async () => {
  await browser?.close();
  await system?.stop();
  for (const server of receivers) server.close().closeAllConnections();
});

/** Creates a company for a test, so that tests do not see each other's endpoints. */
let companies = 0;
async function company() {
  companies += 1;
  const workspace = `hooked-${companies}`;
  const sam = await system.person({ sub: "sam", name: "Sam", role: "supervisor", workspace });
  return { workspace, sam, alice: await system.person({ workspace }) };
}

/**
 * Opens the webhooks' page in a window in which a person of the company is signed in. `prepare` is called with the
 * window before.
 */
async function signedIn(workspace, { name = "Sam", route = "/desk/supervisor#webhooks", options, prepare } = {}) {
  const page = await open(browser, options);
  await prepare?.(page);
  await page.route("**/local/token", (request) => {
    request.continue({ postData: JSON.stringify({ ...request.request().postDataJSON(), workspace }) });
  });
  await page.goto(system.base + route);
  await page.getByRole("dialog").getByRole("button", { name }).click();
  return page;
}

/** Starts a receiver of webhooks, which answers with the status that `statuses` returns. */
async function receiver(statuses = () => 204) {
  const received = [];
  const server = createServer((request, response) => {
    const body = [];
    request.on("data", (chunk) => body.push(chunk));
    request.on("end", () => {
      received.push({ path: request.url, headers: request.headers, body: JSON.parse(Buffer.concat(body).toString()) });
      response.writeHead(statuses(received.length)).end();
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  receivers.push(server);
  return { received, url: `http://127.0.0.1:${server.address().port}/hook` };
}

/** Adds an endpoint by the API. */
async function registered(sam, body) {
  const response = await sam.call("POST", "/webhook-endpoints", body);
  assert.equal(response.status, 201, await response.clone().text());
  return response.json();
}

/** Answers the list of endpoints as the API does, with other values for their fields. */
async function madeUp(page, change) {
  await page.route("**/webhook-endpoints", async (route) => {
    if (route.request().method() !== "GET") return route.continue();
    const response = await route.fetch();
    const { items } = await response.json();
    return route.fulfill({ response, json: { items: change(items) } });
  });
}

/** Builds a delivery as the API returns it, `index` minutes ago. */
function delivery(index, fields = {}) {
  const at = new Date(Date.UTC(2026, 0, 5, 12) - index * 60_000).toISOString();
  const id = `019b8e0f-${String(index).padStart(4, "0")}-7000-8000-00000000cafe`;
  return {
    event_id: `${id}#1`,
    type: "PaymentRequestStatusChanged",
    status: "delivered",
    attempts: [{ at, response_status: 204, error: null }],
    next_attempt_at: null,
    ...fields,
  };
}

const dialog = (page) => page.getByRole("dialog").last();
const log = (page) => page.getByRole("region", { name: "Deliveries" });
const rows = (page) => page.locator(".deliveries tbody tr[data-id]");

test("an endpoint is added, its secret is shown once, and its events are in its log", async () => {
  const { workspace, alice } = await company();
  const crm = await receiver();
  const page = await signedIn(workspace, { options: { permissions: ["clipboard-read", "clipboard-write"] } });
  await page.getByRole("heading", { name: "Tell your own systems what happens" }).waitFor();
  await accessible(page, "no endpoint");
  await picture(page, "webhooks-none");
  await page.getByRole("button", { name: "Add an endpoint" }).click();
  await page.getByLabel("Address").fill(crm.url);
  await page.getByLabel("What it is for").fill("CRM");
  await accessible(page, "the form");
  await picture(page, "webhooks-add", { fullPage: false });
  await page.getByRole("button", { name: "Add endpoint" }).dblclick();

  await dialog(page).getByText("It is shown this once").waitFor();
  const secret = await dialog(page).locator("code").innerText();
  assert.match(secret, /^whsec_[0-9A-Za-z+/]{43}=$/);
  await accessible(page, "the secret");
  await picture(page, "webhooks-secret", { fullPage: false });
  await page.keyboard.press("Escape");
  assert.equal(await dialog(page).count(), 1, "a key does not lose the secret");
  await dialog(page).getByRole("button", { name: "Copy" }).click();
  await dialog(page).getByRole("button", { name: "Copied" }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), secret);
  await dialog(page).getByRole("button", { name: "I have stored it" }).click();
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Webhooks", "the focus is not lost");
  const kept = await page.evaluate(() =>
    JSON.stringify([document.documentElement.outerHTML, location.href, history.state, localStorage, sessionStorage]),
  );
  assert.ok(!kept.includes(secret.slice(6)), "the secret is gone with the dialog");

  const { link, id } = await alice.send();
  assert.ok(link.url);
  await until("the webhook", () => crm.received.length === 1);
  assert.equal(crm.received[0].headers["webhook-id"], `${id}#1`);
  await page.getByRole("link", { name: crm.url }).click();
  await page.getByRole("heading", { level: 1, name: new URL(crm.url).host }).waitFor();
  await rows(page).first().waitFor();
  const texts = await rows(page).first().innerText();
  for (const text of ["Status changed", `${id}`, "Delivered", "Accepted (204)."])
    assert.ok(texts.includes(text), texts);
  await page.getByText("All events").waitFor();
  await accessible(page, "a delivery");
  await picture(page, "webhooks-delivered");
  // The request opens above the log, and closing it leads back.
  await rows(page).first().getByRole("link", { name: id }).click();
  await dialog(page).getByText("History").waitFor();
  await dialog(page).getByRole("button", { name: "Close" }).click();
  await page.waitForURL(/#webhooks\/whe_/);
  await rows(page).first().getByRole("button", { name: "Copy the event’s id" }).click();
  await until("the id", async () => (await page.evaluate(() => navigator.clipboard.readText())) === `${id}#1`);
  faultless(page);
});

test("what an endpoint refuses is pending with its attempts, and is delivered when it is sent again", async () => {
  const { workspace, sam, alice } = await company();
  let answer = 500;
  const crm = await receiver(() => answer);
  const { id: endpoint } = await registered(sam, { url: crm.url, description: "CRM of the shop in Durban" });
  await alice.send();
  await until("the first attempt", () => crm.received.length > 0);
  const page = await signedIn(workspace, { route: `/desk/supervisor#webhooks/${endpoint}` });
  const row = rows(page).first();
  await row.getByText("Pending").waitFor();
  await row.getByText("It answered 500 (an internal error).").waitFor();
  await row.getByText("Next:").waitFor();
  await page.getByText("Enabled, but failing").waitFor();
  await row.getByRole("button", { name: "Status changed" }).click();
  assert.equal(await row.getByRole("button", { name: "Status changed" }).getAttribute("aria-expanded"), "true");
  await page.getByRole("heading", { name: /^\d+ attempts?$/ }).waitFor();
  await page.getByText("It is attempted again").waitFor();
  await accessible(page, "the attempts");
  await picture(page, "webhooks-pending");
  await page.getByRole("link", { name: "All webhooks" }).click();
  await page.getByText("Enabled, but failing").waitFor();
  await accessible(page, "a failing endpoint");
  await picture(page, "webhooks-failing");
  await page.goBack();

  answer = 204;
  await rows(page).first().getByRole("button", { name: "Send again" }).click();
  await page.getByText("It is being delivered again.").waitFor();
  await rows(page).first().getByText("Delivered").waitFor();
  await rows(page).first().getByText("Accepted (204).").waitFor();
  await page.getByText("Enabled, but failing").waitFor({ state: "detached" });
  await page.getByRole("heading", { name: /^\d attempts$/, includeHidden: true }).waitFor({ state: "attached" });
  await picture(page, "webhooks-replayed");
  faultless(page);
});

test("all events since a moment are sent again, by default since the first one that failed", async () => {
  const { workspace, sam, alice } = await company();
  const crm = await receiver();
  const { id: endpoint } = await registered(sam, { url: crm.url });
  const { created_at: created } = await alice.send();
  await until("the webhook", () => crm.received.length === 1);
  const page = await signedIn(workspace, {
    route: `/desk/supervisor#webhooks/${endpoint}`,
    options: { timezoneId: "Asia/Kolkata" },
  });
  await rows(page).first().waitFor();
  await page.getByRole("button", { name: "Send again since…" }).click();
  await dialog(page).getByText("Nothing has failed: this is a day ago.").waitFor();
  await dialog(page).getByText("In your time zone, Asia/Calcutta.").waitFor();
  await accessible(page, "the replay of all");
  await picture(page, "webhooks-replay", { fullPage: false });
  await dialog(page).getByLabel("Since").fill("");
  await dialog(page).getByRole("button", { name: "Send again" }).click();
  await dialog(page).getByText("Enter a date and a time.").waitFor();
  // Times are the supervisor's own: five and a half hours ahead of the API's.
  const local = (milliseconds) => new Date(milliseconds + 5.5 * 3_600_000).toISOString().slice(0, 16);
  await dialog(page)
    .getByLabel("Since")
    .fill(local(Date.now() + DAY));
  await dialog(page).getByRole("button", { name: "Send again" }).click();
  await dialog(page).getByText("It must not be in the future.").waitFor();
  await accessible(page, "an error of the replay");
  await dialog(page)
    .getByLabel("Since")
    .fill(local(Date.parse(created)));
  const sent = page.waitForRequest((request) => request.url().endsWith("/replay"));
  await dialog(page).getByRole("button", { name: "Send again" }).click();
  assert.equal((await sent).postDataJSON().since, `${created.slice(0, 16)}:00.000Z`);
  await log(page).getByText("They are being delivered again.").waitFor();
  await until("the replay", () => crm.received.length === 2);

  // The first that failed is the last of the pages of those that failed. An identifier begins with its time.
  const made = Date.now() - 2 * DAY;
  const eventAt = (milliseconds) => {
    const time = milliseconds.toString(16).padStart(12, "0");
    return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-000000000001#1`;
  };
  await page.route("**/deliveries?*status=failed*", (route) => {
    const isFirst = !new URL(route.request().url()).searchParams.has("cursor");
    const items = [delivery(1, { status: "failed", event_id: eventAt(isFirst ? made + DAY : made) })];
    route.fulfill({ json: { items, next_cursor: isFirst ? "next" : null } });
  });
  await page.getByRole("button", { name: "Send again since…" }).click();
  await dialog(page).getByText("the first failed event was made").waitFor();
  assert.equal(await dialog(page).getByLabel("Since").inputValue(), local(made));
  faultless(page);
});

test("a secret is replaced and shown once, and both sign meanwhile", async () => {
  const { workspace, sam, alice } = await company();
  const crm = await receiver();
  const { id: endpoint, secret: old } = await registered(sam, { url: crm.url });
  const page = await signedIn(workspace, { route: `/desk/supervisor#webhooks/${endpoint}` });
  await page.getByRole("button", { name: "Replace secret" }).click();
  await dialog(page).getByText("For 24 hours, webhooks are signed with both.").waitFor();
  await accessible(page, "the question");
  await picture(page, "webhooks-rotate", { fullPage: false });
  await dialog(page).getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("button", { name: "Replace secret" }).click();
  await dialog(page).getByRole("button", { name: "Replace secret" }).dblclick();
  await dialog(page).getByText("It is shown this once").waitFor();
  const secret = await dialog(page).locator("code").innerText();
  assert.notEqual(secret, old);
  await picture(page, "webhooks-rotated", { fullPage: false });
  await dialog(page).getByRole("button", { name: "I have stored it" }).click();
  await alice.send();
  await until("the webhook", () => crm.received.length === 1);
  assert.equal(crm.received[0].headers["webhook-signature"].split(" ").length, 2, "it was replaced once");
  faultless(page);
});

test("an endpoint is removed after a question, also if it is gone already", async () => {
  const { workspace, sam } = await company();
  const { id: first } = await registered(sam, { url: "http://127.0.0.1:9/first" });
  const { id: second } = await registered(sam, { url: "http://127.0.0.1:9/second" });
  const page = await signedIn(workspace);
  await page.getByRole("link", { name: "first" }).click();
  await page.getByText("Nothing was sent here yet.").waitFor();
  await accessible(page, "an empty log");
  await picture(page, "webhooks-empty-log");
  await page.getByRole("button", { name: "Remove" }).click();
  await dialog(page).getByText("Its log and its secret are gone.").waitFor();
  await accessible(page, "the question");
  await picture(page, "webhooks-remove", { fullPage: false });
  await dialog(page).getByRole("button", { name: "Remove endpoint" }).click();
  await page.waitForURL(/#webhooks$/);
  await page.getByRole("link", { name: "second" }).waitFor();
  assert.equal(await page.getByRole("link", { name: "first" }).count(), 0);

  await page.getByRole("link", { name: "second" }).click();
  await page.getByText("Nothing was sent here yet.").waitFor();
  assert.equal((await sam.call("DELETE", `/webhook-endpoints/${second}`)).status, 204);
  await page.getByRole("button", { name: "Replace secret" }).click();
  await dialog(page).getByRole("button", { name: "Replace secret" }).click();
  await page.getByText("This endpoint does not exist any more").first().waitFor();
  await page.goto(`${system.base}/desk/supervisor#webhooks/${first}`);
  await page.getByRole("heading", { name: "This endpoint does not exist any more" }).waitFor();
  await accessible(page, "an endpoint that is gone");
  await picture(page, "webhooks-gone");
  faultless(page);
});

test("errors of the API are beside their fields", async () => {
  const { workspace, sam } = await company();
  await registered(sam, { url: "http://127.0.0.1:9/taken", events: ["PaymentAttemptFailed"] });
  const page = await signedIn(workspace);
  await page.getByText("Failed payment attempts").waitFor();
  await page.getByRole("button", { name: "Add endpoint" }).click();
  const form = dialog(page);
  const send = () => form.getByRole("button", { name: "Add endpoint" }).click();
  await send();
  await form.getByText("Enter the address.").waitFor();
  for (const [address, error] of [
    ["http://crm.example.com/", "It must be a public address that begins with https://."],
    ["nonsense", "It must be a complete web address, such as https://crm.example.com/payments."],
    ["https://10.0.0.1/", "It must be an address on the public internet, not one inside a private network."],
    ["http://127.0.0.1:9/taken", "There is an endpoint with this address already."],
  ]) {
    await form.getByLabel("Address").fill(address);
    await send();
    await form.getByText(error).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement?.id), "endpoint-url", address);
  }
  await accessible(page, "an error at a field");
  await picture(page, "webhooks-error", { fullPage: false });
  for (const box of await form.getByRole("checkbox").all()) await box.uncheck();
  await send();
  await form.getByText("Choose at least one kind of event.").waitFor();
  await form.getByLabel("A payment attempt fails").check();
  await form.getByLabel("A link does not reach its customer").check();
  await form.getByLabel("Address").fill("http://127.0.0.1:9/other");
  const sent = page.waitForRequest((request) => request.method() === "POST" && request.url().endsWith("endpoints"));
  await send();
  const events = ["PaymentAttemptFailed", "PaymentLinkDeliveryFailed"];
  assert.deepEqual((await sent).postDataJSON(), { url: "http://127.0.0.1:9/other", events });
  await form.getByRole("button", { name: "I have stored it" }).click();
  await page.getByText("Failed payment attempts · Undelivered links").waitFor();
  faultless(page);
});

test("every page says that an endpoint is disabled, and a replay asks before it enables it", async () => {
  const { workspace, sam, alice } = await company();
  const crm = await receiver();
  const { id: endpoint } = await registered(sam, { url: crm.url });
  await alice.send();
  await until("the webhook", () => crm.received.length === 1);
  let isDisabled = true;
  const page = await signedIn(workspace, {
    route: "/desk/supervisor",
    prepare: (page) =>
      madeUp(page, (items) => items.map((item) => ({ ...item, status: isDisabled ? "disabled" : "enabled" }))),
  });
  await page.getByText("A webhook endpoint is disabled.").waitFor();
  await page.locator(".tiles dd").first().waitFor();
  await accessible(page, "a disabled endpoint, on the page of requests");
  await picture(page, "webhooks-disabled-requests");
  await page.getByRole("link", { name: "Webhooks" }).click();
  await page.getByText("Disabled: it failed for five days").waitFor();
  await accessible(page, "a disabled endpoint in the list");
  await picture(page, "webhooks-disabled-list");
  await page.getByRole("link", { name: "Look at it" }).click();
  await page.getByText("Nothing is sent to this endpoint.").waitFor();
  assert.equal(await page.getByText("A webhook endpoint is disabled.").count(), 0);
  await rows(page).first().waitFor();
  await accessible(page, "a disabled endpoint");
  await picture(page, "webhooks-disabled");
  await rows(page).first().getByRole("button", { name: "Send again" }).click();
  await dialog(page).getByText("Sending to it again enables it").waitFor();
  await accessible(page, "the question before a replay");
  await picture(page, "webhooks-enable", { fullPage: false });
  await dialog(page).getByRole("button", { name: "Cancel" }).click();
  assert.equal(crm.received.length, 1);
  await page.getByRole("button", { name: "Send again and enable" }).click();
  await dialog(page).getByText("Sending to it again enables it").waitFor();
  isDisabled = false;
  await dialog(page).getByRole("button", { name: "Enable and send again" }).click();
  await log(page).getByText("They are being delivered again.").waitFor();
  await page.getByText("Nothing is sent to this endpoint.").waitFor({ state: "detached" });
  await page.getByText("Enabled", { exact: true }).waitFor();
  await until("the replay", () => crm.received.length === 2);
  assert.equal((await sam.call("GET", `/webhook-endpoints/${endpoint}/deliveries`)).status, 200);
  faultless(page);
});

test("the log is filtered by status and read page by page", async () => {
  const { workspace, sam } = await company();
  const { id: endpoint } = await registered(sam, { url: "https://crm.example.com/payments" });
  const queries = [];
  const error = "The endpoint did not answer in time.";
  const failures = (status) => ({
    status,
    attempts: Array.from({ length: status === "failed" ? 20 : 3 }, (_, index) => ({
      at: new Date(Date.UTC(2026, 0, 4, index)).toISOString(),
      response_status: index % 2 ? 503 : null,
      error: index % 2 ? null : error,
    })),
    next_attempt_at: status === "pending" ? "2026-01-06T00:00:00.000Z" : null,
  });
  const all = Array.from({ length: 60 }, (_, index) => {
    if (index % 7 === 3) return delivery(index, { ...failures("failed"), type: "PaymentLinkDeliveryFailed" });
    if (index % 7 === 1) return delivery(index, failures("pending"));
    if (index === 2) return delivery(index, { event_id: "difference#4a5e1e4b", type: "ReconciliationDifferenceFound" });
    return delivery(index, index === 4 ? { status: "failed", attempts: [] } : {});
  });
  const answer = (route) => {
    const parameters = new URL(route.request().url()).searchParams;
    queries.push(Object.fromEntries(parameters));
    const start = Number(parameters.get("cursor") ?? 0);
    const end = start + Number(parameters.get("limit"));
    const status = parameters.get("status");
    // Nothing is delivered, in as many pages as there are.
    if (status === "delivered") return route.fulfill({ json: { items: [], next_cursor: String(start + 1) } });
    const items = all.slice(start, end).filter((item) => !status || item.status === status);
    return route.fulfill({ json: { items, next_cursor: end < all.length ? String(end) : null } });
  };
  const page = await signedIn(workspace, {
    route: `/desk/supervisor#webhooks/${endpoint}`,
    prepare: (page) => page.route("**/deliveries?*", answer),
  });
  await until("a page", async () => (await rows(page).count()) === 25);
  await rows(page).nth(4).getByText("The endpoint was disabled.").waitFor();
  await rows(page).nth(2).getByText("difference#4a5e1e4b").waitFor();
  assert.equal(await rows(page).nth(2).getByRole("link").count(), 0);
  await accessible(page, "a page of the log");
  await picture(page, "webhooks-log");
  await page.getByRole("button", { name: "Load more" }).click();
  await until("two pages", async () => (await rows(page).count()) === 50);
  await page.getByRole("button", { name: "Load more" }).click();
  await until("all", async () => (await rows(page).count()) === 60);
  assert.equal(await page.getByRole("button", { name: "Load more" }).count(), 0);
  await page.getByRole("button", { name: "Failed", exact: true }).click();
  assert.equal(await page.getByRole("button", { name: "Failed", exact: true }).getAttribute("aria-pressed"), "true");
  await until("those that failed", async () => (await rows(page).count()) === 5);
  await rows(page).first().getByRole("button", { name: "Link not delivered" }).click();
  await page.getByRole("heading", { name: "The latest 20 attempts" }).waitFor();
  await accessible(page, "those that failed");
  await picture(page, "webhooks-log-failed");
  await page.getByRole("button", { name: "Delivered", exact: true }).click();
  await page.getByText("Nothing found so far.").waitFor();
  assert.equal(queries.filter(({ status }) => status === "delivered").length, 10);
  await accessible(page, "a filter that finds nothing");
  await page.unroute("**/deliveries?*");
  await page.getByRole("button", { name: "Pending", exact: true }).click();
  await page.getByText("Nothing is pending: everything was delivered or has failed.").waitFor();
  await picture(page, "webhooks-log-nothing");
  await page.getByRole("button", { name: "Show all" }).click();
  await page.getByText("Nothing was sent here yet.").waitFor();
  faultless(page);
});

test("errors of the network and of the API are said in words, and calls under way are not repeated", async () => {
  const { workspace, sam, alice } = await company();
  const crm = await receiver();
  const { id: endpoint } = await registered(sam, { url: crm.url });
  await alice.send();
  await until("the webhook", () => crm.received.length === 1);
  const page = await signedIn(workspace, { route: `/desk/supervisor#webhooks/${endpoint}` });
  await rows(page).first().waitFor();
  const again = rows(page).first().getByRole("button");
  const problem = {
    type: "about:blank",
    title: "Too many",
    status: 429,
    code: "too_many_requests",
    detail: "Slow down.",
  };
  await page.route("**/replay", (route) =>
    route.fulfill({
      status: 429,
      headers: { "retry-after": "30" },
      contentType: "application/problem+json",
      json: problem,
    }),
  );
  await again.last().click();
  await page.getByText("There are too many requests at the moment. Please try again in 30 seconds.").waitFor();
  await accessible(page, "too many requests");
  await picture(page, "webhooks-problem");
  await page.unroute("**/replay");
  let calls = 0;
  let answer;
  const answered = new Promise((resolve) => {
    answer = resolve;
  });
  await page.route("**/replay", async (route) => {
    calls += 1;
    await answered;
    await route.fulfill({ status: 202 });
  });
  await again.last().click();
  await page.getByRole("button", { name: "Sending…" }).click({ force: true });
  await picture(page, "webhooks-sending");
  answer();
  await page.getByText("It is being delivered again.").waitFor();
  assert.equal(calls, 1);

  await page.context().setOffline(true);
  await page.evaluate(() => dispatchEvent(new Event("focus")));
  await log(page).getByText("There is no connection. The log may be out of date.").waitFor();
  await accessible(page, "no connection");
  await picture(page, "webhooks-offline");
  await page.getByRole("link", { name: "All webhooks" }).click();
  await page.getByText("There is no connection. The list may be out of date.").waitFor();
  await page.getByRole("button", { name: "Add endpoint" }).click();
  await dialog(page).getByLabel("Address").fill("https://shop.example.com");
  await dialog(page).getByRole("button", { name: "Add endpoint" }).click();
  await dialog(page).getByText("There is no connection. The endpoint may have been added").waitFor();
  await picture(page, "webhooks-add-offline", { fullPage: false });
  await dialog(page).getByRole("button", { name: "Cancel" }).click();
  await page.context().setOffline(false);
  await page.evaluate(() => dispatchEvent(new Event("online")));
  await page.getByText("There is no connection.").waitFor({ state: "detached" });
  faultless(page);
});

test("a session that has ended is renewed, and then the call goes on", async () => {
  const { workspace, sam } = await company();
  const { id: endpoint } = await registered(sam, { url: "http://127.0.0.1:9/hook" });
  const page = await signedIn(workspace, { route: `/desk/supervisor#webhooks/${endpoint}` });
  await page.getByRole("button", { name: "Remove" }).click();
  let refused = 0;
  await page.route(`**/webhook-endpoints/${endpoint}`, (route) => {
    refused += 1;
    return refused === 1 ? route.fulfill({ status: 401, json: { message: "Unauthorized" } }) : route.continue();
  });
  await dialog(page).getByRole("button", { name: "Remove endpoint" }).click();
  await page.getByRole("heading", { name: "Tell your own systems what happens" }).waitFor();
  assert.equal(refused, 2);
  faultless(page);
});

test("an agent sees that the page is for supervisors", async () => {
  const { workspace } = await company();
  const page = await signedIn(workspace, { name: "Alice" });
  await page.getByRole("heading", { name: "This page is for supervisors" }).waitFor();
  await page.getByText("You are signed in as Alice, an agent.").waitFor();
  await accessible(page, "an agent");
  faultless(page);
});

test("the navigation leads to the webhooks and back without loading the page again", async () => {
  const { workspace } = await company();
  const page = await signedIn(workspace, { route: "/desk/supervisor?from=2026-01-05&to=2026-01-06" });
  const [supervisor, webhooks] = ["Supervisor", "Webhooks"].map((name) =>
    page.getByRole("link", { name, exact: true }),
  );
  await page.getByRole("heading", { name: "Payment requests" }).waitFor();
  assert.equal(await supervisor.getAttribute("aria-current"), "page");
  await page.evaluate(() => {
    globalThis.isSame = true;
  });
  await webhooks.focus();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Tell your own systems what happens" }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Webhooks");
  assert.equal(await webhooks.getAttribute("aria-current"), "page");
  assert.equal(await supervisor.getAttribute("aria-current"), null);
  assert.equal(await page.title(), "Webhooks · chat2pay");
  await supervisor.click();
  await page.getByRole("heading", { name: "Payment requests" }).waitFor();
  await page
    .getByText("5 January – 6 January 2026")
    .or(page.getByText("5 – 6 January 2026"))
    .or(page.locator(".range-text"))
    .first()
    .waitFor();
  assert.equal(new URL(page.url()).search, "?from=2026-01-05&to=2026-01-06");
  await page.goBack();
  await page.getByRole("heading", { name: "Tell your own systems what happens" }).waitFor();
  assert.ok(await page.evaluate(() => globalThis.isSame));
  faultless(page);
});

test("texts that people wrote are shown as text, and the layout holds at 320 pixels and with large text", async () => {
  const { workspace, sam, alice } = await company();
  const crm = await receiver((count) => (count % 2 ? 500 : 204));
  for (const [index, description] of HOSTILE.entries()) {
    const query = encodeURIComponent(description);
    const url = `${crm.url}/${index}?${query}${"&a=1".repeat(index * 100)}`;
    await registered(sam, { url, description: description.slice(0, 200) });
  }
  const page = await signedIn(workspace);
  await page.getByText(HOSTILE[1]).waitFor();
  assert.equal(await page.locator("main script, main img").count(), 0);
  await alice.send();
  await accessible(page, "hostile texts");
  await picture(page, "webhooks-hostile");
  const large = () => page.evaluate(() => document.documentElement.style.setProperty("font-size", "200%"));
  for (const step of [
    async () => {},
    () => page.getByRole("link", { name: `${crm.url}/2` }).click(),
    () => page.getByRole("button", { name: "Replace secret" }).click(),
  ]) {
    await step();
    await page.evaluate(() => document.documentElement.style.removeProperty("font-size"));
    await page.setViewportSize({ width: 320, height: 700 });
    await fits(page, "320 pixels");
    for (const link of await page.locator("nav a").all()) assert.ok((await link.boundingBox()).height < 48, "one line");
    await accessible(page, "320 pixels");
    await page.setViewportSize({ width: 1280, height: 860 });
    await large();
    await fits(page, "large text");
    await page.setViewportSize({ width: 640, height: 860 });
    await fits(page, "large text on 640 pixels");
  }
  await dialog(page).getByRole("button", { name: "Cancel" }).click();
  await page.evaluate(() => document.documentElement.style.removeProperty("font-size"));
  await rows(page).first().waitFor();
  await picture(page, "webhooks-hostile-log");
  faultless(page);
});

test("a page whose script could not be loaded says so, and loads when the person tries again", async () => {
  const { workspace } = await company();
  const page = await signedIn(workspace, { prepare: (page) => page.route("**/webhooks.js", (route) => route.abort()) });
  await page.getByRole("heading", { name: "This page could not be loaded" }).waitFor();
  await accessible(page, "a page that could not be loaded");
  await page.unroute("**/webhooks.js");
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByRole("heading", { name: "Tell your own systems what happens" }).waitFor();
  await page.getByRole("button", { name: "Add an endpoint" }).click();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Add an endpoint");
  faultless(page);
});

test("the scripts of the webhooks are loaded when they are needed, and are under 25 KB over the wire", async () => {
  const page = await open(browser);
  const scripts = [];
  page.on("request", (request) => scripts.push(new URL(request.url()).pathname.split("/").at(-1)));
  await page.goto(`${system.base}/desk/supervisor`, { waitUntil: "networkidle" });
  await page.getByRole("dialog").getByRole("button", { name: "Sam" }).click();
  await page.locator(".card").first().waitFor();
  assert.ok(!scripts.includes("webhooks.js"));
  const bytes = await wire(page);
  await page.getByRole("link", { name: "Webhooks" }).click();
  await page.getByRole("heading", { name: "Tell your own systems what happens" }).waitFor();
  assert.ok(scripts.includes("webhooks.js"));
  assert.ok(bytes() < 25_000, `${bytes()} bytes`);
});
