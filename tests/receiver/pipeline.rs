//! From the gateway's event to the queues, with the real SDK clients over HTTP.

use flinks_dev::{
    samples::{self, Expected},
    sign,
    stack::{PAY_SIGNING_SECRET, PAYLOAD_BUCKET, SIGNING_SECRET},
};
use flinks_webhooks::{
    delivery::{MAX_MESSAGE_BYTES, StoredAs},
    http::Response,
    routing::Kind,
    telemetry::Metric,
};
use local_aws::{Operation, QueueSettings};

use crate::support::Fixture;

#[tokio::test]
async fn each_sample_gets_its_response_and_its_queue() {
    for sample in samples::all() {
        let fixture = Fixture::start().await;
        let posted = fixture.deliver(sample.event.to_string().as_bytes()).await;
        assert_eq!(posted.response.status(), sample.expected.status(), "{}", sample.name);
        match sample.expected {
            Expected::Rejected(_) => assert!(fixture.is_empty(), "{}", sample.name),
            Expected::Inline(kind) | Expected::ClaimCheck(kind) => {
                let (queue, message) = fixture.message();
                assert_eq!(queue, kind, "{}", sample.name);
                assert_eq!(fixture.payload(&message), sample.body, "{}", sample.name);
                let offloaded = message.attributes.contains_key("ExtendedPayloadSize");
                assert_eq!(offloaded, matches!(sample.expected, Expected::ClaimCheck(_)), "{}", sample.name);
            }
        }
    }
}

#[tokio::test]
async fn a_message_has_its_attributes_and_its_group() {
    let fixture = Fixture::start().await;
    let sample = samples::all().remove(0);
    fixture.deliver(sample.event.to_string().as_bytes()).await;
    let (_, message) = fixture.message();
    let value = |name: &str| message.attributes.get(name).map(|attribute| attribute.value.clone());
    for (name, expected) in [
        ("ResponseType", "KYC"),
        ("LoginId", "5e115eac-1209-4f19-641c-08d6d484e2fe"),
        ("RequestId", "703b94bc-8318-4aa0-8b11-a70da78edb5c"),
        ("Tag", "user-1001"),
        ("HttpStatusCode", "200"),
        ("ScheduledRefresh", "false"),
        ("SignatureForm", "raw"),
    ] {
        assert_eq!(value(name).as_deref(), Some(expected), "{name}");
    }
    assert_eq!(message.attributes["HttpStatusCode"].data_type, "Number");
    assert_eq!(message.group_id.as_deref(), Some("5e115eac-1209-4f19-641c-08d6d484e2fe"));
}

#[tokio::test]
async fn a_retry_has_the_same_delivery_id_and_a_message_of_its_own() {
    let fixture = Fixture::start().await;
    // The illegal character sends both payloads to the bucket, where they must not share an object.
    let body = "{\"Tag\":\"\u{FFFE}\"}".as_bytes();
    assert_eq!(fixture.post_signed(body).await.response, Response::Stored);
    assert_eq!(fixture.post_signed(body).await.response, Response::Stored);
    let messages = fixture.messages();
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0].1.attributes["DeliveryId"].value, messages[1].1.attributes["DeliveryId"].value);
    assert_ne!(messages[0].1.body, messages[1].1.body);
    let objects = fixture.aws().objects(PAYLOAD_BUCKET);
    assert_eq!(objects.len(), 2);
    let prefix = format!("unclassified/{}/", messages[0].1.attributes["DeliveryId"].value);
    assert!(objects.keys().all(|key| key.starts_with(&prefix)), "{:?}", objects.keys());
}

/// The bytes of all attributes of a message, as SQS counts them.
async fn attribute_bytes(body: &[u8]) -> usize {
    let fixture = Fixture::start().await;
    fixture.post_signed(body).await;
    let sizes = fixture.message().1.attributes.into_iter().filter(|(name, _)| name != "ExtendedPayloadSize");
    sizes.map(|(name, attribute)| name.len() + attribute.data_type.len() + attribute.value.len()).sum()
}

