"""The payment providers of the suite: the form of their reports, and how their customers pay."""

import datetime
import functools
import hashlib
import hmac
import json
import time
import urllib.parse
import uuid

import webhook
from client import call
from settings import now


class Provider:
    """What most providers have in common."""

    #: Whether the provider is asked about each report, and reports alone say nothing.
    is_asked = False
    #: Whether the provider's pages stay open for ever.
    never_closes = False
    #: Whether late money has to be a payment at the provider to be refunded.
    refunds_only_payments = True

    def done_query(self, _request):
        """Returns what the provider appends to the address to which a customer comes back."""
        return ""

    def pay_quietly(self, _checkout):
        """Has a payment at the provider before it is reported by hand; most providers' reports speak for themselves."""


class Sandbox(Provider):
    """The sandbox provider, the default of the local runner."""

    name, declined = "sandbox", "card_declined"
    #: Whether a customer stays on the provider's page after a decline.
    keeps_declined_customers = False
    refunds_only_payments = False

    def __init__(self, settings):
        self.settings = settings

    def report_paid(self, request, paid_at, amount=25000, secret=None, age=0):
        """Sends a hand-made report of a payment, signed the given number of seconds ago."""
        data = {
            "checkout_id": "cs_by_hand",
            "payment_request_id": request["id"],
            "payment_id": f"pay_{uuid.uuid4().hex}",
            "amount": amount,
            "currency": "ZAR",
            "paid_at": paid_at,
        }
        return self._post({"type": "checkout.paid", "timestamp": now(), "data": data}, secret=secret, age=age)

    def _post(self, body, identifier=None, secret=None, age=0):
        url = f"{self.settings.api}/webhooks/sandbox"
        return webhook.post(url, body, secret or self.settings.webhook_secret, age, identifier)

    def life_by_hand(self, request):
        """Returns functions that report a failed attempt, a payment and an unrelated event; each can be repeated."""
        about = {"checkout_id": "cs_by_hand", "payment_request_id": request["id"], "amount": 25000, "currency": "ZAR"}
        bodies = [
            {"type": "checkout.payment_failed", "timestamp": now(), "data": about | {"reason": self.declined}},
            {
                "type": "checkout.paid",
                "timestamp": now(),
                "data": about | {"payment_id": f"pay_{uuid.uuid4().hex}", "paid_at": now()},
            },
            {"type": "checkout.viewed", "timestamp": now(), "data": about},
        ]
        return [functools.partial(self._post, body, f"msg_{uuid.uuid4().hex}") for body in bodies]

    def pay_late(self, request, _deadline=None):
        """Reports a payment for a request that has ended; the sandbox refunds any payment."""
        assert self.report_paid(request, now()).status == 200


class Stripe(Provider):
    """Stripe, or its stand-in in the local runner."""

    name, declined = "stripe", "generic_decline"
    keeps_declined_customers = True
    #: The time within which Stripe's report of a payment does not say whether the customer was in time, in seconds.
    EVENT_DELAY = 60

    def __init__(self, settings):
        self.settings = settings

    def report_paid(self, request, paid_at, amount=25000, secret=None, age=0):
        """Sends a hand-made report of a payment, signed the given number of seconds ago."""
        return self._post(
            self._event("checkout.session.completed", self._session(request, amount), paid_at), secret, age
        )

    def _session(self, request, amount=25000):
        return {
            "id": "cs_test_by_hand",
            "object": "checkout.session",
            "status": "complete",
            "payment_status": "paid",
            "amount_total": amount,
            "currency": "zar",
            "payment_intent": f"pi_{uuid.uuid4().hex}",
            "livemode": False,
            "metadata": {"payment_request_id": request["id"]},
        }

    def _event(self, kind, thing, at):
        moment = datetime.datetime.fromisoformat(at)
        return {
            "id": f"evt_{uuid.uuid4().hex}",
            "object": "event",
            "type": kind,
            "created": int(moment.timestamp()),
            "livemode": False,
            "data": {"object": thing},
        }

    def life_by_hand(self, request):
        """Returns functions that report a failed attempt, a payment and an unrelated event; each can be repeated."""
        session = self._session(request)
        intent = {
            "id": session["payment_intent"],
            "object": "payment_intent",
            "metadata": session["metadata"],
            "last_payment_error": {"code": "card_declined", "decline_code": self.declined},
        }
        events = [
            ("payment_intent.payment_failed", intent),
            ("checkout.session.completed", session),
            ("charge.updated", intent),
        ]
        return [functools.partial(self._post, self._event(kind, thing, now())) for kind, thing in events]

    def _post(self, event, secret=None, age=0):
        body = json.dumps(event)
        timestamp, key = int(time.time()) - age, (secret or self.settings.webhook_secret).split()[0]
        signed = hmac.new(key.encode(), f"{timestamp}.{body}".encode(), hashlib.sha256).hexdigest()
        return call(
            "POST",
            f"{self.settings.api}/webhooks/stripe",
            body.encode(),
            {"content-type": "application/json; charset=utf-8", "stripe-signature": f"t={timestamp},v1={signed}"},
        )

    def pay_late(self, request, deadline=None):
        """Pays for a request that has ended, in a new session: Stripe refunds only payments that exist.

        With a deadline, it waits until the report itself says that the customer was late. Before, the request's own
        session would decide, and the request has another than the one that is paid here.
        """
        if deadline is not None:
            end = datetime.datetime.fromisoformat(deadline).timestamp()
            # Stripe's times are whole seconds.
            time.sleep(max(0, end + self.EVENT_DELAY + 2 - time.time()))
        metadata = {
            "metadata[payment_request_id]": request["id"],
            "payment_intent_data[metadata][payment_request_id]": request["id"],
        }
        item = {
            "quantity": 1,
            "price_data][currency": "zar",
            "price_data][unit_amount": 25000,
            "price_data][product_data][name": "Order 10045",
        }
        order = {
            "mode": "payment",
            "success_url": self.settings.api,
            **metadata,
            **{f"line_items[0][{name}]": value for name, value in item.items()},
        }
        made = call(
            "POST",
            f"{self.settings.provider_url}/v1/checkout/sessions",
            urllib.parse.urlencode(order).encode(),
            {
                "authorization": f"Bearer {self.settings.provider_key}",
                "content-type": "application/x-www-form-urlencoded",
            },
        )
        assert made.status == 200, made
        pressed = call(
            "POST",
            made.json["url"] + "/pay",
            b"outcome=succeeded",
            {"content-type": "application/x-www-form-urlencoded"},
        )
        assert pressed.status == 303, pressed


