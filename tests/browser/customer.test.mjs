import assert from "node:assert/strict";
import { createHmac, randomUUID } from "node:crypto";
import { createServer } from "node:http";
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
  tab,
  until,
  wire,
} from "./harness.mjs";

const SECRET = Buffer.from("the provider's signing key in these tests");
const STRIPE_SECRET = "whsec_0000000000000000000000000000test";
const BRANDING = {
  acme: {
    name: "Acme Tickets",
    logo: "https://logo.example/acme.svg",
    colour: "#ffd43b",
    support: "help@acme.example",
  },
};
const LOGO =
  '<svg xmlns="http://www.w3.org/2000/svg" width="160" height="40">' +
  '<rect width="160" height="40" rx="8" fill="#ffd43b"/></svg>';

let system;
let short;
let browser;
let alice;
before(async () => {
  const environment = {
    BRANDING: JSON.stringify(BRANDING),
    SANDBOX_WEBHOOK_SECRET: `whsec_${SECRET.toString("base64")}`,
  };
  [system, short, browser] = await Promise.all([
    System.start(environment),
    System.start({ LINK_TTL_SECONDS: "5", CHECKOUT_TTL_SECONDS: "5" }),
    launch(),
  ]);
  alice = await system.person({ workspace: "plain" });
});
after(async () => {
  await browser?.close();
  await Promise.all([system?.stop(), short?.stop()]);
});

/** Opens a link in a customer's window. `options` are Playwright's for a context. */
async function look(link, options) {
  const page = await open(browser, options);
  await page.goto(link);
  return page;
}

/** Waits until the page has this heading, which shows its state. */
async function heading(page, name) {
  await page.getByRole("heading", { name, level: 1 }).waitFor();
}

/** Marks the document. A reload removes the mark, so `marked` returns whether the document is still the same. */
const mark = (page) =>
  page.evaluate(() => {
    globalThis.marked = true;
  });
const marked = (page) => page.evaluate(() => globalThis.marked === true);

const announced = (page) => page.locator("#announcement").textContent();

/**
 * Pauses the page's timers, so that only events make the page do something. The clock keeps running until the call
 * arrives, and cannot pause at a time in its past. On a busy machine, a few attempts may be needed.
 */
async function freeze(page) {
  for (let ahead = 1; ; ahead *= 4) {
    const moment = await page.evaluate((ahead) => Date.now() + ahead, ahead);
    try {
      return await page.clock.pauseAt(moment);
    } catch (error) {
      if (ahead > 1000 || !error.message.includes("past")) throw error;
    }
  }
}

/** Sends a signed webhook of the sandbox provider about a request. */
async function report(request, type, data) {
  const [id, timestamp] = [`msg_${randomUUID()}`, Math.floor(Date.now() / 1000)];
  const { amount, currency } = request;
  const body = JSON.stringify({
    type,
    timestamp: new Date().toISOString(),
    data: { checkout_id: "chk_by_hand", payment_request_id: request.id, amount, currency, ...data },
  });
  const signature = createHmac("sha256", SECRET).update(`${id}.${timestamp}.${body}`).digest("base64");
  const headers = { "webhook-id": id, "webhook-timestamp": String(timestamp), "webhook-signature": `v1,${signature}` };
  const response = await fetch(`${system.base}/webhooks/sandbox`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body,
  });
  assert.equal(response.status, 200);
}

/** Sends Stripe's signed webhook for a paid request (https://docs.stripe.com/webhooks#verify-manually). */
async function stripeReportsPayment(request, on) {
  const created = Math.floor(Date.now() / 1000);
  const object = {
    id: "cs_test_1",
    status: "complete",
    payment_status: "paid",
    payment_intent: "pi_1",
    amount_total: request.amount,
    currency: request.currency.toLowerCase(),
    metadata: { payment_request_id: request.id },
  };
  const body = JSON.stringify({
    id: "evt_1",
    type: "checkout.session.completed",
    created,
    livemode: false,
    data: { object },
  });
  const signature = createHmac("sha256", STRIPE_SECRET).update(`${created}.${body}`).digest("hex");
  const headers = { "content-type": "application/json", "stripe-signature": `t=${created},v1=${signature}` };
  const response = await fetch(`${on.base}/webhooks/stripe`, { method: "POST", headers, body });
  assert.equal(response.status, 200);
}

