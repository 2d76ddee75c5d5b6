// Requests as a table for spreadsheets.

import { plainAmount } from "./money.js";

/**
 * The columns: name, and the value of a request. `text` is what people wrote. A phone number begins with a plus that it
 * cannot do without; the API lets nothing but digits follow it, so it is no formula.
 */
const COLUMNS = [
  ["id", (request) => request.id],
  ["created_at", (request) => request.created_at],
  ["updated_at", (request) => request.updated_at],
  ["status", (request) => request.status],
  ["agent_id", (request) => text(request.agent.id)],
  ["agent_name", (request) => text(request.agent.name)],
  ["order_number", (request) => text(request.order_number)],
  ["amount_minor_units", (request) => request.amount],
  ["amount", (request) => plainAmount(request.amount, request.currency)],
  ["currency", (request) => request.currency],
  ["customer_phone", (request) => request.customer.phone],
  ["customer_name", (request) => text(request.customer.name)],
  ["description", (request) => text(request.description)],
  ["conversation_id", (request) => text(request.conversation_id)],
  ["payment_provider", (request) => text(request.payment?.provider)],
  ["payment_reference", (request) => text(request.payment?.reference)],
  ["paid_at", (request) => request.payment?.paid_at],
  ["metadata", (request) => text(Object.keys(request.metadata ?? {}).length ? JSON.stringify(request.metadata) : "")],
];

/**
 * Text that a spreadsheet would take for a formula, made harmless by an apostrophe before it, as OWASP advises against CSV
 * injection. A full-width sign is read as its narrow form by some, and so is one behind spaces.
 */
function text(value) {
  const written = value ?? "";
  return /^\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|^[\u0000-\u001f\u007f]/.test(written) ? `'${written}` : written;
}

/** One line by RFC 4180, with its end. */
function line(values) {
  const cells = values.map((value) => {
    const written = String(value ?? "");
    return /[",\r\n]/.test(written) ? `"${written.replaceAll('"', '""')}"` : written;
  });
  return `${cells.join(",")}\r\n`;
}

/** The table, with a byte order mark so that spreadsheets read it as UTF-8. */
export function csv(requests) {
  const lines = requests.map((request) => line(COLUMNS.map(([, value]) => value(request))));
  return new Blob(["\ufeff", line(COLUMNS.map(([name]) => name)), ...lines], { type: "text/csv;charset=utf-8" });
}
