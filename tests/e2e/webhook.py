"""Hand-made webhooks, signed by the Standard Webhooks specification."""

import base64
import hashlib
import hmac
import json
import time
import uuid

from client import call


def post(url, body, secret, age=0, identifier=None):
    """Posts a webhook, signed with the first of the secrets `age` seconds ago."""
    body = json.dumps(body)
    identifier, timestamp = identifier or f"msg_{uuid.uuid4().hex}", int(time.time()) - age
    key = base64.b64decode(secret.split()[0].removeprefix("whsec_"))
    signed = hmac.new(key, f"{identifier}.{timestamp}.{body}".encode(), hashlib.sha256).digest()
    return call(
        "POST",
        url,
        body.encode(),
        {
            "content-type": "application/json",
            "webhook-id": identifier,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": "v1," + base64.b64encode(signed).decode(),
        },
    )