async function status(person, request, wanted) {
  await until(wanted, async () => (await person.get(request.id)).status === wanted);
}

/** Returns the settings of a system whose provider loses each of its reports: nothing listens where they go. */
const SILENT_STRIPE = { PAYMENT_PROVIDER: "stripe", STRIPE_WEBHOOK_URL: "http://127.0.0.1:9/webhooks/stripe" };

/** Counts the requests that a page makes with a method to addresses that end like this. */
function count(page, method, end) {
  const made = { count: 0 };
  page.on("request", (request) => {
    made.count += request.method() === method && request.url().endsWith(end);
  });
  return made;
}

test("a customer can pay by keyboard alone, and the confirmation appears without a reload", async () => {
  const request = await alice.send();
  const page = await look(request.link.url);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Continue to payment");
  await page.keyboard.press("Enter");
  await page.waitForURL(/sandbox\/checkouts/);
  const checkout = page.url();
  // The customer returns before the provider confirms the payment.
  await page.goto(`${request.link.url}?done`);
  await heading(page, "Your payment is being confirmed");
  await mark(page);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Back to the payment page");
  await pay(checkout);
  await heading(page, "Paid. Thank you!");
  assert.ok(await marked(page), "there was no reload");
  assert.match(await announced(page), /^Paid\. Thank you!/);
  assert.match(await page.title(), /^Paid/);
  assert.equal(await page.evaluate(() => document.activeElement.tagName), "H1", "the new heading has the focus");
  assert.equal(await page.getByRole("button").count(), 0);
  faultless(page);
});

test("without JavaScript everything works: decline, retry, pay, and the page refreshes until it is paid", async () => {
  const request = await alice.send();
  const page = await look(request.link.url, { javaScriptEnabled: false });
  assert.match(await page.getByRole("timer").textContent(), /^[45]:\d\d$/);
  assert.match(await page.locator(".until").textContent(), /^until \d\d:\d\d UTC$/);
  await page.getByRole("button", { name: "Continue to payment" }).click();
  await page.getByRole("button", { name: "Decline" }).click();
  await heading(page, "Your card was declined");
  await page.getByRole("button", { name: "Try again" }).click();
  await page.waitForURL(/sandbox\/checkouts/);
  const checkout = page.url();
  await page.goto(`${request.link.url}?back`);
  await heading(page, "Your card was declined");
  await pay(checkout);
  await heading(page, "Paid. Thank you!");
  assert.match(await page.locator("main").textContent(), /pay_/);
});

test("an open page shows a failed attempt to pay, and then the successful one", async () => {
  const request = await alice.send();
  const page = await look(request.link.url);
  await page.getByRole("button").click();
  await page.getByRole("button", { name: "Decline" }).click();
  await heading(page, "Your card was declined");
  await page.getByRole("button", { name: "Try again" }).click();
  await page.waitForURL(/sandbox\/checkouts/);
  await page.goto(`${request.link.url}?done`);
  await heading(page, "Your card was declined");
  await page.getByText("If you have paid since then").waitFor();
  await mark(page);
  await report(request, "checkout.payment_failed", { reason: "<b>do_not_honor</b>" });
  await heading(page, "Your payment did not go through");
  assert.doesNotMatch(await page.content(), /honor/);
  await report(request, "checkout.paid", { payment_id: "pay_1", paid_at: new Date().toISOString() });
  await heading(page, "Paid. Thank you!");
  assert.ok(await marked(page), "there was no reload");
  faultless(page);
});

