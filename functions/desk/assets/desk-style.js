// The element's style. A constructed sheet, which another site's Content-Security-Policy does not forbid.

export const sheet = new CSSStyleSheet();

sheet.replaceSync(`
:host {
  --accent: var(--chat2pay-accent, light-dark(#1650b8, #8cb8ff));
  --on-accent: var(--chat2pay-on-accent, light-dark(#ffffff, #07172f));
  --surface: var(--chat2pay-surface, light-dark(#ffffff, #182029));
  --ink: var(--chat2pay-ink, light-dark(#16202c, #e8edf4));
  --soft: var(--chat2pay-soft, light-dark(#566274, #a3afc0));
  --line: var(--chat2pay-line, light-dark(#dbe1ea, #303c4a));
  --radius: var(--chat2pay-radius, 0.75rem);
  --control-line: light-dark(#7b8798, #74839a);
  --good: light-dark(#10703f, #6cdc9f);
  --good-ground: light-dark(#e5f5ec, #14352a);
  --bad: light-dark(#a8321f, #ff9d8c);
  --bad-ground: light-dark(#fdecea, #3d1f1c);
  --busy: light-dark(#8a4b00, #f3c06b);
  --busy-ground: light-dark(#fdf1dd, #382a13);
  --calm-ground: light-dark(#e8effb, #1c2e4a);
  --grey-ground: light-dark(#eceff4, #2a3542);

  display: block;
  container-type: inline-size;
}

/* Our own parts alone: the conversation inherits its host's style. */
.requests, .panel, .toasts { line-height: 1.5; overflow-wrap: anywhere; }
.card, .form, .toasts { color: var(--ink); }

:host([hidden]), [hidden] { display: none !important; }

*, *::before, *::after { box-sizing: border-box; }
p, ul, ol, dl, h2 { margin: 0; padding: 0; }
ul, ol { list-style: none; }

:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }

.visually-hidden {
  position: absolute;
  inline-size: 1px;
  block-size: 1px;
  overflow: hidden;
  clip-path: inset(50%);
  white-space: nowrap;
}

.icon {
  flex: none;
  inline-size: 1em;
  block-size: 1em;
  fill: none;
  stroke: currentColor;
  stroke-width: 1.5;
  stroke-linecap: round;
  stroke-linejoin: round;
}

.layout { display: grid; gap: 1.25rem; align-items: start; }
.conversation { display: grid; gap: 0.25rem; min-inline-size: 0; }
.requests { display: grid; gap: 0.75rem; padding: 0 1.25rem 1.25rem; }
.panel { min-inline-size: 0; }

@container (min-width: 46rem) {
  .layout { grid-template-columns: minmax(0, 1fr) minmax(18rem, 22rem); gap: 1.5rem; }
  .panel { position: sticky; inset-block-start: 1.25rem; }
}

/* Controls. */
button {
  display: inline-flex;
  align-items: center;
  justify-content: center;
  gap: 0.45rem;
  min-block-size: 2.25rem;
  padding: 0.3rem 0.9rem;
  border: 1px solid var(--control-line);
  border-radius: calc(var(--radius) * 0.67);
  background: var(--surface);
  color: var(--ink);
  font: inherit;
  font-size: 0.9375rem;
  font-weight: 600;
  cursor: pointer;
}

button:hover { border-color: var(--ink); }
button.primary { border-color: var(--accent); background: var(--accent); color: var(--on-accent); }
button.primary:hover { background: color-mix(in oklab, var(--accent), var(--ink) 14%); }
button[aria-disabled="true"] { border-style: dashed; cursor: progress; }
button.primary[aria-disabled="true"] { border-color: var(--on-accent); }

input, select, textarea {
  inline-size: 100%;
  min-block-size: 2.5rem;
  padding: 0.4rem 0.7rem;
  border: 1px solid var(--control-line);
  border-radius: calc(var(--radius) * 0.67);
  background: var(--surface);
  color: var(--ink);
  font: inherit;
}

select { padding-inline: 0.5rem 0.25rem; }
select:disabled { opacity: 1; }
textarea { min-block-size: 4rem; field-sizing: content; resize: vertical; }
:is(input, select, textarea)[aria-invalid] { border-color: var(--bad); box-shadow: inset 0 0 0 1px var(--bad); }

/* The extension card, and the form in its place. */
.extension, .form {
  border: 1px solid var(--line);
  border-radius: var(--radius);
  background: var(--surface);
  box-shadow: 0 1px 2px rgb(16 24 40 / 6%), 0 4px 16px rgb(16 24 40 / 6%);
}

.extension { justify-content: flex-start; gap: 0.9rem; inline-size: 100%; padding: 1rem; text-align: start; }
.extension:hover { border-color: var(--accent); }
.extension > span { flex: 1; min-inline-size: 0; }
.extension strong, .extension small { display: block; }
.extension small { color: var(--soft); font-size: 0.875rem; font-weight: 400; }
.extension > .icon:first-child, .form h2 .icon {
  inline-size: 2.5rem;
  block-size: 2.5rem;
  padding: 0.6rem;
  border-radius: calc(var(--radius) * 0.83);
  background: var(--calm-ground);
  color: var(--accent);
}
.extension > .icon:last-child { color: var(--soft); }
:host(:dir(rtl)) .extension > .icon:last-child { scale: -1 1; }

.form { display: grid; gap: 1rem; padding: 1.25rem; }
.form h2 { display: flex; align-items: center; gap: 0.75rem; font-size: 1.0625rem; line-height: 1.25; }
.form h2 .icon { inline-size: 2.25rem; block-size: 2.25rem; padding: 0.5rem; }
.field { display: grid; gap: 0.3rem; align-content: start; min-inline-size: 0; }
label { font-size: 0.9rem; font-weight: 600; }
.optional { color: var(--soft); font-weight: 400; }
.hint, .error { font-size: 0.85rem; line-height: 1.4; }
.hint { color: var(--soft); }
.hint:empty, .error:empty, .alert:empty, .error:not(:empty) + .hint { display: none; }
.error { color: var(--bad); font-weight: 600; }
.money { display: grid; grid-template-columns: minmax(0, 1fr) minmax(6.5rem, auto); gap: 0.75rem; }
.alert { padding: 0.65rem 0.8rem; border-inline-start: 3px solid var(--bad); border-radius: 0.375rem; background: var(--bad-ground); color: var(--ink); font-size: 0.9rem; }
.actions { display: flex; flex-wrap: wrap; gap: 0.5rem; }
.form .actions button { min-block-size: 2.5rem; }
.form .actions .primary { flex: 1; }

/* What is said above the cards. */
.banner {
  display: flex;
  flex-wrap: wrap;
  align-items: center;
  gap: 0.5rem 0.6rem;
  padding: 0.6rem 0.9rem;
  border: 1px solid color-mix(in oklab, var(--busy), transparent 60%);
  border-radius: var(--radius);
  background: var(--busy-ground);
  color: var(--busy);
  font-size: 0.9375rem;
  font-weight: 600;
}

.banner:empty, .note:empty, .cards:empty, .confirmations:empty { display: none; }
.banner > span { flex: 1; }
/* Straight on its host's ground, so in its host's colour. */
.note { padding-block: 0.25rem; font-size: 0.9rem; text-align: center; }

/* A card. */
.cards { display: grid; gap: 0.75rem; }
.cards li { display: flex; justify-content: flex-end; }

.card {
  --tone: var(--accent);
  --tone-ground: var(--calm-ground);
  position: relative;
  display: grid;
  gap: 0.35rem;
  inline-size: min(100%, 25rem);
  padding: 1rem 1.15rem;
  border: 1px solid var(--line);
  border-radius: var(--radius);
  background: var(--surface);
  box-shadow: 0 1px 2px rgb(16 24 40 / 6%);
}

.card:is([data-status="clicked"], [data-status="processing"], [data-status="refund_due"]) { --tone: var(--busy); --tone-ground: var(--busy-ground); }
.card[data-status="paid"] { --tone: var(--good); --tone-ground: var(--good-ground); }
.card:is([data-status="canceled"], [data-status="expired"], [data-status="refunded"]) {
  --tone: var(--soft);
  --tone-ground: var(--grey-ground);
}

.card header { display: flex; align-items: center; justify-content: space-between; gap: 0.75rem; }
.card header time { color: var(--soft); font-size: 0.85rem; font-variant-numeric: tabular-nums; }

.status {
  display: inline-flex;
  align-items: center;
  gap: 0.4rem;
  padding: 0.1rem 0.65rem 0.1rem 0.5rem;
  border-radius: 1rem;
  background: var(--tone-ground);
  color: var(--tone);
  font-size: 0.85rem;
  font-weight: 700;
}

.card:is([data-status="canceled"], [data-status="expired"], [data-status="refunded"]) .status { color: var(--ink); }

.card .amount { font-size: 1.625rem; font-weight: 700; letter-spacing: -0.02em; line-height: 1.3; font-variant-numeric: tabular-nums; }
.card .order { font-weight: 600; }
.card .description { white-space: pre-line; }
.card .customer { color: var(--soft); font-size: 0.9rem; }

.card .standing {
  margin-block-start: 0.5rem;
  padding-block-start: 0.65rem;
  border-block-start: 1px solid var(--line);
  font-size: 0.9375rem;
}

.card .standing b { font-variant-numeric: tabular-nums; }
.card .failure { display: flex; gap: 0.5rem; color: var(--bad); font-size: 0.9rem; }
.card .failure .icon { margin-block-start: 0.25rem; }
.card .actions { margin-block-start: 0.4rem; }

details { margin-block-start: 0.35rem; font-size: 0.875rem; }
summary {
  display: inline-flex;
  align-items: center;
  gap: 0.35rem;
  min-block-size: 1.5rem;
  border-radius: 0.25rem;
  color: var(--soft);
  font-weight: 600;
  list-style: none;
  cursor: pointer;
}
summary::-webkit-details-marker { display: none; }
summary:hover { color: var(--ink); }
summary .icon { inline-size: 0.8em; block-size: 0.8em; }
details[open] summary .icon { rotate: 90deg; }

.timeline { margin-block-start: 0.5rem; }
.timeline li { position: relative; display: grid; grid-template-columns: auto minmax(0, 1fr) auto; gap: 0.6rem; padding-block-end: 0.6rem; color: var(--soft); }
.timeline li:last-child { padding-block-end: 0; }
.timeline li > .icon { margin-block-start: 0.2rem; }
.timeline li > span { color: var(--ink); }
.timeline li:not(:last-child)::before {
  content: "";
  position: absolute;
  inset-block: 1.35rem 0.05rem;
  inset-inline-start: calc(0.5em - 0.5px);
  border-inline-start: 1px solid var(--line);
}
.timeline time { font-variant-numeric: tabular-nums; }
.timeline [data-tone="paid"] > .icon { color: var(--good); }
.timeline :is([data-tone="attempt"], [data-tone="undelivered"]) > .icon { color: var(--bad); }

/* Confirmations, as the system's messages in the conversation. */
.confirmations { display: grid; gap: 0.5rem; }
.confirmations li {
  display: flex;
  gap: 0.5rem;
  justify-self: center;
  padding: 0.45rem 0.9rem;
  border-radius: 1.25rem;
  background: var(--good-ground);
  color: var(--good);
  font-size: 0.9rem;
}
.confirmations .icon { margin-block-start: 0.22rem; }

/* Status messages. */
.toasts {
  position: fixed;
  inset: auto;
  inset-block-end: 1rem;
  inset-inline-end: 1rem;
  inline-size: min(24rem, 100vw - 2rem);
  margin: 0;
  padding: 0;
  overflow: visible;
  border: 0;
  background: none;
}

.toasts > div { display: grid; }

.toast {
  display: flex;
  align-items: flex-start;
  gap: 0.65rem;
  margin-block-start: 0.6rem;
  padding: 0.75rem 0.6rem 0.75rem 1rem;
  border: 1px solid var(--line);
  border-inline-start: 4px solid var(--accent);
  border-radius: var(--radius);
  background: var(--surface);
  box-shadow: 0 8px 32px rgb(16 24 40 / 22%);
  font-size: 0.9375rem;
}

.toast p {
  display: -webkit-box;
  flex: 1;
  min-inline-size: 0;
  overflow: hidden;
  -webkit-box-orient: vertical;
  /* Longer ones are whole on the card. */
  -webkit-line-clamp: 6;
}

.toast > .icon { margin-block-start: 0.25rem; color: var(--accent); }
.toast[data-tone="paid"] { border-inline-start-color: var(--good); }
.toast[data-tone="paid"] > .icon { color: var(--good); }
.toast:is([data-tone="clicked"], [data-tone="processing"], [data-tone="refund_due"]) { border-inline-start-color: var(--busy); }
.toast:is([data-tone="clicked"], [data-tone="processing"], [data-tone="refund_due"]) > .icon { color: var(--busy); }
.toast:is([data-tone="canceled"], [data-tone="expired"], [data-tone="refunded"]) { border-inline-start-color: var(--soft); }
.toast:is([data-tone="canceled"], [data-tone="expired"], [data-tone="refunded"]) > .icon { color: var(--soft); }
.toast[data-tone="attempt"] { border-inline-start-color: var(--bad); }
.toast[data-tone="attempt"] > .icon { color: var(--bad); }
.dismiss { flex: none; min-block-size: 1.75rem; inline-size: 1.75rem; margin-block: -0.1rem; padding: 0; border-color: transparent; background: none; color: var(--soft); }

@media (prefers-reduced-motion: no-preference) {
  button, input, select, textarea { transition: border-color 120ms, background-color 120ms; }
  .toast { animation: arrive 180ms ease-out; }
  summary .icon { transition: rotate 120ms; }
  @keyframes arrive { from { opacity: 0; translate: 0 0.5rem; } }
}

@media (forced-colors: active) {
  .status, .banner, .alert, .confirmations li { border: 1px solid; }
  .extension > .icon:first-child, .form h2 .icon { border: 1px solid; }
  .icon { stroke: CanvasText; }
}
`);
