//! Refunds: each payment goes back once, whatever is lost.

use super::*;

fn refund(status: &str, amount: i64) -> Value {
    json!({ "id": 18_256_918, "transaction": NUMBER, "domain": "test", "currency": "ZAR", "amount": amount,
        "status": status, "refunded_by": "a person", "customer": { "email": "thandi@example.com" } })
}

fn list(refunds: &[Value]) -> Prepared {
    let meta = json!({ "total": refunds.len(), "skipped": 0, "perPage": "100", "page": 1, "pageCount": 1 });
    says(200, json!({ "status": true, "message": "Refunds retrieved", "data": refunds, "meta": meta }))
}

/// Builds the answer to a request for a refund, in which the transaction is an object.
fn accepted(status: &str) -> Prepared {
    let transaction = json!({ "id": NUMBER, "reference": "x", "amount": 25_000 });
    data(with(refund(status, 25_000), &json!({ "transaction": transaction })))
}

fn payment(request: &PaymentRequest) -> Payment {
    super::payment(request, 1)
}

/// Returns the bodies of the requests for refunds.
fn requested(server: &Server) -> Vec<Value> {
    let posts = server.received().into_iter().filter(|call| call.method == Method::POST);
    posts.map(|call| serde_json::from_str(&call.body).unwrap()).collect()
}

#[tokio::test]
async fn a_refund_names_its_payment_and_the_amount_that_is_left() {
    let request = clicked();
    for (before, amount) in [
        (vec![], 25_000),
        (vec![refund("failed", 25_000)], 25_000),
        (vec![refund("processed", 10_000), refund("failed", 25_000)], 15_000),
        // Somebody else's, if Paystack ignores the filter.
        (vec![with(refund("processed", 25_000), &json!({ "transaction": 7 }))], 25_000),
    ] {
        let verified = data(transaction(&request, 1, "success"));
        let prepared =
            vec![(verify(&request, 1), verified), ("/refund", list(&before)), ("/refund", accepted("pending"))];
        let server = Server::start(prepared).await;
        let outcome = server.paystack().refund(&request, &payment(&request)).await.unwrap();
        assert_eq!(outcome, Refunding::UnderWay);
        let expected = json!({ "transaction": reference(&request, 1), "amount": amount, "currency": "ZAR",
            "customer_note": "The payment request had already ended.",
            "merchant_note": format!("chat2pay, request {}: The payment request had already ended.", request.id) });
        assert_eq!(requested(&server), [expected]);
        let listed = format!("GET /refund?transaction={NUMBER}&perPage=100&page=1");
        assert_eq!(server.paths()[1], listed);
    }
}

#[tokio::test]
async fn a_refund_is_complete_when_its_money_has_gone_back_and_not_when_it_is_accepted() {
    let request = clicked();
    for (status, expected) in [
        ("pending", Some(Refunding::UnderWay)),
        ("processing", Some(Refunding::UnderWay)),
        ("needs-attention", Some(Refunding::WaitsForFunds)),
        ("processed", Some(Refunding::Done)),
        ("failed", None),
        ("something_new", Some(Refunding::StatusUnknown)),
    ] {
        let verified = data(transaction(&request, 1, "success"));
        let prepared = vec![(verify(&request, 1), verified), ("/refund", list(&[])), ("/refund", accepted(status))];
        let server = Server::start(prepared).await;
        let outcome = server.paystack().refund(&request, &payment(&request)).await;
        assert_eq!(outcome.as_ref().ok(), expected.as_ref(), "{status}: {outcome:?}");
        // Asked for again, the refund that exists is the answer, and none is made.
        if let Some(expected) = expected {
            let verified = data(transaction(&request, 1, "reversal-pending"));
            let prepared = vec![(verify(&request, 1), verified), ("/refund", list(&[refund(status, 25_000)]))];
            let server = Server::start(prepared).await;
            assert_eq!(server.paystack().refund(&request, &payment(&request)).await.unwrap(), expected, "{status}");
            assert!(requested(&server).is_empty());
        }
    }
}

