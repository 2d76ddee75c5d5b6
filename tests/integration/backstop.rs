//! Links expire even if the schedule never runs: DynamoDB's time to live removes the link, and the stream invokes
//! `expire`.

use domain::Status;
use serde_json::{Value, json};
use tests::handlers::{Handlers, assert_possible};

/// Makes one call to the JSON interface of DynamoDB or DynamoDB Streams.
async fn dynamodb(url: &str, target: &str, body: Value) -> Value {
    let call = reqwest::Client::new()
        .post(url)
        .header("x-amz-target", target)
        .header("content-type", "application/x-amz-json-1.0")
        .header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=test/20260105/us-east-1/dynamodb/aws4_request, SignedHeaders=host, \
             Signature=0",
        )
        .header("x-amz-date", "20260105T100000Z");
    call.body(body.to_string()).send().await.unwrap().json().await.unwrap()
}

/// Returns the stream records of the items that the time to live removed.
async fn removed_by_time(url: &str) -> Vec<Value> {
    const STREAMS: &str = "DynamoDBStreams_20120810";
    let streams = dynamodb(url, &format!("{STREAMS}.ListStreams"), json!({})).await;
    let arn = &streams["Streams"][0]["StreamArn"];
    let stream = dynamodb(url, &format!("{STREAMS}.DescribeStream"), json!({ "StreamArn": arn })).await;
    let shard = &stream["StreamDescription"]["Shards"][0]["ShardId"];
    let from_the_start = json!({ "StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON" });
    let iterator = dynamodb(url, &format!("{STREAMS}.GetShardIterator"), from_the_start).await;
    let records =
        dynamodb(url, &format!("{STREAMS}.GetRecords"), json!({ "ShardIterator": iterator["ShardIterator"] })).await;
    let records = records["Records"].as_array().unwrap().iter();
    records.filter(|record| record["eventName"] == "REMOVE").cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_removal_of_an_expired_link_settles_its_request_without_the_schedule() {
    let handlers = Handlers::with_limits(1, 1).await;
    let ((unclicked, _), (unpaid, _), (canceled, _)) =
        tokio::join!(handlers.sent(), handlers.clicked(), handlers.sent());
    handlers.cancel(&canceled).await;
    for id in [&unclicked, &unpaid] {
        let deadline = handlers.stored(id).await.deadline;
        tests::until(deadline).await;
    }
    // The items of the links expire a minute later; move that time into the past.
    for id in [&unclicked, &unpaid, &canceled] {
        let token = handlers.stored(id).await.token.reveal();
        let key = json!({ "pk": { "S": format!("LINK#{token}") } });
        let update = json!({ "TableName": local::dynamodb::TABLE_NAME, "Key": key,
            "UpdateExpression": "SET #ttl = :past", "ExpressionAttributeNames": { "#ttl": "ttl" },
            "ExpressionAttributeValues": { ":past": { "N": "1000000000" } } });
        dynamodb(&handlers.database.url, "DynamoDB_20120810.UpdateItem", update).await;
    }
    let database = handlers.database.database.clone();
    assert_eq!(tokio::task::spawn_blocking(move || database.sweep_ttl().unwrap()).await.unwrap(), 3);
    let records = removed_by_time(&handlers.database.url).await;
    assert_eq!(records.len(), 3);
    assert_eq!(handlers.expire(&json!({ "Records": records })).await["batchItemFailures"], json!([]));
    for (id, status, reason) in [
        (&unclicked, Status::Expired, Some("not_clicked")),
        (&unpaid, Status::Expired, Some("not_paid")),
        (&canceled, Status::Canceled, None),
    ] {
        let request = handlers.stored(id).await;
        assert_possible(&request);
        assert_eq!(request.status, status);
        assert_eq!(request.history.last().unwrap().reason.as_ref().map(domain::Reason::as_str), reason);
    }
    assert!(handlers.provider.has_closed(&unpaid));
}

/// A deletion by hand does not mean that the deadline has passed.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_was_deleted_by_hand_settles_nothing() {
    let handlers = Handlers::with_limits(1, 1).await;
    let (id, _) = handlers.sent().await;
    let deadline = handlers.stored(&id).await.deadline;
    tests::until(deadline).await;
    let mut event = tests::handlers::link_removed(&id);
    event["Records"][0].as_object_mut().unwrap().remove("userIdentity");
    handlers.expire(&event).await;
    assert_eq!(handlers.stored(&id).await.status, Status::Sent);
    // The schedule finds a passed deadline without any removal.
    handlers.expire_what_is_due().await;
    assert_eq!(handlers.stored(&id).await.status, Status::Expired);
}
