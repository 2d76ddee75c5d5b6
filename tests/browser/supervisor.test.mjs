import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import {
  accessible,
  faultless,
  fits,
  launch,
  open,
  pay,
  picture,
  press,
  System,
  settle,
  until,
  wire,
  withoutLive,
} from "./harness.mjs";

const TODAY = new Date().toISOString().slice(0, 10);
const HOSTILE = [
  "<script>alert(1)</script>",
  "\u202eevil",
  "👩‍👩‍👧 emoji",
  `"quoted", and ${"long ".repeat(36)}`.slice(0, 200),
];

let system;
let browser;
before(async () => {
  [system, browser] = await Promise.all([System.start(), launch()]);
});
after(async () => {
  await browser?.close();
  await system?.stop();
});

/** Creates a company for a test, so that tests do not count each other's requests. */
let companies = 0;
async function company() {
  companies += 1;
  const workspace = `company-${companies}`;
  return {
    workspace,
    alice: await system.person({ workspace }),
    ben: await system.person({ sub: "ben", name: "Ben", workspace }),
  };
}

/** Opens a window in which a person of the company is signed in. */
async function signedIn(workspace, { name = "Sam", route = "/desk/supervisor", options = {}, polls = false } = {}) {
  const page = await open(browser, options);
  if (polls) await withoutLive(page);
  await page.route("**/local/token", (request) => {
    request.continue({ postData: JSON.stringify({ ...request.request().postDataJSON(), workspace }) });
  });
  await page.goto(system.base + route);
  await page.getByRole("dialog").getByRole("button", { name }).click();
  return page;
}

const rows = (page) => page.locator(".requests tbody tr");
const orders = (page) => rows(page).locator(".order").allInnerTexts();
const list = (page) => page.getByRole("region", { name: "Requests" });
const tile = async (page, name) =>
  (
    await page
      .locator(".tiles > div")
      .filter({ has: page.locator("dt", { hasText: new RegExp(`^${name}$`) }) })
      .locator("dd")
      .innerText()
  ).split("\n");

/** Builds a report as the API would return it, for any days: the tests cannot send requests in the past. */
function madeUp(from, to) {
  const tally = (seed) => {
    const paid = 6 + (seed % 7) * 3;
    const statuses = {
      paid: { count: paid, value: { ZAR: paid * 25_000, EUR: paid * 990, KWD: paid * 12_345 } },
      canceled: { count: 1 + (seed % 3), value: { ZAR: 30_000 } },
      expired: { count: 4 + (seed % 4), value: { ZAR: 90_000, EUR: 1_000 } },
      refund_due: { count: seed % 2, value: { ZAR: (seed % 2) * 25_000 } },
      refunded: { count: 1, value: { EUR: 4_200 } },
      sent: { count: 2, value: { ZAR: 50_000 } },
      clicked: { count: 1, value: { KWD: 5_000 } },
      processing: { count: seed % 3, value: { ZAR: (seed % 3) * 25_000 } },
    };
    const sent = Object.values(statuses).reduce((sum, { count }) => sum + count, 0);
    return { sent, statuses, clicked: sent - 5 };
  };
  const add = (tallies) =>
    tallies.reduce(
      (sum, one) => {
        sum.sent += one.sent;
        sum.clicked += one.clicked;
        for (const [status, { count, value }] of Object.entries(one.statuses)) {
          sum.statuses[status] ??= { count: 0, value: {} };
          const entry = sum.statuses[status];
          entry.count += count;
          for (const [currency, amount] of Object.entries(value))
            entry.value[currency] = (entry.value[currency] ?? 0) + amount;
        }
        return sum;
      },
      { sent: 0, clicked: 0, statuses: {} },
    );
  const days = [];
  for (let day = Date.parse(from); day < Date.parse(to); day += 86_400_000) {
    days.push({ date: new Date(day).toISOString().slice(0, 10), ...tally(Math.floor(day / 86_400_000)) });
  }
  const names = ["Alice", "Ben", "Chidi", "Dana", "Eve"];
  const agents = names.map((name, index) => ({
    agent: { id: name.toLowerCase(), name },
    ...add(days.filter((_, day) => day % names.length <= index)),
  }));
  return { from, to, agents, total: add(days), days };
}

async function withMadeUpReports(page) {
  const queries = [];
  await page.route("**/reports/agents?*", (route) => {
    const parameters = new URL(route.request().url()).searchParams;
    const [from, to] = [parameters.get("from"), parameters.get("to")];
    queries.push({ from, to });
    route.fulfill({ json: madeUp(from, to) });
  });
  return queries;
}

