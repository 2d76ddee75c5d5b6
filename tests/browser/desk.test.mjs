// The agent's page, and the element on it.

import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import {
  accessible,
  faultless,
  fits,
  launch,
  live,
  open,
  pay,
  picture,
  press,
  System,
  settle,
  tab,
  until,
  wire,
  withoutLive,
} from "./harness.mjs";

const SECRET = randomBytes(24);
const BUDGET = 60_000;
const TABLES = 28_000;

let system;
/** A system whose links expire after 3 seconds and payment pages after 4. */
let hasty;
let browser;
before(async () => {
  const secret = { SANDBOX_WEBHOOK_SECRET: `whsec_${SECRET.toString("base64")}` };
  [system, hasty, browser] = await Promise.all([
    System.start(secret),
    System.start({ ...secret, LINK_TTL_SECONDS: "3", CHECKOUT_TTL_SECONDS: "4" }),
    launch(),
  ]);
});
after(async () => {
  await browser?.close();
  await Promise.all([system?.stop(), hasty?.stop()]);
});

/** Opens the desk, signed in as Alice, in a new conversation. With `polls`, it gets no live updates. */
async function desk({ on = system, polls = false } = {}) {
  const page = await open(browser);
  if (polls) await withoutLive(page);
  else page.live = await live(page);
  // Time runs normally, unless a test advances it.
  await page.clock.install();
  await page.goto(`${on.base}/desk`);
  await page.getByRole("button", { name: "Alice" }).click();
  await page.getByText("No payment requests in this conversation yet.").waitFor();
  return page;
}

async function fill(page, fields = {}) {
  const all = { "Order number": "10045", Amount: "250", Description: "2 x tickets", ...fields };
  for (const [label, value] of Object.entries(all)) await form(page).getByLabel(label).fill(value);
}

/** Opens the form and fills it in. */
async function write(page, fields) {
  await page.getByRole("button", { name: "Chat 2 Pay" }).click();
  await fill(page, fields);
}

const form = (page) => page.getByRole("form", { name: "Request a payment" });
const sendButton = (page) => page.getByRole("button", { name: "Send", exact: true });
const cards = (page) => page.locator("article");
const card = (page, status) => page.locator(`article[data-status="${status}"]`);
const message = (page, text) => page.getByRole("region", { name: "Status messages" }).getByText(text);
const alert = (page) => form(page).getByRole("alert");

/** Sends a request from the form, and returns the request as the API has it. */
async function send(page, on = system, fields = {}) {
  await write(page, fields);
  await sendButton(page).click();
  await card(page, "sent").last().waitFor();
  return (await requests(page, on)).at(-1);
}

/** Returns the API's requests of the conversation that a page shows, oldest first. */
async function requests(page, on = system) {
  const conversation = await page.locator("chat2pay-desk").getAttribute("conversation-id");
  const sam = await on.person({ sub: "sam", name: "Sam", role: "supervisor" });
  const response = await sam.call("GET", `/payment-requests?limit=100&conversation_id=${conversation}`);
  return (await response.json()).items.reverse();
}

/** Matches the address of a single request, without its commands. */
const ONE = /\/payment-requests\/[0-9a-f-]{36}$/;
const SENDING = (url) => url.pathname === "/payment-requests";

/** Shows a page this state of a request and nothing that happens to it, as if the network were slow. */
async function freeze(page, request) {
  page.live.frozen = true;
  await page.live.tell(request);
  await page.route(ONE, (route) => route.fulfill({ json: request }));
}

/** Lets everything through again. The page connects again, and reads what it missed. */
async function thaw(page) {
  page.live.frozen = false;
  await page.unroute(ONE);
  await page.live.sockets.at(-1).close();
}

/** Returns the request as it is after the channel has reported that its link did not arrive. */
function undelivered(request, reason) {
  const entry = {
    version: 2,
    status: "sent",
    at: new Date().toISOString(),
    actor: { type: "system", id: null },
    reason,
  };
  return { ...request, version: 2, updated_at: entry.at, history: [...request.history, entry] };
}

/** Sends the provider's signed webhook about a payment. */
async function reportPayment(on, request, paidAt) {
  const data = {
    checkout_id: "chk_by_hand",
    payment_request_id: request.id,
    payment_id: "pay_by_hand",
    paid_at: paidAt,
  };
  const { amount, currency } = request;
  const body = JSON.stringify({
    type: "checkout.paid",
    timestamp: new Date().toISOString(),
    data: { ...data, amount, currency },
  });
  const [id, seconds] = [`msg_${request.id}`, Math.floor(Date.now() / 1000)];
  const signature = createHmac("sha256", SECRET).update(`${id}.${seconds}.${body}`).digest("base64");
  const headers = { "webhook-id": id, "webhook-timestamp": String(seconds), "webhook-signature": `v1,${signature}` };
  const response = await fetch(`${on.base}/webhooks/sandbox`, { method: "POST", headers, body });
  assert.equal(response.status, 200);
}

