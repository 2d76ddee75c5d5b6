"""The stand-in's answers have the types of Stripe's official client for Node.js (https://www.npmjs.com/package/stripe).

Its types are generated from Stripe's published description of the API. Every answer and every webhook is assigned, as a
literal, to its type in one TypeScript file. So the compiler finds a required field that is missing, a field that the
type does not have, and a value of another type.
"""

import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest
import urllib.parse

import test_official_client as official

HERE = pathlib.Path(__file__).parent
MODULES = HERE / "node_modules"


def setUpModule():
    global WEBHOOKS
    WEBHOOKS = official.Webhooks()
    official.BASE = unittest.enterModuleContext(official.running(WEBHOOKS))
    WEBHOOKS.api = official.BASE


def call(method, path, **parameters):
    """The JSON of an answer, whatever its status."""
    form = urllib.parse.urlencode(parameters)
    headers = {"authorization": f"Bearer {official.KEY}", "content-type": "application/x-www-form-urlencoded"}
    if method == "POST":
        return json.loads(official.request("POST", official.BASE, f"/stripe/v1{path}", form, headers)[1])
    return json.loads(official.request("GET", official.BASE, f"/stripe/v1{path}?{form}", None, headers)[1])


def press(session, outcome, form="pay"):
    body = urllib.parse.urlencode({"outcome": outcome})
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return official.request("POST", official.BASE, f"/stripe/c/pay/{session['id']}/{form}", body, headers)[0]


def create(**changes):
    parameters = {
        "mode": "payment",
        "success_url": f"{official.BASE}/p/x",
        "line_items[0][quantity]": 2,
        "line_items[0][price_data][currency]": "zar",
        "line_items[0][price_data][unit_amount]": 12500,
        "line_items[0][price_data][product_data][name]": "Order 1",
        **changes,
    }
    return call("POST", "/checkout/sessions", **parameters)


#: What chat2pay sends besides, so that answers are seen with all of it and with none.
WHOLE = {
    "cancel_url": "https://pay.example.com/p/x?back",
    "client_reference_id": "r-1",
    "locale": "auto",
    "metadata[payment_request_id]": "r-1",
    "payment_intent_data[metadata][payment_request_id]": "r-1",
    "adaptive_pricing[enabled]": "false",
    "line_items[0][price_data][product_data][description]": "2 x tickets",
}


def answers():
    """Every kind of answer and of webhook, each with its type."""

    def session(made):
        yield "Stripe.Checkout.Session", made
        path = f"/checkout/sessions/{made['id']}"
        yield "Stripe.Checkout.Session", call("GET", path)
        expanded = {"expand[0]": "payment_intent.latest_charge", "expand[1]": "line_items"}
        read = call("GET", path, **expanded)
        yield "Stripe.Checkout.Session", read
        for item in read["line_items"]["data"]:
            yield "Stripe.LineItem", item
        if intent := read["payment_intent"]:
            yield "Stripe.PaymentIntent", call("GET", f"/payment_intents/{intent['id']}")
            charge = intent["latest_charge"]["id"]
            yield "Stripe.Charge", call("GET", f"/charges/{charge}", **{"expand[0]": "payment_intent"})

    sessions = []
    for more in ({}, WHOLE):
        for outcomes in ([], ["declined"], ["succeeded"], ["processing"]):
            made = create(**more)
            for outcome in outcomes:
                press(made, outcome)
            sessions.append(made["id"])
            yield from session(made)
            if not outcomes or outcomes == ["declined"]:
                yield from session(call("POST", f"/checkout/sessions/{made['id']}/expire"))
    for outcome in ("succeeded", "failed"):
        made = create()
        press(made, "processing")
        press(made, outcome, "settle")
        sessions.append(made["id"])
        yield from session(made)
    for waits, end in ((False, None), (True, "succeeded"), (True, "failed")):
        made = create(**WHOLE)
        press(made, "succeeded")
        if waits:
            press(made, "waiting", "refunds")
        intent = call("GET", f"/checkout/sessions/{made['id']}")["payment_intent"]
        more = {"reason": "requested_by_customer", "metadata[payment_request_id]": "r-1"} if waits else {}
        refund = call("POST", "/refunds", payment_intent=intent, **more)
        yield "Stripe.Refund", refund
        if end:
            press(made, end, "refunds")
        expanded = {"expand[0]": "charge", "expand[1]": "payment_intent"}
        yield "Stripe.Refund", call("GET", f"/refunds/{refund['id']}", **expanded)
        yield "Stripe.ApiList<Stripe.Refund>", call("GET", "/refunds", payment_intent=intent)
        sessions.append(made["id"])
        yield from session(made)

    made = create(**WHOLE)
    press(made, "succeeded")
    press(made, "opened", "dispute")
    official.request("POST", official.BASE, "/stripe/payouts")
    for kind, name, expand in (
        ("Charge", "charges", "data.balance_transaction"),
        ("Refund", "refunds", "data.charge"),
        ("Dispute", "disputes", "data.charge"),
        ("Payout", "payouts", "data.destination"),
        ("BalanceTransaction", "balance_transactions", "data.source"),
    ):
        listed = call("GET", f"/{name}", limit=100, **{"expand[0]": expand, "created[gte]": 1})
        assert listed["data"], name
        yield f"Stripe.ApiList<Stripe.{kind}>", {**listed, "data": []}
        for element in listed["data"]:
            yield f"Stripe.{kind}", element

    def webhooks():
        # A session's last event comes after all of its others.
        kinds = {event.type for event in WEBHOOKS.events}
        return WEBHOOKS.bodies if kinds >= KINDS else None

    for body in official.eventually("all kinds of webhooks", webhooks):
        event = json.loads(body)
        # The type of each kind of event is named after it, such as CheckoutSessionCompletedEvent.
        yield f"Stripe.{re.sub('[._]', ' ', event['type']).title().replace(' ', '')}Event", event


