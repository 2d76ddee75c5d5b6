"""A Python client that openapi-python-client makes from events/openapi.json alone, against the local runner.

tests/client/run generates the package chat2pay_client and names the runner's address in BASE.
"""

import json
import os
import unittest
import urllib.request
import uuid

from chat2pay_client import AuthenticatedClient
from chat2pay_client.api.payment_requests import (
    cancel_payment_request,
    create_payment_request,
    list_payment_requests,
    read_payment_request,
)
from chat2pay_client.api.reports import report_agents
from chat2pay_client.models import (
    GatewayMessage,
    NewAgent,
    NewCurrency,
    NewCustomer,
    NewMetadataType0,
    NewPaymentRequest,
    PaymentRequest,
    Problem,
    ProblemCode,
    Report,
    Status,
)

BASE = os.environ["BASE"]
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def token_of(**claims):
    body = json.dumps({"workspace": "client-python", **claims}).encode()
    headers = {"content-type": "application/json"}
    with DIRECT.open(urllib.request.Request(f"{BASE}/local/token", body, headers)) as answer:
        return json.load(answer)["access_token"]


def order(**changes):
    fields = {
        "order_number": "10045",
        "amount": 25_000,
        "currency": NewCurrency.ZAR,
        "customer": NewCustomer(phone="+27831234567", name="Thandi"),
        "metadata": NewMetadataType0.from_dict({"crm": "77"}),
    }
    return NewPaymentRequest(**{**fields, **changes})


class GeneratedClient(unittest.TestCase):
    def setUp(self):
        self.alice = self.client(token_of(sub="alice", name="Alice", role="agent"))

    def client(self, token):
        client = AuthenticatedClient(base_url=BASE, token=token, timeout=30, httpx_args={"trust_env": False})
        self.addCleanup(client.get_httpx_client().close)
        return client

    def create(self, **changes):
        request = create_payment_request.sync(client=self.alice, body=order(**changes))
        self.assertIsInstance(request, PaymentRequest)
        return request

    def assert_problem(self, answer, status, code):
        self.assertEqual(answer.status_code, status)
        self.assertIsInstance(answer.parsed, Problem)
        self.assertEqual(answer.parsed.code, code)
        self.assertEqual(answer.parsed.status, status)

    def test_creates_reads_lists_and_cancels(self):
        key = str(uuid.uuid4())
        created = create_payment_request.sync_detailed(client=self.alice, body=order(), idempotency_key=key)
        self.assertEqual(created.status_code, 201)
        request = created.parsed
        self.assertEqual((request.status, request.amount), (Status.SENT, 25_000))
        self.assertEqual(request.customer.name, "Thandi")
        self.assertEqual(request.metadata.additional_properties, {"crm": "77"})
        self.assertTrue(request.link.url.startswith(BASE))
        again = create_payment_request.sync_detailed(client=self.alice, body=order(), idempotency_key=key)
        self.assertEqual((again.parsed.id, again.headers["idempotency-replayed"]), (request.id, "true"))
        self.assertEqual(read_payment_request.sync(request.id, client=self.alice), request)
        other = self.create(order_number="10046")
        page = list_payment_requests.sync(client=self.alice, status=Status.SENT, limit=1)
        self.assertEqual([item.id for item in page.items], [other.id])
        page = list_payment_requests.sync(client=self.alice, status=Status.SENT, limit=1, cursor=page.next_cursor)
        self.assertEqual([item.id for item in page.items], [request.id])
        canceled = cancel_payment_request.sync(request.id, client=self.alice)
        self.assertEqual(canceled.status, Status.CANCELED)
        self.assertIsNone(canceled.link)
        self.assertEqual([entry.status for entry in canceled.history], [Status.SENT, Status.CANCELED])

    def test_reads_the_report_as_a_supervisor(self):
        self.create()
        sara = self.client(token_of(sub="sara", name="Sara", role="supervisor"))
        report = report_agents.sync(client=sara, include="clicks,days")
        self.assertIsInstance(report, Report)
        self.assertGreaterEqual(report.total.sent, 1)
        self.assertEqual([totals.agent.id for totals in report.agents], ["alice"])

    def test_sends_for_an_agent_as_a_service(self):
        bot = self.client(token_of(sub="crm-bot", role="service"))
        sent = create_payment_request.sync(client=bot, body=order(agent=NewAgent(id="alice", name="Alice")))
        self.assertEqual((sent.agent.id, sent.history[0].actor.id), ("alice", "crm-bot"))

    def test_401_is_the_gateways(self):
        answer = list_payment_requests.sync_detailed(client=self.client("nobody"))
        self.assertEqual(answer.status_code, 401)
        self.assertEqual(answer.parsed, GatewayMessage(message="Unauthorized"))

    def test_403(self):
        answer = report_agents.sync_detailed(client=self.alice)
        self.assert_problem(answer, 403, ProblemCode.FORBIDDEN)

    def test_404(self):
        answer = read_payment_request.sync_detailed(uuid.uuid4(), client=self.alice)
        self.assert_problem(answer, 404, ProblemCode.NOT_FOUND)

    def test_409(self):
        request = self.create()
        cancel_payment_request.sync(request.id, client=self.alice)
        answer = cancel_payment_request.sync_detailed(request.id, client=self.alice)
        self.assert_problem(answer, 409, ProblemCode.ALREADY_CANCELED)
        self.assertEqual(answer.parsed.detail, "This request is already canceled.")

    def test_422(self):
        wrong = order(amount=0, customer=NewCustomer(phone="0831234567"))
        answer = create_payment_request.sync_detailed(client=self.alice, body=wrong)
        self.assert_problem(answer, 422, ProblemCode.VALIDATION_FAILED)
        self.assertEqual({error.field for error in answer.parsed.errors}, {"amount", "customer.phone"})


if __name__ == "__main__":
    unittest.main()