/** Records the page's calls of the API from now on. */
function apiCalls(page) {
  const calls = [];
  page.on("request", (request) => {
    if (new URL(request.url()).pathname.startsWith("/payment-requests"))
      calls.push(`${request.method()} ${request.url()}`);
  });
  return calls;
}

/** Simulates that a page becomes hidden or visible. */
async function hide(page, hidden) {
  await page.evaluate((value) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => value });
    Object.defineProperty(document, "visibilityState", {
      configurable: true,
      get: () => (value ? "hidden" : "visible"),
    });
    document.dispatchEvent(new Event("visibilitychange"));
  }, hidden);
}

test("an agent follows a request from sending to payment, while the customer acts in another window", async () => {
  const agent = await desk();
  await accessible(agent, "an empty conversation");
  await picture(agent, "desk-empty");
  await write(agent);
  await form(agent).getByText("Reads as R250.00.").waitFor();
  assert.equal(await form(agent).getByLabel("Customer’s phone").inputValue(), "+27831234567");
  await accessible(agent, "the form");
  await picture(agent, "desk-form");
  await sendButton(agent).click();
  await message(agent, "Sent to Thandi: R250.00 for order 10045.").waitFor();
  await card(agent, "sent")
    .getByText(/Link expires in\s+[45]:\d\d/)
    .waitFor();
  await accessible(agent, "a request that is sent");
  await picture(agent, "desk-sent");

  const customer = await open(browser);
  const [request] = await requests(agent);
  await customer.goto(request.link.url);
  await customer.getByRole("button", { name: "Continue to payment" }).click();
  await message(agent, "Thandi clicked the link for order 10045 and can pay now.").waitFor();
  await card(agent, "clicked")
    .getByText(/Customer has\s+1[45]:\d\d\s+to pay/)
    .waitFor();
  assert.equal(await agent.getByRole("button", { name: "Cancel Payment" }).count(), 0);
  await accessible(agent, "a request that is clicked");
  await picture(agent, "desk-clicked");

  const checkout = customer.url();
  await customer.getByRole("button", { name: "Decline" }).click();
  await message(agent, "An attempt to pay order 10045 failed: card declined.").waitFor();
  await card(agent, "clicked").getByText("An attempt to pay failed at").waitFor();
  await card(agent, "clicked").getByText("History").click();
  await accessible(agent, "an attempt that failed");
  await picture(agent, "desk-attempt-failed");

  await customer.goto(checkout);
  await customer.getByRole("button", { name: /^Pay R/ }).click();
  await message(agent, "Thandi has paid R250.00 for order 10045.").waitFor();
  const [paid] = await requests(agent);
  await card(agent, "paid").getByText(paid.payment.reference).waitFor();
  const confirmation = agent.getByRole("list", { name: "Payment confirmations" });
  assert.match(await confirmation.innerText(), /Thandi paid R250\.00 for order 10045 at \d\d:\d\d\. Reference pay_/);
  assert.equal(await agent.getByRole("button", { name: "Send again" }).count(), 0);
  await accessible(agent, "a request that is paid");
  await picture(agent, "desk-paid");
  faultless(agent);
});

test("canceling and sending again take one click each, and a double click sends one request", async () => {
  const page = await desk();
  const first = await send(page);
  await page.getByRole("button", { name: "Cancel Payment" }).click();
  await message(page, "The payment for order 10045 is canceled.").waitFor();
  await card(page, "canceled").getByText("Canceled by Alice at").waitFor();
  await accessible(page, "a request that is canceled");
  await picture(page, "desk-canceled");
  await page.getByRole("button", { name: "Send again" }).dblclick();
  await message(page, "Sent again to Thandi: R250.00 for order 10045.").waitFor();
  await card(page, "sent").waitFor();
  const [before, again, ...more] = await requests(page);
  assert.deepEqual(more, []);
  assert.equal(before.id, first.id);
  for (const field of ["order_number", "amount", "currency", "description", "conversation_id"])
    assert.deepEqual(again[field], first[field]);
  assert.deepEqual(again.customer, first.customer);
  assert.equal(
    await page.getByRole("button", { name: "Send again" }).count(),
    0,
    "the new request replaces the old one",
  );
  faultless(page);
});

for (const [code, detail, meanwhile] of [
  [
    "already_clicked",
    "The customer has already clicked the link, so this request can no longer be canceled.",
    (request) => press(request.link.url),
  ],
  [
    "already_canceled",
    "This request is already canceled.",
    async (request) => (await system.person()).cancel(request.id),
  ],
  [
    "already_paid",
    "The customer has already paid.",
    async (request) => {
      await pay(await press(request.link.url));
      const alice = await system.person();
      await until("the payment", async () => (await alice.get(request.id)).status === "paid");
    },
  ],
]) {
  test(`a cancellation that comes too late shows why: ${code}`, async () => {
    const page = await desk();
    const request = await send(page);
    await freeze(page, request);
    await meanwhile(request);
    await page.getByRole("button", { name: "Cancel Payment" }).click();
    await message(page, detail).waitFor();
    await picture(page, `desk-refused-${code}`);
    await thaw(page);
    await card(page, "sent").waitFor({ state: "detached" });
    faultless(page);
  });
}

