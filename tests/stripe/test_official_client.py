"""Stripe's official client (https://pypi.org/project/stripe/) against the stand-in and chat2pay.

The client calls the stand-in, verifies the stand-in's webhooks, and signs webhooks for chat2pay. The stand-in sends its
webhooks to this script, which verifies each with the client, keeps it, and hands it on to chat2pay as it came.
"""

import contextlib
import http.client
import http.server
import json
import os
import select
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse
import uuid

import stripe

KEY, SECRET = "sk_test_official0client", "whsec_official0client0webhook0secret"
#: How long something that has to happen may take.
PATIENCE = 30


class Webhooks:
    """Where the stand-in sends its webhooks."""

    def __init__(self):
        self.events, self.bodies, self.forged, self.api = [], [], [], None
        webhooks = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                signature = self.headers["stripe-signature"]
                try:
                    webhooks.events.append(stripe.Webhook.construct_event(body, signature, SECRET))
                    webhooks.bodies.append(body)
                except (ValueError, stripe.SignatureVerificationError) as error:
                    webhooks.forged.append(error)
                status, _ = post(webhooks.api, "/webhooks/stripe", body, {"stripe-signature": signature})
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def about(self, session, *kinds):
        """The events of these kinds about a session or its payment, once there is one of each."""

        def look():
            found = [event for event in self.events if session in json.dumps(event.to_dict(), default=str)]
            by_kind = {event.type: event for event in found}
            return [by_kind[kind] for kind in kinds] if all(kind in by_kind for kind in kinds) else None

        return eventually(f"{kinds} about {session}", look)


def eventually(what, look):
    end = time.monotonic() + PATIENCE
    while not (seen := look()):
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not happen within {PATIENCE} s")
        time.sleep(0.05)
    return seen


def request(method, base, path, body=None, headers=None):
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(base).netloc, timeout=PATIENCE)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def post(base, path, body, headers=None):
    return request("POST", base, path, body, {"content-type": "application/json", **(headers or {})})


@contextlib.contextmanager
def running(webhooks):
    """The local runner with the stand-in for Stripe, until the block ends."""
    environment = {
        **os.environ,
        "PAYMENT_PROVIDER": "stripe",
        "STRIPE_SECRET_KEY": KEY,
        "STRIPE_WEBHOOK_SECRET": SECRET,
        "STRIPE_WEBHOOK_URL": webhooks.url,
        "RUST_LOG": "warn",
    }
    with tempfile.TemporaryFile() as log:
        runner = subprocess.Popen(
            [os.environ["RUNNER"], "--port", "0"], env=environment, stdout=subprocess.PIPE, stderr=log
        )
        try:
            line = runner.stdout.readline().decode()
            if not line.startswith("ready "):
                log.seek(0)
                raise AssertionError(f"the local runner did not become ready: {log.read().decode()}")
            yield line.split()[1]
        finally:
            runner.send_signal(signal.SIGTERM)
            runner.wait(PATIENCE)
            runner.stdout.close()


def setUpModule():
    global WEBHOOKS, BASE, CLIENT
    WEBHOOKS = Webhooks()
    BASE = unittest.enterModuleContext(running(WEBHOOKS))
    WEBHOOKS.api = BASE
    CLIENT = client(KEY)


def client(key):
    return stripe.StripeClient(key, base_addresses={"api": f"{BASE}/stripe"}, max_network_retries=0)


def order(**changes):
    """A session as chat2pay asks for one."""
    return {
        "mode": "payment",
        "success_url": f"{BASE}/p/x?done",
        "cancel_url": f"{BASE}/p/x?back",
        "client_reference_id": "r-1",
        "metadata": {"payment_request_id": "r-1"},
        "payment_intent_data": {"metadata": {"payment_request_id": "r-1"}},
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": "zar",
                    "unit_amount": 25000,
                    "product_data": {"name": "Order 1", "description": "2 x tickets"},
                },
            }
        ],
        **changes,
    }


