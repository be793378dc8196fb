//! The rules for SendMessage.

use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{MessageAttributeValue, QueueAttributeName::MaximumMessageSize};

use crate::support::{Target, code};

rules! {
    a_body_is_returned_byte_for_byte: Has,
    a_body_is_not_empty: Lacks,
    a_message_may_have_1_048_576_bytes_and_no_more: Has,
    size_is_in_bytes_not_characters: Lacks,
    size_counts_name_type_and_value_of_every_attribute: Lacks,
    a_body_has_no_forbidden_character: Lacks,
    a_string_value_has_no_forbidden_character: Lacks,
    the_edges_of_the_allowed_characters_are_allowed: Has,
    a_message_has_at_most_ten_attributes: Lacks,
    an_attribute_value_is_not_empty: Lacks,
    an_attribute_name_keeps_the_rules: Lacks,
    a_data_type_is_string_number_or_binary_with_an_optional_label: Has,
    a_number_is_a_number: Lacks,
    a_response_has_the_digests_of_body_and_attributes: Has,
    a_group_id_has_up_to_128_letters_digits_and_punctuation: Lacks,
    a_deduplication_id_is_for_fifo_queues: Lacks,
    the_queue_must_exist: Has,
}

async fn a_body_is_returned_byte_for_byte(t: &Target) {
    let queue = t.queue([]).await;
    let body = "{\"a\": 1.50,\t\"é\": \"€ 𝄞\"}\r\n";
    t.sqs.send_message().queue_url(&queue).message_body(body).send().await.unwrap();
    let received = t.sqs.receive_message().queue_url(&queue).send().await.unwrap();
    assert_eq!(received.messages()[0].body(), Some(body));
}

async fn a_body_is_not_empty(t: &Target) {
    let queue = t.queue([]).await;
    let sent = t.sqs.send_message().queue_url(&queue).message_body("").send().await;
    assert_eq!(code(sent), "MissingParameter");
}

async fn a_message_may_have_1_048_576_bytes_and_no_more(t: &Target) {
    let queue = t.queue([(MaximumMessageSize, "1048576")]).await;
    let send = |size| t.sqs.send_message().queue_url(&queue).message_body("x".repeat(size)).send();
    assert_eq!(code(send(1_048_576).await), "none");
    assert_eq!(code(send(1_048_577).await), "InvalidParameterValue");
}

async fn size_is_in_bytes_not_characters(t: &Target) {
    let queue = t.queue([(MaximumMessageSize, "1024")]).await;
    let send = |size| t.sqs.send_message().queue_url(&queue).message_body("é".repeat(size)).send();
    assert_eq!(code(send(512).await), "none");
    assert_eq!(code(send(513).await), "InvalidParameterValue");
}

async fn size_counts_name_type_and_value_of_every_attribute(t: &Target) {
    let queue = t.queue([(MaximumMessageSize, "1024")]).await;
    let send = |size| {
        let message = t.sqs.send_message().queue_url(&queue).message_body("x".repeat(size));
        message.message_attributes("name", text("String", "value")).send()
    };
    let attribute = "name".len() + "String".len() + "value".len();
    assert_eq!(code(send(1024 - attribute).await), "none");
    assert_eq!(code(send(1025 - attribute).await), "InvalidParameterValue");
}

async fn a_body_has_no_forbidden_character(t: &Target) {
    let queue = t.queue([]).await;
    for forbidden in ['\0', '\u{B}', '\u{1F}', '\u{FFFE}', '\u{FFFF}'] {
        let body = format!("a{forbidden}");
        let sent = t.sqs.send_message().queue_url(&queue).message_body(body).send().await;
        assert_eq!(code(sent), "InvalidMessageContents", "{forbidden:?}");
    }
}

async fn a_string_value_has_no_forbidden_character(t: &Target) {
    let sent = send_attribute(t, "name", text("String", "a\u{FFFF}")).await;
    assert_eq!(sent, "InvalidParameterValue");
}

async fn the_edges_of_the_allowed_characters_are_allowed(t: &Target) {
    let queue = t.queue([]).await;
    let edges = "\t\n\r \u{7F}\u{D7FF}\u{E000}\u{FFFD}\u{10000}\u{10FFFF}";
    let sent = t.sqs.send_message().queue_url(&queue).message_body(edges).send().await;
    assert_eq!(code(sent), "none");
}