test("a cancellation that comes too late shows why: link_expired", async () => {
  const page = await desk({ on: hasty });
  const request = await send(page, hasty);
  await freeze(page, request);
  const alice = await hasty.person();
  await until("the expiry", async () => (await alice.get(request.id)).status === "expired");
  await page.getByRole("button", { name: "Cancel Payment" }).click();
  await message(page, "The link has expired, so there is nothing left to cancel.").waitFor();
  await picture(page, "desk-refused-link_expired");
  await thaw(page);
  await card(page, "expired").waitFor();
  faultless(page);
});

test("the card of a link that nobody clicked shows that it expired, and why", async () => {
  const page = await desk({ on: hasty });
  await send(page, hasty);
  await message(page, "The link for order 10045 has expired. Nobody clicked it.").waitFor();
  await card(page, "expired").getByText("Nobody clicked the link in time.").waitFor();
  await accessible(page, "a link that expired");
  await picture(page, "desk-expired-unclicked");
  await page.getByRole("button", { name: "Send again" }).click();
  await card(page, "sent").waitFor();
  faultless(page);
});

test("the card shows a payment that comes too late, and its refund", async () => {
  const page = await desk({ on: hasty });
  const request = await send(page, hasty);
  await press(request.link.url);
  await message(page, "The time to pay order 10045 is over. It was not paid.").waitFor();
  await card(page, "expired").getByText("The customer clicked, but did not pay in time.").waitFor();
  await picture(page, "desk-expired-unpaid");
  // The sandbox refunds quickly. The page gets frozen answers, so that it shows the state before the refund.
  const alice = await hasty.person();
  await freeze(page, await alice.get(request.id));
  await reportPayment(hasty, request, new Date().toISOString());
  const refunded = await until("the refund", async () => {
    const now = await alice.get(request.id);
    return now.status === "refunded" && now;
  });
  // The second route is added on top of the first. Without any route in between, the page would receive the refund.
  await freeze(page, {
    ...refunded,
    status: "refund_due",
    version: refunded.version - 1,
    history: refunded.history.slice(0, -1),
  });
  await message(page, "Money for order 10045 came too late. It goes back to Thandi.").waitFor();
  await card(page, "refund_due").getByText("Reference pay_by_hand").waitFor();
  await accessible(page, "a refund that is due");
  await picture(page, "desk-refund-due");
  await thaw(page);
  await message(page, "The money that came too late for order 10045 went back.").waitFor();
  await card(page, "refunded").getByText("History").click();
  await card(page, "refunded").getByText("Money came after the expiry").waitFor();
  await accessible(page, "a request that is refunded");
  await picture(page, "desk-refunded");
  faultless(page);
});

test("the card says when an expired request may still be paid on a page that is open", async () => {
  const page = await desk({ on: hasty });
  const request = await send(page, hasty);
  const alice = await hasty.person();
  await freeze(page, await alice.get(request.id));
  await press(request.link.url);
  const expired = await until("the expiry", async () => {
    const now = await alice.get(request.id);
    return now.status === "expired" && now;
  });
  await page.unroute(ONE);
  await freeze(page, { ...expired, payment_page_may_be_open: true });
  const open = "The customer may still pay on a page that is already open; such a payment is refunded.";
  await card(page, "expired").getByText(open).waitFor();
  await accessible(page, "an expired request that may still be paid");
  await picture(page, "desk-expired-open-page");
  faultless(page);
});

test("the card shows a payment that takes time, and then whether it succeeded or failed", async () => {
  for (const [outcome, status, text, standing] of [
    ["succeeded", "paid", "Thandi has paid R250.00 for order 10045.", "Reference"],
    [
      "failed",
      "expired",
      "The payment for order 10045 failed after all. The money did not come.",
      "The customer paid, but the money did not come.",
    ],
  ]) {
    const page = await desk();
    const checkout = await press((await send(page)).link.url);
    await pay(checkout, "processing");
    await message(page, "Thandi has paid order 10045. The money is on its way.").waitFor();
    await card(page, "processing").getByText("The provider is waiting for the money").waitFor();
    await card(page, "processing").getByText("History").click();
    assert.equal(await page.getByRole("button", { name: /Cancel Payment|Send again/ }).count(), 0);
    await accessible(page, "a payment that takes time");
    await picture(page, "desk-processing");
    await settle(checkout, outcome);
    await message(page, text).waitFor();
    await card(page, status).getByText(standing).first().waitFor();
    assert.equal(await page.getByRole("button", { name: "Send again" }).count(), status === "paid" ? 0 : 1);
    await accessible(page, `a payment that took time and ${outcome}`);
    await picture(page, `desk-processing-${outcome}`);
    faultless(page);
  }
});

