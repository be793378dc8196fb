//! A Flinks receiver written as the guides of lambda_http and the AWS SDK for Rust suggest: the event as an HTTP
//! request, the body as a `serde_json::Value`, a client for each service. It does the function's job in the ordinary
//! case: it verifies the signature, routes, sets the attributes, makes a claim check for a large body, and responds
//! 200.

use std::{
    env,
    time::{SystemTime, UNIX_EPOCH},
};

use aws_config::BehaviorVersion;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_sqs::{
    primitives::{DateTime, DateTimeFormat},
    types::MessageAttributeValue,
};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use lambda_http::{Body, Error, Request, Response, http::HeaderMap, run, service_fn, tracing};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const MAX_MESSAGE_BYTES: usize = 1_048_576;

struct Receiver {
    sqs: aws_sdk_sqs::Client,
    s3: aws_sdk_s3::Client,
    signing_secret: String,
    pay_signing_secret: String,
    bucket: String,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let config = aws_config::defaults(BehaviorVersion::v2026_01_12()).http_client(http).load().await;
    let secrets = aws_sdk_secretsmanager::Client::new(&config);
    let (signing_secret, pay_signing_secret) =
        tokio::try_join!(secret(&secrets, "SIGNING_SECRET_ID"), secret(&secrets, "PAY_SIGNING_SECRET_ID"))?;
    let receiver = Receiver {
        sqs: aws_sdk_sqs::Client::new(&config),
        s3: aws_sdk_s3::Client::new(&config),
        signing_secret,
        pay_signing_secret,
        bucket: env::var("PAYLOAD_BUCKET")?,
    };
    run(service_fn(|request| receive(&receiver, request))).await
}

async fn secret(client: &aws_sdk_secretsmanager::Client, variable: &str) -> Result<String, Error> {
    let secret = client.get_secret_value().secret_id(env::var(variable)?).send().await?;
    Ok(secret.secret_string.ok_or("a secret without text")?)
}

async fn receive(receiver: &Receiver, request: Request) -> Result<Response<Body>, Error> {
    let (head, body) = request.into_parts();
    let bytes: &[u8] = &body;
    let Some(form) = receiver.signature_form(&head.headers, bytes) else {
        return answer(401, r#"{"error":"unauthorized"}"#);
    };
    let payload: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let queue = env::var(format!("{}_QUEUE_URL", kind(form, &payload)))?;
    let delivery_id = hex::encode(Sha256::digest(bytes));
    let attributes = attributes(form, &payload, &delivery_id)?;
    let group = if form == "pay" { &payload["sessionId"] } else { &payload["Login"]["Id"] };

    let size: usize = attributes.iter().map(|(name, value)| name.len() + size_of_value(value)).sum();
    let text = str::from_utf8(bytes).ok().filter(|text| !text.is_empty() && text.len() + size <= MAX_MESSAGE_BYTES);
    let mut message =
        receiver.sqs.send_message().queue_url(queue).set_message_group_id(group.as_str().map(str::to_owned));
    for (name, value) in attributes {
        message = message.message_attributes(name, value);
    }
    message = match text {
        Some(text) => message.message_body(text),
        None => {
            let key = format!("{delivery_id}/{}", uuid::Uuid::new_v4());
            let object = ByteStream::from(bytes.to_vec());
            receiver.s3.put_object().bucket(&receiver.bucket).key(&key).body(object).send().await?;
            let pointer = json!({ "s3BucketName": receiver.bucket, "s3Key": key });
            message
                .message_body(json!(["software.amazon.payloadoffloading.PayloadS3Pointer", pointer]).to_string())
                .message_attributes("ExtendedPayloadSize", attribute("Number", bytes.len())?)
        }
    };
    message.send().await?;
    tracing::info!(delivery_id, bytes = bytes.len(), form, "stored");
    answer(200, r#"{"status":"stored"}"#)
}

impl Receiver {
    /// The form of the signature that verifies the body. `None` if there is none.
    fn signature_form(&self, headers: &HeaderMap, body: &[u8]) -> Option<&'static str> {
        if let Some(signature) = headers.get("x-webhook-signature") {
            let signature = hex::decode(signature.to_str().ok()?.strip_prefix("sha256=")?).ok()?;
            return is_signed(&self.pay_signing_secret, body, &signature).then_some("pay");
        }
        let signature = BASE64_STANDARD.decode(headers.get("flinks-authenticity-key")?).ok()?;
        if is_signed(&self.signing_secret, body, &signature) {
            return Some("raw");
        }
        let text = str::from_utf8(body).ok()?;
        let ascii: Vec<u8> =
            text.encode_utf16().map(|unit| u8::try_from(unit).ok().filter(u8::is_ascii).unwrap_or(b'?')).collect();
        is_signed(&self.signing_secret, &ascii, &signature).then_some("ascii")
    }
}

fn is_signed(secret: &str, body: &[u8], signature: &[u8]) -> bool {
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return false };
    mac.chain_update(body).verify_slice(signature).is_ok()
}

fn kind(form: &str, payload: &Value) -> &'static str {
    match payload["ResponseType"].as_str() {
        _ if form == "pay" => "PAY",
        Some("KYC") => "KYC",
        Some("GetAccountsDetail") => "ACCOUNTS_DETAIL",
        Some("Investments") => "INVESTMENTS",
        _ if !payload["DocumentAnalysis"].is_null() => "UPLOAD_FRAUD",
        _ if !payload["sessionId"].is_null() && !payload["status"].is_null() => "PAY",
        _ => "UNCLASSIFIED",
    }
}

fn attributes(
    form: &str,
    payload: &Value,
    delivery_id: &str,
) -> Result<Vec<(&'static str, MessageAttributeValue)>, Error> {
    let login = &payload["Login"];
    let of_payload = if form == "pay" {
        [("SessionId", &payload["sessionId"]), ("Status", &payload["status"])]
    } else {
        [("LoginId", &login["Id"]), ("RequestId", &payload["RequestId"])]
    };
    let mut attributes = vec![
        ("DeliveryId", attribute("String", delivery_id)?),
        ("SignatureForm", attribute("String", form)?),
        ("ReceivedAt", attribute("String", now()?)?),
    ];
    let texts = [("ResponseType", &payload["ResponseType"]), ("Tag", &payload["Tag"])];
    for (name, value) in of_payload.into_iter().chain(texts) {
        if let Some(text) = value.as_str().filter(|text| (1..=256).contains(&text.len())) {
            attributes.push((name, attribute("String", text)?));
        }
    }
    if let Some(code) = payload["HttpStatusCode"].as_i64() {
        attributes.push(("HttpStatusCode", attribute("Number", code)?));
    }
    if let Some(scheduled) = login["IsScheduledRefresh"].as_bool() {
        attributes.push(("ScheduledRefresh", attribute("String", scheduled)?));
    }
    Ok(attributes)
}

fn attribute(data_type: &str, value: impl ToString) -> Result<MessageAttributeValue, Error> {
    Ok(MessageAttributeValue::builder().data_type(data_type).string_value(value.to_string()).build()?)
}

fn size_of_value(value: &MessageAttributeValue) -> usize {
    value.data_type().len() + value.string_value().unwrap_or_default().len()
}

fn now() -> Result<String, Error> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
    Ok(DateTime::from_secs_f64(seconds).fmt(DateTimeFormat::DateTime)?)
}

fn answer(status: u16, body: &'static str) -> Result<Response<Body>, Error> {
    Ok(Response::builder().status(status).header("content-type", "application/json").body(body.into())?)
}
