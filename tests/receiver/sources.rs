//! The list of networks that may send.

use flinks_dev::{sign, stack::SIGNING_SECRET};
use flinks_webhooks::{http::Response, rejection::Rejection};
use local_aws::Operation;
use local_lambda::gateway::{HttpRequest, event};
use serde_json::json;

use crate::support::{Bench, Posted};

const BODY: &[u8] = br#"{"ResponseType":"KYC"}"#;

/// A callback with a valid signature from this address, which claims in its headers to come from another one.
async fn post_from(bench: &Bench, source: &str, claimed: &str) -> Posted {
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
    bench.deliver(&serde_json::to_vec(&event(&request)).unwrap()).await
}

#[tokio::test]
async fn only_addresses_on_the_list_may_send_whatever_a_header_claims() {
    let bench = Bench::with(&[("ALLOWED_SOURCE_CIDRS", "198.51.100.0/24, 2001:db8::/32")]).await;
    for source in ["203.0.113.7", "198.51.101.1", "2001:db9::1"] {
        let posted = post_from(&bench, source, "198.51.100.7").await;
        assert_eq!((posted.answer, posted.record.rejection), (Response::Forbidden, Some(Rejection::SourceNotAllowed)));
        assert!(bench.is_empty());
    }
    for source in ["198.51.100.7", "2001:db8::7", "::ffff:198.51.100.7"] {
        assert_eq!(post_from(&bench, source, "203.0.113.7").await.answer, Response::Stored, "{source}");
    }
    assert_eq!(bench.messages().len(), 3);
}

#[tokio::test]
async fn an_address_that_may_not_send_costs_no_call() {
    let bench = Bench::with(&[("ALLOWED_SOURCE_CIDRS", "198.51.100.0/24")]).await;
    assert_eq!(post_from(&bench, "203.0.113.7", "").await.answer, Response::Forbidden);
    assert_eq!(bench.aws().calls(Operation::GetSecretValue), 0);
}

#[tokio::test]
async fn an_event_without_an_address_is_refused_once_there_is_a_list() {
    let headers = json!({ "flinks-authenticity-key": sign::aggregation(b"{}", SIGNING_SECRET) });
    for source in [json!(null), json!(""), json!("unknown")] {
        let context = json!({ "http": { "method": "POST", "sourceIp": source } });
        let event =
            json!({ "version": "2.0", "headers": headers, "requestContext": context, "body": "{}" }).to_string();
        for (list, expected) in [("0.0.0.0/0,::/0", Response::Forbidden), ("", Response::Stored)] {
            let bench = Bench::with(&[("ALLOWED_SOURCE_CIDRS", list)]).await;
            assert_eq!(bench.deliver(event.as_bytes()).await.answer, expected, "{list} {context}");
        }
    }
}
