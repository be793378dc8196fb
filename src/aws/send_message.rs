//! Writes SendMessage's request without the SDK's own serialiser.
//!
//! The SDK's serialiser goes through the body character by character and copies it three times. Without this file a
//! callback of 1 MB takes 1.16 times the processor time (`benches/README.md`). Everything else of the call stays the
//! SDK's: endpoint, signature, attempts, errors. The operation is written as in the SQS API reference, in AWS JSON 1.0.

use std::collections::HashMap;

use aws_sdk_sqs::{
    operation::send_message::SendMessageInput,
    types::{MessageAttributeValue, MessageSystemAttributeNameForSends, MessageSystemAttributeValue},
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{BeforeSerializationInterceptorContextMut, Input},
            dyn_dispatch_hint,
        },
        orchestrator::HttpRequest,
        runtime_components::RuntimeComponents,
        ser_de::{SerializeRequest, SharedRequestSerializer},
    },
};
use aws_smithy_types::{body::SdkBody, config_bag::ConfigBag};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use serde::{Serialize, Serializer};

/// Replaces the SDK's serialiser with this one, for a client that only sends messages.
#[derive(Debug)]
pub(super) struct SendMessageSerializer(SharedRequestSerializer);

impl Default for SendMessageSerializer {
    fn default() -> Self {
        Self(SharedRequestSerializer::new(SendMessage))
    }
}

#[dyn_dispatch_hint]
impl Intercept for SendMessageSerializer {
    fn name(&self) -> &'static str {
        "SendMessageSerializer"
    }

    fn modify_before_serialization(
        &self,
        _: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().store_put(self.0.clone());
        Ok(())
    }
}

#[derive(Debug)]
struct SendMessage;

impl SerializeRequest for SendMessage {
    fn serialize_input(&self, input: Input, _: &mut ConfigBag) -> Result<HttpRequest, BoxError> {
        /// For the rest of the request: at most ten attributes of at most 256 bytes, which seldom take more.
        const BESIDE_THE_BODY: usize = 2_048;
        let input = input.downcast::<SendMessageInput>().map_err(|_| "the input of another operation")?;
        if input.delay_seconds().is_some()
            || input.message_deduplication_id().is_some()
            || input.message_attributes().is_some_and(|all| !all.values().all(is_text))
            || input.message_system_attributes().is_some_and(|all| !all.values().all(is_system_text))
        {
            return Err("this serialiser does not support a field that is set".into());
        }
        let body = input.message_body().unwrap_or_default();
        // An eighth more, for escaped quotation marks: about their share in account details.
        let mut json = Vec::with_capacity(body.len() + body.len() / 8 + BESIDE_THE_BODY);
        serde_json::to_writer(&mut json, &Request::of(&input))?;
        let request = http::Request::post("/")
            .header(CONTENT_TYPE, "application/x-amz-json-1.0")
            .header("x-amz-target", "AmazonSQS.SendMessage")
            // SQS sends the error codes of the older query protocol too.
            .header("x-amzn-query-mode", "true")
            .header(CONTENT_LENGTH, json.len())
            .body(SdkBody::from(json))?;
        Ok(request.try_into()?)
    }
}

/// Whether an attribute has a text and nothing else.
fn is_text(value: &MessageAttributeValue) -> bool {
    value.string_value().is_some()
        && value.binary_value().is_none()
        && value.string_list_values().is_empty()
        && value.binary_list_values().is_empty()
}

/// The same for a system attribute.
fn is_system_text(value: &MessageSystemAttributeValue) -> bool {
    value.string_value().is_some()
        && value.binary_value().is_none()
        && value.string_list_values().is_empty()
        && value.binary_list_values().is_empty()
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'m> {
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_url: Option<&'m str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_body: Option<&'m str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_attributes: Option<Attributes<'m>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_system_attributes: Option<SystemAttributes<'m>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_group_id: Option<&'m str>,
}

impl<'m> Request<'m> {
    fn of(input: &'m SendMessageInput) -> Self {
        Self {
            queue_url: input.queue_url(),
            message_body: input.message_body(),
            message_attributes: input.message_attributes().map(Attributes),
            message_system_attributes: input.message_system_attributes().map(SystemAttributes),
            message_group_id: input.message_group_id(),
        }
    }
}

struct Attributes<'m>(&'m HashMap<String, MessageAttributeValue>);

impl Serialize for Attributes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(
            self.0.iter().map(|(name, value)| {
                (name, Value { string_value: value.string_value(), data_type: value.data_type() })
            }),
        )
    }
}

struct SystemAttributes<'m>(&'m HashMap<MessageSystemAttributeNameForSends, MessageSystemAttributeValue>);