def create(key=None, **changes):
    return CLIENT.v1.checkout.sessions.create(order(**changes), {"idempotency_key": key} if key else {})


def submit(session, outcome, form="pay", **fields):
    """Submits a form on a session's page, and returns the status and where the customer goes next."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(BASE).netloc, timeout=PATIENCE)
    try:
        body = urllib.parse.urlencode({"outcome": outcome, **fields})
        headers = {"content-type": "application/x-www-form-urlencoded"}
        connection.request("POST", f"/stripe/c/pay/{session.id}/{form}", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers["location"]
    finally:
        connection.close()


def press(session, outcome, form="pay"):
    return submit(session, outcome, form)[0]


def page(session, query=""):
    return request("GET", BASE, f"/stripe/c/pay/{session.id}{query}")[1].decode()


def expanded(session):
    return CLIENT.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent.latest_charge", "line_items"]})


class Sessions(unittest.TestCase):
    def test_a_session_is_made_and_read(self):
        soon = int(time.time()) + 3600
        session = create(expires_at=soon)
        self.assertTrue(session.id.startswith("cs_test_"))
        self.assertEqual((session.object, session.mode, session.livemode), ("checkout.session", "payment", False))
        self.assertEqual((session.status, session.payment_status, session.payment_intent), ("open", "unpaid", None))
        self.assertEqual((session.amount_total, session.currency, session.expires_at), (25000, "zar", soon))
        self.assertEqual(session.metadata["payment_request_id"], "r-1")
        self.assertEqual(session.url, f"{BASE}/stripe/c/pay/{session.id}")
        read = expanded(session)
        self.assertEqual(read.line_items.data[0].description, "Order 1")
        self.assertIn("2 x tickets", page(session))
        self.assertEqual(read.last_response.headers["stripe-version"], stripe.api_version)
        self.assertTrue(read.last_response.request_id.startswith("req_"))

    def test_a_session_expires_once_and_is_not_paid_after(self):
        session = create()
        self.assertEqual(CLIENT.v1.checkout.sessions.expire(session.id).status, "expired")
        with self.assertRaisesRegex(stripe.InvalidRequestError, "status of `expired`") as refusal:
            CLIENT.v1.checkout.sessions.expire(session.id)
        self.assertEqual(refusal.exception.http_status, 400)
        self.assertEqual(press(session, "succeeded"), 410)
        self.assertIsNone(expanded(session).url)
        WEBHOOKS.about(session.id, "checkout.session.expired")

    def test_a_decline_leaves_a_session_open_and_a_payment_completes_it(self):
        session = create()
        self.assertEqual(press(session, "declined"), 303)
        declined = expanded(session)
        self.assertEqual((declined.status, declined.payment_intent.status), ("open", "requires_payment_method"))
        (failure,) = WEBHOOKS.about(declined.payment_intent.id, "payment_intent.payment_failed")
        self.assertEqual(failure.data.object.last_payment_error.decline_code, "generic_decline")
        self.assertEqual(press(session, "succeeded"), 303)
        paid = expanded(session)
        self.assertEqual(
            (paid.status, paid.payment_status, paid.payment_intent.status), ("complete", "paid", "succeeded")
        )
        self.assertEqual(paid.payment_intent.id, declined.payment_intent.id)
        charge = paid.payment_intent.latest_charge
        self.assertEqual((charge.status, charge.paid, charge.amount), ("succeeded", True, 25000))
        self.assertLess(abs(charge.created - time.time()), 60)
        (completed,) = WEBHOOKS.about(session.id, "checkout.session.completed")
        self.assertEqual(completed.data.object.payment_intent, paid.payment_intent.id)
        with self.assertRaisesRegex(stripe.InvalidRequestError, "status of `complete`"):
            CLIENT.v1.checkout.sessions.expire(session.id)

    def test_a_customer_returns_by_the_address_for_what_they_did(self):
        session = create()
        addresses = (f"{BASE}/p/x?done", f"{BASE}/p/x?back")
        self.assertEqual((session.success_url, session.cancel_url), addresses)
        self.assertIn(f'<a href="{BASE}/p/x?back">Cancel and go back</a>', page(session))
        self.assertEqual(submit(session, "succeeded"), (303, f"{BASE}/p/x?done"))
        self.assertEqual(submit(session, "succeeded"), (303, f"{BASE}/p/x?done"), "a repeat leads there too")
        self.assertIn(f'<a href="{BASE}/p/x?done">Back to the shop</a>', page(session))
        transfer = create()
        self.assertEqual(submit(transfer, "processing"), (303, f"{BASE}/p/x?done"))
        without = order()
        del without["cancel_url"]
        self.assertNotIn("<a ", page(CLIENT.v1.checkout.sessions.create(without)), "no address, no way back")

    def test_a_declined_customer_stays_on_the_page_with_the_error(self):
        session = create()
        status, location = submit(session, "declined")
        self.assertEqual((status, location), (303, f"/stripe/c/pay/{session.id}?declined"))
        self.assertIn("Your card was declined.", page(session, "?declined"))
        self.assertNotIn("declined", page(session).lower().replace('value="declined"', ""))
        self.assertEqual(submit(session, "succeeded"), (303, f"{BASE}/p/x?done"))
        self.assertNotIn("Your card was declined.", page(session, "?declined"), "it is paid")

    def test_a_payment_whose_events_are_lost_is_there_all_the_same(self):
        lost, reported = create(), create()
        self.assertEqual(submit(lost, "succeeded", webhooks="off")[0], 303)
        self.assertEqual(submit(reported, "succeeded")[0], 303)
        self.assertEqual(expanded(lost).payment_status, "paid")
        WEBHOOKS.about(reported.id, "checkout.session.completed")
        self.assertFalse(any(lost.id in json.dumps(event.to_dict(), default=str) for event in WEBHOOKS.events))
        self.assertEqual(submit(create(), "succeeded", webhooks="perhaps")[0], 422)

    def test_a_method_that_takes_time_arrives_or_fails(self):
        for outcome, status, kind in (
            ("succeeded", "paid", "async_payment_succeeded"),
            ("failed", "unpaid", "async_payment_failed"),
        ):
            session = create()
            press(session, "processing")
            waiting = expanded(session)
            self.assertEqual((waiting.status, waiting.payment_status), ("complete", "unpaid"))
            self.assertEqual(waiting.payment_intent.status, "processing")
            press(session, outcome, "settle")
            self.assertEqual(expanded(session).payment_status, status)
            WEBHOOKS.about(session.id, "checkout.session.completed", f"checkout.session.{kind}")


class Refunds(unittest.TestCase):
    def paid(self):
        session = create()
        press(session, "succeeded")
        return expanded(session).payment_intent

    def test_a_payment_is_refunded_once(self):
        intent = self.paid()
        refund = CLIENT.v1.refunds.create({"payment_intent": intent.id, "metadata": {"payment_request_id": "r-1"}})
        self.assertEqual((refund.status, refund.amount, refund.payment_intent), ("succeeded", 25000, intent.id))
        self.assertEqual(CLIENT.v1.refunds.retrieve(refund.id).id, refund.id)
        with self.assertRaises(stripe.InvalidRequestError) as refusal:
            CLIENT.v1.refunds.create({"payment_intent": intent.id})
        self.assertEqual(refusal.exception.code, "charge_already_refunded")
        (charge,) = WEBHOOKS.about(intent.id, "charge.refunded")
        self.assertTrue(charge.data.object.refunded)
        WEBHOOKS.about(refund.id, "refund.created", "refund.updated")

    def test_a_refund_waits_while_the_balance_does_not_cover_it(self):
        for outcome in ("succeeded", "failed"):
            session = create()
            press(session, "succeeded")
            intent = expanded(session).payment_intent
            press(session, "waiting", form="refunds")
            waiting = CLIENT.v1.refunds.create({"payment_intent": intent.id})
            self.assertEqual((waiting.status, waiting.pending_reason), ("pending", "insufficient_funds"))
            press(session, outcome, form="refunds")
            (refund,) = CLIENT.v1.refunds.list({"payment_intent": intent.id, "limit": 100}).data
            self.assertEqual((refund.id, refund.status), (waiting.id, outcome))
            WEBHOOKS.about(
                refund.id, "refund.created", "refund.updated", *(["refund.failed"] if outcome == "failed" else [])
            )
            again = {"payment_intent": intent.id}
            if outcome == "failed":
                self.assertEqual(CLIENT.v1.refunds.create(again).status, "succeeded")
            else:
                self.assertRaises(stripe.InvalidRequestError, CLIENT.v1.refunds.create, again)

    def test_a_refund_takes_no_more_than_there_is(self):
        intent = self.paid()
        CLIENT.v1.refunds.create({"payment_intent": intent.id, "amount": 10000})
        with self.assertRaisesRegex(stripe.InvalidRequestError, "greater than unrefunded amount"):
            CLIENT.v1.refunds.create({"payment_intent": intent.id, "amount": 15001})
        self.assertEqual(CLIENT.v1.refunds.create({"payment_intent": intent.id}).amount, 15000)

    def test_a_reason_is_one_that_stripe_knows_and_is_kept(self):
        intent = self.paid()
        for reason in ("nonsense", "expired_uncaptured_charge"):
            with self.assertRaises(stripe.InvalidRequestError) as refusal:
                CLIENT.v1.refunds.create({"payment_intent": intent.id, "reason": reason})
            self.assertEqual(refusal.exception.param, "reason")
        refund = CLIENT.v1.refunds.create({"payment_intent": intent.id, "reason": "duplicate"})
        self.assertEqual(CLIENT.v1.refunds.retrieve(refund.id).reason, "duplicate")

    def test_a_list_has_a_limit_and_says_whether_there_is_more(self):
        intent = self.paid()
        made = [CLIENT.v1.refunds.create({"payment_intent": intent.id, "amount": 100}).id for _ in range(12)][::-1]

        def listed(**parameters):
            page = CLIENT.v1.refunds.list({"payment_intent": intent.id, **parameters})
            return [refund.id for refund in page.data], page.has_more

        self.assertEqual(listed(), (made[:10], True))
        self.assertEqual(listed(limit=1), (made[:1], True))
        self.assertEqual(listed(limit=11), (made[:11], True))
        self.assertEqual(listed(limit=12), (made, False))
        self.assertEqual(listed(limit=100), (made, False))
        self.assertEqual(listed(limit=5, starting_after=made[8]), (made[9:], False))
        for limit in (0, 101, -1, "x"):
            with self.assertRaises(stripe.InvalidRequestError) as refusal:
                listed(limit=limit)
            self.assertEqual(refusal.exception.param, "limit", limit)
        whole = CLIENT.v1.refunds.list({"payment_intent": intent.id, "limit": 5}).auto_paging_iter()
        self.assertEqual([refund.id for refund in whole], made)

    def test_a_payment_that_has_not_succeeded_is_not_refunded(self):
        session = create()
        press(session, "declined")
        with self.assertRaises(stripe.InvalidRequestError):
            CLIENT.v1.refunds.create({"payment_intent": expanded(session).payment_intent.id})


class Settlements(unittest.TestCase):
    """What the account took and gave back, as lists of a window."""

    def paid(self, outcome="succeeded"):
        session = create()
        press(session, outcome)
        return session, expanded(session).payment_intent

    def test_charges_of_a_window_come_newest_first_with_their_fees(self):
        begun = int(time.time())
        intents = [self.paid()[1] for _ in range(3)]
        window = {"created": {"gte": begun, "lt": int(time.time()) + 1}, "expand": ["data.balance_transaction"]}
        page = CLIENT.v1.charges.list({**window, "limit": 2})
        self.assertEqual([charge.payment_intent for charge in page.data], [intents[2].id, intents[1].id])
        self.assertTrue(page.has_more)
        self.assertEqual(page.data[0].metadata["payment_request_id"], "r-1")
        entry = page.data[0].balance_transaction
        self.assertEqual((entry.object, entry.type, entry.source), ("balance_transaction", "charge", page.data[0].id))
        self.assertEqual((entry.amount, entry.fee, entry.net), (25000, 755, 24245))
        rest = CLIENT.v1.charges.list({**window, "limit": 2, "starting_after": page.data[1].id})
        self.assertEqual(rest.data[0].payment_intent, intents[0].id)
        whole = [charge.payment_intent for charge in CLIENT.v1.charges.list({**window, "limit": 1}).auto_paging_iter()]
        self.assertEqual(whole[:3], [intent.id for intent in intents[::-1]])
        for empty in ({"lt": begun - 3600}, {"gte": begun + 3600}, {"gt": begun + 3600}, {"lte": begun - 3600}):
            self.assertEqual(CLIENT.v1.charges.list({"created": empty}).data, [], empty)
        of_one = CLIENT.v1.charges.list({"payment_intent": intents[1].id}).data
        self.assertEqual([charge.payment_intent for charge in of_one], [intents[1].id])

    def test_a_charge_has_an_entry_in_the_balance_once_its_money_has_arrived(self):
        for outcome, end, has_entry in (
            ("declined", None, False),
            ("processing", "failed", False),
            ("processing", "succeeded", True),
        ):
            session, intent = self.paid(outcome)
            self.assertIsNone(intent.latest_charge.balance_transaction, outcome)
            if end:
                press(session, end, form="settle")
                charge = expanded(session).payment_intent.latest_charge
                self.assertEqual(charge.balance_transaction is not None, has_entry, (outcome, end))

    def test_refunds_of_a_window_lead_to_their_charges(self):
        begun = int(time.time())
        _, intent = self.paid()
        refund = CLIENT.v1.refunds.create({"payment_intent": intent.id, "amount": 1000})
        listed = CLIENT.v1.refunds.list({"created": {"gte": begun}, "expand": ["data.charge"], "limit": 100}).data
        (found,) = [one for one in listed if one.id == refund.id]
        self.assertEqual((found.charge.amount_refunded, found.charge.payment_intent), (1000, intent.id))
        of_charge = CLIENT.v1.refunds.list({"charge": intent.latest_charge.id}).data
        self.assertEqual([one.id for one in of_charge], [refund.id])

    def test_a_dispute_is_opened_once_and_leads_to_its_charge(self):
        begun = int(time.time())
        session, intent = self.paid()
        self.assertEqual([press(session, "opened", form="dispute") for _ in range(2)], [303, 303])
        listed = CLIENT.v1.disputes.list({"created": {"gte": begun}, "expand": ["data.charge"], "limit": 100}).data
        (dispute,) = [one for one in listed if one.payment_intent == intent.id]
        self.assertEqual((dispute.amount, dispute.status), (25000, "needs_response"))
        self.assertTrue(dispute.charge.disputed)
        self.assertEqual(CLIENT.v1.disputes.retrieve(dispute.id).charge, dispute.charge.id)
        self.assertEqual([one.id for one in CLIENT.v1.disputes.list({"payment_intent": intent.id}).data], [dispute.id])
        WEBHOOKS.about(dispute.id, "charge.dispute.created")
        unpaid = create()
        press(unpaid, "opened", form="dispute")
        self.assertIsNone(expanded(unpaid).payment_intent)

    def test_a_payout_names_the_entries_that_it_pays_out(self):
        begun = int(time.time())
        self.assertEqual(request("POST", BASE, "/stripe/payouts")[0], 204)
        _, intent = self.paid()
        self.assertEqual(request("POST", BASE, "/stripe/payouts")[0], 204)
        payouts = CLIENT.v1.payouts.list({"created": {"gte": begun}, "limit": 100}).data
        entries = {
            payout.id: [
                entry.id for entry in CLIENT.v1.balance_transactions.list({"payout": payout.id}).auto_paging_iter()
            ]
            for payout in payouts
        }
        entry = CLIENT.v1.charges.retrieve(intent.latest_charge.id).balance_transaction
        (payout,) = [payout for payout, paid_out in entries.items() if entry in paid_out]
        self.assertEqual(entries[payout], [entry])
        with self.assertRaises(stripe.InvalidRequestError) as refusal:
            CLIENT.v1.balance_transactions.list({"payout": "po_x"})
        self.assertEqual((refusal.exception.http_status, refusal.exception.param), (404, "payout"))

    def test_a_list_refuses_what_it_does_not_know(self):
        for parameters, param in (
            ({"limit": 0}, "limit"),
            ({"limit": 101}, "limit"),
            ({"created": {"gte": "soon"}}, "created[gte]"),
            ({"created": {"since": 1}}, "created[since]"),
            ({"starting_after": "ch_x"}, "starting_after"),
            ({"nonsense": 1}, "nonsense"),
        ):
            with self.assertRaises(stripe.InvalidRequestError) as refusal:
                CLIENT.v1.charges.list(parameters)
            self.assertEqual(refusal.exception.param, param)
        self.paid()
        for path in ("data", "data.nonsense", "data.amount"):
            with self.assertRaises(stripe.InvalidRequestError):
                CLIENT.v1.charges.list({"expand": [path]})


class Idempotency(unittest.TestCase):
    def test_a_call_under_a_key_is_done_once(self):
        key = uuid.uuid4().hex
        first, again = create(key), create(key)
        self.assertEqual(first.id, again.id)
        self.assertIsNone(first.last_response.headers.get("idempotent-replayed"))
        self.assertEqual(again.last_response.headers["idempotent-replayed"], "true")
        self.assertEqual(again.last_response.headers["original-request"], first.last_response.request_id)
        CLIENT.v1.checkout.sessions.expire(first.id)
        self.assertEqual(create(key).status, "open", "the first answer is repeated, whatever has happened since")

    def test_a_key_stands_for_one_call(self):
        key = uuid.uuid4().hex
        session = create(key)
        for other in (
            lambda: create(key, success_url=f"{BASE}/other"),
            lambda: CLIENT.v1.checkout.sessions.expire(session.id, None, {"idempotency_key": key}),
        ):
            with self.assertRaises(stripe.IdempotencyError) as refusal:
                other()
            self.assertEqual(refusal.exception.http_status, 400)

    def test_the_parameters_that_a_session_was_made_with_find_it_again(self):
        """As chat2pay asks again for a session of release 0.1, which had one address for every way back."""
        key, former = uuid.uuid4().hex, {"success_url": f"{BASE}/p/x", "cancel_url": f"{BASE}/p/x"}
        session = create(key, **former)
        with self.assertRaises(stripe.IdempotencyError) as refusal:
            create(key)
        self.assertEqual(refusal.exception.error.type, "idempotency_error")
        self.assertIsNone(refusal.exception.headers.get("idempotent-replayed"), "the key keeps its first answer")
        again = create(key, **former)
        self.assertEqual((again.id, again.url), (session.id, session.url))
        self.assertEqual(submit(again, "succeeded"), (303, f"{BASE}/p/x"), "it is still payable")
        self.assertEqual(CLIENT.v1.checkout.sessions.retrieve(session.id).payment_status, "paid")
        key = uuid.uuid4().hex
        create(key, **former)
        closed = CLIENT.v1.checkout.sessions.expire(create(key, **former).id)
        self.assertEqual(closed.status, "expired", "and closable")

    def test_a_refusal_of_the_parameters_is_not_kept_and_one_of_the_work_is(self):
        key = uuid.uuid4().hex
        with self.assertRaises(stripe.InvalidRequestError):
            create(key, mode="nonsense")
        session = create(key)
        CLIENT.v1.checkout.sessions.expire(session.id)
        for _ in range(2):
            with self.assertRaises(stripe.InvalidRequestError) as refusal:
                CLIENT.v1.checkout.sessions.expire(session.id, None, {"idempotency_key": key + "-expire"})
        self.assertEqual(refusal.exception.headers["idempotent-replayed"], "true")

    def test_a_key_in_use_is_a_conflict(self):
        key = uuid.uuid4().hex
        body = urllib.parse.urlencode({"mode": "payment"}).encode()

        def begin():
            slow = http.client.HTTPConnection(urllib.parse.urlsplit(BASE).netloc, timeout=PATIENCE)
            slow.putrequest("POST", "/stripe/v1/checkout/sessions")
            for name, value in (
                ("authorization", f"Bearer {KEY}"),
                ("idempotency-key", key),
                ("content-length", str(len(body))),
                ("content-type", "application/x-www-form-urlencoded"),
            ):
                slow.putheader(name, value)
            slow.endheaders()
            return slow

        slow = begin()

        def conflict():
            nonlocal slow
            if select.select([slow.sock], [], [], 0)[0]:
                # It came while the other call had the key, and was refused itself.
                slow.close()
                slow = begin()
            try:
                # Refused for its parameters, which leaves the key free, until the other call has arrived.
                create(key, mode="nonsense")
            except stripe.APIError as error:
                return error if error.http_status == 409 else None
            except stripe.InvalidRequestError:
                return None

        key_in_use = eventually("the conflict", conflict)
        self.assertEqual(key_in_use.error.code, "idempotency_key_in_use")
        slow.send(body)
        self.assertEqual(slow.getresponse().status, 400, "the call that was under way is answered as ever")
        slow.close()
        self.assertEqual(create(key).status, "open", "and leaves the key as it was")


class Refusals(unittest.TestCase):
    def test_a_wrong_key_is_nobodys(self):
        for call in (
            lambda: client("sk_test_wrong").v1.checkout.sessions.create(order()),
            lambda: client("sk_test_wrong").v1.checkout.sessions.retrieve("cs_test_x"),
        ):
            with self.assertRaises(stripe.AuthenticationError) as refusal:
                call()
            self.assertNotIn("wrong", str(refusal.exception))

    def test_what_is_unknown_is_missing(self):
        for call in (
            lambda: CLIENT.v1.checkout.sessions.retrieve("cs_test_x"),
            lambda: CLIENT.v1.refunds.retrieve("re_x"),
            lambda: CLIENT.v1.checkout.sessions.expire("cs_test_x"),
            lambda: CLIENT.v1.payment_intents.retrieve("pi_x"),
            lambda: CLIENT.v1.refunds.create({"payment_intent": "pi_x"}),
        ):
            with self.assertRaises(stripe.InvalidRequestError) as refusal:
                call()
            self.assertEqual((refusal.exception.http_status, refusal.exception.code), (404, "resource_missing"))

    def test_a_parameter_that_cannot_be_is_named(self):
        def item(**changes):
            data = {"currency": "usd", "unit_amount": 5000, "product_data": {"name": "Order 1"}, **changes}
            return {
                "line_items": [{"quantity": 1, "price_data": {name: value for name, value in data.items() if value}}]
            }

        now = int(time.time())
        unit_amount = "line_items[0][price_data][unit_amount]"
        currency = "line_items[0][price_data][currency]"
        for changes, param, code in (
            ({"success_url": "nonsense"}, "success_url", "url_invalid"),
            ({"nonsense": 1}, "nonsense", "parameter_unknown"),
            ({"expires_at": now + 60}, "expires_at", None),
            ({"expires_at": now + 90000}, "expires_at", None),
            (item(unit_amount=None), unit_amount, "parameter_missing"),
            (item(unit_amount="x"), unit_amount, "parameter_invalid_integer"),
            (item(unit_amount=49), unit_amount, "amount_too_small"),
            (item(unit_amount=100000000), unit_amount, "amount_too_large"),
            (item(currency="zar", unit_amount=1), unit_amount, "amount_too_small"),
            (item(currency="bgn"), currency, None),
            (item(currency="xxx"), currency, None),
            (item(currency="zzz"), currency, None),
            ({"line_items": [{**item()["line_items"][0], "quantity": 0}]}, "line_items[0][quantity]", None),
            ({"mode": "nonsense"}, "mode", None),
            ({"locale": "tlh"}, "locale", None),
            ({"locale": "EN"}, "locale", None),
            ({"client_reference_id": "x" * 201}, "client_reference_id", None),
            ({"success_url": f"{BASE}/{'x' * 5000}"}, "success_url", None),
            ({"adaptive_pricing": {"enabled": "perhaps"}}, "adaptive_pricing[enabled]", None),
            (
                {"line_items": [{**item()["line_items"][0], "nonsense": 1}]},
                "line_items[0][nonsense]",
                "parameter_unknown",
            ),
            ({"metadata": {"x" * 41: "1"}}, f"metadata[{'x' * 41}]", None),
            ({"metadata": {"x": "1" * 501}}, "metadata[x]", None),
            ({"metadata": {f"x{place}": "1" for place in range(51)}}, None, None),
        ):
            with self.assertRaises(stripe.InvalidRequestError) as refusal:
                create(**changes)
            self.assertEqual(refusal.exception.http_status, 400, changes)
            self.assertIn(param, (None, refusal.exception.param), changes)
            self.assertIn(code, (None, refusal.exception.code), changes)
        for taken in ({"locale": "en-GB"}, {"client_reference_id": "x" * 200}, item(currency="zar", unit_amount=50)):
            self.assertEqual(create(**taken).status, "open", taken)

    def test_a_version_that_the_stand_in_does_not_speak_is_refused(self):
        session = create()
        for version in ("1999-01-01", "2020-08-27", "2026-09-30.clover", "nonsense"):
            for call in (
                lambda version=version: CLIENT.v1.checkout.sessions.create(order(), {"stripe_version": version}),
                lambda version=version: CLIENT.v1.checkout.sessions.retrieve(
                    session.id, {}, {"stripe_version": version}
                ),
            ):
                with self.assertRaises(stripe.InvalidRequestError) as refusal:
                    call()
                self.assertEqual(refusal.exception.http_status, 400, version)
                self.assertIn("version", str(refusal.exception))


class Signatures(unittest.TestCase):
    """chat2pay holds what the official client signs, and nothing else."""

    BODY = json.dumps(
        {
            "id": "evt_1",
            "object": "event",
            "type": "customer.created",
            "created": 1,
            "livemode": False,
            "data": {"object": {}},
        }
    )

    def status(self, body=None, secret=SECRET, age=0, header=None):
        made = stripe.WebhookSignature.generate_signature_header(self.BODY, secret, int(time.time()) - age)
        headers = {"stripe-signature": header(made) if header else made}
        return post(BASE, "/webhooks/stripe", body or self.BODY, headers)[0]

    def test_what_the_official_client_signs_is_accepted(self):
        self.assertEqual(self.status(), 200)
        self.assertEqual(self.status(age=290), 200)
        self.assertEqual(self.status(age=-290), 200)
        other = stripe.WebhookSignature.generate_signature_header(self.BODY, "whsec_another0secret0while0it0is0rolled")
        self.assertEqual(self.status(header=lambda made: f"{made},{other.split(',')[1]},v0=00"), 200)

    def test_anything_else_is_refused(self):
        self.assertEqual(self.status(body=self.BODY.replace("evt_1", "evt_2")), 401)
        self.assertEqual(self.status(secret="whsec_some0other0secret0of0some0length"), 401)
        self.assertEqual(self.status(age=310), 401)
        self.assertEqual(self.status(age=-310), 401)
        self.assertEqual(self.status(header=lambda made: made.replace("v1=", "v0=")), 401)
        self.assertEqual(self.status(header=lambda _: ""), 401)
        self.assertEqual(post(BASE, "/webhooks/stripe", self.BODY)[0], 401)

    def test_every_webhook_of_the_stand_in_is_what_the_official_client_verifies(self):
        session = create()
        press(session, "succeeded")
        WEBHOOKS.about(session.id, "checkout.session.completed")
        self.assertEqual(WEBHOOKS.forged, [])
