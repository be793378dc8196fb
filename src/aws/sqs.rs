//! The queues, in SQS.

use std::{collections::HashMap, sync::LazyLock};

use aws_sdk_sqs::types::{
    MessageAttributeValue, MessageSystemAttributeNameForSends::AwsTraceHeader, MessageSystemAttributeValue,
};
use aws_types::SdkConfig;
use futures_util::FutureExt;
use tokio::time::timeout;

use super::{
    error::aws_error,
    preconnect::ConnectOnly,
    sdk_config::{Lazy, with_endpoint},
    send_message::SendMessageSerializer,
};
use crate::{
    aws_error::{AwsError, Operation, Reason},
    config::StorageConfig,
    delivery::{OutboundMessage, Queues},
    routing::PerKind,
    time_budget::ATTEMPT,
};

/// The queues.
pub struct Sqs {
    client: Lazy<aws_sdk_sqs::Client>,
    urls: PerKind<String>,
}

impl Sqs {
    pub fn new(common: &SdkConfig, config: &StorageConfig) -> Self {
        let sdk_config = with_endpoint(common, &config.sqs_endpoint);
        let client = move || {
            let config = aws_sdk_sqs::config::Builder::from(&sdk_config).interceptor(SendMessageSerializer::default());
            aws_sdk_sqs::Client::from_conf(config.build())
        };
        Self { client: LazyLock::new(Box::new(client)), urls: config.queue_urls.clone() }
    }
}

impl Queues for Sqs {
    /// Opens a connection to SQS in the background: one name lookup and two handshakes that no callback waits for. A
    /// failure does not matter: the first message opens a connection then.
    fn preconnect(&self) {
        let opening = self.client.send_message().customize().interceptor(ConnectOnly).send();
        tokio::spawn(timeout(ATTEMPT, opening).map(drop));
    }

    async fn send(&self, message: OutboundMessage<'_>) -> Result<(), AwsError> {
        let OutboundMessage { kind, body, attributes, group_id, trace_header } = message;
        let construction = |_| AwsError::new(Operation::SendMessage, Reason::Construction);
        let attributes: HashMap<_, _> = attributes
            .iter()
            .map(|attribute| {
                let value = MessageAttributeValue::builder()
                    .data_type(attribute.data_type.as_str())
                    .string_value(&attribute.value)
                    .build()
                    .map_err(construction)?;
                Ok((attribute.name.to_owned(), value))
            })
            .collect::<Result<_, AwsError>>()?;
        let system_attributes = trace_header
            .map(|header| {
                let value = MessageSystemAttributeValue::builder().data_type("String").string_value(header.as_str());
                Ok::<_, AwsError>(HashMap::from([(AwsTraceHeader, value.build().map_err(construction)?)]))
            })
            .transpose()?;
        let request = self.client.send_message().queue_url(self.urls.get(kind)).message_body(body);
        let request = request
            .set_message_attributes(Some(attributes))
            .set_message_system_attributes(system_attributes)
            .set_message_group_id(group_id.map(str::to_owned));
        let sent = request.send().boxed().await.map_err(|error| aws_error(Operation::SendMessage, &error))?;
        // Something other than SQS can respond 200 too.
        if sent.message_id().is_none_or(str::is_empty) {
            return Err(AwsError::unusable(Operation::SendMessage, "no message id"));
        }
        Ok(())
    }
}
