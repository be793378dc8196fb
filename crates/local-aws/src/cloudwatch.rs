//! CloudWatch with one metric, the age of a queue's oldest message. The protocol is Smithy's RPC v2 with CBOR.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use ciborium::Value;
use http_body_util::Full;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde::Deserialize;

use crate::error::ServiceError;
use crate::operation::Operation;
use crate::sqs::Sqs;
use crate::wire::{Call, Response};

/// The header that marks the protocol in requests and responses, and its value.
const PROTOCOL_HEADER: &str = "smithy-protocol";
const PROTOCOL: &str = "rpc-v2-cbor";

/// CBOR's tag of a time in seconds since 1970 (RFC 8949, section 3.4.2).
const TIME_TAG: u64 = 1;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetMetricData {
    metric_data_queries: Vec<MetricDataQuery>,
    start_time: Value,
    end_time: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MetricDataQuery {
    id: String,
    label: Option<String>,
    metric_stat: Option<MetricStat>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MetricStat {
    metric: Metric,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metric {
    namespace: String,
    metric_name: String,
    #[serde(default)]
    dimensions: Vec<Dimension>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Dimension {
    name: String,
    value: String,
}

/// The name of the operation, if the request is for CloudWatch: `/service/SERVICE/operation/NAME`.
pub(crate) fn operation_name(call: &Call) -> Option<&str> {
    if call.header(PROTOCOL_HEADER) != Some(PROTOCOL) {
        return None;
    }
    call.uri.path().strip_prefix("/service/GraniteServiceVersion20100801/operation/")
}

pub(crate) fn serve(sqs: &Sqs, operation: Operation, call: &Call) -> Result<Response, ServiceError> {
    if operation != Operation::GetMetricData {
        return Err(ServiceError::other_service());
    }
    let request: GetMetricData = ciborium::from_reader(call.body.as_ref())
        .map_err(|error| ServiceError::bad_request("SerializationException", error.to_string()))?;
    get_metric_data(sqs, &request).map(|value| to_response(&value))
}

pub(crate) fn error_response(error: &ServiceError) -> Response {
    let code = error.code.as_ref();
    let mut response = to_response(&map([("__type", code.into()), ("message", error.message.as_str().into())]));
    *response.status_mut() = error.status;
    // SDKs report the code of the older query protocol.
    let fault = if error.status.is_server_error() { "Receiver" } else { "Sender" };
    if let Ok(code) = HeaderValue::try_from(format!("{code};{fault}")) {
        response.headers_mut().insert("x-amzn-query-error", code);
    }
    response
}

fn get_metric_data(sqs: &Sqs, request: &GetMetricData) -> Result<Value, ServiceError> {
    let (Some(start), Some(end)) = (seconds(&request.start_time), seconds(&request.end_time)) else {
        return Err(invalid("StartTime and EndTime must be times."));
    };
    if start >= end {
        return Err(invalid("The parameter StartTime must be less than the parameter EndTime."));
    }
    // The system's clock and not the one that tests move, because the caller may be another program.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let results = request.metric_data_queries.iter().map(|query| {
        let metric = query.metric_stat.as_ref().map(|stat| &stat.metric);
        // The only data point is the current one.
        let value = metric.filter(|_| (start..end).contains(&now)).and_then(|metric| metric.value(sqs));
        let label = query.label.as_deref().or(metric.map(|metric| metric.metric_name.as_str()));
        let times = value.map(|_| Value::Tag(TIME_TAG, Box::new(now.floor().into())));
        map([
            ("Id", query.id.as_str().into()),
            ("Label", label.unwrap_or_default().into()),
            ("Timestamps", Value::Array(times.into_iter().collect())),
            ("Values", Value::Array(value.map(Value::from).into_iter().collect())),
            ("StatusCode", "Complete".into()),
        ])
    });
    Ok(map([("MetricDataResults", Value::Array(results.collect()))]))
}

impl Metric {
    fn value(&self, sqs: &Sqs) -> Option<f64> {
        let [dimension] = self.dimensions.as_slice() else {
            return None;
        };
        let is_age = self.namespace == "AWS/SQS" && self.metric_name == "ApproximateAgeOfOldestMessage";
        let queue = Some(&dimension.value).filter(|_| is_age && dimension.name == "QueueName")?;
        sqs.age_of_oldest(queue).map(|age| age.as_secs_f64().floor())
    }
}

fn seconds(time: &Value) -> Option<f64> {
    let Value::Tag(TIME_TAG, seconds) = time else {
        return None;
    };
    match seconds.as_ref() {
        Value::Float(seconds) => Some(*seconds),
        Value::Integer(seconds) => u32::try_from(*seconds).ok().map(f64::from),
        _ => None,
    }
}

fn map<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Map(members.into_iter().map(|(name, value)| (name.into(), value)).collect())
}

fn invalid(message: &str) -> ServiceError {
    ServiceError::bad_request("InvalidParameterValue", message)
}

fn to_response(value: &Value) -> Response {
    let mut bytes = Vec::new();
    if ciborium::into_writer(value, &mut bytes).is_err() {
        let mut response = Response::default();
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        return response;
    }
    let mut response = Response::new(Full::new(Bytes::from(bytes)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/cbor"));
    response.headers_mut().insert(PROTOCOL_HEADER, HeaderValue::from_static(PROTOCOL));
    response
}