test("the card shows an undelivered link, and sending again cancels the old request first", async () => {
  const page = await desk();
  const request = await send(page);
  await freeze(page, undelivered(request, "invalid_recipient"));
  await message(
    page,
    "The link for order 10045 was not delivered. The phone number cannot receive messages.",
  ).waitFor();
  await card(page, "sent").getByText("You can copy it, or send it again.").waitFor();
  await card(page, "sent").getByText("History").click();
  await accessible(page, "a link that was not delivered");
  await picture(page, "desk-undelivered");
  await thaw(page);
  await page.getByRole("button", { name: "Send again" }).click();
  await message(page, "Sent again to Thandi: R250.00 for order 10045.").waitFor();
  assert.deepEqual(
    (await requests(page)).map(({ status }) => status),
    ["canceled", "sent"],
    "the customer could pay two valid links",
  );
  faultless(page);
});

test("an undelivered link that was clicked anyway is not sent again", async () => {
  const page = await desk();
  const request = await send(page);
  await freeze(page, undelivered(request, "channel_unavailable"));
  await card(page, "sent").locator(".failure").getByText("The channel does not answer.").waitFor();
  await press(request.link.url);
  await page.getByRole("button", { name: "Send again" }).click();
  await message(
    page,
    "The customer has already clicked the link, so this request can no longer be canceled.",
  ).waitFor();
  assert.deepEqual(
    (await requests(page)).map(({ status }) => status),
    ["clicked"],
  );
  faultless(page);
});

test("an unconfirmed delivery is shown as uncertain, not as failed", async () => {
  const page = await desk();
  const request = await send(page);
  const doubtful = undelivered(request, "delivery_unconfirmed");
  await freeze(page, doubtful);
  await message(
    page,
    "It is not certain that the link for order 10045 arrived. The channel’s answer was lost.",
  ).waitFor();
  await card(page, "sent").getByText("It is not certain that the link arrived.").first().waitFor();
  assert.equal(await page.getByText("not delivered").count(), 0);
  await accessible(page, "a link that may have arrived");
  await picture(page, "desk-unconfirmed");
  // After the link expired without a click, the card still shows that the delivery is uncertain.
  await page.unroute(ONE);
  await freeze(page, { ...doubtful, status: "expired", link: null });
  const failure = card(page, "expired").locator(".failure");
  await failure.getByText("It is not certain that the link arrived.").waitFor();
  assert.equal(await failure.getByText("You can copy it").count(), 0, "there is nothing left to copy");
  await picture(page, "desk-unconfirmed-expired");
  faultless(page);
});

test("sending again also works if the old request is already canceled, as after a lost answer", async () => {
  const page = await desk();
  const request = await send(page);
  await freeze(page, undelivered(request, "not_on_channel"));
  await card(page, "sent").locator(".failure").waitFor();
  const sam = await system.person({ sub: "sam", name: "Sam", role: "supervisor" });
  assert.equal((await sam.call("POST", `/payment-requests/${request.id}/cancel`)).status, 200);
  await page.getByRole("button", { name: "Send again" }).click();
  await message(page, "Sent again to Thandi: R250.00 for order 10045.").waitFor();
  await thaw(page);
  await card(page, "canceled").waitFor();
  assert.deepEqual(
    (await requests(page)).map(({ status }) => status),
    ["canceled", "sent"],
  );
  faultless(page);
});

test("each invalid field shows its message, and the first one gets the focus", async () => {
  const page = await desk();
  await page.getByRole("button", { name: "Chat 2 Pay" }).click();
  const phone = form(page).getByLabel("Customer’s phone");
  await phone.fill("083 123 45678");
  await form(page).getByLabel("Amount").fill("250.5555");
  await form(page).getByLabel("Description").fill("🎟".repeat(201));
  await sendButton(page).click();
  for (const [label, text] of [
    [
      "Customer’s phone",
      "This is no phone number in South Africa. Enter the number with its country code, such as +27831234567.",
    ],
    ["Order number", "Enter the order number."],
    ["Amount", "ZAR has 2 decimals: enter no more than that."],
    ["Description", "Use at most 200 characters. These are 201."],
  ]) {
    const control = form(page).getByLabel(label);
    assert.equal(await control.getAttribute("aria-invalid"), "true", label);
    const described = await control.evaluate((element) =>
      element.ariaDescribedByElements.map((one) => one.textContent).join(" "),
    );
    assert.ok(described.includes(text), `${label}: ${described}`);
  }
  assert.ok(await phone.evaluate((element) => element.getRootNode().activeElement === element));
  await accessible(page, "a form with errors");
  await picture(page, "desk-form-errors");
  await phone.fill("+27 83 123 4567");
  assert.equal(await phone.getAttribute("aria-invalid"), null, "the message disappears as soon as the value is valid");
  assert.deepEqual(await requests(page), []);

  await phone.fill("+999123456789");
  await form(page).getByText("This is no phone number. Enter the number with its country code").waitFor();

  // What only the API knows: a text that would show as another.
  await phone.fill("+27 83 123 4567");
  await fill(page, { "Order number": "10\u202e045", Description: "" });
  await sendButton(page).click();
  await form(page)
    .getByText("Order number must be 1 to 64 printable characters, and contains an invisible one.")
    .waitFor();
  await alert(page).getByText("One field needs a correction.").waitFor();
  const order = form(page).getByLabel("Order number");
  assert.ok(await order.evaluate((element) => element.getRootNode().activeElement === element));
  faultless(page);
});