const daysAgo = (days) => new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10);

test("the numbers count sent, clicked and paid requests, with a sum for each currency", async () => {
  const { workspace, alice, ben } = await company();
  await pay(await press((await alice.send()).link.url));
  await pay(await press((await alice.send({ amount: 12_345, currency: "KWD" })).link.url));
  await press((await ben.send()).link.url);
  await ben.cancel((await ben.send()).id);
  await ben.send();
  const page = await signedIn(workspace);
  await until(
    "every payment counts",
    async () => (await page.locator(".tiles dd").count()) > 0 && (await tile(page, "Paid"))[0] === "2",
  );
  assert.deepEqual(await tile(page, "Links sent"), ["5"]);
  assert.deepEqual(await tile(page, "Clicked"), ["3", "60% of sent"]);
  assert.deepEqual(await tile(page, "Paid"), ["2", "40% of sent"]);
  assert.deepEqual(await tile(page, "Value paid"), ["KWD\u00a012.345", "R250.00"]);
  assert.deepEqual(await tile(page, "Still open"), ["2", "40% of sent"]);
  assert.deepEqual(await tile(page, "Ended unpaid"), ["1", "20% of sent"]);
  assert.deepEqual(await tile(page, "Refunds"), ["0"]);

  const agents = page.getByRole("region", { name: "By agent" }).locator("tbody tr");
  const cells = async () => (await agents.allInnerTexts()).map((text) => text.split(/\s+/));
  assert.deepEqual(await cells(), [
    ["Ben", "3", "1", "33.3%", "0", "0%"],
    ["Alice", "2", "2", "100%", "2", "100%"],
  ]);
  await page.getByRole("button", { name: "Payment rate" }).click();
  assert.deepEqual(
    (await cells()).map(([name]) => name),
    ["Alice", "Ben"],
  );
  assert.equal(await page.locator("th[aria-sort]").getAttribute("aria-sort"), "descending");
  assert.equal(await agents.first().getByRole("img").getAttribute("aria-label"), "2 paid");
  await page.getByRole("button", { name: "Payment rate" }).click();
  assert.deepEqual(
    (await cells()).map(([name]) => name),
    ["Ben", "Alice"],
  );

  const statuses = await page.getByRole("region", { name: "By status" }).locator("tbody tr").allInnerTexts();
  assert.deepEqual(
    statuses.map((text) => text.split(/\s+/)),
    [
      ["Sent", "1", "20%", "R250.00"],
      ["Clicked", "1", "20%", "R250.00"],
      ["Paid", "2", "40%", "KWD", "12.345", "R250.00"],
      ["Canceled", "1", "20%", "R250.00"],
    ],
  );
  faultless(page);
});

test("expired requests are counted separately by whether the customer had clicked", async () => {
  const quick = await System.start({ LINK_TTL_SECONDS: "2", CHECKOUT_TTL_SECONDS: "2" });
  try {
    const alice = await quick.person();
    await press((await alice.send()).link.url);
    const sent = [await alice.send(), await alice.send()];
    await until("all have expired", async () =>
      (await Promise.all(sent.map(({ id }) => alice.get(id)))).every(({ status }) => status === "expired"),
    );
    const page = await open(browser);
    await page.goto(`${quick.base}/desk/supervisor`);
    await page.getByRole("button", { name: "Sam" }).click();
    const ends = page.getByRole("region", { name: "Where requests end" });
    await until("the clicked one has expired, too", async () => /Expired, not paid\s+1/.test(await ends.innerText()));
    assert.match(await ends.innerText(), /Expired, not clicked\s+2/);
    await page.close();
  } finally {
    await quick.stop();
  }
});

