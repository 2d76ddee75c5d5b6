// Live updates on the pages: what arrives, what is read when nothing does, and what nobody has seen yet.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { faultless, launch, live, open, press, System, until, withoutLive } from "./harness.mjs";

let system;
let browser;
before(async () => {
  [system, browser] = await Promise.all([System.start(), launch()]);
});
after(async () => {
  await browser?.close();
  await system?.stop();
});

const card = (page, status) => page.locator(`article[data-status="${status}"]`);

/** Opens the desk, signed in as Alice, with a clock that a test can advance. `prepare` sees the page before it loads. */
async function desk(prepare = async () => {}) {
  const page = await open(browser);
  await page.clock.install();
  await prepare(page);
  await page.goto(`${system.base}/desk`);
  await page.getByRole("button", { name: "Alice" }).click();
  await page.getByText("No payment requests in this conversation yet.").waitFor();
  return page;
}

/** Opens the desk with a hand on its sockets (`page.live`). */
const controlledDesk = () =>
  desk(async (page) => {
    page.live = await live(page);
  });

/** Returns the conversation that a page shows. */
const conversationOf = (page) => page.locator("chat2pay-desk").getAttribute("conversation-id");

/** Records the page's calls of the API from now on. */
function calls(page) {
  const made = [];
  page.on("request", (request) => {
    const { pathname } = new URL(request.url());
    if (/^\/(payment-requests|reports|live|webhook-endpoints)/.test(pathname))
      made.push(`${request.method()} ${pathname}`);
  });
  return made;
}

/** Returns a function that waits until each request that the page has made has its answer, or has failed. */
function answersOf(page) {
  const unanswered = new Set();
  page.on("request", (request) => unanswered.add(request));
  for (const end of ["requestfinished", "requestfailed"]) page.on(end, (request) => unanswered.delete(request));
  return () => until("the answers", () => unanswered.size === 0);
}

/** Waits until the page has a socket over which changes arrive. */
async function connected(page, alice) {
  const conversation_id = await conversationOf(page);
  const request = await alice.send({ conversation_id });
  await card(page, "sent").first().waitFor();
  return request;
}

/** Records the changes that the host is told of from now on. */
function listen(page) {
  return page.evaluate(() => {
    globalThis.heard = [];
    document.addEventListener("chat2pay-change", ({ detail }) => globalThis.heard.push(detail));
  });
}

/** Returns the changes that were recorded. */
const heard = (page) => page.evaluate(() => globalThis.heard);

/** Returns whether a change is news of a request in this status. */
const isNews = (change, { id }, status) =>
  change.request.id === id && change.request.status === status && change.isNews;