test("when the agent cancels a request, the customer's open page shows it", async () => {
  const request = await alice.send();
  const page = await look(request.link.url);
  await mark(page);
  await alice.cancel(request.id);
  await heading(page, "This request was canceled");
  assert.ok(await marked(page));
  assert.match(await announced(page), /canceled.*nothing to pay/);
  assert.equal(await page.getByRole("button").count(), 0);
  faultless(page);
});

test("an open page shows that the link expired, or that the time to pay is over", async () => {
  const bob = await short.person();
  const [unclicked, unpaid] = [await bob.send(), await bob.send()];
  const [unclickedPage, unpaidPage] = await Promise.all([look(unclicked.link.url), look(unpaid.link.url)]);
  await Promise.all([mark(unclickedPage), press(unpaid.link.url)]);
  await heading(unpaidPage, "You have not paid yet");
  await heading(unclickedPage, "This link has expired");
  assert.ok(await marked(unclickedPage));
  await heading(unpaidPage, "The time to pay has run out");
  await unpaidPage.getByRole("main").getByText("You have not been charged.").waitFor();
  faultless(unclickedPage);
  faultless(unpaidPage);
});

test("a link whose time is over offers nothing, and says what became of it once that is certain", async () => {
  // The schedule's next run is a minute away and does not look ahead, so nobody writes the expiry.
  const idle = await System.start({ LINK_TTL_SECONDS: "3", EXPIRY_LOOKAHEAD_SECONDS: "0" });
  try {
    const page = await look((await (await idle.person()).send()).link.url);
    await mark(page);
    await heading(page, "The time on this link is over");
    assert.equal(await page.getByRole("button").count(), 0);
    await accessible(page, "a link whose time is over");
    await picture(page, "customer-time-over");
    await heading(page, "This link has expired");
    assert.ok(await marked(page));
  } finally {
    await idle.stop();
  }
});

test("after a press, every other window says that nothing is paid yet, and then that it is", async () => {
  const request = await alice.send();
  const one = await look(request.link.url);
  const other = await tab(one.context());
  await other.goto(request.link.url);
  const elsewhere = await look(request.link.url);
  await one.getByRole("button").click();
  await one.waitForURL(/sandbox\/checkouts/);
  await other.bringToFront();
  await heading(other, "You have not paid yet");
  await heading(elsewhere, "You have not paid yet");
  await pay(one.url());
  for (const page of [other, elsewhere]) {
    await heading(page, "Paid. Thank you!");
    faultless(page);
  }
});

test("an offline page says so, and is updated when the connection is back", async () => {
  const request = await alice.send();
  const page = await open(browser);
  await page.clock.install();
  await page.goto(request.link.url);
  await freeze(page);
  await page.context().setOffline(true);
  await page.getByText("You are offline.").waitFor();
  await alice.cancel(request.id);
  await page.context().setOffline(false);
  await heading(page, "This request was canceled");
  assert.equal(await page.locator("#connection").textContent(), "");
});

test("a hidden page does not poll, and polls at once when it is visible", async () => {
  const request = await alice.send();
  const page = await open(browser);
  await page.clock.install();
  await page.goto(request.link.url);
  await freeze(page);
  const seen = (visible) =>
    page.evaluate((hidden) => {
      Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }, !visible);
  let polls = 0;
  page.on("request", (sent) => {
    polls += sent.url() === request.link.url;
  });
  await seen(false);
  await page.clock.runFor(60_000);
  assert.equal(polls, 0);
  await alice.cancel(request.id);
  await seen(true);
  await heading(page, "This request was canceled");
  const before = polls;
  await page.clock.runFor(60_000);
  assert.equal(polls, before, "nothing can change any more");
});