#[tokio::test]
async fn a_request_whose_answer_is_lost_is_not_repeated_before_the_refunds_are_listed() {
    let request = clicked();
    for lost in [Prepared::Lost, error(500, "unknown"), error(504, "unknown")] {
        let verified = || data(transaction(&request, 1, "success"));
        let path = verify(&request, 1);
        let prepared = vec![
            (path, verified()),
            ("/refund", list(&[])),
            ("/refund", lost),
            (path, verified()),
            ("/refund", list(&[refund("pending", 25_000)])),
        ];
        let server = Server::start(prepared).await;
        let paystack = server.paystack();
        let error = paystack.refund(&request, &payment(&request)).await.unwrap_err();
        assert!(matches!(error, ProviderError::Unavailable(_)), "{error}");
        assert_eq!(paystack.refund(&request, &payment(&request)).await.unwrap(), Refunding::UnderWay);
        assert_eq!(requested(&server).len(), 1);
    }
}

#[tokio::test]
async fn a_rejection_counts_unless_the_payment_has_been_refunded_in_the_meantime() {
    let request = clicked();
    for (after, expected) in [
        (vec![refund("processed", 25_000)], Some(Refunding::Done)),
        (vec![refund("pending", 20_000), refund("processed", 5_000)], Some(Refunding::UnderWay)),
        (vec![refund("pending", 5_000)], None),
        (vec![], None),
    ] {
        let verified = data(transaction(&request, 1, "success"));
        let prepared = vec![
            (verify(&request, 1), verified),
            ("/refund", list(&[])),
            ("/refund", error(400, "transaction_reversed")),
            ("/refund", list(&after)),
        ];
        let server = Server::start(prepared).await;
        let outcome = server.paystack().refund(&request, &payment(&request)).await;
        assert_eq!(outcome.as_ref().ok(), expected.as_ref(), "{outcome:?}");
        if let Err(error) = outcome {
            assert!(matches!(error, ProviderError::Refused(_)), "{error}");
        }
    }
}

#[tokio::test]
async fn money_that_went_back_in_another_way_is_not_sent_again() {
    let request = clicked();
    let verified = data(transaction(&request, 1, "reversed"));
    let server = Server::start(vec![(verify(&request, 1), verified), ("/refund", list(&[]))]).await;
    assert_eq!(server.paystack().refund(&request, &payment(&request)).await.unwrap(), Refunding::Done);
    assert!(requested(&server).is_empty());
}

#[tokio::test]
async fn what_is_left_goes_back_although_a_part_has_and_paystack_calls_the_payment_reversed() {
    let request = clicked();
    for (before, left) in [(vec![refund("processed", 10_000)], 15_000), (vec![refund("failed", 25_000)], 25_000)] {
        let verified = data(transaction(&request, 1, "reversed"));
        let prepared =
            vec![(verify(&request, 1), verified), ("/refund", list(&before)), ("/refund", accepted("pending"))];
        let server = Server::start(prepared).await;
        assert_eq!(server.paystack().refund(&request, &payment(&request)).await.unwrap(), Refunding::UnderWay);
        assert_eq!(requested(&server)[0]["amount"], left);
    }
}

#[tokio::test]
async fn a_refund_that_does_not_name_its_transaction_could_be_the_one_and_nothing_is_refunded() {
    let request = clicked();
    let nameless = with(refund("processed", 25_000), &json!({ "transaction": "4099260516" }));
    let prepared =
        vec![(verify(&request, 1), data(transaction(&request, 1, "success"))), ("/refund", list(&[nameless]))];
    let server = Server::start(prepared).await;
    let error = server.paystack().refund(&request, &payment(&request)).await.unwrap_err();
    assert!(matches!(error, ProviderError::Unreadable(_)), "{error}");
    assert!(requested(&server).is_empty());
}

#[tokio::test]
async fn what_cannot_be_read_refunds_nothing() {
    let request = clicked();
    let path = verify(&request, 1);
    for prepared in [
        vec![(path, not_found())],
        vec![(path, data(json!({ "id": NUMBER })))],
        vec![(path, data(transaction(&request, 1, "success"))), ("/refund", list(&[json!({ "id": 1 })]))],
        vec![(path, data(transaction(&request, 1, "success"))), ("/refund", list(&[json!("refund")]))],
        vec![(path, data(transaction(&request, 1, "success"))), ("/refund", data(json!({})))],
    ] {
        let server = Server::start(prepared).await;
        server.paystack().refund(&request, &payment(&request)).await.unwrap_err();
        assert!(requested(&server).is_empty());
    }
    let server = Server::start(Vec::new()).await;
    for other in ["pi_1".to_owned(), reference(&clicked(), 1), String::new()] {
        let payment = Payment { reference: other, ..payment(&request) };
        let error = server.paystack().refund(&request, &payment).await.unwrap_err();
        assert!(matches!(error, ProviderError::Refused(_)), "{error}");
    }
    assert!(server.received().is_empty());
}