test("a change of another conversation reaches the host, the title and a message, until somebody looks", async () => {
  const page = await desk();
  const alice = await system.person();
  await connected(page, alice);
  await listen(page);
  const elsewhere = await alice.send({ conversation_id: "elsewhere", order_number: "777" });
  await press(elsewhere.link.url);
  await until("the event", async () => (await heard(page)).some((change) => isNews(change, elsewhere, "clicked")));
  assert.match(await page.title(), /^\(1\) /);
  await page.getByRole("region", { name: "Status messages" }).getByText("777").first().waitFor();
  assert.equal(await card(page, "clicked").count(), 0, "it is no card of this conversation");
  await page.keyboard.press("Shift");
  assert.doesNotMatch(await page.title(), /^\(/);
  faultless(page);
});

test("ten open cards cost no call within an hour", async () => {
  const page = await desk();
  const alice = await system.person();
  const first = await connected(page, alice);
  for (let count = 1; count < 10; count += 1) await alice.send({ conversation_id: first.conversation_id });
  await until("ten cards", async () => (await card(page, "sent").count()) === 10);
  const made = calls(page);
  await page.clock.runFor(60 * 60_000);
  assert.deepEqual(made, []);
  await press(first.link.url);
  await card(page, "clicked").waitFor();
  assert.deepEqual(made, [], "the change arrives by itself");
  faultless(page);
});

test("a lost socket is opened again, and what was missed is read once, in every conversation", async () => {
  const page = await controlledDesk();
  const alice = await system.person();
  const request = await connected(page, alice);
  await listen(page);
  page.live.frozen = true;
  await press(request.link.url);
  const elsewhere = await alice.send({ conversation_id: "elsewhere", order_number: "778" });
  await press(elsewhere.link.url);
  const made = calls(page);
  await page.live.sockets.at(-1).close();
  page.live.frozen = false;
  await card(page, "clicked").waitFor();
  await until("the event", async () => (await heard(page)).some((change) => isNews(change, elsewhere, "clicked")));
  assert.match(await page.title(), /^\([12]\) /);
  // The conversation that is shown, and what changed meanwhile.
  assert.deepEqual(made, ["POST /live/tickets", "GET /payment-requests", "GET /payment-requests"]);
  faultless(page);
});

test("a socket that is cut again and again leaves the desk looking meanwhile", async () => {
  const page = await controlledDesk();
  const alice = await system.person();
  const request = await connected(page, alice);
  for (let cut = 0; cut < 3; cut += 1) {
    const count = page.live.sockets.length;
    await page.live.sockets.at(-1).close();
    await until("the next attempt", async () => {
      await page.clock.runFor(1_000);
      return page.live.sockets.length > count;
    });
  }
  // The pauses have grown. Nothing arrives, so that only looking can show the change.
  page.live.frozen = true;
  await page.live.sockets.at(-1).close();
  await press(request.link.url);
  await until("a look", async () => {
    await page.clock.runFor(500);
    return (await card(page, "clicked").count()) > 0;
  });
  faultless(page);
});

test("after a sleep the desk connects again, because the socket may be gone without a word", async () => {
  const page = await controlledDesk();
  const request = await connected(page, await system.person());
  page.live.frozen = true;
  await press(request.link.url);
  const count = page.live.sockets.length;
  await page.clock.fastForward(10 * 60_000);
  page.live.frozen = false;
  await until("another socket", async () => {
    await page.clock.runFor(1_000);
    return page.live.sockets.length > count;
  });
  await card(page, "clicked").waitFor();
  faultless(page);
});

test("what arrives twice or late of another conversation is told once", async () => {
  const page = await controlledDesk();
  const alice = await system.person();
  await connected(page, alice);
  const first = await alice.send({ conversation_id: "elsewhere", order_number: "779" });
  await press(first.link.url);
  const second = await alice.get(first.id);
  await until("the clicked request", async () => (await alice.get(first.id)).status === "clicked");
  await listen(page);
  for (const request of [second, first, second]) await page.live.tell(request);
  const third = await alice.send({ conversation_id: "elsewhere", order_number: "780" });
  await until("the last change", async () => (await heard(page)).some((change) => isNews(change, third, "sent")));
  const told = (await heard(page)).filter(({ request }) => request.id === first.id);
  assert.ok(told.length <= 1, JSON.stringify(told));
  faultless(page);
});

test("without a socket the desk looks after five seconds, and then ever more rarely", async () => {
  const page = await desk(withoutLive);
  const alice = await system.person();
  await alice.send({ conversation_id: await conversationOf(page) });
  await page.evaluate(() => window.dispatchEvent(new Event("focus")));
  await card(page, "sent").waitFor();
  const made = calls(page);
  const looks = () => made.filter((call) => call === "GET /payment-requests").length;
  const answers = answersOf(page);
  const counts = [];
  for (let minute = 0; minute < 3; minute += 1) {
    const before = looks();
    for (let second = 0; second < 60; second += 1) {
      await page.clock.runFor(1_000);
      // The clock of the page waits for the answers, which take their time by another clock.
      await answers();
    }
    counts.push(looks() - before);
  }
  assert.ok(counts[0] >= 3 && counts[0] <= 12, `${counts}`);
  assert.ok(counts[2] < counts[0] && counts[2] <= 3, `${counts}`);
  faultless(page);
});

test("the supervisor's rows change at once, the report soon and once, and nothing is read while nothing changes", async () => {
  const page = await open(browser);
  await page.clock.install();
  const arrived = new Promise((resolve) => {
    page.on("websocket", (socket) => socket.on("framereceived", resolve));
  });
  await page.goto(`${system.base}/desk/supervisor`);
  await page.getByRole("button", { name: "Sam" }).click();
  const alice = await system.person();
  // Until the socket is open, the page has to look.
  const asking = setInterval(() => alice.send(), 500);
  await arrived.finally(() => clearInterval(asking));
  const request = await alice.send({ order_number: "31415" });
  const row = page.getByRole("row").filter({ hasText: "31415" });
  await row.getByText("Sent").waitFor();
  const report = page.waitForResponse(/\/reports\/agents/);
  await page.clock.runFor(4_000);
  await report;
  const made = calls(page);
  await page.clock.runFor(10 * 60_000);
  assert.deepEqual(made, []);
  await press(request.link.url);
  await row.getByText("Clicked").waitFor();
  const others = await Promise.all([1, 2, 3].map(() => alice.send()));
  await Promise.all(others.map(({ id }) => alice.cancel(id)));
  await until("the report", () => made.includes("GET /reports/agents"));
  await page.clock.runFor(60_000);
  assert.ok(made.filter((call) => call === "GET /reports/agents").length <= 3, `${made}`);
  faultless(page);
});