test("server errors leave the page unchanged, and the next valid answer updates it", async () => {
  const request = await alice.send();
  const page = await look(request.link.url);
  let refused = 0;
  await page.route(request.link.url, (route) => {
    refused += 1;
    return route.fulfill({
      status: 503,
      contentType: "text/html",
      body: "<title>Trouble</title><style></style><main><h1>Trouble</h1></main>",
    });
  });
  await until("two refusals", () => refused >= 2);
  assert.equal(await page.getByRole("button").textContent(), "Continue to payment");
  await alice.cancel(request.id);
  await page.unroute(request.link.url);
  await heading(page, "This request was canceled");
});

test("whoever goes back from the checkout without paying reads so, and the button works", async () => {
  const request = await alice.send();
  const page = await look(request.link.url);
  await page.getByRole("button").click();
  await page.waitForURL(/sandbox\/checkouts/);
  const checks = count(page, "POST", "/check");
  await page.goBack();
  for (const address of [null, `${request.link.url}?back`, `${request.link.url}?utm_source=chat&back=`]) {
    if (address) await page.goto(address);
    await heading(page, "You have not paid yet");
    assert.equal(await page.locator(".progress").count(), 0);
    await page.getByRole("timer").waitFor();
    assert.equal(await page.getByRole("button").textContent(), "Go on to payment");
  }
  assert.equal(checks.count, 0, "nobody says that they have paid");
  await page.getByRole("button").click();
  await page.waitForURL(/sandbox\/checkouts/);
  faultless(page);
});

test("whoever has paid gets the receipt within seconds, also if the report is lost", async () => {
  const silent = await System.start(SILENT_STRIPE);
  try {
    const bob = await silent.person();
    for (const javaScriptEnabled of [true, false]) {
      const request = await bob.send();
      await pay(await press(request.link.url));
      const page = await look(`${request.link.url}?session_id=cs_1&done`, { javaScriptEnabled });
      if (!javaScriptEnabled) {
        await heading(page, "Your payment is being confirmed");
        await page.getByRole("button", { name: "Check now" }).click();
      }
      await heading(page, "Paid. Thank you!");
      assert.equal((await bob.get(request.id)).status, "paid");
      assert.equal(await page.getByRole("button").count(), 0);
      faultless(page);
    }
  } finally {
    await silent.stop();
  }
});

test("a check that finds no payment leaves the page as it is, and the next ones come ever more rarely", async () => {
  const silent = await System.start(SILENT_STRIPE);
  try {
    const bob = await silent.person();
    const request = await bob.send();
    await press(request.link.url);
    const page = await open(browser);
    await page.clock.install();
    const checks = { count: 0 };
    page.on("response", (response) => {
      checks.count += response.url().endsWith("/check");
    });
    const seen = async (wanted) => {
      await until(`check ${wanted}`, () => checks.count >= wanted);
      // The page handles the response, and sets the timer of the next check, before it evaluates this.
      await page.evaluate(() => fetch(location.href).then(() => {}));
      assert.equal(checks.count, wanted);
    };
    await page.goto(`${request.link.url}?done`);
    await seen(1);
    await freeze(page);
    for (const [index, pause] of [3, 6, 12].entries()) {
      await page.clock.runFor((pause - 1) * 1000);
      assert.equal(checks.count, index + 1, `${pause} seconds are not over`);
      assert.ok(await page.locator(".late").isHidden());
      await page.clock.runFor(1000);
      await seen(index + 2);
    }
    await page.locator(".late").waitFor();
    assert.match(await announced(page), /No payment has reached us yet/);
    await page.clock.resume();
    await heading(page, "Your payment is being confirmed");
    assert.equal((await bob.get(request.id)).status, "clicked");
    await accessible(page, "a late confirmation");
    await picture(page, "customer-confirmation-late");
    await page.getByRole("button", { name: "Back to the payment page" }).click();
    await page.waitForURL(/stripe\/c\/pay/);
    faultless(page);
  } finally {
    await silent.stop();
  }
});