/** Changes what the host says of the conversation. */
async function host(page, attributes) {
  await page.locator("chat2pay-desk").evaluate((element, changed) => {
    for (const [name, value] of Object.entries(changed)) element.setAttribute(name, value);
  }, attributes);
}

test("a phone number is sent as it is shown, however it is typed", async () => {
  const page = await desk();
  const ways = ["+27 (0)83 123 4567", "083 123 4567", "27831234567", "٠٨٣ ١٢٣ ٤٥٦٧", "tel:+27-83-123-4567"];
  for (const [index, typed] of ways.entries()) {
    await write(page, { "Customer’s phone": typed });
    await form(page).getByText("The link goes to +27831234567, South Africa.").waitFor();
    if (typed.startsWith("083")) await picture(page, "desk-phone-read");
    await sendButton(page).click();
    await until(`the card of ${typed}`, async () => (await cards(page).count()) === index + 1);
  }
  const phones = (await requests(page)).map(({ customer }) => customer.phone);
  assert.deepEqual(
    phones,
    ways.map(() => "+27831234567"),
  );
  faultless(page);
});

test("a number without its country is read in the host's, and in none if the host names none", async () => {
  const page = await desk();
  await write(page, { "Customer’s phone": "07911 123456" });
  await form(page).getByText("With the country code, such as +27831234567.").waitFor();
  await host(page, { country: "gb" });
  await form(page)
    .getByText("The link goes to +447911123456, United Kingdom or another country with this code.")
    .waitFor();
  await host(page, { country: "nowhere" });
  await form(page).getByText("With the country code, such as +27831234567.").waitFor();
  await sendButton(page).click();
  await form(page)
    .getByText("Enter the number with its country code, such as +27831234567.", { exact: true })
    .waitFor();
  assert.deepEqual(await requests(page), []);
  faultless(page);
});

test("an agent chooses between the two numbers that a text can mean", async () => {
  const page = await desk();
  await host(page, { country: "US" });
  await write(page, { "Customer’s phone": "6582234567" });
  await form(page).getByText("This can be one of these numbers:").waitFor();
  await sendButton(page).click();
  await form(page).getByText("Choose which number this is, or enter it with a + and its country code.").waitFor();
  await accessible(page, "a number that can be two");
  await picture(page, "desk-phone-choice");
  assert.deepEqual(await requests(page), []);
  await form(page).getByRole("button", { name: "+6582234567, Singapore" }).click();
  assert.equal(await form(page).getByLabel("Customer’s phone").inputValue(), "+6582234567");
  await form(page).getByText("The link goes to +6582234567, Singapore.").waitFor();
  await sendButton(page).click();
  await card(page, "sent").waitFor();
  assert.equal((await requests(page))[0].customer.phone, "+6582234567");
  faultless(page);
});

test("without the tables of numbers a number with a plus is sent all the same, and the API judges it", async () => {
  const page = await desk();
  const lose = (route) => route.abort();
  await page.route("**/agent/phones.js", lose);
  await write(page, { "Customer’s phone": "083 123 4567" });
  await sendButton(page).click();
  await form(page).getByText("Enter the number with its country code, such as +27831234567.").waitFor();
  await form(page).getByLabel("Customer’s phone").fill("+999 123 456 789");
  await sendButton(page).click();
  await form(page)
    .getByText("Customer’s phone must be a valid phone number in international form, such as +27831234567.")
    .waitFor();
  await form(page).getByLabel("Customer’s phone").fill("+27 83 123 4567");
  await sendButton(page).click();
  await card(page, "sent").waitFor();
  assert.equal((await requests(page))[0].customer.phone, "+27831234567");
  // They are asked for again with the next form.
  await page.unroute("**/agent/phones.js", lose);
  await write(page, { "Order number": "10046", "Customer’s phone": "083 123 4567" });
  await form(page).getByText("The link goes to +27831234567, South Africa.").waitFor();
  faultless(page);
});

test("an amount is read as people write it, and what it is not is said", async () => {
  const page = await desk();
  await write(page);
  const amount = form(page).getByLabel("Amount");
  for (const [typed, shown] of [
    ["R1’250.50", "Reads as R1,250.50."],
    ["1.250,50 ZAR", "Reads as R1,250.50."],
    [".5", "Reads as R0.50."],
    ["1,250", "Reads as R1,250.00."],
    ["١٬٢٥٠٫٥٠", "Reads as R1,250.50."],
  ]) {
    await amount.fill(typed);
    await form(page).getByText(shown).waitFor();
  }
  await amount.fill("1.250");
  await sendButton(page).click();
  for (const [typed, said] of [
    ["1.250", "This can mean 1250 or 1.25. Enter the one that you mean, without a separator between thousands."],
    ["250.555", "If this means 250555, enter it so. ZAR has 2 decimals: enter no more than that."],
    ["$250", "The amount says “$”, but the currency is ZAR. Change one of them."],
    ["250 USD", "The amount says “USD”, but the currency is ZAR. Change one of them."],
    ["R.50", "Enter an amount such as 250.00."],
  ]) {
    await amount.fill(typed);
    await form(page).getByText(said).waitFor();
  }
  await picture(page, "desk-amount-problem");
  await amount.fill("250 USD");
  await form(page).getByLabel("Currency").selectOption("USD");
  await form(page).getByText("Reads as $250.00.").waitFor();
  await form(page).getByLabel("Currency").selectOption("");
  await amount.fill("jpy 2500");
  await form(page).getByText("Reads as ¥2,500.").waitFor();
  assert.equal(await form(page).getByLabel("Currency").inputValue(), "JPY", "taken over where none was chosen");
  await sendButton(page).click();
  await card(page, "sent").waitFor();
  const [{ amount: sent, currency }] = await requests(page);
  assert.deepEqual({ sent, currency }, { sent: 2500, currency: "JPY" });
  faultless(page);
});

