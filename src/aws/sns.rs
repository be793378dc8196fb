//! The topics, in SNS.

use std::{collections::HashMap, sync::LazyLock};

use aws_sdk_sns::types::MessageAttributeValue;
use aws_smithy_runtime_api::client::{http::SharedHttpClient, orchestrator::HttpRequest};
use futures_util::FutureExt;

use super::{
    error::aws_error,
    sdk_config::{Lazy, http_client, sdk_config, with_endpoint},
};
use crate::{
    aws_error::{AwsError, Operation, Reason},
    config::FanOutConfig,
    fan_out::{Notification, Topics},
};

/// The topics.
pub struct Sns {
    client: Lazy<aws_sdk_sns::Client>,
}

impl Sns {
    pub fn new(config: &FanOutConfig) -> Self {
        Self::with_http_client(http_client([&config.sns_endpoint]), config)
    }

    pub fn with_http_client(http: SharedHttpClient, config: &FanOutConfig) -> Self {
        let sdk_config = with_endpoint(&sdk_config(http, &config.aws), &config.sns_endpoint);
        Self { client: LazyLock::new(Box::new(move || aws_sdk_sns::Client::new(&sdk_config))) }
    }
}

impl Topics for Sns {
    async fn publish(&self, notification: Notification<'_>) -> Result<(), AwsError> {
        /// Publish has no member for the trace. SNS takes it from this header, and passes it on to the queues.
        const TRACE_ID: &str = "x-amzn-trace-id";
        let Notification { topic_arn, body, attributes, group_id, trace_header } = notification;
        let construction = |_| AwsError::new(Operation::Publish, Reason::Construction);
        let attributes: HashMap<_, _> = attributes
            .iter()
            .map(|(name, attribute)| {
                let value = MessageAttributeValue::builder()
                    .data_type(&attribute.data_type)
                    .set_string_value(attribute.string_value.clone());
                Ok((name.clone(), value.build().map_err(construction)?))
            })
            .collect::<Result<_, AwsError>>()?;
        let request = self.client.publish().topic_arn(topic_arn).message(body);
        let request =
            request.set_message_attributes(Some(attributes)).set_message_group_id(group_id.map(str::to_owned));
        let trace_header = trace_header.map(|header| header.as_str().to_owned());
        let with_trace = move |request: &mut HttpRequest| {
            if let Some(header) = &trace_header {
                request.headers_mut().insert(TRACE_ID, header.clone());
            }
        };
        let sent = request.customize().mutate_request(with_trace).send().boxed().await;
        let sent = sent.map_err(|error| aws_error(Operation::Publish, &error))?;
        // Something other than SNS can respond 200 too.
        if sent.message_id().is_none_or(str::is_empty) {
            return Err(AwsError::unusable(Operation::Publish, "no message id"));
        }
        Ok(())
    }
}