test("a hidden page does not check, and checks at once when it is visible", async () => {
  const request = await alice.send();
  await press(request.link.url);
  const page = await open(browser);
  await page.clock.install();
  const checks = count(page, "POST", "/check");
  await page.goto(`${request.link.url}?done`);
  await until("the first check", () => checks.count === 1);
  await page.waitForLoadState("networkidle");
  await freeze(page);
  const show = (visible) =>
    page.evaluate((hidden) => {
      Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }, !visible);
  await show(false);
  await page.clock.runFor(60_000);
  assert.equal(checks.count, 1);
  await show(true);
  await until("another check", () => checks.count === 2);
});

test("a press without a connection leaves the page, and counts once the connection is back", async () => {
  const request = await alice.send();
  const page = await look(request.link.url);
  await page.context().setOffline(true);
  await page.getByText("You are offline.").waitFor();
  await page.getByRole("button").click();
  assert.equal(page.url(), request.link.url);
  assert.equal((await alice.get(request.id)).status, "sent");
  await page.context().setOffline(false);
  await page.waitForURL(/sandbox\/checkouts/);
  assert.equal((await alice.get(request.id)).status, "clicked");
});

test("pressing the button twice submits the form once", async () => {
  const request = await alice.send();
  const page = await look(request.link.url);
  const outcome = await page.evaluate(() => {
    const submits = [];
    addEventListener("submit", (event) => submits.push(!event.defaultPrevented));
    const button = document.querySelector("button");
    button.click();
    button.click();
    return { submits, disabled: button.ariaDisabled };
  });
  assert.deepEqual(outcome, { submits: [true, false], disabled: "true" });
  await page.waitForURL(/sandbox\/checkouts/);
});

test("a preview bot's GET and HEAD change nothing", async () => {
  const request = await alice.send();
  for (const method of ["GET", "HEAD", "GET"]) {
    const response = await fetch(request.link.url, { method, headers: { "user-agent": "WhatsApp/2.23.20.0 A" } });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("set-cookie"), null);
  }
  assert.deepEqual(await alice.get(request.id), request);
});

test("times are in the reader's time zone, and the remaining time is announced at 60 and 30 seconds", async () => {
  const request = await alice.send();
  const page = await open(browser, { locale: "en-ZA", timezoneId: "Africa/Johannesburg" });
  await page.clock.install();
  await page.goto(request.link.url);
  const local = new Date(request.link.expires_at).toLocaleString("en-ZA", {
    timeStyle: "short",
    timeZone: "Africa/Johannesburg",
  });
  assert.equal(await page.locator(".until").textContent(), `until ${local}`);
  assert.equal(await announced(page), "");
  for (const [left, said] of [
    [60, "1 minute left to pay."],
    [30, "30 seconds left to pay."],
  ]) {
    const [minutes, seconds] = (await page.getByRole("timer").textContent()).split(":").map(Number);
    await page.clock.runFor((minutes * 60 + seconds - left) * 1000);
    await until(said, async () => (await announced(page)) === said);
  }
  faultless(page);
});

test("a right-to-left page is laid out from the right, with amounts and times still left to right", async () => {
  const request = await alice.send({ description: "2 x tickets (row F)" });
  const page = await look(request.link.url, { locale: "ar", viewport: { width: 390, height: 844 } });
  const [label, value] = await Promise.all(["dt", "dd"].map((name) => page.locator(name).first().boundingBox()));
  assert.ok(label.x > value.x, "labels are on the right");
  const order = await page.locator("bdi", { hasText: "R250.00" }).evaluate((element) => {
    const range = document.createRange();
    const [first, last] = [0, element.textContent.length - 1].map((index) => {
      range.setStart(element.firstChild, index);
      range.setEnd(element.firstChild, index + 1);
      return range.getBoundingClientRect().x;
    });
    return first < last;
  });
  assert.ok(order, "the amount reads from the left");
  assert.match(await page.getByRole("timer").textContent(), /^\d:\d\d$/);
  faultless(page);
});

