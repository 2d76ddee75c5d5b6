// The script of the customer's page. It counts down the remaining time, shows times in the reader's time zone, polls
// for changes, and asks whether the payment has arrived. The page also works without it: by its forms and by <meta
// http-equiv="refresh">.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const POLL_EVERY = 2 * SECOND;
/** The longest pause between polls that succeed. */
const POLL_AT_LEAST_EVERY = 10 * SECOND;
/** The pause after the first check; each further pause is twice as long. */
const CHECK_AGAIN_AFTER = 3 * SECOND;
/** The number of checks without a result after which the page says that the confirmation is late. */
const LATE_AFTER = 4;
/** The time limit of a poll or a check, and how long the button stays disabled after a press. */
const GIVE_UP_AFTER = 10 * SECOND;

// The page's address with its query, which tells the server where the customer comes from.
const here = location.pathname + location.search;
const announcement = find(document, "#announcement");
const connection = find(document, "#connection");
const language = document.documentElement.lang;
// The reader's preferred variety of the page's language, with the digits that amounts are written in.
const variety = navigator.languages.find((tag) => tag.split("-")[0] === language) ?? language;
const locale = new Intl.Locale(variety, { numberingSystem: "latn" });

let main = find(document, "main");
/** @type {HTMLElement | null} */
let clock = null;
// The deadline, in milliseconds by this machine's clock.
let end = 0;
// The remaining seconds that the page shows.
let shown = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let tickTimer;
// When the page last changed, or became visible or online again.
let awakeSince = Date.now();
/** @type {ReturnType<typeof setTimeout> | undefined} */
let pollTimer;
let polling = false;
let failures = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let checkTimer;
let checking = false;
// The checks since the page last changed, or became visible or online again.
let checks = 0;
// Whether the button was pressed and the browser is on its way to the next page.
let pressed = false;
// The form that was submitted while the browser was offline.
/** @type {HTMLFormElement | null} */
let unsent = null;

/**
 * Returns an element that every page has.
 * @param {ParentNode} within
 * @param {string} selector
 * @returns {HTMLElement}
 */
function find(within, selector) {
  const found = within.querySelector(selector);
  if (!found) throw new Error(`the page has no ${selector}`);
  return /** @type {HTMLElement} */ (found);
}

/** Shows the times of the current `main` in the reader's time zone, and starts its countdown. */
function enhance() {
  for (const time of main.querySelectorAll("time")) {
    const moment = new Date(time.dateTime);
    const dated = "date" in time.dataset || moment.toDateString() !== new Date().toDateString();
    time.textContent = moment.toLocaleString(locale, { dateStyle: dated ? "long" : undefined, timeStyle: "short" });
  }
  // The script checks by itself.
  for (const form of main.querySelectorAll(".check")) form.toggleAttribute("hidden", true);
  clock = main.querySelector("[role=timer]");
  // The server sends the remaining time, and this machine's clock measures it: the two clocks may differ.
  end = Date.now() + Number(clock?.dataset.left);
  shown = Infinity;
  tick();
}

/** Updates the countdown, announces the remaining time at 300, 60 and 30 seconds, and polls at the deadline. */
function tick() {
  clearTimeout(tickTimer);
  if (!clock) return;
  const left = end - Date.now();
  const seconds = Math.max(0, Math.ceil(left / SECOND));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const parts = hours ? [hours, String(minutes).padStart(2, "0")] : [minutes];
  clock.textContent = [...parts, String(seconds % 60).padStart(2, "0")].join(":");
  clock.classList.toggle("soon", seconds <= 60);
  for (const moment of [300, 60, 30]) {
    if (seconds <= moment && moment < shown && shown !== Infinity) announce(clock.dataset[moment] ?? "");
  }
  shown = seconds;
  // Nothing offers what may be over, until the server has said what it is.
  for (const offer of main.querySelectorAll(".pay, .note")) offer.toggleAttribute("hidden", !seconds);
  if (seconds) tickTimer = setTimeout(tick, left % SECOND || SECOND);
  else poll();
}

/**
 * Makes a screen reader say a text after what it is saying now.
 * @param {string} text
 */
function announce(text) {
  announcement.textContent = text;
}