impl Serialize for SystemAttributes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| {
            (name.as_str(), Value { string_value: value.string_value(), data_type: value.data_type() })
        }))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Value<'m> {
    #[serde(skip_serializing_if = "Option::is_none")]
    string_value: Option<&'m str>,
    data_type: &'m str,
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use aws_sdk_sqs::{
        Client, Config,
        config::{BehaviorVersion, Credentials, Region},
    };
    use aws_smithy_runtime_api::{
        client::{
            http::{HttpConnectorFuture, SharedHttpConnector, http_client_fn},
            orchestrator::HttpResponse,
        },
        http::StatusCode,
    };

    use super::*;

    /// The client's configuration, with an HTTP client that records each request and responds 400.
    fn capturing() -> (Arc<Mutex<Vec<HttpRequest>>>, aws_sdk_sqs::config::Builder) {
        #[derive(Clone, Debug, Default)]
        struct Capture(Arc<Mutex<Vec<HttpRequest>>>);
        impl aws_smithy_runtime_api::client::http::HttpConnector for Capture {
            fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
                self.0.lock().unwrap().push(request);
                HttpConnectorFuture::ready(Ok(HttpResponse::new(StatusCode::try_from(400).unwrap(), SdkBody::empty())))
            }
        }
        let capture = Capture::default();
        let connector = capture.clone();
        let config = Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("ca-central-1"))
            .credentials_provider(Credentials::new("fake", "fake", None, None, "test"))
            .http_client(http_client_fn(move |_, _| SharedHttpConnector::new(connector.clone())));
        (capture.0, config)
    }

    /// The request for a message as it reaches the network.
    async fn request(
        body: &str,
        config: impl FnOnce(aws_sdk_sqs::config::Builder) -> aws_sdk_sqs::config::Builder,
    ) -> HttpRequest {
        let (captured, builder) = capturing();
        let text = |value: &str, data_type: &str| {
            MessageAttributeValue::builder().data_type(data_type).string_value(value).build().unwrap()
        };
        let trace = MessageSystemAttributeValue::builder()
            .data_type("String")
            .string_value("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1")
            .build();
        let sent = Client::from_conf(config(builder).build())
            .send_message()
            .queue_url("https://sqs.ca-central-1.amazonaws.com/123456789012/KycQueue")
            .message_body(body)
            .message_attributes("Tag", text("caf\u{e9} \"\\", "String"))
            .message_attributes("HttpStatusCode", text("200", "Number"))
            .message_system_attributes(MessageSystemAttributeNameForSends::AwsTraceHeader, trace.unwrap())
            .message_group_id("{5e115eac~1209}")
            .send()
            .await;
        assert!(sent.is_err());
        captured.lock().unwrap().pop().unwrap()
    }

    #[tokio::test]
    async fn a_request_is_the_one_that_the_sdk_would_have_written() {
        let control: String = (0..0x20).map(char::from).collect();
        for body in ["", "{\"Tag\":\"caf\u{e9}\"}", &control, "\u{7f}\u{2028}\u{1F600}\u{FFFD}/\\"] {
            let own = request(body, |config| config.interceptor(SendMessageSerializer::default())).await;
            let sdk = request(body, |config| config).await;
            let json = |request: &HttpRequest| -> serde_json::Value {
                serde_json::from_slice(request.body().bytes().unwrap()).unwrap()
            };
            assert_eq!(json(&own), json(&sdk), "{body}");
            assert_eq!((own.method(), own.uri()), (sdk.method(), sdk.uri()));
            // For headers that differ in each call, or that depend on the body's length, compare only the names.
            let headers = |request: &HttpRequest| -> Vec<_> {
                let differs = ["authorization", "x-amz-date", "amz-sdk-invocation-id", "content-length"];
                let value = |name, value| if differs.contains(&name) { "" } else { value };
                let mut headers: Vec<_> = request
                    .headers()
                    .iter()
                    .map(|(name, text)| (name.to_owned(), value(name, text).to_owned()))
                    .collect();
                headers.sort();
                headers
            };
            assert_eq!(headers(&own), headers(&sdk));
            let length = own.body().bytes().unwrap().len().to_string();
            assert_eq!(own.headers().get("content-length"), Some(length.as_str()));
        }
    }

    #[tokio::test]
    async fn a_field_that_would_not_be_written_is_an_error() {
        let (captured, config) = capturing();
        let client = Client::from_conf(config.interceptor(SendMessageSerializer::default()).build());
        let message = client.send_message().queue_url("https://sqs.ca-central-1.amazonaws.com/1/q").message_body("{}");
        assert!(message.delay_seconds(5).send().await.is_err());
        assert!(captured.lock().unwrap().is_empty());
    }
}
