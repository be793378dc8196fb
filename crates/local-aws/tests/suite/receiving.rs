//! ReceiveMessage, and what happens to a message afterwards.

use std::time::Duration;

use aws_sdk_sqs::types::MessageSystemAttributeName::{
    All, ApproximateReceiveCount, DeadLetterQueueSourceArn, MessageGroupId,
};
use aws_sdk_sqs::types::QueueAttributeName::{
    ApproximateNumberOfMessages, DelaySeconds, MessageRetentionPeriod, QueueArn, RedrivePolicy, VisibilityTimeout,
};
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};

use crate::messages::text;
use crate::support::{Target, code};

rules! {
    one_message_is_received_unless_more_are_requested: Has,
    between_one_and_ten_messages_can_be_requested: Has,
    no_attribute_is_returned_unless_requested: Has,
    attributes_can_be_requested_by_name_prefix_or_all: Has,
    the_attributes_digest_covers_what_is_returned: Has,
    the_group_id_is_a_system_attribute: Has,
    a_received_message_is_invisible_until_its_timeout: Has,
    a_receive_may_set_its_own_timeout: Has,
    every_receive_counts: Has,
    a_timeout_changed_to_zero_shows_the_message_at_once: Has,
    only_a_message_in_flight_can_have_its_timeout_changed: Lacks,
    a_delayed_message_is_invisible_at_first: Has,
    a_deleted_message_is_gone: Has,
    deleting_again_is_no_error: Has,
    a_stale_handle_deletes_nothing: Lacks,
    an_unknown_handle_is_rejected: Has,
    a_wait_ends_when_a_message_arrives: Has,
    a_wait_ends_when_a_message_becomes_visible_again: Has,
    a_wait_without_a_message_ends_with_none: Has,
    an_old_message_is_dropped: Lacks,
    a_message_received_too_often_moves_to_the_dead_letter_queue: Has,
    a_dead_letter_names_its_source_queue: Lacks,
    dead_letters_can_be_moved_back: Lacks,
    only_dead_letters_can_be_moved: Lacks,
}

async fn one_message_is_received_unless_more_are_requested(t: &Target) {
    let queue = t.queue([]).await;
    for body in ["1", "2", "3"] {
        send(t, &queue, body).await;
    }
    assert_eq!(receive(t, &queue).await.len(), 1);
    let more = t.sqs.receive_message().queue_url(&queue).max_number_of_messages(10).send().await.unwrap();
    assert_eq!(more.messages().len(), 2);
}

async fn between_one_and_ten_messages_can_be_requested(t: &Target) {
    let queue = t.queue([]).await;
    for count in [0, 11] {
        let request = t.sqs.receive_message().queue_url(&queue).max_number_of_messages(count);
        assert_eq!(code(request.send().await), "InvalidParameterValue", "{count}");
    }
}

async fn no_attribute_is_returned_unless_requested(t: &Target) {
    let queue = t.queue([]).await;
    send_with_attributes(t, &queue).await;
    let message = receive(t, &queue).await.remove(0);
    assert!(message.attributes.is_none());
    assert!(message.message_attributes.is_none());
    assert!(message.md5_of_message_attributes.is_none());
}

async fn attributes_can_be_requested_by_name_prefix_or_all(t: &Target) {
    let queue = t.queue([(VisibilityTimeout, "0")]).await;
    send_with_attributes(t, &queue).await;
    for (asked, expected) in [("a.one", 1), ("a.*", 2), ("All", 3), (".*", 3)] {
        let request = t.sqs.receive_message().queue_url(&queue).message_attribute_names(asked);
        let received = request.send().await.unwrap();
        assert_eq!(received.messages()[0].message_attributes().unwrap().len(), expected, "{asked}");
    }
}

async fn the_attributes_digest_covers_what_is_returned(t: &Target) {
    let queue = t.queue([(VisibilityTimeout, "0")]).await;
    let sent = send_with_attributes(t, &queue).await;
    let digest = async |asked| {
        let request = t.sqs.receive_message().queue_url(&queue).message_attribute_names(asked);
        request.send().await.unwrap().messages()[0].md5_of_message_attributes().map(str::to_owned)
    };
    assert_eq!(digest("All").await, sent);
    assert_ne!(digest("b").await, sent);
}

async fn the_group_id_is_a_system_attribute(t: &Target) {
    let queue = t.queue([]).await;
    let message = t.sqs.send_message().queue_url(&queue).message_body("x").message_group_id("login-7");
    message.send().await.unwrap();
    let message = receive_with(t, &queue, All).await;
    assert_eq!(message.attributes().unwrap()[&MessageGroupId], "login-7");
}

async fn a_received_message_is_invisible_until_its_timeout(t: &Target) {
    let queue = t.queue([(VisibilityTimeout, "1")]).await;
    send(t, &queue, "x").await;
    assert_eq!(receive(t, &queue).await.len(), 1);
    assert_eq!(receive(t, &queue).await.len(), 0);
    t.pass(Duration::from_millis(1_100)).await;
    assert_eq!(receive(t, &queue).await.len(), 1);
}

