// The export of requests as CSV for spreadsheets.

/** @import { PaymentRequest } from "../client/index.js" */

import { plainAmount } from "../shared/money.js";

/**
 * The columns: each has a name and a function that returns a request's value. `text` guards values that people wrote. A
 * phone number keeps its leading plus: the API allows only digits after it, so it cannot be a formula.
 * @type {[name: string, value: (request: PaymentRequest) => unknown][]}
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
 * Matches text that a spreadsheet would read as a formula. Some spreadsheets read a full-width sign as its narrow form,
 * even after spaces.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the expression searches for control characters
const FORMULA = /^\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|^[\u0000-\u001f\u007f]/;

/**
 * Puts an apostrophe before text that a spreadsheet would read as a formula, as OWASP recommends against CSV injection.
 * @param {string | null | undefined} value
 */
function text(value) {
  const written = value ?? "";
  return FORMULA.test(written) ? `'${written}` : written;
}

/**
 * Formats one line as RFC 4180 requires, with its line end.
 * @param {unknown[]} values
 */
function line(values) {
  const cells = values.map((value) => {
    const written = String(value ?? "");
    return /[",\r\n]/.test(written) ? `"${written.replaceAll('"', '""')}"` : written;
  });
  return `${cells.join(",")}\r\n`;
}

/**
 * Builds the CSV file. It starts with a byte order mark, so that spreadsheets read it as UTF-8.
 * @param {PaymentRequest[]} requests
 */
export function csv(requests) {
  const lines = requests.map((request) => line(COLUMNS.map(([, value]) => value(request))));
  return new Blob(["\ufeff", line(COLUMNS.map(([name]) => name)), ...lines], { type: "text/csv;charset=utf-8" });
}
