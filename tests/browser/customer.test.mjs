import assert from "node:assert/strict";
import { createHmac, randomUUID } from "node:crypto";
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

test("a customer can pay by keyboard alone, and the confirmation appears without a reload", async () => {
  const request = await alice.send();
  const page = await look(request.link.url);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Continue to payment");
  await page.keyboard.press("Enter");
  await page.waitForURL(/sandbox\/checkouts/);
  const checkout = page.url();
  // The customer returns before the provider confirms the payment.
  await page.getByRole("link", { name: "Back to your order" }).click();
  await heading(page, "Waiting for confirmation");
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
  await page.getByRole("link", { name: "Back to your order" }).click();
  await heading(page, "Waiting for confirmation");
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
  await page.getByRole("link", { name: "Back to your order" }).click();
  await heading(page, "Waiting for confirmation");
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
  await heading(unpaidPage, "Your payment page is open");
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

test("after a press, a second tab waits for the confirmation and another browser shows the payment page", async () => {
  const request = await alice.send();
  const one = await look(request.link.url);
  const other = await tab(one.context());
  await other.goto(request.link.url);
  const elsewhere = await look(request.link.url);
  await one.getByRole("button").click();
  await one.waitForURL(/sandbox\/checkouts/);
  await other.bringToFront();
  await heading(other, "Waiting for confirmation");
  await heading(elsewhere, "Your payment page is open");
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

test("after going back from the checkout, the page polls and its button works", async () => {
  const request = await alice.send();
  const page = await look(request.link.url);
  await page.getByRole("button").click();
  await page.waitForURL(/sandbox\/checkouts/);
  await page.goBack();
  await heading(page, "Waiting for confirmation");
  await page.getByRole("button", { name: "Back to the payment page" }).click();
  await page.waitForURL(/sandbox\/checkouts/);
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
    opened: clicked.link.url,
    returned: clicked.link.url,
    declined: declined.link.url,
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
      const { hostname: domain, pathname: path } = new URL(link);
      if (state === "returned")
        await page.context().addCookies([{ name: "to_checkout", value: String(Date.now()), domain, path }]);
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

    await until("the deadline", async () => (await fetch(clicked.link.url)).status === 410);
    await page.goto(clicked.link.url);
    await heading(page, "The time to pay has run out");
    await page.getByText("the confirmation is on its way").waitFor();
    await accessible(page, "a passed deadline before the provider has reported the outcome");
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