test("an amount has the decimals of its currency", async () => {
  const page = await desk();
  await write(page, { Amount: "25000" });
  await form(page).getByLabel("Currency").selectOption("JPY");
  await form(page).getByText("Reads as ¥25,000.").waitFor();
  await form(page).getByLabel("Currency").selectOption("KWD");
  await form(page).getByLabel("Amount").fill("25.5");
  await sendButton(page).click();
  await card(page, "sent").waitFor();
  assert.equal((await requests(page))[0].amount, 25_500);
  faultless(page);
});

test("a double click and Enter pressed twice send one request", async () => {
  const page = await desk();
  const calls = apiCalls(page);
  await write(page);
  await sendButton(page).dblclick();
  await card(page, "sent").waitFor();
  await write(page, { "Order number": "10046" });
  await form(page).getByLabel("Order number").focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Enter");
  await until("the second card", async () => (await cards(page).count()) === 2);
  assert.equal((await requests(page)).length, 2);
  assert.equal(
    calls.filter((call) => call.startsWith("POST")).length,
    2,
    "one call for each, without relying on the key",
  );
  faultless(page);
});

test("a draft survives a reload", async () => {
  const page = await desk();
  await write(page, { Description: "Half a sen" });
  await page.reload();
  await form(page).waitFor();
  for (const [label, value] of [
    ["Order number", "10045"],
    ["Amount", "250"],
    ["Currency", "ZAR"],
    ["Description", "Half a sen"],
  ]) {
    assert.equal(await form(page).getByLabel(label).inputValue(), value);
  }
  await form(page).getByRole("button", { name: "Cancel" }).click();
  await page.reload();
  await page.getByRole("button", { name: "Chat 2 Pay" }).waitFor();
  faultless(page);
});

/** Lets requests arrive but drops every answer, until `end()` is called. */
async function loseAnswers(page) {
  const arrived = [];
  const lose = async (route) => {
    if (route.request().method() !== "POST") return route.fallback();
    await route.fetch();
    arrived.push(route.request().headers()["idempotency-key"]);
    await route.abort("connectionreset");
  };
  await page.route(SENDING, lose);
  return { arrived, end: () => page.unroute(SENDING, lose) };
}

test("sending again after a lost answer and a reload creates only one request", async () => {
  const page = await desk();
  await write(page);
  const lost = await loseAnswers(page);
  await sendButton(page).click();
  await until("the request", () => lost.arrived.length > 0);
  await page.reload();
  await alert(page)
    .getByText("The page was left while this was being sent. Press Send again; it will not be sent twice.")
    .waitFor();
  await picture(page, "desk-interrupted");
  await sendButton(page).click();
  await alert(page)
    .getByText("We could not reach chat2pay. Nothing is lost. Press Send again; it will not be sent twice.")
    .waitFor();
  await accessible(page, "an unknown outcome");
  await picture(page, "desk-unknown-outcome");
  await lost.end();
  await sendButton(page).click();
  await form(page).waitFor({ state: "detached" });
  assert.equal(new Set(lost.arrived).size, 1, "one key");
  assert.equal((await requests(page)).length, 1);
  assert.equal(await cards(page).count(), 1);
  faultless(page);
});

test("editing after a lost answer shows that the first version arrived, before another request is sent", async () => {
  const page = await desk();
  await write(page);
  const lost = await loseAnswers(page);
  await sendButton(page).click();
  await alert(page).getByText("We could not reach chat2pay.").waitFor();
  await lost.end();
  await form(page).getByLabel("Amount").fill("300");
  await sendButton(page).click();
  await alert(page).getByText("What you sent before did arrive and is in the conversation.").waitFor();
  await card(page, "sent").locator(".amount", { hasText: "R250.00" }).waitFor();
  assert.equal((await requests(page)).length, 1);
  await picture(page, "desk-arrived-before");
  await sendButton(page).click();
  await until("the second card", async () => (await cards(page).count()) === 2);
  assert.deepEqual(
    (await requests(page)).map(({ amount }) => amount),
    [25_000, 30_000],
  );
  faultless(page);
});

/** Opens a duplicated tab, which has a copy of the first one's session storage. */
async function duplicate(page, prepare = async () => {}) {
  const other = await tab(page.context());
  await prepare(other);
  await other.addInitScript(
    (entries) => {
      for (const [name, value] of Object.entries(entries)) sessionStorage.setItem(name, value);
    },
    await page.evaluate(() => ({ ...sessionStorage })),
  );
  await other.goto(page.url());
  return other;
}