class Paystack(Provider):
    """Paystack's stand-in in the local runner. Its reports say nothing by themselves: Paystack is asked."""

    #: Paystack does not report an attempt that failed.
    name, declined = "paystack", None
    keeps_declined_customers = True
    is_asked = never_closes = True

    def __init__(self, settings):
        self.settings = settings

    def done_query(self, request):
        """Returns the reference, which Paystack appends twice."""
        return f"&trxref={request['id']}-1&reference={request['id']}-1"

    def pay_quietly(self, checkout):
        """Pays on the page, and loses Paystack's own report."""
        self._press(checkout, webhooks="off")

    def report_paid(self, request, paid_at, amount=25000, secret=None, age=0):
        """Pays this amount on a second page, and reports it by hand. Paystack signs no time, so it has no age."""
        assert age == 0, "a report of Paystack's has no age"
        if secret is None:
            self._press(self._page(request, 2, amount), webhooks="off")
        return self._post(self._event("charge.success", request, 2, amount, paid_at), secret)

    def _event(self, kind, request, attempt, amount=25000, paid_at=None):
        about = {"reference": f"{request['id']}-{attempt}", "amount": amount, "currency": "ZAR", "domain": "test"}
        return {"event": kind, "data": about | {"paid_at": paid_at, "status": "success"}}

    def _post(self, event, secret=None):
        body = json.dumps(event).encode()
        key = (secret or self.settings.webhook_secret).split()[0]
        signed = hmac.new(key.encode(), body, hashlib.sha512).hexdigest()
        headers = {"content-type": "application/json", "x-paystack-signature": signed}
        return call("POST", f"{self.settings.api}/webhooks/paystack", body, headers)

    def life_by_hand(self, request):
        """Returns functions that report a failed attempt, a payment and an unrelated event; each can be repeated."""
        kinds = ("charge.failed", "charge.success", "paymentrequest.pending")
        return [functools.partial(self._post, self._event(kind, request, 1)) for kind in kinds]

    def pay_late(self, request, _deadline=None):
        """Pays for a request that has ended, on another page of it."""
        self._press(self._page(request, 2, 25000))

    def _page(self, request, attempt, amount):
        order = {
            "email": "thandi@example.com",
            "amount": amount,
            "currency": "ZAR",
            "reference": f"{request['id']}-{attempt}",
            "metadata": {"payment_request_id": request["id"]},
        }
        authorization = {"authorization": f"Bearer {self.settings.provider_key}"}
        made = call("POST", f"{self.settings.provider_url}/transaction/initialize", order, authorization)
        assert made.status == 200, made
        return made.json["data"]["authorization_url"]

    def _press(self, checkout, webhooks="on"):
        form = urllib.parse.urlencode({"outcome": "succeeded", "webhooks": webhooks}).encode()
        pressed = call("POST", checkout + "/pay", form, {"content-type": "application/x-www-form-urlencoded"})
        assert pressed.status == 303, pressed


PROVIDERS = {provider.name: provider for provider in (Sandbox, Stripe, Paystack)}