test("hostile texts are shown as text and cannot inject markup", async () => {
  const request = await alice.send({
    order_number: "<script>alert(1)</script>",
    description: `</dd></main>\u202e<img src=x onerror=alert(1)>${"🎟x".repeat(70)}`,
    customer: { phone: "+27831234567", name: "x".repeat(200) },
  });
  for (const locale of ["en", "ar"]) {
    const page = await look(request.link.url, { locale, viewport: { width: 320, height: 700 } });
    await page.getByText("<script>alert(1)</script>").waitFor();
    assert.equal(await page.locator("main img, main script").count(), 0);
    await fits(page, "hostile texts");
    faultless(page);
  }
});

test("only a workspace's own pages may load its logo, only from its origin, and a page works without it", async () => {
  const acme = await system.person();
  const [branded, plain] = [await acme.send(), await alice.send()];
  const visit = async (link, logo) => {
    const page = await open(browser);
    page.loaded = [];
    await page.route(/logo\.example|elsewhere\.example/, (route) => {
      page.loaded.push(new URL(route.request().url()).host);
      return logo ? route.fulfill({ contentType: "image/svg+xml", body: LOGO }) : route.abort();
    });
    await page.goto(link);
    return page;
  };
  const page = await visit(branded.link.url, true);
  const image = page.getByRole("img", { name: "Acme Tickets" });
  assert.equal(await image.evaluate((element) => element.naturalWidth > 0), true);
  assert.equal(
    await page.getByRole("link", { name: "help@acme.example" }).getAttribute("href"),
    "mailto:help@acme.example",
  );
  faultless(page);
  await accessible(page, "a branded page");
  await picture(page, "customer-branded");

  const broken = await visit(branded.link.url, false);
  await broken.getByRole("img", { name: "Acme Tickets" }).waitFor();
  await broken.getByRole("button", { name: "Continue to payment" }).click();
  await broken.waitForURL(/sandbox\/checkouts/);

  for (const [link, source, allowed] of [
    [branded.link.url, "https://elsewhere.example/x.svg", false],
    [plain.link.url, "https://logo.example/acme.svg", false],
    [branded.link.url, "https://logo.example/other.svg", true],
  ]) {
    const added = await visit(link, true);
    const loaded = await added.evaluate(
      (address) =>
        new Promise((resolve) => {
          const element = document.body.appendChild(new Image());
          element.onload = () => resolve(true);
          element.onerror = () => resolve(false);
          element.src = address;
        }),
      source,
    );
    assert.equal(loaded, allowed, `${source} on ${link}`);
  }
});

test("a page with all its files is under 15 KB over the wire", async () => {
  const request = await alice.send();
  for (const locale of ["en", "ar"]) {
    const page = await open(browser, { locale });
    const bytes = await wire(page);
    await page.goto(request.link.url, { waitUntil: "networkidle" });
    const total = bytes();
    console.log(`customer page, ${locale}: ${total} bytes over the wire`);
    assert.ok(total > 2_000 && total < 15_000, `${total} bytes`);
  }
});