test("two tabs of one conversation show the same", async () => {
  const one = await desk();
  const other = await duplicate(one);
  await other.getByText("No payment requests").waitFor();
  await send(one);
  await card(other, "sent").waitFor();
  await other.getByRole("button", { name: "Cancel Payment" }).click();
  await Promise.all([card(one, "canceled").waitFor(), card(other, "canceled").waitFor()]);
  await message(one, "The payment for order 10045 is canceled.").waitFor();
  await one.reload();
  await card(one, "canceled").waitFor();
  faultless(one);
  faultless(other);
});

test("a request that two tabs send again is sent again once", async () => {
  const one = await desk();
  await send(one);
  await one.getByRole("button", { name: "Cancel Payment" }).click();
  await card(one, "canceled").waitFor();
  const other = await duplicate(one, withoutLive);
  await card(other, "canceled").waitFor();
  // The other tab is told nothing and cannot read the list, so it does not know yet what the first tab did.
  await other.route(
    (url) => url.search !== "",
    (route) => route.abort(),
  );
  await one.getByRole("button", { name: "Send again" }).click();
  await card(one, "sent").waitFor();
  await other.getByRole("button", { name: "Send again" }).click();
  await card(other, "sent").waitFor();
  assert.equal((await requests(one)).length, 2);
  faultless(one);
  faultless(other);
});

test("without a connection the page says so, loses nothing, and reconnects automatically", async () => {
  const page = await desk();
  const request = await send(page);
  await write(page, { "Order number": "10046" });
  await page.context().setOffline(true);
  await page.getByText("No connection. Reconnecting…").waitFor();
  await accessible(page, "without a connection");
  await picture(page, "desk-offline");
  await sendButton(page).click();
  await alert(page).getByText("Nothing is lost. Press Send again").waitFor();
  await press(request.link.url);
  await page.context().setOffline(false);
  await message(page, "The connection is back.").waitFor();
  await page.getByText("No connection. Reconnecting…").waitFor({ state: "detached" });
  await card(page, "clicked").waitFor();
  await form(page).getByLabel("Order number").press("Enter");
  await card(page, "sent").waitFor();
  assert.equal((await requests(page)).length, 2);
  faultless(page);
});

test("a system that hangs counts as no connection until it answers", async () => {
  const own = await System.start();
  try {
    const page = await desk({ on: own, polls: true });
    await send(page, own);
    own.pause();
    await page.evaluate(() => window.dispatchEvent(new Event("focus")));
    await page.getByText("No connection. Reconnecting…").waitFor();
    own.resume();
    await message(page, "The connection is back.").waitFor();
    faultless(page);
  } finally {
    own.resume();
    await own.stop();
  }
});

test("an expired token opens the sign-in, and the form is sent after it", async () => {
  const page = await desk();
  await write(page, { Description: "Typed before signing in" });
  await page.evaluate(() => sessionStorage.removeItem("chat2pay.local-person"));
  await page.route(SENDING, (route) => route.fulfill({ status: 401, json: { message: "Unauthorized" } }), { times: 1 });
  await sendButton(page).click();
  await page.getByRole("dialog", { name: "Who are you?" }).waitFor();
  assert.equal(await form(page).getByLabel("Description").inputValue(), "Typed before signing in");
  await page.getByRole("button", { name: "Alice" }).click();
  await card(page, "sent").getByText("Typed before signing in").waitFor();
  assert.equal((await requests(page)).length, 1);
  faultless(page);
});

test("another agent sees none of the first agent's requests; a supervisor sees them", async () => {
  const page = await desk();
  await send(page);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("button", { name: "Ben" }).click();
  await page.getByText("No payment requests in this conversation yet.").waitFor();
  assert.equal(await cards(page).count(), 0);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("button", { name: "Sam" }).click();
  await card(page, "sent").waitFor();
  faultless(page);
});

test("the keyboard alone can send, cancel and send again, and the focus is never lost", async () => {
  const page = await desk();
  const focused = () =>
    page.evaluate(() => {
      let element = document.activeElement;
      while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
      return element.id || element.textContent || element.localName;
    });
  const tabTo = (what) =>
    until(`the focus on ${what}`, async () => {
      await page.keyboard.press("Tab");
      return (await focused()).includes(what);
    });
  await tabTo("Chat 2 Pay");
  await page.keyboard.press("Enter");
  assert.equal(await focused(), "order_number", "the first field that is empty");
  await page.keyboard.type("10045");
  await page.keyboard.press("Tab");
  await page.keyboard.type("0");
  await page.keyboard.press("Enter");
  await form(page).getByText("Enter an amount above zero.").waitFor();
  assert.equal(await focused(), "amount", "the first field that is wrong");
  await page.keyboard.press("Backspace");
  await page.keyboard.type("250");
  await page.keyboard.press("Enter");
  await card(page, "sent").waitFor();
  assert.match(await focused(), /^Chat 2 Pay/, "where the form was");
  await tabTo("Cancel Payment");
  await page.keyboard.press("Space");
  await card(page, "canceled").waitFor();
  assert.match(await focused(), /^Canceled/, "the card, as its button is gone");
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "Send again");
  await page.keyboard.press("Enter");
  await card(page, "sent").waitFor();
  await until("the focus on the new card", async () => /^Sent/.test(await focused()));
  await tabTo("History");
  await page.keyboard.press("Enter");
  await card(page, "sent").getByText("Sent by Alice").waitFor();
  faultless(page);
});