/** Reads the page again, shows it if it has changed, and schedules the next poll if the page can still change. */
async function poll() {
  clearTimeout(pollTimer);
  if (polling || pressed || document.hidden || !("watched" in main.dataset)) return;
  polling = true;
  try {
    const answer = await fetch(here, {
      cache: "no-store",
      headers: { "if-none-match": `W/"${main.dataset.version}"` },
      signal: AbortSignal.timeout(GIVE_UP_AFTER),
    });
    if (answer.status === 429 || answer.status >= 500) throw new Error(String(answer.status));
    if (answer.status !== 304) show(new DOMParser().parseFromString(await answer.text(), "text/html"));
    failures = 0;
  } catch {
    failures += 1;
  }
  polling = false;
  pollTimer = setTimeout(poll, pause());
}

/**
 * Has the server ask the payment provider whether the customer has paid, if the page waits for that, and shows the
 * result. Schedules the next check. The pauses grow, because a payment that is not there yet is ever less likely to
 * come soon.
 */
async function check() {
  clearTimeout(checkTimer);
  const address = main.dataset.check;
  if (!address || checking || pressed || document.hidden) return;
  checking = true;
  try {
    // The response leads to this page, which is polled instead: most polls find no change, and get no page.
    await fetch(address, { method: "POST", redirect: "manual", signal: AbortSignal.timeout(GIVE_UP_AFTER) });
  } catch {
    // Without a connection, the next check asks.
  }
  checking = false;
  checkTimer = setTimeout(check, CHECK_AGAIN_AFTER * 2 ** checks);
  checks += 1;
  await poll();
  const late = main.querySelector(".late[hidden]");
  if (!late || checks < LATE_AFTER) return;
  late.removeAttribute("hidden");
  announce(late.textContent ?? "");
}

/**
 * Returns the pause before the next poll: two seconds in the first minute, then growing to ten. After failures it grows
 * to up to 30 seconds, with jitter so that not all pages poll at the same time.
 */
function pause() {
  if (failures) {
    return Math.min(POLL_EVERY * 2 ** failures, 3 * POLL_AT_LEAST_EVERY) * (0.5 + Math.random() / 2);
  }
  return Math.min(Math.max(POLL_EVERY, ((Date.now() - awakeSince) / MINUTE) * POLL_EVERY), POLL_AT_LEAST_EVERY);
}

/**
 * Replaces `main` by that of a newer state of the page, and announces the change.
 * @param {Document} page
 */
function show(page) {
  const next = find(page, "main");
  if (pressed || next.dataset.version === main.dataset.version) return;
  // This page's Content-Security-Policy allows only this page's style, so another style needs a reload.
  if (find(page, "style").textContent !== find(document, "style").textContent) {
    location.replace(here);
    return;
  }
  const focused = main.contains(document.activeElement);
  document.title = page.title;
  main.replaceWith(next);
  main = next;
  awakeSince = Date.now();
  enhance();
  const heading = find(main, "h1");
  announce(`${heading.textContent}. ${main.querySelector(".text")?.textContent ?? ""}`);
  if (focused) heading.focus();
  checks = 0;
  check();
}

/**
 * Disables the buttons, so that a second press does nothing, or enables them again.
 * @param {boolean} on
 */
function press(on) {
  pressed = on;
  for (const button of main.querySelectorAll("button")) button.setAttribute("aria-disabled", String(on));
}

/** Updates the page at once, after it was hidden or offline. */
function wake() {
  awakeSince = Date.now();
  failures = 0;
  checks = 0;
  tick();
  poll();
  check();
}

/** Says that the browser is offline, or no longer says it. */
function showConnection() {
  connection.textContent = navigator.onLine ? "" : (connection.dataset.offline ?? "");
}

addEventListener("submit", (event) => {
  if (!navigator.onLine) {
    // The browser's own error page would replace this one. The press counts once the connection is back.
    event.preventDefault();
    unsent = /** @type {HTMLFormElement} */ (event.target);
    showConnection();
    return;
  }
  if (pressed) {
    event.preventDefault();
    return;
  }
  press(true);
  setTimeout(() => {
    press(false);
    poll();
  }, GIVE_UP_AFTER);
});
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  press(false);
  wake();
});
document.addEventListener("visibilitychange", wake);
addEventListener("offline", showConnection);
addEventListener("online", () => {
  showConnection();
  const form = unsent;
  unsent = null;
  if (form?.isConnected && !form.hidden) form.requestSubmit();
  else wake();
});

enhance();
pollTimer = setTimeout(poll, Math.max(pause(), Number(main.dataset.after ?? 0) * SECOND));
check();