async fn a_message_has_at_most_ten_attributes(t: &Target) {
    let queue = t.queue([]).await;
    let send = |count| {
        let message = t.sqs.send_message().queue_url(&queue).message_body("x");
        let add = |message: aws_sdk_sqs::operation::send_message::builders::SendMessageFluentBuilder, n| {
            message.message_attributes(format!("name-{n}"), text("String", "value"))
        };
        (0..count).fold(message, add).send()
    };
    assert_eq!(code(send(10).await), "none");
    assert_eq!(code(send(11).await), "InvalidParameterValue");
}

async fn an_attribute_value_is_not_empty(t: &Target) {
    assert_eq!(send_attribute(t, "name", text("String", "")).await, "InvalidParameterValue");
}

async fn an_attribute_name_keeps_the_rules(t: &Target) {
    assert_eq!(send_attribute(t, "A-z_0.9", text("String", "x")).await, "none");
    assert_eq!(send_attribute(t, &"n".repeat(256), text("String", "x")).await, "none");
    for name in [".a", "a.", "a..b", "a b", "é", "AWS.a", "amazon.a", &"n".repeat(257)] {
        let sent = send_attribute(t, name, text("String", "x")).await;
        assert_eq!(sent, "InvalidParameterValue", "{name}");
    }
}

async fn a_data_type_is_string_number_or_binary_with_an_optional_label(t: &Target) {
    assert_eq!(send_attribute(t, "name", text("String.uuid", "x")).await, "none");
    assert_eq!(send_attribute(t, "name", text("Number.int", "1")).await, "none");
    assert_eq!(send_attribute(t, "name", binary(&[0, 255])).await, "none");
    assert_eq!(send_attribute(t, "name", text("Text", "x")).await, "InvalidParameterValue");
}

async fn a_number_is_a_number(t: &Target) {
    assert_eq!(send_attribute(t, "name", text("Number", "-12.5e3")).await, "none");
    assert_eq!(send_attribute(t, "name", text("Number", "12a")).await, "InvalidParameterValue");
    let long = "1".repeat(39);
    assert_eq!(send_attribute(t, "name", text("Number", &long)).await, "InvalidParameterValue");
}

async fn a_response_has_the_digests_of_body_and_attributes(t: &Target) {
    let queue = t.queue([]).await;
    let message = t.sqs.send_message().queue_url(&queue).message_body("hello");
    let message = message.message_attributes("b-text", text("String", "é"));
    let message = message.message_attributes("a-number", text("Number", "42"));
    let message = message.message_attributes("c-bytes", binary(&[1, 2, 3]));
    let sent = message.send().await.unwrap();
    assert_eq!(sent.md5_of_message_body(), Some("5d41402abc4b2a76b9719d911017c592"));
    assert_eq!(sent.md5_of_message_attributes(), Some("fd6ce2c51e0881ea61330de6c4c557df"));
}

async fn a_group_id_has_up_to_128_letters_digits_and_punctuation(t: &Target) {
    let queue = t.queue([]).await;
    let send = |id: &str| t.sqs.send_message().queue_url(&queue).message_body("x").message_group_id(id).send();
    assert_eq!(code(send(&"~".repeat(128)).await), "none");
    for id in ["", "a b", "é", &"g".repeat(129)] {
        assert_eq!(code(send(id).await), "InvalidParameterValue", "{id}");
    }
}

async fn a_deduplication_id_is_for_fifo_queues(t: &Target) {
    let queue = t.queue([]).await;
    let message = t.sqs.send_message().queue_url(&queue).message_body("x");
    assert_eq!(code(message.message_deduplication_id("id").send().await), "InvalidParameterValue");
}

async fn the_queue_must_exist(t: &Target) {
    let queue = format!("{}-not", t.queue([]).await);
    let sent = t.sqs.send_message().queue_url(queue).message_body("x").send().await;
    assert!(sent.as_ref().is_err_and(|error| error.as_service_error().unwrap().is_queue_does_not_exist()));
    assert_eq!(code(sent), "AWS.SimpleQueueService.NonExistentQueue");
}

pub(crate) fn text(data_type: &str, value: &str) -> MessageAttributeValue {
    MessageAttributeValue::builder().data_type(data_type).string_value(value).build().unwrap()
}

fn binary(value: &[u8]) -> MessageAttributeValue {
    MessageAttributeValue::builder().data_type("Binary").binary_value(Blob::new(value)).build().unwrap()
}

/// Sends a message with one attribute and returns the error's code, or `none`.
async fn send_attribute(t: &Target, name: &str, value: MessageAttributeValue) -> String {
    let queue = t.queue([]).await;
    let message = t.sqs.send_message().queue_url(queue).message_body("x");
    code(message.message_attributes(name, value).send().await)
}