test("texts that people wrote are shown unchanged as text, isolated from the page", async () => {
  const page = await desk();
  const name = `<script>alert(1)</script>\u202e${"n".repeat(150)}`;
  const description = `🎟 <img src=x onerror=alert(1)> ${"d".repeat(160)}`;
  await page.getByLabel("Customer’s name").first().fill(name);
  await page.keyboard.press("Tab");
  await write(page, { Description: description, "Order number": "o".repeat(64) });
  await sendButton(page).click();
  await card(page, "sent").waitFor();
  assert.equal(await card(page, "sent").locator(".description bdi").textContent(), description);
  assert.equal(await card(page, "sent").locator(".customer bdi").first().textContent(), name);
  await page.setViewportSize({ width: 320, height: 700 });
  await fits(page, "long texts at 320");
  await accessible(page, "hostile texts");
  await picture(page, "desk-hostile");
  const [request] = await requests(page);
  await pay(await press(request.link.url));
  await card(page, "paid").waitFor();
  await picture(page, "desk-hostile-paid");
  faultless(page);
});

test("a hidden page does not poll, and polls at once when it is visible", async () => {
  const page = await desk({ polls: true });
  const request = await send(page);
  await hide(page, true);
  const calls = apiCalls(page);
  await press(request.link.url);
  await page.evaluate(() => window.dispatchEvent(new Event("online")));
  await page.clock.runFor(20_000);
  assert.deepEqual(calls, []);
  await hide(page, false);
  await card(page, "clicked").waitFor();
  assert.ok(calls.length > 0);
  faultless(page);
});

test("a request that cannot change any more is not polled", async () => {
  const page = await desk();
  await send(page);
  await page.getByRole("button", { name: "Cancel Payment" }).click();
  await card(page, "canceled").waitFor();
  const calls = apiCalls(page);
  await page.clock.runFor(20_000);
  assert.deepEqual(calls, []);
  faultless(page);
});

test("a new conversation starts empty, and the previous one keeps its requests and draft", async () => {
  const page = await desk();
  await send(page);
  await write(page, { "Order number": "draft" });
  const first = await page.locator("chat2pay-desk").getAttribute("conversation-id");
  await page.getByRole("button", { name: "New conversation" }).click();
  await page.getByText("No payment requests in this conversation yet.").waitFor();
  assert.equal(await cards(page).count(), 0);
  assert.equal(await form(page).count(), 0);
  await page.locator("chat2pay-desk").evaluate((element, id) => element.setAttribute("conversation-id", id), first);
  await card(page, "sent").waitFor();
  assert.equal(await form(page).getByLabel("Order number").inputValue(), "draft");
  faultless(page);
});

test("status messages stay while the pointer is on them, and can be dismissed", async () => {
  const page = await desk();
  await send(page);
  const sent = message(page, "Sent to Thandi");
  await sent.hover();
  await page.clock.runFor(30_000);
  assert.ok(await sent.isVisible());
  const dismiss = page.getByRole("button", { name: "Dismiss" }).first();
  await dismiss.focus();
  await page.keyboard.press("Enter");
  await sent.waitFor({ state: "detached" });
  faultless(page);
});

test("the link to the stand-in phone and the form follow the customer's number", async () => {
  const page = await desk();
  await page.getByLabel("Customer’s phone").first().fill("+442079460958");
  await page.keyboard.press("Tab");
  const phone = page.getByRole("link", { name: "Customer’s phone" });
  assert.equal(await phone.getAttribute("href"), "/local/phone?phone=%2B442079460958");
  await page.getByRole("button", { name: "Chat 2 Pay" }).click();
  assert.equal(await form(page).getByLabel("Customer’s phone").inputValue(), "+442079460958");
  faultless(page);
});

test("the page is under its budget over the wire", async () => {
  const page = await open(browser);
  const bytes = await wire(page);
  await page.goto(`${system.base}/desk`);
  await page.getByRole("button", { name: "Alice" }).click();
  await page.getByText("No payment requests").waitFor();
  const before = bytes();
  assert.ok(before < BUDGET, `${before} bytes`);
  // The tables of phone numbers come with the first form, and once.
  await page.getByRole("button", { name: "Chat 2 Pay" }).click();
  await form(page).getByText("The link goes to +27831234567, South Africa.").waitFor();
  const tables = bytes() - before;
  console.log(`the agent's page: ${before} bytes over the wire, and ${tables} with its first form`);
  assert.ok(tables > 15_000 && tables < TABLES, `${tables} bytes`);
});
