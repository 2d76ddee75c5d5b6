//! What reconciliation reads: payments, refunds, disputes and payouts.

use super::*;
use domain::ports::{
    Fee, PaymentsPage, Payout, ProviderPayment, SettlementList, SettlementState, Settlements as _, Window,
};

fn window() -> Window {
    Window { from: at("2026-01-05T00:00:00Z"), to: at("2026-01-06T00:00:00Z") }
}

fn list(elements: &Value, page: u64, count: u64) -> Prepared {
    let meta = json!({ "total": 1, "skipped": 0, "perPage": 50, "page": page, "pageCount": count });
    says(200, json!({ "status": true, "message": "Retrieved", "data": elements, "meta": meta }))
}

fn expected(request: &PaymentRequest) -> ProviderPayment {
    ProviderPayment {
        reference: reference(request, 1),
        id: request.id,
        money: Some(money(25_000, "ZAR")),
        paid_at: at("2026-01-05T10:01:40Z"),
        state: SettlementState::Settled,
        refunded: None,
        disputed: false,
        fee: Some(Fee { minor_units: 825, currency: "ZAR".parse().unwrap() }),
        balance_entry: Some(reference(request, 1)),
        payout: None,
    }
}

#[tokio::test]
async fn payments_are_those_that_were_paid_in_the_window_whenever_their_page_was_created() {
    let request = clicked();
    let other = |fields: &Value| with(transaction(&request, 1, "success"), fields);
    let elements = json!([
        transaction(&request, 1, "success"),
        other(&json!({ "paid_at": "2026-01-06T00:00:00.000Z" })),
        other(&json!({ "paid_at": "2026-01-04T23:59:59.999Z" })),
        other(&json!({ "paid_at": null })),
        other(&json!({ "reference": "T685312322670591" })),
        other(&json!({ "metadata": null })),
    ]);
    let reversed = json!([transaction(&request, 1, "reversed")]);
    let refunds = json!([
        { "transaction": 7, "amount": 25_000, "status": "processed" },
        { "transaction": NUMBER, "amount": 24_000, "status": "failed" },
        { "transaction": NUMBER, "amount": 1_000, "status": "processed" },
    ]);
    let server = Server::start(vec![
        ("/transaction", list(&elements, 1, 2)),
        ("/refund", list(&refunds, 1, 2)),
        ("/refund", list(&json!([]), 2, 2)),
        ("/transaction", list(&json!([]), 2, 2)),
        ("/transaction", list(&reversed, 1, 1)),
        ("/refund", list(&json!([]), 1, 1)),
    ])
    .await;
    let (paystack, mut place, mut found) = (server.paystack(), None, Vec::new());
    loop {
        let page = paystack.settlements(SettlementList::Payments, window(), place.as_deref()).await.unwrap();
        assert_eq!(page.unknown, 0);
        found.extend(page.payments);
        place = page.next;
        if place.is_none() {
            break;
        }
    }
    let back = |amount| ProviderPayment { refunded: Some(money(amount, "ZAR")), ..expected(&request) };
    assert_eq!(found, [back(1_000), back(25_000)]);
    let since = "from=2026-01-05T00:00:00.000Z";
    let span = "from=2025-12-29T00:00:00.000Z&to=2026-01-06T00:00:00.000Z";
    assert_eq!(
        server.paths(),
        [
            format!("GET /transaction?status=success&{span}&page=1"),
            format!("GET /refund?perPage=100&{since}&page=1"),
            format!("GET /refund?perPage=100&{since}&page=2"),
            format!("GET /transaction?status=success&{span}&page=2"),
            format!("GET /transaction?status=reversed&{span}&page=1"),
            format!("GET /refund?perPage=100&{since}&page=1"),
        ]
    );
}

#[tokio::test]
async fn where_too_many_refunds_were_made_since_each_payment_is_asked_about_alone() {
    let request = clicked();
    let elements = json!([transaction(&request, 1, "success")]);
    let other = json!([{ "transaction": 7, "amount": 25_000, "status": "processed" }]);
    let own = json!([{ "transaction": NUMBER, "amount": 1_000, "status": "processed" }]);
    let mut answers = vec![("/transaction", list(&elements, 1, 1))];
    answers.extend((1..=10).map(|page| ("/refund", list(&other, page, 99))));
    answers.push(("/refund", list(&own, 1, 1)));
    let server = Server::start(answers).await;
    let found = server.paystack().settlements(SettlementList::Payments, window(), None).await.unwrap();
    assert_eq!(found.payments[0].refunded, Some(money(1_000, "ZAR")));
    assert_eq!(server.paths()[11], format!("GET /refund?transaction={NUMBER}&perPage=100&page=1"));
}