async fn a_receive_may_set_its_own_timeout(t: &Target) {
    let queue = t.queue([(VisibilityTimeout, "0")]).await;
    send(t, &queue, "x").await;
    let request = t.sqs.receive_message().queue_url(&queue).visibility_timeout(30);
    request.send().await.unwrap();
    assert_eq!(receive(t, &queue).await.len(), 0);
}

async fn every_receive_counts(t: &Target) {
    let queue = t.queue([(VisibilityTimeout, "0")]).await;
    send(t, &queue, "x").await;
    for count in ["1", "2", "3"] {
        let message = receive_with(t, &queue, ApproximateReceiveCount).await;
        assert_eq!(message.attributes().unwrap()[&ApproximateReceiveCount], count);
    }
}

async fn a_timeout_changed_to_zero_shows_the_message_at_once(t: &Target) {
    let queue = t.queue([]).await;
    send(t, &queue, "x").await;
    let handle = receive(t, &queue).await.remove(0).receipt_handle.unwrap();
    let request = t.sqs.change_message_visibility().queue_url(&queue).receipt_handle(handle);
    request.visibility_timeout(0).send().await.unwrap();
    assert_eq!(receive(t, &queue).await.len(), 1);
}

async fn only_a_message_in_flight_can_have_its_timeout_changed(t: &Target) {
    let queue = t.queue([(VisibilityTimeout, "0")]).await;
    send(t, &queue, "x").await;
    let handle = receive(t, &queue).await.remove(0).receipt_handle.unwrap();
    let request = t.sqs.change_message_visibility().queue_url(&queue).receipt_handle(handle);
    let rejected = request.visibility_timeout(30).send().await;
    assert_eq!(code(rejected), "AWS.SimpleQueueService.MessageNotInflight");
}

async fn a_delayed_message_is_invisible_at_first(t: &Target) {
    let queue = t.queue([(DelaySeconds, "1")]).await;
    send(t, &queue, "x").await;
    assert_eq!(receive(t, &queue).await.len(), 0);
    t.pass(Duration::from_millis(1_100)).await;
    assert_eq!(receive(t, &queue).await.len(), 1);
}

async fn a_deleted_message_is_gone(t: &Target) {
    let queue = t.queue([(VisibilityTimeout, "1")]).await;
    send(t, &queue, "x").await;
    let handle = receive(t, &queue).await.remove(0).receipt_handle.unwrap();
    delete(t, &queue, &handle).await;
    t.pass(Duration::from_millis(1_100)).await;
    assert_eq!(receive(t, &queue).await.len(), 0);
}

async fn deleting_again_is_no_error(t: &Target) {
    let queue = t.queue([]).await;
    send(t, &queue, "x").await;
    let handle = receive(t, &queue).await.remove(0).receipt_handle.unwrap();
    delete(t, &queue, &handle).await;
    delete(t, &queue, &handle).await;
}

async fn a_stale_handle_deletes_nothing(t: &Target) {
    let queue = t.queue([(VisibilityTimeout, "0")]).await;
    send(t, &queue, "x").await;
    let stale = receive(t, &queue).await.remove(0).receipt_handle.unwrap();
    assert_eq!(receive(t, &queue).await.len(), 1);
    delete(t, &queue, &stale).await;
    assert_eq!(t.attribute(&queue, ApproximateNumberOfMessages).await, "1");
}

async fn an_unknown_handle_is_rejected(t: &Target) {
    let queue = t.queue([]).await;
    let request = t.sqs.delete_message().queue_url(&queue).receipt_handle("made up");
    assert_eq!(code(request.send().await), "ReceiptHandleIsInvalid");
}

async fn a_wait_ends_when_a_message_arrives(t: &Target) {
    let queue = t.queue([]).await;
    let wait = t.sqs.receive_message().queue_url(&queue).wait_time_seconds(20).send();
    let send = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        send(t, &queue, "x").await;
    };
    let (received, ()) = tokio::time::timeout(Duration::from_secs(10), async { tokio::join!(wait, send) })
        .await
        .expect("the wait continues");
    assert_eq!(received.unwrap().messages().len(), 1);
}

async fn a_wait_ends_when_a_message_becomes_visible_again(t: &Target) {
    let queue = t.queue([(VisibilityTimeout, "1")]).await;
    send(t, &queue, "x").await;
    assert_eq!(receive(t, &queue).await.len(), 1);
    let wait = t.sqs.receive_message().queue_url(&queue).wait_time_seconds(20).send();
    let received = tokio::time::timeout(Duration::from_secs(10), wait).await.expect("the wait continues");
    assert_eq!(received.unwrap().messages().len(), 1);
}