fn kyc_of(bytes: usize) -> Vec<u8> {
    let (start, end) = (r#"{"ResponseType":"KYC","Holders":""#, r#""}"#);
    let filler = "é".repeat((bytes - start.len() - end.len()) / 2);
    let odd = if (bytes - start.len() - end.len()) % 2 == 1 { "e" } else { "" };
    format!("{start}{filler}{odd}{end}").into_bytes()
}

#[tokio::test]
async fn a_callback_goes_inline_up_to_the_last_byte_that_sqs_takes() {
    let largest = MAX_MESSAGE_BYTES - attribute_bytes(&kyc_of(1000)).await;
    for (bytes, expected) in
        [(largest - 1, StoredAs::Inline), (largest, StoredAs::Inline), (largest + 1, StoredAs::ClaimCheck)]
    {
        let fixture = Fixture::start().await;
        let body = kyc_of(bytes);
        assert_eq!(body.len(), bytes);
        let posted = fixture.post_signed(&body).await;
        assert_eq!(posted.record.stored_as, Some(expected), "{bytes}");
        // The local AWS enforces SQS's size limit, and the first attempt succeeded.
        assert!(posted.record.failures.is_empty(), "{bytes}: {:?}", posted.record.failures);
        let (queue, message) = fixture.message();
        assert_eq!(queue, Kind::Kyc);
        assert!(fixture.payload(&message) == body, "{bytes}");
    }
}

#[tokio::test]
async fn five_megabytes_come_out_of_the_bucket_byte_for_byte() {
    let fixture = Fixture::start().await;
    let body = kyc_of(5_000_000);
    assert_eq!(fixture.post_signed(&body).await.response, Response::Stored);
    let (_, message) = fixture.message();
    assert_eq!(message.attributes["ExtendedPayloadSize"].value, "5000000");
    assert_eq!(message.attributes["ExtendedPayloadSize"].data_type, "Number");
    assert!(fixture.payload(&message) == body);
}

#[tokio::test]
async fn a_tag_of_300_kb_is_left_out_and_the_callback_kept() {
    let fixture = Fixture::start().await;
    let body = format!(r#"{{"ResponseType":"KYC","Tag":"{}"}}"#, "t".repeat(300_000));
    assert_eq!(fixture.post_signed(body.as_bytes()).await.response, Response::Stored);
    let (queue, message) = fixture.message();
    assert_eq!((queue, message.attributes.contains_key("Tag")), (Kind::Kyc, false));
    assert_eq!(message.body, body);
}

#[tokio::test]
async fn megabytes_of_brackets_are_stored() {
    let fixture = Fixture::start().await;
    let body = format!(r#"{{"a":{}{},"ResponseType":"KYC"}}"#, "[".repeat(2_000_000), "]".repeat(2_000_000));
    assert_eq!(fixture.post_signed(body.as_bytes()).await.response, Response::Stored);
    assert_eq!(fixture.message().0, Kind::Kyc);
}

#[tokio::test]
async fn the_ascii_encoding_is_marked_and_can_be_turned_off() {
    let body = r#"{"ResponseType":"KYC","Holders":[{"Name":"Zoé 😀"}]}"#;
    let headers =
        [("content-type", "application/json"), ("flinks-authenticity-key", &sign::ascii(body, SIGNING_SECRET)[..])];
    let on = Fixture::start().await;
    assert_eq!(on.post(&headers, body.as_bytes()).await.response, Response::Stored);
    assert_eq!(on.message().1.attributes["SignatureForm"].value, "ascii");
    let off = Fixture::with_variables(&[("ASCII_ENCODING", "off")]).await;
    assert_eq!(off.post(&headers, body.as_bytes()).await.response, Response::Unauthorized);
    assert!(off.is_empty());
}

#[tokio::test]
async fn a_valid_pay_signature_makes_it_pay_whatever_the_body_says() {
    for body in [&br#"{"ResponseType":"KYC"}"#[..], b"not JSON", b""] {
        let fixture = Fixture::start().await;
        let posted = fixture.post(&[("X-WEBHOOK-SIGNATURE", &sign::pay(body, PAY_SIGNING_SECRET))], body).await;
        assert_eq!(posted.response, Response::Stored);
        let (queue, message) = fixture.message();
        assert_eq!((queue, message.attributes["SignatureForm"].value.as_str()), (Kind::Pay, "pay"));
    }
}

#[tokio::test]
async fn a_key_of_one_scheme_verifies_nothing_for_the_other() {
    let fixture = Fixture::start().await;
    let body = br#"{"ResponseType":"KYC"}"#;
    for headers in [
        [("X-Webhook-Signature", sign::pay(body, SIGNING_SECRET))],
        [("flinks-authenticity-key", sign::aggregation(body, PAY_SIGNING_SECRET))],
        [("X-Flinks-Signature", sign::aggregation(body, PAY_SIGNING_SECRET))],
    ] {
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        assert_eq!(fixture.post(&headers, body).await.response, Response::Unauthorized, "{headers:?}");
    }
    assert!(fixture.is_empty());
}

#[tokio::test]
async fn one_valid_signature_is_enough_beside_one_that_a_proxy_added() {
    let fixture = Fixture::start().await;
    let body = br#"{"ResponseType":"KYC"}"#;
    let valid = sign::aggregation(body, SIGNING_SECRET);
    for other in [sign::pay(body, "the proxy's own secret"), "v1=of a proxy".to_owned()] {
        let posted = fixture.post(&[("X-Webhook-Signature", &other), ("flinks-authenticity-key", &valid)], body).await;
        assert_eq!((posted.response, posted.record.kind), (Response::Stored, Some(Kind::Kyc)));
    }
}

#[tokio::test]
async fn a_response_type_that_an_operator_mapped_goes_to_its_queue() {
    let fixture = Fixture::with_variables(&[("RESPONSE_TYPE_QUEUES", "GetStatements=AccountsDetailQueue")]).await;
    fixture.post_signed(br#"{"ResponseType":"GetStatements"}"#).await;
    assert_eq!(fixture.message().0, Kind::AccountsDetail);
}

#[tokio::test]
async fn a_queue_with_a_smaller_limit_than_it_should_have_gets_a_claim_check() {
    let fixture = Fixture::start().await;
    let small = QueueSettings { maximum_message_size: 262_144, ..QueueSettings::default() };
    fixture.aws().create_queue("KycQueue", small);
    let body = kyc_of(300_000);
    let posted = fixture.post_signed(&body).await;
    assert_eq!((posted.response, posted.record.stored_as), (Response::Stored, Some(StoredAs::ClaimCheck)));
    assert!(fixture.payload(&fixture.message().1) == body);
}

#[tokio::test]
async fn a_forgery_costs_no_call_beyond_the_keys() {
    let fixture = Fixture::start().await;
    // Neither request has a well-formed signature, so the receiver needs no key.
    fixture.post(&[("flinks-authenticity-key", "malformed")], b"{}").await;
    fixture.post(&[], b"{}").await;
    assert_eq!(fixture.aws().calls(Operation::GetSecretValue), 0);
    fixture.post_signed_with("forged", b"{}").await;
    assert_eq!(fixture.aws().calls(Operation::SendMessage) + fixture.aws().calls(Operation::PutObject), 0);
}

#[tokio::test]
async fn the_body_of_a_forgery_is_not_parsed() {
    let fixture = Fixture::start().await;
    let record = fixture.post_signed_with("forged", br#"{"ResponseType":"KYC"}"#).await.record;
    assert_eq!((record.kind, record.delivery_id), (None, None));
    let steps: Vec<_> = record.durations.iter().map(|(metric, _)| *metric).collect();
    assert_eq!(steps, [Metric::AuthenticateTime, Metric::TotalTime]);
}