#[tokio::test]
async fn refunds_and_disputes_lead_to_their_payments() {
    let request = clicked();
    let of = reference(&request, 1);
    let refunds = json!([
        { "id": 1, "transaction": NUMBER, "transaction_reference": of, "amount": 5_000, "status": "pending" },
        { "id": 2, "transaction": NUMBER, "transaction_reference": of, "amount": 1_000, "status": "failed" },
        { "id": 3, "transaction": 7, "transaction_reference": "T685312322670591", "amount": 1, "status": "processed" },
    ]);
    let own = json!([refunds[0], refunds[1]]);
    let disputes = json!([
        { "id": 1, "status": "awaiting-merchant-feedback", "transaction": transaction(&request, 1, "success") },
        { "id": 2, "status": "a_new_status", "transaction": null },
    ]);
    let server = Server::start(vec![
        ("/refund", list(&refunds, 1, 3)),
        (verify(&request, 1), data(transaction(&request, 1, "reversal-pending"))),
        ("/refund", list(&own, 1, 1)),
        ("/dispute", list(&disputes, 1, 1)),
        (verify(&request, 1), data(transaction(&request, 1, "success"))),
        ("/refund", list(&json!([]), 1, 1)),
    ])
    .await;
    let paystack = server.paystack();
    let found = paystack.settlements(SettlementList::Refunds, window(), None).await.unwrap();
    let back = ProviderPayment { refunded: Some(money(5_000, "ZAR")), ..expected(&request) };
    assert_eq!(found, PaymentsPage { payments: vec![back], unknown: 0, next: Some("2".into()) });
    let found = paystack.settlements(SettlementList::Disputes, window(), None).await.unwrap();
    let payments = vec![ProviderPayment { disputed: true, ..expected(&request) }];
    assert_eq!(found, PaymentsPage { payments, unknown: 0, next: None });
    let span = "from=2026-01-05T00:00:00.000Z&to=2026-01-06T00:00:00.000Z&page=1";
    assert_eq!(server.paths()[0], format!("GET /refund?perPage=25&{span}"));
    assert_eq!(server.paths()[3], format!("GET /dispute?perPage=25&{span}"));
}

#[tokio::test]
async fn one_payment_is_read_with_what_has_become_of_it() {
    let request = clicked();
    let path = verify(&request, 1);
    let dispute = json!([{ "id": 1, "transaction": transaction(&request, 1, "success") }]);
    let unknown = with(transaction(&request, 1, "on_hold"), &json!({ "fees": null }));
    for (truth, disputes, state) in [
        (transaction(&request, 1, "success"), &dispute, SettlementState::Settled),
        (unknown, &json!([]), SettlementState::Pending),
        (transaction(&request, 1, "failed"), &json!([]), SettlementState::Failed),
    ] {
        let server = Server::start(vec![
            (path, data(truth.clone())),
            ("/refund", list(&json!([]), 1, 1)),
            ("/dispute", list(disputes, 1, 1)),
        ])
        .await;
        let found = server.paystack().payment(&reference(&request, 1)).await.unwrap().unwrap();
        assert_eq!((found.state, found.disputed), (state, state == SettlementState::Settled), "{truth}");
    }
    let server = Server::start(vec![(path, not_found())]).await;
    assert_eq!(server.paystack().payment(&reference(&request, 1)).await.unwrap(), None);
    assert_eq!(server.paystack().payment("pi_1").await.unwrap(), None);
}

#[tokio::test]
async fn a_payout_lists_the_payments_that_it_brought() {
    let request = clicked();
    let settlements = json!([
        { "id": 3, "status": "success", "settlement_date": "2026-01-06T00:00:00.000Z" },
        { "id": 2, "status": "success", "settlement_date": "2026-01-05T00:00:00.000Z" },
        { "id": 1, "status": "success", "settlement_date": "2026-01-01T00:00:00.000Z" },
    ]);
    let foreign = with(transaction(&request, 1, "success"), &json!({ "reference": "T685312322670591" }));
    let server = Server::start(vec![
        ("/settlement", list(&settlements, 1, 1)),
        ("/settlement/2/transactions", list(&json!([transaction(&request, 1, "success"), foreign]), 1, 2)),
        ("/settlement", list(&settlements, 1, 1)),
        ("/settlement/2/transactions", list(&json!([]), 2, 2)),
        ("/settlement", list(&settlements, 1, 1)),
    ])
    .await;
    let (paystack, mut place, mut found) = (server.paystack(), None, Vec::new());
    loop {
        let page = paystack.payouts(window(), place.as_deref()).await.unwrap();
        found.extend(page.entries);
        place = page.next;
        if place.is_none() {
            break;
        }
    }
    assert_eq!(found, [Payout { payout: "2".into(), balance_entry: reference(&request, 1) }]);
}

#[tokio::test]
async fn a_list_that_cannot_be_read_and_a_place_of_another_provider_are_errors() {
    let request = clicked();
    for elements in [json!(["x"]), json!([{ "id": 1 }]), json!({}), Value::Null] {
        let server = Server::start(vec![("/transaction", list(&elements, 1, 1))]).await;
        let error = server.paystack().settlements(SettlementList::Payments, window(), None).await.unwrap_err();
        assert!(matches!(error, ProviderError::Unreadable(_)), "{elements}: {error}");
    }
    let server = Server::start(Vec::new()).await;
    let paystack = server.paystack();
    for place in ["", "ch_1", "2:1", "1:", "1", "0:x", &reference(&request, 1)] {
        let error = paystack.settlements(SettlementList::Payments, window(), Some(place)).await.unwrap_err();
        assert!(matches!(error, ProviderError::Refused(_)), "{place}: {error}");
        let error = paystack.payouts(window(), Some(place)).await.unwrap_err();
        assert!(matches!(error, ProviderError::Refused(_)), "{place}: {error}");
    }
    assert!(server.received().is_empty());
}
