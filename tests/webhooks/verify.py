"""Verifies a delivery with the official library for Python.

Reads `{ "secret", "headers", "body" }` from standard input, and fails if the signature is not valid.
"""

import json
import sys

from standardwebhooks.webhooks import Webhook

delivery = json.load(sys.stdin)
payload = Webhook(delivery["secret"]).verify(delivery["body"], delivery["headers"])
print(payload["type"])