test("each filter, and all filters together, show only matching requests", async () => {
  const { workspace, alice, ben } = await company();
  const thandi = { phone: "+27831234567", name: "Thandi" };
  const sipho = { phone: "+27821111111", name: "Sipho" };
  await alice.send({ order_number: "A-1", customer: thandi });
  await alice.send({ order_number: "A-2", customer: sipho });
  await alice.cancel((await alice.send({ order_number: "A-3", customer: sipho })).id);
  await ben.cancel((await ben.send({ order_number: "B-1", customer: sipho })).id);
  const page = await signedIn(workspace);
  const shows = (...expected) =>
    until(`the list is ${expected}`, async () => String(await orders(page)) === String(expected));
  await shows("B-1", "A-3", "A-2", "A-1");

  await page.getByLabel("Agent", { exact: true }).selectOption("Alice");
  await shows("A-3", "A-2", "A-1");
  await page.getByLabel("Status", { exact: true }).selectOption("Canceled");
  await shows("A-3");
  assert.match(page.url(), /\?agent=alice&status=canceled$/);
  await page.goBack();
  await shows("A-3", "A-2", "A-1");
  await page.getByLabel("Agent", { exact: true }).selectOption("All");
  await page.getByLabel("Order number", { exact: true }).fill("A-2");
  await page.keyboard.press("Enter");
  await shows("A-2");
  await page.getByLabel("Order number", { exact: true }).fill("");
  await page.getByLabel("Phone", { exact: true }).fill("+27 82 111-1111");
  await page.keyboard.press("Enter");
  await shows("B-1", "A-3", "A-2");
  await page.getByLabel("Agent", { exact: true }).selectOption("Alice");
  await page.getByLabel("Status", { exact: true }).selectOption("Canceled");
  await page.getByLabel("Order number", { exact: true }).fill("A-3");
  await page.keyboard.press("Enter");
  await shows("A-3");
  await page.getByLabel("Status", { exact: true }).selectOption("Paid");
  await list(page).getByText("No matching requests.").waitFor();
  assert.doesNotMatch(page.url(), /A-3|8211|phone|order/, "no customer data is in the address");
  await page.getByRole("button", { name: "Clear filters" }).click();
  await shows("B-1", "A-3", "A-2", "A-1");
  faultless(page);
});

test("an invalid phone number is reported at its field", async () => {
  const { workspace, alice } = await company();
  await alice.send();
  const page = await signedIn(workspace);
  await rows(page).first().waitFor();
  await page.getByLabel("Phone", { exact: true }).fill("0831234567");
  await page.keyboard.press("Enter");
  await page.getByText("It must be written with its country code, such as +27831234567").waitFor();
  assert.equal(await page.getByLabel("Phone", { exact: true }).getAttribute("aria-invalid"), "true");
  assert.match(
    await page
      .getByLabel("Phone", { exact: true })
      .evaluate((input) => document.getElementById(input.getAttribute("aria-describedby")).textContent),
    /country code/,
  );
  assert.equal(await rows(page).count(), 0);
  await accessible(page, "an invalid filter");
  await page.getByLabel("Phone", { exact: true }).fill("");
  await page.keyboard.press("Enter");
  await rows(page).first().waitFor();
  assert.equal(await page.getByLabel("Phone", { exact: true }).getAttribute("aria-invalid"), null);
});

test("scrolling loads the whole list, each request once and the newest first", async () => {
  const { workspace, alice } = await company();
  const numbers = Array.from({ length: 60 }, (_, index) => String(index));
  for (const number of numbers) await alice.send({ order_number: number });
  const page = await signedIn(workspace);
  await until("the end is reached by scrolling", async () => {
    await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
    return (await rows(page).count()) === 60;
  });
  assert.deepEqual(await orders(page), numbers.toReversed());
  assert.equal(await page.getByRole("button", { name: "Load more" }).isVisible(), false);
  faultless(page);
});

test("an empty page is not the end of the list, and after many the person decides whether to continue", async () => {
  const { workspace, alice } = await company();
  const sent = await alice.send();
  const page = await open(browser);
  await page.route("**/payment-requests?*", (route) => {
    const cursor = new URL(route.request().url()).searchParams.get("cursor") ?? "cursor-0";
    const place = Number(cursor.slice("cursor-".length)) + 1;
    route.fulfill({ json: { items: place > 15 ? [sent] : [], next_cursor: place > 15 ? null : `cursor-${place}` } });
  });
  await page.route("**/local/token", (route) =>
    route.continue({ postData: JSON.stringify({ ...route.request().postDataJSON(), workspace }) }),
  );
  await page.goto(`${system.base}/desk/supervisor`);
  await page.getByRole("button", { name: "Sam" }).click();
  await list(page).getByText("Nothing found so far.").waitFor();
  await page.getByRole("button", { name: "Keep looking" }).press("Enter");
  await until("it is found", async () => String(await orders(page)) === sent.order_number);
  assert.equal(await page.getByRole("button", { name: "Keep looking" }).isVisible(), false);
  faultless(page);
});

