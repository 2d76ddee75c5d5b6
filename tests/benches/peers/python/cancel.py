"""The function `cancel` as one writes it in Python: the same checks of the caller, the same write, the same answer."""

import json
import math
import os
import re
import secrets
import time
from datetime import UTC, datetime

import boto3
from botocore.exceptions import ClientError

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
RETENTION_SECONDS = 24 * 60 * 60 * int(os.environ.get("RETENTION_DAYS", "365"))
# Why a request in this status cannot be canceled.
CLICKED = (
    "already_clicked",
    "Already clicked",
    "The customer has already clicked the link, so this request can no longer be canceled.",
)
EXPIRED = ("link_expired", "Link expired", "The link has expired, so there is nothing left to cancel.")
PAID = ("already_paid", "Already paid", "The customer has already paid.")
REFUSALS = {
    "sent": EXPIRED,
    "clicked": CLICKED,
    "processing": CLICKED,
    "canceled": ("already_canceled", "Already canceled", "This request is already canceled."),
    "expired": EXPIRED,
    "paid": PAID,
    "refund_due": PAID,
    "refunded": PAID,
}

TABLE = boto3.client("dynamodb")


class Problem(Exception):
    def __init__(self, status, code, title, detail):
        super().__init__(detail)
        body = {
            "type": f"urn:chat2pay:problem:{code}",
            "title": title,
            "status": status,
            "detail": detail,
            "code": code,
        }
        self.answer = answer(status, "application/problem+json", body)


def not_found():
    return Problem(404, "not_found", "Not found", "This does not exist, or you are not allowed to see it.")


def answer(status, content_type, body):
    return {
        "statusCode": status,
        "headers": {"content-type": content_type, "cache-control": "no-store", "x-content-type-options": "nosniff"},
        "body": json.dumps(body, separators=(",", ":")),
        "isBase64Encoded": False,
    }


def caller(event):
    claims = event["requestContext"].get("authorizer", {}).get("jwt", {}).get("claims")
    if not claims:
        raise Problem(401, "unauthenticated", "Not signed in", "Please sign in and try again.")
    role, sub, workspace = claims.get("role"), claims.get("sub"), claims.get("workspace")
    allowed = claims.get("name") if role in ("agent", "supervisor") else role == "service"
    if not (sub and workspace and allowed):
        raise Problem(403, "forbidden", "Not allowed", "You are not allowed to do this.")
    return role, sub, workspace


def cancel(request_id, role, sub, workspace):
    now = time.time_ns() // 1_000_000
    operation = secrets.token_urlsafe(9)
    names = ["pk", "status", "version", "workspace", "operations", "updated_at", "due_at", "history", "due_shard"]
    names.append("ttl")
    entry = {"status": {"S": "canceled"}, "at": {"N": str(now)}, "actor": {"S": role}, "actor_id": {"S": sub}}
    values = {
        ":workspace": {"S": workspace},
        ":operation": {"S": operation},
        ":operations": {"SS": [operation]},
        ":recorded_at": {"N": str(now)},
        ":now": {"N": str(now)},
        ":is_sent": {"S": "sent"},
        ":is_canceled": {"S": "canceled"},
        ":one": {"N": "1"},
        ":entry": {"L": [{"M": entry}]},
        ":ttl": {"N": str(math.ceil(now / 1000) + RETENTION_SECONDS)},
    }
    within = "#workspace = :workspace"
    if role == "agent":
        within += " AND #agent.#id = :agent_id"
        names += ["agent", "id"]
        values[":agent_id"] = {"S": sub}
    try:
        return TABLE.update_item(
            TableName=os.environ["TABLE_NAME"],
            Key={"pk": {"S": f"REQ#{request_id}"}},
            ConditionExpression=f"attribute_exists(#pk) AND {within} AND NOT contains(#operations, :operation)"
            " AND #updated_at <= :recorded_at AND (#status = :is_sent AND #due_at > :now)",
            UpdateExpression="SET #status = :is_canceled, #version = #version + :one,"
            " #history = list_append(#history, :entry), #updated_at = :recorded_at, #ttl = :ttl"
            " ADD #operations :operations REMOVE #due_shard",
            ExpressionAttributeNames={f"#{name}": name for name in names},
            ExpressionAttributeValues=values,
            ReturnValues="ALL_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )["Attributes"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        found = error.response.get("Item")
        if not found or found["workspace"]["S"] != workspace:
            raise not_found() from error
        if role == "agent" and found["agent"]["M"]["id"]["S"] != sub:
            raise not_found() from error
        raise Problem(409, *REFUSALS[found["status"]["S"]]) from error


def moment(number):
    at = datetime.fromtimestamp(int(number["N"]) / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def text(item, name):
    return item[name]["S"] if name in item else None


def representation(request_id, item):
    history = [
        {
            "version": version,
            "status": entry["M"]["status"]["S"],
            "at": moment(entry["M"]["at"]),
            "actor": {"type": entry["M"]["actor"]["S"], "id": text(entry["M"], "actor_id")},
            "reason": text(entry["M"], "reason"),
        }
        for version, entry in enumerate(item["history"]["L"], 1)
    ]
    metadata = item.get("metadata", {"M": {}})["M"]
    return {
        "id": request_id,
        "status": item["status"]["S"],
        "version": int(item["version"]["N"]),
        "workspace": item["workspace"]["S"],
        "agent": {"id": item["agent"]["M"]["id"]["S"], "name": item["agent"]["M"]["name"]["S"]},
        "order_number": item["order_number"]["S"],
        "amount": int(item["amount"]["N"]),
        "currency": item["currency"]["S"],
        "customer": {"phone": item["phone"]["S"], "name": text(item, "customer_name")},
        "description": text(item, "description"),
        "conversation_id": text(item, "conversation_id"),
        "metadata": {name: value["S"] for name, value in metadata.items()},
        "link": None,
        "created_at": history[0]["at"],
        "updated_at": history[-1]["at"],
        "history": history,
        "payment": None,
    }


def handler(event, _context):
    try:
        who = caller(event)
        request_id = (event.get("pathParameters") or {}).get("id", "")
        if not ID.fullmatch(request_id):
            raise not_found()
        if event.get("body") and json.loads(event["body"]):
            raise Problem(422, "validation_failed", "Some fields are not valid", "The body has to be empty.")
        response = answer(200, "application/json", representation(request_id, cancel(request_id, *who)))
    except Problem as problem:
        response = problem.answer
    log = {"level": "INFO", "message": "answered", "route": event["routeKey"], "status": response["statusCode"]}
    print(json.dumps(log))
    return response
