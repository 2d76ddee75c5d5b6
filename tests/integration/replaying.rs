//! A request's events can be published again from its history alone.

use runtime::Environment;
use tests::bus::Bus;
use tests::handlers::Handlers;

#[tokio::test]
async fn a_replay_publishes_the_same_events_in_order() {
    let handlers = Handlers::start().await;
    let bus = Bus::start().await;
    let (id, _) = handlers.clicked().await;
    handlers.fail_attempt(&id, "msg_1").await;
    let environment = Environment::default()
        .with("TABLE_NAME", local::dynamodb::TABLE_NAME)
        .with("EVENT_BUS_NAME", "chat2pay")
        .with("AWS_REGION", "us-east-1")
        .with("AWS_ACCESS_KEY_ID", "test")
        .with("AWS_SECRET_ACCESS_KEY", "test")
        .with("AWS_ENDPOINT_URL_DYNAMODB", &handlers.database.url)
        .with("AWS_ENDPOINT_URL_EVENTBRIDGE", &bus.url)
        .with("PUBLIC_BASE_URL", "https://pay.example.com");
    let request = id.parse().unwrap();
    assert_eq!(replay::replay(&environment, &[request], 0).await.unwrap(), 3);
    assert_eq!(replay::replay(&environment, &[request], 2).await.unwrap(), 1);
    let ids: Vec<_> =
        bus.accepted().iter().map(|entry| entry["Detail"]["event_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, [1, 2, 3, 3].map(|version| format!("{id}#{version}")));
    let link = &bus.accepted()[0]["Detail"]["link"];
    assert_eq!(
        link["expires_at"],
        handlers.stored(&id).await.click_deadline.to_string(),
        "the link's deadline, not the checkout's"
    );
    assert!(
        replay::replay(&environment, &[domain::PaymentRequestId::new(&domain::Doors::default()).unwrap()], 0)
            .await
            .is_err()
    );
    bus.refuse(&[&format!("{id}#2")]);
    assert!(
        replay::replay(&environment, &[request], 0).await.is_err(),
        "an event that cannot be published is an error"
    );
}