test("the drawer shows the whole history of a request, with the reason of each failed attempt", async () => {
  const { workspace, alice } = await company();
  const sent = await alice.send({ conversation_id: "c-981", metadata: { crm: "77" } });
  const checkout = await press(sent.link.url);
  await pay(checkout, "declined");
  await pay(checkout);
  await until("it is paid", async () => (await alice.get(sent.id)).status === "paid");
  const page = await signedIn(workspace);
  await rows(page).getByRole("link").click();
  const drawer = page.getByRole("dialog", { name: "Order 10045" });
  const entries = drawer.locator(".timeline li");
  await until("the whole history", async () => (await entries.count()) === 4);
  assert.deepEqual(await entries.locator("strong").allInnerTexts(), [
    "Sent",
    "Clicked",
    "Payment attempt failed",
    "Paid",
  ]);
  assert.match(await entries.nth(2).innerText(), /The card was declined\.[\s\S]*\d\d:\d\d:\d\d · Payment provider/);
  assert.match(await entries.nth(0).innerText(), /· Alice$/);
  const title = await entries.nth(0).locator("time").getAttribute("title");
  assert.equal(title, `${sent.created_at.slice(0, 19).replace("T", " ")} UTC`);
  const text = await drawer.innerText();
  for (const detail of [
    "R250.00",
    "Thandi",
    "+27831234567",
    "2 x tickets",
    "c-981",
    "crm",
    "77",
    (await alice.get(sent.id)).payment.reference,
  ]) {
    assert.ok(text.includes(detail), detail);
  }
  await accessible(page, "the drawer");
  await picture(page, "supervisor-drawer", { fullPage: false });

  const link = page.url();
  assert.ok(link.endsWith(`#${sent.id}`));
  await page.reload();
  await drawer.waitFor();
  await page.keyboard.press("Escape");
  await drawer.waitFor({ state: "hidden" });
  await until("the address is the page's own again", () => !page.url().includes("#"));
  faultless(page);
});

test("the drawer says that a request does not exist", async () => {
  const { workspace } = await company();
  const page = await signedIn(workspace, { route: "/desk/supervisor#01990000-0000-7000-8000-000000000000" });
  await page.getByText("There is no such request.").waitFor();
  faultless(page);
});

test("changes appear in the open list, numbers and drawer", async () => {
  const { workspace, alice } = await company();
  const sent = await alice.send();
  const page = await signedIn(workspace);
  await rows(page).getByRole("link").click();
  const drawer = page.getByRole("dialog", { name: "Order 10045" });
  await drawer.getByText("Link expires in").waitFor();
  const checkout = await press(sent.link.url);
  await drawer.getByText("The customer has").waitFor();
  await pay(checkout);
  await drawer.getByText("Reference").waitFor();
  await page.keyboard.press("Escape");
  await rows(page).getByText("Paid").waitFor();
  await until("it is counted", async () => (await tile(page, "Paid"))[0] === "1");
  const second = await alice.send({ order_number: "10046" });
  await until("the new one is on top", async () => String(await orders(page)) === "10046,10045");
  assert.equal(second.status, "sent");
  faultless(page);
});

test("the keyboard alone can open and close a request, and move through the chart", async () => {
  const { workspace, alice } = await company();
  await alice.send({ order_number: "1" });
  await alice.send({ order_number: "2" });
  const page = await signedIn(workspace);
  await rows(page).first().waitFor();
  const focused = () =>
    page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent);
  const tabTo = async (what) => {
    for (let pressed = 0; pressed < 60; pressed += 1) {
      await page.keyboard.press("Tab");
      if (what.test(await focused())) return;
    }
    assert.fail(`the keyboard does not reach ${what}`);
  };
  await page.locator("body").press("Home");
  await tabTo(/^30 days$/);
  await page.keyboard.press("Enter");
  assert.match(page.url(), /from=/);
  await tabTo(/: 2 sent, 0 paid$/);
  const newest = await focused();
  assert.match(await page.locator(".tip").innerText(), /2 sent/);
  await page.keyboard.press("ArrowLeft");
  assert.notEqual(await focused(), newest);
  assert.match(await focused(), /: 0 sent, 0 paid$/);
  await page.keyboard.press("Escape");
  assert.equal(await page.locator(".tip").isVisible(), false);
  await page.keyboard.press("End");
  assert.equal(await focused(), newest);
  await page.keyboard.press("Enter");
  await until("the day alone is shown", async () => page.url().includes(`from=${TODAY}&to=${TODAY}`));
  await tabTo(/^1$/);
  await page.keyboard.press("Enter");
  await page.getByRole("dialog", { name: "Order 1" }).waitFor();
  await page.keyboard.press("Tab");
  assert.equal(
    await page.evaluate(
      () => document.activeElement.closest("dialog") !== null || document.activeElement === document.body,
    ),
    true,
  );
  await page.keyboard.press("Escape");
  await until("the focus is back", async () => (await focused()) === "1");
  faultless(page);
});

