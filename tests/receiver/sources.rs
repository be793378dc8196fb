//! The IP allow-list.

use flinks_dev::{sign, stack::SIGNING_SECRET};
use flinks_webhooks::{http::Response, rejection::Rejection};
use local_aws::Operation;
use local_lambda::gateway::{HttpRequest, event};
use serde_json::json;

use crate::support::{Fixture, Posted};

const BODY: &[u8] = br#"{"ResponseType":"KYC"}"#;

/// Posts a callback with a valid signature from `source`, while its headers say that it comes from `claimed`.
async fn post_from(fixture: &Fixture, source: &str, claimed: &str) -> Posted {
    let signature = sign::aggregation(BODY, SIGNING_SECRET);
    let headers = [
        ("Content-Type", "application/json"),
        ("flinks-authenticity-key", &signature),
        ("X-Forwarded-For", claimed),
        ("Forwarded", claimed),
        ("CloudFront-Viewer-Address", claimed),
    ];
    let request = HttpRequest {
        method: "POST",
        path: "/webhooks/flinks",
        headers: &headers,
        body: BODY,
        source_ip: Some(source),
        ..HttpRequest::default()
    };
    fixture.deliver(&serde_json::to_vec(&event(&request)).unwrap()).await
}

#[tokio::test]
async fn only_addresses_on_the_allow_list_may_send_whatever_a_header_says() {
    let fixture = Fixture::with_variables(&[("ALLOWED_SOURCE_CIDRS", "198.51.100.0/24, 2001:db8::/32")]).await;
    for source in ["203.0.113.7", "198.51.101.1", "2001:db9::1"] {
        let posted = post_from(&fixture, source, "198.51.100.7").await;
        assert_eq!(
            (posted.response, posted.record.rejection),
            (Response::Forbidden, Some(Rejection::SourceNotAllowed))
        );
        assert!(fixture.is_empty());
    }
    for source in ["198.51.100.7", "2001:db8::7", "::ffff:198.51.100.7"] {
        assert_eq!(post_from(&fixture, source, "203.0.113.7").await.response, Response::Stored, "{source}");
    }
    assert_eq!(fixture.messages().len(), 3);
}

#[tokio::test]
async fn a_rejected_address_costs_no_aws_call() {
    let fixture = Fixture::with_variables(&[("ALLOWED_SOURCE_CIDRS", "198.51.100.0/24")]).await;
    assert_eq!(post_from(&fixture, "203.0.113.7", "").await.response, Response::Forbidden);
    assert_eq!(fixture.aws().calls(Operation::GetSecretValue), 0);
}

#[tokio::test]
async fn an_event_without_an_address_is_rejected_if_there_is_an_allow_list() {
    let headers = json!({ "flinks-authenticity-key": sign::aggregation(b"{}", SIGNING_SECRET) });
    for source in [json!(null), json!(""), json!("unknown")] {
        let context = json!({ "http": { "method": "POST", "sourceIp": source } });
        let event =
            json!({ "version": "2.0", "headers": headers, "requestContext": context, "body": "{}" }).to_string();
        for (list, expected) in [("0.0.0.0/0,::/0", Response::Forbidden), ("", Response::Stored)] {
            let fixture = Fixture::with_variables(&[("ALLOWED_SOURCE_CIDRS", list)]).await;
            assert_eq!(fixture.deliver(event.as_bytes()).await.response, expected, "{list} {context}");
        }
    }
}
