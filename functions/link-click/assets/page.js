// What a page does where scripts run: its clock goes, its times are the reader's own, and it shows what changes.
// Without this everything works as well, by the form and by <meta http-equiv="refresh">.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const ASK_EVERY = 2 * SECOND;
const ASK_AT_LEAST_EVERY = 10 * SECOND;
const GIVE_UP_AFTER = 10 * SECOND;

const announcement = find(document, "#announcement");
const connection = find(document, "#connection");
const language = document.documentElement.lang;
// The reader's own variety of the page's language, with the digits that amounts are written in.
const variety = navigator.languages.find((tag) => tag.split("-")[0] === language) ?? language;
const locale = new Intl.Locale(variety, { numberingSystem: "latn" });

let main = find(document, "main");
/** @type {HTMLElement | null} */
let clock = null;
let end = 0;
let shown = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let tickTimer;
let awakeSince = Date.now();
/** @type {ReturnType<typeof setTimeout> | undefined} */
let askTimer;
let asking = false;
let failures = 0;
let pressed = false;

/**
 * Finds a part that every page has.
 * @param {ParentNode} within
 * @param {string} selector
 * @returns {HTMLElement}
 */
function find(within, selector) {
  const found = within.querySelector(selector);
  if (!found) throw new Error(`the page has no ${selector}`);
  return /** @type {HTMLElement} */ (found);
}

/** Makes what has just come from the server the reader's own. */
function enhance() {
  for (const time of main.querySelectorAll("time")) {
    const moment = new Date(time.dateTime);
    const dated = "date" in time.dataset || moment.toDateString() !== new Date().toDateString();
    time.textContent = moment.toLocaleString(locale, { dateStyle: dated ? "long" : undefined, timeStyle: "short" });
  }
  clock = main.querySelector("[role=timer]");
  // By this machine's clock how long, and by the server's until when: the two need not agree.
  end = Date.now() + Number(clock?.dataset.left);
  shown = Infinity;
  tick();
}

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
  for (const offer of main.querySelectorAll("form, .note")) offer.toggleAttribute("hidden", !seconds);
  if (seconds) tickTimer = setTimeout(tick, left % SECOND || SECOND);
  else ask();
}

/**
 * Has a screen reader say this when it has said what it is saying.
 * @param {string} text
 */
function announce(text) {
  announcement.textContent = text;
}

/** Asks whether the page has changed, and when there is cause to, asks again. */
async function ask() {
  clearTimeout(askTimer);
  if (asking || pressed || document.hidden || !("watched" in main.dataset)) return;
  asking = true;
  try {
    const answer = await fetch(location.pathname, {
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
  asking = false;
  askTimer = setTimeout(ask, pause());
}

/**
 * Returns how long to wait: two seconds in the first minute, then more and more; after failures more still, and not
 * everybody the same.
 */
function pause() {
  if (failures) {
    return Math.min(ASK_EVERY * 2 ** failures, 3 * ASK_AT_LEAST_EVERY) * (0.5 + Math.random() / 2);
  }
  return Math.min(Math.max(ASK_EVERY, ((Date.now() - awakeSince) / MINUTE) * ASK_EVERY), ASK_AT_LEAST_EVERY);
}

/**
 * Puts another state of the page in place of this one, and has it said.
 * @param {Document} page
 */
function show(page) {
  const next = find(page, "main");
  if (pressed || next.dataset.version === main.dataset.version) return;
  // The policy of this page allows its own style and nothing else.
  if (find(page, "style").textContent !== find(document, "style").textContent) {
    location.replace(location.pathname);
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
}

/**
 * Lets the button work once, until there is reason to think that it did not.
 * @param {boolean} on
 */
function press(on) {
  pressed = on;
  main.querySelector("button")?.setAttribute("aria-disabled", String(on));
}

function wake() {
  awakeSince = Date.now();
  failures = 0;
  tick();
  ask();
}

addEventListener("submit", (event) => {
  if (pressed) {
    event.preventDefault();
    return;
  }
  press(true);
  setTimeout(() => {
    press(false);
    ask();
  }, GIVE_UP_AFTER);
});
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  press(false);
  wake();
});
document.addEventListener("visibilitychange", wake);
addEventListener("offline", () => {
  connection.textContent = connection.dataset.offline ?? "";
});
addEventListener("online", () => {
  connection.textContent = "";
  wake();
});

enhance();
askTimer = setTimeout(ask, pause());