test("a payment that takes time counts as open, and the drawer shows its outcome", async () => {
  const { workspace, alice } = await company();
  const sent = await alice.send();
  const checkout = await press(sent.link.url);
  await pay(checkout, "processing");
  await until("it is under way", async () => (await alice.get(sent.id)).status === "processing");
  const page = await signedIn(workspace);
  await until(
    "it is counted",
    async () => (await page.locator(".tiles dd").count()) > 0 && (await tile(page, "Still open"))[0] === "1",
  );
  await page.getByText("Paid, the money is on its way").waitFor();
  await rows(page).getByText("Processing").waitFor();
  await accessible(page, "a payment that takes time");
  await picture(page, "supervisor-processing");
  // Installed here, so that the drawer's pauses follow the page's clock.
  await page.clock.install();
  await rows(page).getByRole("link").click();
  const entries = page.getByRole("dialog", { name: "Order 10045" }).locator(".timeline li strong");
  await until("its history is there", async () => (await entries.count()) === 3);
  await settle(checkout, "failed");
  await until("the failure is there", async () => {
    await page.clock.runFor(5_000);
    return (await entries.count()) === 4;
  });
  assert.deepEqual(await entries.allInnerTexts(), ["Sent", "Clicked", "Processing", "Expired"]);
  await page.getByRole("dialog").getByText("The customer paid, but the money did not come.").waitFor();
  faultless(page);
});

test("the range is in the address, so that going back, reloading and sharing work", async () => {
  const { workspace, alice } = await company();
  await alice.send();
  const page = await signedIn(workspace);
  await page.locator(".tiles dd").first().waitFor();
  assert.equal(new URL(page.url()).search, "");
  const pressed = () => page.locator(".presets [aria-pressed=true]").allInnerTexts();
  assert.deepEqual(await pressed(), ["7 days"]);
  await page.getByRole("button", { name: "30 days" }).click();
  assert.equal(new URL(page.url()).search, `?from=${daysAgo(29)}&to=${TODAY}`);
  await page.getByLabel("From", { exact: true }).fill(daysAgo(2));
  await until("the range in the address", () => page.url().includes(`from=${daysAgo(2)}`));
  assert.deepEqual(await pressed(), []);
  await page.goBack();
  assert.deepEqual(await pressed(), ["30 days"]);
  assert.equal(await page.getByLabel("From", { exact: true }).inputValue(), daysAgo(29));
  await page.reload();
  await page.locator(".tiles dd").first().waitFor();
  assert.deepEqual(await pressed(), ["30 days"]);
  await page.getByLabel("To", { exact: true }).fill(daysAgo(40));
  await page.getByText("The first day is after the last.").waitFor();
  await page.goto(`${system.base}/desk/supervisor?from=yesterday&to=9999-99-99&status=gone`);
  await page.locator(".tiles dd").first().waitFor();
  assert.deepEqual(await pressed(), ["7 days"]);
  faultless(page);
});

test("a range in which nothing was sent says so", async () => {
  const { workspace } = await company();
  const page = await signedIn(workspace);
  await page.getByRole("heading", { name: "Nothing was sent on these days" }).waitFor();
  await list(page).getByText("No matching requests.").waitFor();
  await accessible(page, "nothing sent");
  await picture(page, "supervisor-empty");
  await page.getByRole("button", { name: "Show 90 days" }).click();
  assert.match(page.url(), /from=/);
  faultless(page);
});

