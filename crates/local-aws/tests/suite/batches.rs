//! The rules for SendMessageBatch and DeleteMessageBatch.

use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, QueueAttributeName::MaximumMessageSize, SendMessageBatchRequestEntry,
};

use crate::support::{Target, code};

rules! {
    a_batch_is_sent_whole: Has,
    a_batch_has_an_entry: Has,
    a_batch_has_at_most_ten_entries: Has,
    the_ids_of_a_batch_are_distinct: Has,
    an_id_is_letters_digits_hyphens_and_underscores: Has,
    a_batch_has_at_most_1_048_576_bytes_together: Has,
    a_bad_message_fails_alone: Lacks,
    a_message_too_large_for_its_queue_fails_alone: Lacks,
    received_messages_can_be_deleted_in_a_batch: Has,
}

async fn a_batch_is_sent_whole(t: &Target) {
    let queue = t.queue([]).await;
    let sent = send(t, &queue, vec![entry("one", "1"), entry("two", "2")]).await.unwrap();
    assert!(sent.failed().is_empty());
    let ids: Vec<&str> = sent.successful().iter().map(|entry| entry.id()).collect();
    assert_eq!(ids, ["one", "two"]);
    assert_eq!(sent.successful()[0].md5_of_message_body(), "c4ca4238a0b923820dcc509a6f75849b");
}

async fn a_batch_has_an_entry(t: &Target) {
    let queue = t.queue([]).await;
    assert_eq!(code(send(t, &queue, vec![]).await), "AWS.SimpleQueueService.EmptyBatchRequest");
}

async fn a_batch_has_at_most_ten_entries(t: &Target) {
    let queue = t.queue([]).await;
    let entries = |count: usize| (0..count).map(|n| entry(&n.to_string(), "x")).collect();
    assert_eq!(code(send(t, &queue, entries(10)).await), "none");
    let rejected = send(t, &queue, entries(11)).await;
    assert_eq!(code(rejected), "AWS.SimpleQueueService.TooManyEntriesInBatchRequest");
}

async fn the_ids_of_a_batch_are_distinct(t: &Target) {
    let queue = t.queue([]).await;
    let rejected = send(t, &queue, vec![entry("one", "1"), entry("one", "2")]).await;
    assert_eq!(code(rejected), "AWS.SimpleQueueService.BatchEntryIdsNotDistinct");
}

async fn an_id_is_letters_digits_hyphens_and_underscores(t: &Target) {
    let queue = t.queue([]).await;
    assert_eq!(code(send(t, &queue, vec![entry(&"a-_9".repeat(20), "x")]).await), "none");
    for id in ["a b", "a.b", &"a".repeat(81)] {
        let rejected = send(t, &queue, vec![entry(id, "x")]).await;
        assert_eq!(code(rejected), "AWS.SimpleQueueService.InvalidBatchEntryId", "{id}");
    }
}

async fn a_batch_has_at_most_1_048_576_bytes_together(t: &Target) {
    let queue = t.queue([(MaximumMessageSize, "1048576")]).await;
    let half = "x".repeat(524_288);
    let entries = |rest: &str| vec![entry("one", &half), entry("two", &format!("{half}{rest}"))];
    assert_eq!(code(send(t, &queue, entries("")).await), "none");
    let rejected = send(t, &queue, entries("x")).await;
    assert_eq!(code(rejected), "AWS.SimpleQueueService.BatchRequestTooLong");
}

async fn a_bad_message_fails_alone(t: &Target) {
    let queue = t.queue([]).await;
    let sent = send(t, &queue, vec![entry("good", "x"), entry("bad", "\u{FFFE}")]).await.unwrap();
    assert_eq!(sent.successful()[0].id(), "good");
    assert_eq!(sent.failed()[0].id(), "bad");
    assert_eq!(sent.failed()[0].code(), "InvalidMessageContents");
    assert!(sent.failed()[0].sender_fault());
}

async fn a_message_too_large_for_its_queue_fails_alone(t: &Target) {
    let queue = t.queue([(MaximumMessageSize, "1024")]).await;
    let large = "x".repeat(1025);
    let sent = send(t, &queue, vec![entry("good", "x"), entry("large", &large)]).await.unwrap();
    assert_eq!(sent.successful()[0].id(), "good");
    assert_eq!(sent.failed()[0].code(), "InvalidParameterValue");
}

async fn received_messages_can_be_deleted_in_a_batch(t: &Target) {
    let queue = t.queue([]).await;
    send(t, &queue, vec![entry("one", "1")]).await.unwrap();
    let received = t.sqs.receive_message().queue_url(&queue).send().await.unwrap();
    let handle = received.messages()[0].receipt_handle().unwrap();
    let entry = |id: &str, handle: &str| {
        DeleteMessageBatchRequestEntry::builder().id(id).receipt_handle(handle).build().unwrap()
    };
    let request = t.sqs.delete_message_batch().queue_url(&queue);
    let deleted = request.entries(entry("one", handle)).entries(entry("bad", "no handle")).send().await.unwrap();
    assert_eq!(deleted.successful()[0].id(), "one");
    assert_eq!(deleted.failed()[0].id(), "bad");
    assert_eq!(deleted.failed()[0].code(), "ReceiptHandleIsInvalid");
}

async fn send(
    t: &Target,
    queue: &str,
    entries: Vec<SendMessageBatchRequestEntry>,
) -> Result<
    aws_sdk_sqs::operation::send_message_batch::SendMessageBatchOutput,
    aws_sdk_sqs::error::SdkError<aws_sdk_sqs::operation::send_message_batch::SendMessageBatchError>,
> {
    t.sqs.send_message_batch().queue_url(queue).set_entries(Some(entries)).send().await
}

fn entry(id: &str, body: &str) -> SendMessageBatchRequestEntry {
    SendMessageBatchRequestEntry::builder().id(id).message_body(body).build().unwrap()
}