test("every state is accessible in every language and fits every width", async (context) => {
  const [live, clicked, declined, processing, failed, settled, canceled, refunded] = await Promise.all(
    Array.from({ length: 8 }, () => alice.send()),
  );
  // A link is removed one minute after both time limits. So only one of them is short: this test can take minutes.
  const hurried = await Promise.all([
    System.start({ LINK_TTL_SECONDS: "3" }),
    System.start({ CHECKOUT_TTL_SECONDS: "3" }),
  ]);
  context.after(() => Promise.all(hurried.map((on) => on.stop())));
  const [bob, carol] = await Promise.all(hurried.map((on) => on.person()));
  const [unclicked, unpaid] = [await bob.send(), await carol.send()];
  await Promise.all([press(clicked.link.url), press(unpaid.link.url)]);
  await pay(await press(declined.link.url), "declined");
  await pay(await press(processing.link.url), "processing");
  const transfer = await press(failed.link.url);
  await pay(transfer, "processing");
  await settle(transfer, "failed");
  await pay(await press(settled.link.url));
  await Promise.all([alice.cancel(canceled.id), alice.cancel(refunded.id)]);
  await report(refunded, "checkout.paid", { payment_id: "pay_late", paid_at: new Date().toISOString() });
  await Promise.all([
    until("the failed attempt", async () => (await alice.get(declined.id)).history.length === 3),
    status(alice, processing, "processing"),
    status(alice, failed, "expired"),
    status(alice, settled, "paid"),
    status(alice, refunded, "refunded"),
    status(bob, unclicked, "expired"),
    status(carol, unpaid, "expired"),
  ]);
  const states = {
    sent: live.link.url,
    not_yet_paid: `${clicked.link.url}?back`,
    confirming: `${clicked.link.url}?done`,
    declined: `${declined.link.url}?done`,
    processing: processing.link.url,
    payment_failed: failed.link.url,
    paid: settled.link.url,
    canceled: canceled.link.url,
    not_clicked: unclicked.link.url,
    not_paid: unpaid.link.url,
    refunded: refunded.link.url,
    unknown: `${system.base}/p/unknown`,
  };
  for (const locale of ["en", "fr", "ar"]) {
    const page = await open(browser, { locale });
    for (const [state, link] of Object.entries(states)) {
      await page.goto(link);
      const version = await page.locator("main").getAttribute("data-version");
      assert.equal(version?.split("-")[0], state === "unknown" ? undefined : state);
      await page.setViewportSize({ width: 320, height: 640 });
      await fits(page, `${state} in ${locale} at 320`);
      await page.setViewportSize({ width: 1280, height: 860 });
      await accessible(page, `${state} in ${locale}`);
      await picture(page, `customer-${state}-${locale}`);
    }
    faultless(page);
  }
});

test("the pages shown while the provider is unreachable are accessible", async () => {
  // Nothing listens there (the discard port, RFC 863).
  const away = await System.start({
    PAYMENT_PROVIDER: "stripe",
    STRIPE_API_URL: "http://127.0.0.1:9",
    STRIPE_SECRET_KEY: "sk_test_of_these_tests",
    STRIPE_WEBHOOK_SECRET: STRIPE_SECRET,
    STRIPE_LIVEMODE: "false",
    CHECKOUT_TTL_SECONDS: "10",
  });
  try {
    const bob = await away.person();
    const [clicked, late] = [await bob.send(), await bob.send()];
    const page = await open(browser);
    // The page's polls fail, so that it stays in this state.
    await page.route(clicked.link.url, (route) =>
      route.request().resourceType() === "fetch" ? route.abort() : route.continue(),
    );
    await page.goto(clicked.link.url);
    await page.getByRole("button", { name: "Continue to payment" }).click();
    await heading(page, "The payment page does not answer");
    await page.getByRole("button", { name: "Try again" }).waitFor();
    await accessible(page, "a provider that does not answer");
    await picture(page, "customer-provider-unreachable");

    const left = new Date((await bob.get(clicked.id)).link.expires_at) - Date.now();
    await new Promise((resolve) => setTimeout(resolve, left));
    assert.equal((await fetch(clicked.link.url)).status, 200);
    await page.goto(clicked.link.url);
    await heading(page, "The time to pay is over");
    assert.equal(await page.getByRole("button").count(), 0);
    await accessible(page, "a passed deadline before the provider has said what happened");
    await picture(page, "customer-overdue");

    await bob.cancel(late.id);
    await stripeReportsPayment(late, away);
    await status(bob, late, "refund_due");
    await page.goto(late.link.url);
    await heading(page, "Your payment came too late");
    await accessible(page, "a refund that is due");
    await picture(page, "customer-refund-due");
    faultless(page);
  } finally {
    await away.stop();
  }
});