test("a long range is read in pieces, at most three at a time, and added up", async () => {
  const { workspace } = await company();
  const [from, to] = ["2025-01-01", "2025-12-31"];
  const page = await open(browser);
  const ranges = [];
  let [running, most] = [0, 0];
  await page.route("**/reports/agents?*", async (route) => {
    const parameters = new URL(route.request().url()).searchParams;
    const range = [parameters.get("from"), parameters.get("to")];
    ranges.push(range);
    running += 1;
    most = Math.max(most, running);
    // Answers only after all simultaneous calls have been made.
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
    running -= 1;
    await route.fulfill({ json: madeUp(...range) });
  });
  await page.route("**/local/token", (route) =>
    route.continue({ postData: JSON.stringify({ ...route.request().postDataJSON(), workspace }) }),
  );
  await page.goto(`${system.base}/desk/supervisor?from=${from}&to=${to}`);
  await page.getByRole("button", { name: "Sam" }).click();
  await page.locator(".tiles dd").first().waitFor();
  const whole = madeUp(from, "2026-01-01");
  assert.equal((await tile(page, "Links sent"))[0], whole.total.sent.toLocaleString("en"));
  assert.equal((await tile(page, "Paid"))[0], whole.total.statuses.paid.count.toLocaleString("en"));
  assert.ok(most <= 3, `${most} at the same time`);
  const sorted = ranges.slice(0, 4).toSorted();
  assert.equal(sorted[0][0], from);
  assert.equal(sorted[3][1], "2026-01-01");
  for (const [index, [start, end]] of sorted.entries()) {
    assert.ok(Date.parse(end) - Date.parse(start) <= 92 * 86_400_000);
    if (index > 0) assert.equal(start, sorted[index - 1][1]);
  }
  await page.getByRole("heading", { name: "Sent and paid by month" }).waitFor();
  assert.equal(await page.locator(".bar-link").count(), 12);
  faultless(page);
});

test("the charts show many days and currencies, with the same numbers as text", async () => {
  const { workspace, alice } = await company();
  for (const [index, name] of ["Thandi", "Sipho", "Zanele", "Johan"].entries()) {
    const sent = await alice.send({
      order_number: `1004${index}`,
      amount: 25_000 + index * 990,
      customer: { phone: "+27831234567", name },
    });
    if (index === 1) await alice.cancel(sent.id);
    if (index === 2) await press(sent.link.url);
  }
  const page = await signedIn(workspace, { route: `/desk/supervisor?from=${daysAgo(59)}&to=${TODAY}` });
  await withMadeUpReports(page);
  await page.reload();
  await page.getByRole("heading", { name: "Sent and paid by week" }).waitFor();
  const report = madeUp(daysAgo(59), new Date(Date.now() + 86_400_000).toISOString().slice(0, 10));
  const labels = await page
    .locator(".bar-link")
    .evaluateAll((bars) => bars.map((bar) => bar.getAttribute("aria-label")));
  const added = labels
    .map((label) => Number(/([\d,]+) sent/.exec(label)[1].replace(",", "")))
    .reduce((sum, value) => sum + value);
  assert.equal(added, report.total.sent);
  await page.getByText("Show as a table").click();
  assert.equal(
    await page.getByRole("region", { name: "Sent and paid over time" }).locator("tbody tr").count(),
    labels.length,
  );
  await accessible(page, "many days");
  await page.getByText("Show as a table").click();
  await page.locator(".bar-link").nth(3).hover();
  assert.match(await page.locator(".tip").innerText(), /paid \(/);
  await page.mouse.move(0, 0);
  await rows(page).nth(3).waitFor();
  await picture(page, "supervisor");
  await page.setViewportSize({ width: 320, height: 700 });
  await fits(page, "320 pixels");
  faultless(page);
});

test("an agent sees that the page is for supervisors, and can sign in as another person", async () => {
  const { workspace, alice } = await company();
  await alice.send();
  const page = await signedIn(workspace, { name: "Alice" });
  await page.getByRole("heading", { name: "This page is for supervisors" }).waitFor();
  await page.getByText("You are signed in as Alice, an agent.").waitFor();
  assert.equal(await rows(page).count(), 0);
  await accessible(page, "an agent");
  await picture(page, "supervisor-refused");
  await page.getByRole("button", { name: "Sign in as somebody else" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Sam" }).click();
  await rows(page).first().waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("dialog").waitFor();
  assert.equal(await page.locator("main").innerText(), "", "nothing is left for the next person");
  faultless(page);
});

test("without a connection the last numbers stay, with their time, until it is back", async () => {
  const { workspace, alice } = await company();
  await alice.send();
  const page = await signedIn(workspace);
  await page.locator(".tiles dd").first().waitFor();
  await page.context().setOffline(true);
  await page.evaluate(() => dispatchEvent(new Event("focus")));
  await page.getByText(/There is no connection\. These are the numbers of \d\d:\d\d:\d\d/).waitFor();
  assert.deepEqual(await tile(page, "Links sent"), ["1"]);
  await list(page).getByText("There is no connection. The list may be out of date.").waitFor();
  await accessible(page, "no connection");
  await picture(page, "supervisor-offline");
  await page.context().setOffline(false);
  await page.getByText("There is no connection.").first().waitFor({ state: "detached" });
  faultless(page);
});

test("a list that could not be loaded says so, and loads when the person tries again", async () => {
  const { workspace, alice } = await company();
  await alice.send();
  const page = await open(browser);
  const broken = {
    status: 500,
    contentType: "application/problem+json",
    body: JSON.stringify({ detail: "Please try again in a moment." }),
  };
  await page.route("**/payment-requests?*", (route) => route.fulfill(broken));
  await page.route("**/reports/agents?*", (route) => route.fulfill(broken));
  await page.route("**/local/token", (route) =>
    route.continue({ postData: JSON.stringify({ ...route.request().postDataJSON(), workspace }) }),
  );
  await page.goto(`${system.base}/desk/supervisor`);
  await page.getByRole("button", { name: "Sam" }).click();
  await page.locator(".skeleton").first().waitFor();
  await picture(page, "supervisor-loading");
  await page.getByRole("heading", { name: "The numbers could not be loaded" }).waitFor();
  await list(page).getByText("Please try again in a moment.").waitFor();
  await accessible(page, "an error");
  await picture(page, "supervisor-error");
  await page.unroute("**/payment-requests?*");
  await page.unroute("**/reports/agents?*");
  await page.getByRole("button", { name: "Try now" }).click();
  await page.getByRole("button", { name: "Try again" }).click();
  await rows(page).first().waitFor();
  await page.locator(".tiles dd").first().waitFor();
  faultless(page);
});

/** Parses the saved file by RFC 4180, independently of the page's code. */
function parsed(text) {
  const cell = /("(?:[^"]|"")*"|[^,\r\n"]*)(,|\r\n|$)/gy;
  const lines = [[]];
  for (let found = cell.exec(text); found?.[0]; found = cell.exec(text)) {
    lines.at(-1).push(found[1].startsWith('"') ? found[1].slice(1, -1).replaceAll('""', '"') : found[1]);
    if (found[2] === "\r\n") lines.push([]);
  }
  assert.deepEqual(lines.pop(), [], "the last line ends with a line break");
  const [head, ...body] = lines;
  return body.map((values) => {
    assert.equal(values.length, head.length);
    return Object.fromEntries(head.map((name, index) => [name, values[index]]));
  });
}