async fn a_wait_without_a_message_ends_with_none(t: &Target) {
    let queue = t.queue([]).await;
    let started = std::time::Instant::now();
    let request = t.sqs.receive_message().queue_url(&queue).wait_time_seconds(1);
    assert!(request.send().await.unwrap().messages().is_empty());
    assert!(started.elapsed() >= Duration::from_millis(900));
}

async fn an_old_message_is_dropped(t: &Target) {
    let queue = t.queue([(MessageRetentionPeriod, "60")]).await;
    send(t, &queue, "x").await;
    t.pass(Duration::from_secs(61)).await;
    assert_eq!(t.attribute(&queue, ApproximateNumberOfMessages).await, "0");
}

async fn a_message_received_too_often_moves_to_the_dead_letter_queue(t: &Target) {
    let (queue, dead_letters) = with_dead_letters(t).await;
    send_with_attributes(t, &queue).await;
    assert_eq!(receive(t, &queue).await.len(), 1);
    assert_eq!(receive(t, &queue).await.len(), 1);
    assert_eq!(receive(t, &queue).await.len(), 0);
    let request = t.sqs.receive_message().queue_url(&dead_letters).message_attribute_names("All");
    let dead = request.send().await.unwrap();
    assert_eq!(dead.messages()[0].body(), Some("x"));
    assert_eq!(dead.messages()[0].message_attributes().unwrap().len(), 3);
}

async fn a_dead_letter_names_its_source_queue(t: &Target) {
    let (queue, dead_letters) = with_dead_letters(t).await;
    send(t, &queue, "x").await;
    for _ in 0..3 {
        receive(t, &queue).await;
    }
    let dead = receive_with(t, &dead_letters, All).await;
    let source = t.attribute(&queue, QueueArn).await;
    assert_eq!(dead.attributes().unwrap()[&DeadLetterQueueSourceArn], source);
}

async fn dead_letters_can_be_moved_back(t: &Target) {
    let (queue, dead_letters) = with_dead_letters(t).await;
    send_with_attributes(t, &queue).await;
    for _ in 0..3 {
        receive(t, &queue).await;
    }
    send(t, &dead_letters, "sent here").await;
    let source = t.attribute(&dead_letters, QueueArn).await;
    t.sqs.start_message_move_task().source_arn(source).send().await.unwrap();
    let request = t.sqs.receive_message().queue_url(&queue).message_attribute_names("All");
    let back = request.message_system_attribute_names(All).send().await.unwrap();
    assert_eq!(back.messages()[0].body(), Some("x"));
    assert_eq!(back.messages()[0].message_attributes().unwrap().len(), 3);
    assert_eq!(back.messages()[0].attributes().unwrap()[&ApproximateReceiveCount], "1");
    assert_eq!(receive(t, &dead_letters).await[0].body(), Some("sent here"));
}

async fn only_dead_letters_can_be_moved(t: &Target) {
    let queue = t.queue([]).await;
    let source = t.attribute(&queue, QueueArn).await;
    let rejected = t.sqs.start_message_move_task().source_arn(source).send().await;
    assert_eq!(code(rejected), "InvalidParameterValue");
    let nowhere = "arn:aws:sqs:us-east-1:000000000000:nowhere";
    let rejected = t.sqs.start_message_move_task().source_arn(nowhere).send().await;
    assert_eq!(code(rejected), "ResourceNotFoundException");
}

/// A queue whose messages become visible again at once and move after two receives, and its dead-letter queue.
async fn with_dead_letters(t: &Target) -> (String, String) {
    let dead_letters = t.queue([]).await;
    let arn = t.attribute(&dead_letters, QueueArn).await;
    let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":2}}"#);
    let queue = t.queue([(RedrivePolicy, &policy), (VisibilityTimeout, "0")]).await;
    (queue, dead_letters)
}

async fn send(t: &Target, queue: &str, body: &str) {
    t.sqs.send_message().queue_url(queue).message_body(body).send().await.unwrap();
}

/// Returns the digest of the attributes.
async fn send_with_attributes(t: &Target, queue: &str) -> Option<String> {
    let message = t.sqs.send_message().queue_url(queue).message_body("x");
    let message = message.message_attributes("a.one", text("String", "1"));
    let message = message.message_attributes("a.two", text("String", "2"));
    let message = message.message_attributes("b", text("Number", "3"));
    message.send().await.unwrap().md5_of_message_attributes
}

async fn receive(t: &Target, queue: &str) -> Vec<Message> {
    let received = t.sqs.receive_message().queue_url(queue).send().await.unwrap();
    received.messages.unwrap_or_default()
}

async fn receive_with(t: &Target, queue: &str, asked: MessageSystemAttributeName) -> Message {
    let request = t.sqs.receive_message().queue_url(queue);
    let received = request.message_system_attribute_names(asked).send().await.unwrap();
    received.messages.unwrap().remove(0)
}

async fn delete(t: &Target, queue: &str, handle: &str) {
    t.sqs.delete_message().queue_url(queue).receipt_handle(handle).send().await.unwrap();
}