#: Every kind of webhook that the stand-in sends.
KINDS = {
    "charge.dispute.created",
    "charge.failed",
    "charge.pending",
    "charge.refunded",
    "charge.succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.completed",
    "checkout.session.expired",
    "payment_intent.canceled",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.succeeded",
    "refund.created",
    "refund.failed",
    "refund.updated",
}


def parsed(value):
    """A value as the client hands it on: it reads decimals, which come as text, into objects of its own."""
    if isinstance(value, list):
        return [parsed(element) for element in value]
    if not isinstance(value, dict):
        return value
    value = {name: parsed(field) for name, field in value.items()}
    if (decimal := value.get("unit_amount_decimal")) is not None:
        assert re.fullmatch(r"\d+(\.\d+)?", decimal), decimal
        value["unit_amount_decimal"] = None
    return value


def compiled(declarations):
    """What the compiler finds wrong with values of types, as (type, value, message)."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        types = folder / "node_modules" / "stripe"
        shutil.copytree(
            MODULES / "stripe" / "esm",
            types / "esm",
            ignore=lambda _, names: [name for name in names if name.endswith((".js", ".map"))],
        )
        shutil.copy(MODULES / "stripe" / "package.json", types)
        # The client accepts enum values that it does not know, because Stripe may add some. The stand-in has to have
        # the known ones.
        shared = types / "esm" / "shared.d.ts"
        text = shared.read_text()
        closed = re.sub(r"(export type OtherString = )[^;]+;", r"\1never;", text)
        assert closed != text, "the client's types declare open enums in another way"
        shared.write_text(closed)
        lines = ["import type { Stripe } from 'stripe';"]
        for place, (of, value) in enumerate(declarations):
            lines.append(f"export const v{place}: {of} = {json.dumps(parsed(value))};")
        (folder / "answers.ts").write_text("\n".join(lines) + "\n")
        (folder / "package.json").write_text('{ "type": "module" }')
        options = ["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--skipLibCheck", "--types", ""]
        options += [
            "--module",
            "nodenext",
            "--moduleResolution",
            "nodenext",
            "--target",
            "es2022",
            "--pretty",
            "false",
            "--noErrorTruncation",
        ]
        tsc = [MODULES / ".bin" / "tsc", *options, "answers.ts"]
        output = subprocess.run(tsc, cwd=folder, capture_output=True, text=True, check=False).stdout
    found = []
    for line in output.splitlines():
        place = re.match(r"answers\.ts\((\d+),\d+\): error (.*)", line)
        if place and int(place[1]) > 1:
            found.append((*declarations[int(place[1]) - 2], [place[2]]))
        elif found:
            found[-1][2].append(line.strip())
        else:
            raise AssertionError(output)
    return found


class Types(unittest.TestCase):
    maxDiff = None

    def test_every_answer_and_webhook_is_of_its_type(self):
        found = compiled(list(answers()))
        # The compiler repeats the value, which is long, before it says what is wrong with it.
        said = [re.sub(r"Type '\{.*?\}' is ", "It is ", " ".join(message)) for *_, message in found]
        self.assertFalse({(of, message) for (of, *_), message in zip(found, said, strict=True)})

    def test_the_compiler_sees_what_is_missing_strange_or_of_another_kind(self):
        made = create()
        breaches = [("Stripe.Checkout.Session", {k: v for k, v in made.items() if k != name}) for name in made]
        breaches += [
            ("Stripe.Checkout.Session", {**made, **change})
            for change in (
                {"nonsense": None},
                {"status": "nonsense"},
                {"payment_status": None},
                {"amount_total": "25000"},
                {"locale": "tlh"},
                {"currency": 710},
            )
        ]
        seen = [value for _, value, _ in compiled(breaches)]
        unseen = [value for _, value in breaches if value not in seen]
        # Optional in the type, although Stripe always sends it.
        self.assertLessEqual(len(unseen), 2, unseen)

    def test_the_client_is_of_the_version_that_the_stand_in_speaks(self):
        version = re.search(r"ApiVersion = '([^']+)'", (MODULES / "stripe/esm/apiVersion.js").read_text())[1]
        headers = {"authorization": f"Bearer {official.KEY}", "stripe-version": version}
        made = create()
        status, _ = official.request("GET", official.BASE, f"/stripe/v1/checkout/sessions/{made['id']}", None, headers)
        self.assertEqual((status, official.stripe.api_version), (200, version))