test("the export has every request that matches the filters, and no formulas", async () => {
  const { workspace, alice, ben } = await company();
  await ben.send({ order_number: "not Alice's" });
  const formulas = ["=1+1", "+1", "-1", "@SUM(A1)", " =1+1"];
  for (const [index, description] of [...formulas, ...HOSTILE].entries())
    await alice.send({ order_number: `o-${index}`, description, amount: 1_234, currency: "KWD" });
  for (let index = 0; index < 110; index += 1) await alice.send({ order_number: `p-${index}` });
  const paid = await alice.send({ order_number: "=paid" });
  await pay(await press(paid.link.url));
  await until("it is paid", async () => (await alice.get(paid.id)).status === "paid");

  const page = await signedIn(workspace, { route: `/desk/supervisor?from=${TODAY}&to=${TODAY}&agent=alice` });
  await rows(page).first().waitFor();
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Export CSV" }).click();
  const file = await download;
  assert.equal(file.suggestedFilename(), `payment-requests_${TODAY}_${TODAY}.csv`);
  const text = await readFile(await file.path(), "utf8");
  assert.ok(text.startsWith("\ufeffid,created_at,"));
  const table = parsed(text.slice(1));
  assert.equal(table.length, formulas.length + HOSTILE.length + 111);
  assert.equal(new Set(table.map(({ id }) => id)).size, table.length);
  const first = table[0];
  assert.equal(first.order_number, "'=paid");
  assert.equal(first.customer_phone, "+27831234567");
  assert.deepEqual([first.amount_minor_units, first.amount, first.currency], ["25000", "250.00", "ZAR"]);
  assert.equal(first.created_at, paid.created_at);
  assert.ok(first.payment_reference && first.paid_at.endsWith("Z"));
  const descriptions = table
    .filter(({ order_number: number }) => number.startsWith("o-"))
    .map(({ description }) => description)
    .toReversed();
  const stored = (await (await alice.call("GET", "/payment-requests?limit=100&agent=alice")).json()).items.length;
  assert.ok(stored > 0);
  assert.deepEqual(descriptions.slice(0, 4), ["'=1+1", "'+1", "'-1", "'@SUM(A1)"]);
  for (const description of descriptions) assert.doesNotMatch(description, /^\s*[=+\-@]/);
  assert.ok(descriptions.includes(HOSTILE[0]));
  assert.equal(table.find(({ order_number: number }) => number === "o-0").amount, "1.234");
  await list(page).getByText("120 requests exported.").first().waitFor();
  faultless(page);
});

