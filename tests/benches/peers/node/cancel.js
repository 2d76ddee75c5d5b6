// The function `cancel` as one writes it on Node.js: the same checks of the caller, the same write, the same answer.

import { randomBytes } from "node:crypto";
import { DynamoDBClient, UpdateItemCommand } from "@aws-sdk/client-dynamodb";

const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const RETENTION_SECONDS = 24 * 60 * 60 * Number(process.env.RETENTION_DAYS ?? 365);
// Why a request in this status cannot be canceled.
const CLICKED = [
  "already_clicked",
  "Already clicked",
  "The customer has already clicked the link, so this request can no longer be canceled.",
];
const EXPIRED = ["link_expired", "Link expired", "The link has expired, so there is nothing left to cancel."];
const PAID = ["already_paid", "Already paid", "The customer has already paid."];
const REFUSALS = {
  sent: EXPIRED,
  clicked: CLICKED,
  processing: CLICKED,
  canceled: ["already_canceled", "Already canceled", "This request is already canceled."],
  expired: EXPIRED,
  paid: PAID,
  refund_due: PAID,
  refunded: PAID,
};

const table = new DynamoDBClient();

class Problem extends Error {
  constructor(status, code, title, detail) {
    super(detail);
    const body = { type: `urn:chat2pay:problem:${code}`, title, status, detail, code };
    this.answer = answer(status, "application/problem+json", body);
  }
}

const notFound = () =>
  new Problem(404, "not_found", "Not found", "This does not exist, or you are not allowed to see it.");

function answer(statusCode, type, body) {
  const headers = { "content-type": type, "cache-control": "no-store", "x-content-type-options": "nosniff" };
  return { statusCode, headers, body: JSON.stringify(body), isBase64Encoded: false };
}

function caller(event) {
  const claims = event.requestContext.authorizer?.jwt?.claims;
  if (!claims) throw new Problem(401, "unauthenticated", "Not signed in", "Please sign in and try again.");
  const { role, sub, name, workspace } = claims;
  const person = role === "agent" || role === "supervisor";
  if (!sub || !workspace || (person ? !name : role !== "service")) {
    throw new Problem(403, "forbidden", "Not allowed", "You are not allowed to do this.");
  }
  return { role, sub, workspace };
}

async function cancel(id, { role, sub, workspace }) {
  const now = Date.now();
  const names = ["pk", "status", "version", "workspace", "operations", "updated_at", "due_at", "history", "due_shard"];
  const values = {
    ":workspace": { S: workspace },
    ":operation": { S: randomBytes(9).toString("base64url") },
    ":operations": { SS: [] },
    ":recorded_at": { N: `${now}` },
    ":now": { N: `${now}` },
    ":is_sent": { S: "sent" },
    ":is_canceled": { S: "canceled" },
    ":one": { N: "1" },
    ":entry": {
      L: [{ M: { status: { S: "canceled" }, at: { N: `${now}` }, actor: { S: role }, actor_id: { S: sub } } }],
    },
    ":ttl": { N: `${Math.ceil(now / 1000) + RETENTION_SECONDS}` },
  };
  values[":operations"].SS.push(values[":operation"].S);
  let within = "#workspace = :workspace";
  names.push("ttl");
  if (role === "agent") {
    within += " AND #agent.#id = :agent_id";
    names.push("agent", "id");
    values[":agent_id"] = { S: sub };
  }
  const update = new UpdateItemCommand({
    TableName: process.env.TABLE_NAME,
    Key: { pk: { S: `REQ#${id}` } },
    ConditionExpression:
      `attribute_exists(#pk) AND ${within} AND NOT contains(#operations, :operation)` +
      " AND #updated_at <= :recorded_at AND (#status = :is_sent AND #due_at > :now)",
    UpdateExpression:
      "SET #status = :is_canceled, #version = #version + :one, #history = list_append(#history, :entry)," +
      " #updated_at = :recorded_at, #ttl = :ttl ADD #operations :operations REMOVE #due_shard",
    ExpressionAttributeNames: Object.fromEntries(names.map((name) => [`#${name}`, name])),
    ExpressionAttributeValues: values,
    ReturnValues: "ALL_NEW",
    ReturnValuesOnConditionCheckFailure: "ALL_OLD",
  });
  try {
    return (await table.send(update)).Attributes;
  } catch (error) {
    if (error.name !== "ConditionalCheckFailedException") throw error;
    const found = error.Item;
    if (found?.workspace.S !== workspace || (role === "agent" && found.agent.M.id.S !== sub)) throw notFound();
    throw new Problem(409, ...REFUSALS[found.status.S]);
  }
}

const time = (number) => new Date(Number(number.N)).toISOString();
const text = (value) => value?.S ?? null;

function representation(id, item) {
  const history = item.history.L.map(({ M: entry }, index) => ({
    version: index + 1,
    status: entry.status.S,
    at: time(entry.at),
    actor: { type: entry.actor.S, id: text(entry.actor_id) },
    reason: text(entry.reason),
  }));
  return {
    id,
    status: item.status.S,
    version: Number(item.version.N),
    workspace: item.workspace.S,
    agent: { id: item.agent.M.id.S, name: item.agent.M.name.S },
    order_number: item.order_number.S,
    amount: Number(item.amount.N),
    currency: item.currency.S,
    customer: { phone: item.phone.S, name: text(item.customer_name) },
    description: text(item.description),
    conversation_id: text(item.conversation_id),
    metadata: Object.fromEntries(Object.entries(item.metadata?.M ?? {}).map(([name, value]) => [name, value.S])),
    link: null,
    created_at: history[0].at,
    updated_at: history.at(-1).at,
    history,
    payment: null,
  };
}

export async function handler(event) {
  let response;
  try {
    const who = caller(event);
    const id = event.pathParameters?.id ?? "";
    if (!ID.test(id)) throw notFound();
    if (event.body && Object.keys(JSON.parse(event.body)).length > 0) {
      throw new Problem(422, "validation_failed", "Some fields are not valid", "The body has to be empty.");
    }
    response = answer(200, "application/json", representation(id, await cancel(id, who)));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    response = error.answer;
  }
  console.log(
    JSON.stringify({ level: "INFO", message: "answered", route: event.routeKey, status: response.statusCode }),
  );
  return response;
}
