//! The operations on queues themselves.

use aws_sdk_sqs::types::QueueAttributeName;
use aws_sdk_sqs::types::QueueAttributeName::{
    All, ApproximateNumberOfMessages, ApproximateNumberOfMessagesDelayed, ApproximateNumberOfMessagesNotVisible,
    MaximumMessageSize, MessageRetentionPeriod, QueueArn, RedrivePolicy, VisibilityTimeout,
};

use crate::support::{Target, code, unique};

rules! {
    a_queue_has_the_defaults_of_sqs: Has,
    a_queue_is_found_by_name: Has,
    queues_are_listed_by_prefix: Has,
    creating_again_is_no_error_with_the_same_attributes: Has,
    creating_again_with_other_attributes_is_an_error: Has,
    a_name_is_1_to_80_letters_digits_hyphens_and_underscores: Has,
    an_attribute_is_in_its_range: Has,
    a_dead_letter_queue_must_exist: Has,
    messages_are_counted_by_visibility: Has,
    no_attribute_is_returned_unless_requested: Has,
    an_unknown_attribute_is_rejected: Has,
}

async fn a_queue_has_the_defaults_of_sqs(t: &Target) {
    let queue = t.queue([]).await;
    let request = t.sqs.get_queue_attributes().queue_url(&queue).attribute_names(All);
    let attributes = request.send().await.unwrap().attributes.unwrap();
    assert_eq!(attributes[&VisibilityTimeout], "30");
    assert_eq!(attributes[&MaximumMessageSize], "1048576");
    assert_eq!(attributes[&MessageRetentionPeriod], "345600");
    assert!(attributes[&QueueArn].starts_with("arn:aws:sqs:us-east-1:"));
}

async fn a_queue_is_found_by_name(t: &Target) {
    let queue = t.queue([]).await;
    let name = queue.rsplit('/').next().unwrap();
    let found = t.sqs.get_queue_url().queue_name(name).send().await.unwrap();
    assert_eq!(found.queue_url(), Some(queue.as_str()));
    let missing = t.sqs.get_queue_url().queue_name(unique()).send().await;
    assert_eq!(code(missing), "AWS.SimpleQueueService.NonExistentQueue");
}

async fn queues_are_listed_by_prefix(t: &Target) {
    let queue = t.queue([]).await;
    t.queue([]).await;
    let name = queue.rsplit('/').next().unwrap();
    let listed = t.sqs.list_queues().queue_name_prefix(&name[..20]).send().await.unwrap();
    assert_eq!(listed.queue_urls(), [queue]);
}

async fn creating_again_is_no_error_with_the_same_attributes(t: &Target) {
    let queue = t.queue([(VisibilityTimeout, "7")]).await;
    let name = queue.rsplit('/').next().unwrap();
    let again = t.sqs.create_queue().queue_name(name).attributes(VisibilityTimeout, "7");
    assert_eq!(again.send().await.unwrap().queue_url(), Some(queue.as_str()));
}

async fn creating_again_with_other_attributes_is_an_error(t: &Target) {
    let queue = t.queue([(VisibilityTimeout, "7")]).await;
    let name = queue.rsplit('/').next().unwrap();
    let again = t.sqs.create_queue().queue_name(name).attributes(VisibilityTimeout, "8");
    assert_eq!(code(again.send().await), "QueueAlreadyExists");
}

async fn a_name_is_1_to_80_letters_digits_hyphens_and_underscores(t: &Target) {
    for name in ["a b", "a.b", &"q".repeat(81)] {
        let rejected = t.sqs.create_queue().queue_name(name).send().await;
        assert_eq!(code(rejected), "InvalidParameterValue", "{name}");
    }
}

async fn an_attribute_is_in_its_range(t: &Target) {
    let request = t.sqs.create_queue().queue_name(unique());
    let rejected = request.attributes(MaximumMessageSize, "1048577").send().await;
    assert_eq!(code(rejected), "InvalidAttributeValue");
}

async fn a_dead_letter_queue_must_exist(t: &Target) {
    let arn = "arn:aws:sqs:us-east-1:000000000000:nowhere";
    let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":"2"}}"#);
    let request = t.sqs.create_queue().queue_name(unique());
    assert_ne!(code(request.attributes(RedrivePolicy, policy).send().await), "none");
}

async fn messages_are_counted_by_visibility(t: &Target) {
    let queue = t.queue([]).await;
    for delay in [0, 0, 0, 900] {
        let message = t.sqs.send_message().queue_url(&queue).message_body("x");
        message.delay_seconds(delay).send().await.unwrap();
    }
    t.sqs.receive_message().queue_url(&queue).send().await.unwrap();
    assert_eq!(t.attribute(&queue, ApproximateNumberOfMessages).await, "2");
    assert_eq!(t.attribute(&queue, ApproximateNumberOfMessagesNotVisible).await, "1");
    assert_eq!(t.attribute(&queue, ApproximateNumberOfMessagesDelayed).await, "1");
}

async fn no_attribute_is_returned_unless_requested(t: &Target) {
    let queue = t.queue([]).await;
    let response = t.sqs.get_queue_attributes().queue_url(&queue).send().await.unwrap();
    assert!(response.attributes.is_none());
}

async fn an_unknown_attribute_is_rejected(t: &Target) {
    let queue = t.queue([]).await;
    let request = t.sqs.get_queue_attributes().queue_url(&queue);
    let rejected = request.attribute_names(QueueAttributeName::from("Colour")).send().await;
    assert_eq!(code(rejected), "InvalidAttributeName");
}