test("an export that fails half-way or is stopped says so, and saves nothing", async () => {
  const { workspace, alice } = await company();
  for (let index = 0; index < 3; index += 1) await alice.send();
  const page = await signedIn(workspace);
  await rows(page).first().waitFor();
  let saved = 0;
  page.on("download", () => {
    saved += 1;
  });
  const { items } = await (await alice.call("GET", "/payment-requests")).json();
  let second = (route) =>
    route.fulfill({ status: 403, contentType: "application/problem+json", json: { detail: "That is not allowed." } });
  await page.route(/payment-requests\?.*limit=100/, (route) => {
    if (route.request().url().includes("cursor=half")) return second(route);
    return route.fulfill({ json: { items, next_cursor: "half" } });
  });
  await page.getByRole("button", { name: "Export CSV" }).click();
  await list(page)
    .getByText("That is not allowed. The export stopped after 3 requests, and nothing was saved.")
    .first()
    .waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Export CSV");
  second = () => {};
  await page.getByRole("button", { name: "Export CSV" }).click();
  await list(page).getByText("3 requests so far").waitFor();
  await page.getByRole("button", { name: "Stop" }).click();
  await list(page).getByText("Stopped. Nothing was saved.").first().waitFor();
  assert.equal(saved, 0);
  faultless(page);
});

test("texts that people wrote are shown as text everywhere", async () => {
  const { workspace } = await company();
  const mallory = await system.person({ sub: "mallory", name: HOSTILE[0], workspace });
  for (const [index, text] of HOSTILE.entries()) {
    await mallory.send({
      // An order number has only visible characters: no direction overrides and no emoji joiners.
      order_number: text.slice(0, 64).replaceAll("\u200d", "").replace("\u202e", "").trim() || String(index),
      description: text.replace("\u202e", ""),
      customer: { phone: "+27831234567", name: text.replace("\u202e", "") },
      metadata: { [text.slice(0, 60)]: text },
    });
  }
  const page = await signedIn(workspace);
  await rows(page)
    .nth(HOSTILE.length - 1)
    .waitFor();
  assert.equal(await page.locator("main script").count(), 0);
  await accessible(page, "hostile texts");
  await picture(page, "supervisor-hostile");
  await rows(page).first().getByRole("link").click();
  await page.getByRole("dialog").getByText("History").waitFor();
  await picture(page, "supervisor-hostile-drawer", { fullPage: false });
  await page.setViewportSize({ width: 320, height: 700 });
  await fits(page, "a drawer of 320 pixels");
  faultless(page);
});

test("a hidden page does not poll", async () => {
  const { workspace, alice } = await company();
  await alice.send();
  const page = await signedIn(workspace, { polls: true });
  await rows(page).first().waitFor();
  await page.evaluate(() => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => globalThis.isHidden });
    globalThis.isHidden = true;
    document.dispatchEvent(new Event("visibilitychange"));
  });
  let polls = 0;
  page.on("request", (request) => {
    if (/payment-requests\?|reports/.test(request.url())) polls += 1;
  });
  await page.evaluate(() => {
    dispatchEvent(new Event("focus"));
    dispatchEvent(new Event("online"));
  });
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
  assert.equal(polls, 0);
  await page.evaluate(() => {
    globalThis.isHidden = false;
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await until("a poll as soon as the page is visible", () => polls >= 2);
});

test("the page with all its files is under 60 KB over the wire", async () => {
  const page = await open(browser);
  const bytes = await wire(page);
  await page.goto(`${system.base}/desk/supervisor`, { waitUntil: "networkidle" });
  assert.ok(bytes() < 60_000, `${bytes()} bytes`);
});