/** Presses until a press has called the provider, which rejects it. */
async function spendTheCall(link) {
  for (;;) {
    const { status } = await fetch(link, { method: "POST", redirect: "manual" });
    if (status !== 503) return assert.equal(status, 502);
  }
}

test("a click that the provider rejects, or that came a moment after another, says what is true", async () => {
  // A provider that answers as it is told to.
  let answer = { status: 401, body: {} };
  const provider = createServer((_, response) => {
    response.writeHead(answer.status, { "content-type": "application/json" });
    response.end(JSON.stringify(answer.body));
  });
  await new Promise((resolve) => provider.listen(0, "127.0.0.1", resolve));
  const other = await System.start({
    PAYMENT_PROVIDER: "stripe",
    STRIPE_API_URL: `http://127.0.0.1:${provider.address().port}`,
    STRIPE_SECRET_KEY: "sk_test_of_these_tests",
    STRIPE_WEBHOOK_SECRET: STRIPE_SECRET,
    STRIPE_LIVEMODE: "false",
  });
  try {
    const bob = await other.person();
    const request = await bob.send();
    for (const locale of ["en", "fr", "ar"]) {
      const page = await look(request.link.url, { locale });
      await page.getByRole("button").click();
      await page.locator(".bad").waitFor();
      if (locale === "en") await heading(page, "This payment cannot be made right now");
      assert.equal(await page.getByRole("button").count(), 0);
      await accessible(page, `a refusal in ${locale}`);
      if (locale === "en") await picture(page, "customer-refused");
      faultless(page);
      // Somebody else spends the request's call to the provider in the moment before this press arrives, however slow
      // the browser is.
      const busy = await look(request.link.url, { locale });
      const presses = count(busy, "POST", "");
      await busy.route(request.link.url, async (route) => {
        if (route.request().method() === "POST") await spendTheCall(request.link.url);
        await route.continue();
      });
      await busy.getByRole("button").click();
      await busy.locator("[data-version^=busy]").waitFor();
      if (locale === "en") await heading(busy, "Your payment page is being prepared");
      assert.equal(await busy.getByRole("button").count(), 0);
      if (locale === "en") await picture(busy, "customer-busy");
      await busy.locator(".live").waitFor();
      assert.equal(await busy.getByRole("button").count(), 1);
      assert.equal(presses.count, 1, "nobody pressed again");
      faultless(busy);
    }
    answer = { status: 503, body: {} };
    const unread = await bob.send();
    const page = await look(unread.link.url);
    await page.getByRole("button").click();
    await heading(page, "The payment page does not answer");
    await page.getByRole("button", { name: "Try again" }).waitFor();
  } finally {
    await other.stop();
    provider.close();
  }
});

test("text with WCAG's spacing fits, and the button stays recognizable in forced colours", async () => {
  const request = await alice.send();
  const page = await look(request.link.url, { viewport: { width: 320, height: 640 }, bypassCSP: true });
  // https://www.w3.org/TR/WCAG22/#text-spacing
  await page.addStyleTag({
    content:
      "*{line-height:1.5!important;letter-spacing:.12em!important;word-spacing:.16em!important}" +
      "p{margin-block-end:2em!important}",
  });
  await fits(page, "spaced text");
  const button = page.getByRole("button");
  assert.ok(await button.evaluate((element) => element.scrollWidth <= element.clientWidth));
  await page.emulateMedia({ forcedColors: "active" });
  assert.notEqual(await button.evaluate((element) => getComputedStyle(element).borderTopStyle), "none");
  await page.emulateMedia({ forcedColors: null, media: "print" });
  assert.equal(await button.isVisible(), false, "a button is not printed");
});
