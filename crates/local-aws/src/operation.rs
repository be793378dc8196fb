//! The supported operations, and how a request names one.

use hyper::Method;

/// An operation of one of the services, by its AWS name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// SQS
    CreateQueue,
    /// SQS
    GetQueueUrl,
    /// SQS
    ListQueues,
    /// SQS
    GetQueueAttributes,
    /// SQS
    SendMessage,
    /// SQS
    SendMessageBatch,
    /// SQS
    ReceiveMessage,
    /// SQS
    DeleteMessage,
    /// SQS
    DeleteMessageBatch,
    /// SQS
    ChangeMessageVisibility,
    /// SQS
    StartMessageMoveTask,
    /// Secrets Manager
    CreateSecret,
    /// Secrets Manager
    GetSecretValue,
    /// Secrets Manager
    PutSecretValue,
    /// S3
    CreateBucket,
    /// S3
    HeadBucket,
    /// S3
    ListObjectsV2,
    /// S3
    PutObject,
    /// S3
    GetObject,
    /// S3
    HeadObject,
    /// S3
    DeleteObject,
    /// Systems Manager
    PutParameter,
    /// Systems Manager
    GetParameters,
    /// CloudWatch
    GetMetricData,
}

/// The services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Sqs,
    SecretsManager,
    S3,
    SystemsManager,
    CloudWatch,
}

impl Operation {
    pub(crate) fn service(self) -> Service {
        use Operation::*;
        match self {
            CreateQueue
            | GetQueueUrl
            | ListQueues
            | GetQueueAttributes
            | SendMessage
            | SendMessageBatch
            | ReceiveMessage
            | DeleteMessage
            | DeleteMessageBatch
            | ChangeMessageVisibility
            | StartMessageMoveTask => Service::Sqs,
            CreateSecret | GetSecretValue | PutSecretValue => Service::SecretsManager,
            CreateBucket | HeadBucket | ListObjectsV2 | PutObject | GetObject | HeadObject | DeleteObject => {
                Service::S3
            }
            PutParameter | GetParameters => Service::SystemsManager,
            GetMetricData => Service::CloudWatch,
        }
    }

    /// The operation with this name, for the services whose requests carry it: after the dot in `X-Amz-Target`, or at
    /// the end of the path.
    pub(crate) fn from_name(service: Service, name: &str) -> Option<Operation> {
        use Operation::*;
        let operation = match name {
            "CreateQueue" => CreateQueue,
            "GetQueueUrl" => GetQueueUrl,
            "ListQueues" => ListQueues,
            "GetQueueAttributes" => GetQueueAttributes,
            "SendMessage" => SendMessage,
            "SendMessageBatch" => SendMessageBatch,
            "ReceiveMessage" => ReceiveMessage,
            "DeleteMessage" => DeleteMessage,
            "DeleteMessageBatch" => DeleteMessageBatch,
            "ChangeMessageVisibility" => ChangeMessageVisibility,
            "StartMessageMoveTask" => StartMessageMoveTask,
            "CreateSecret" => CreateSecret,
            "GetSecretValue" => GetSecretValue,
            "PutSecretValue" => PutSecretValue,
            "PutParameter" => PutParameter,
            "GetParameters" => GetParameters,
            "GetMetricData" => GetMetricData,
            _ => return None,
        };
        (operation.service() == service).then_some(operation)
    }

    /// The operation of a path-style S3 request, from its method and whether its path has a key after the bucket.
    pub(crate) fn from_s3(method: &Method, has_key: bool) -> Option<Operation> {
        match (method.as_str(), has_key) {
            ("PUT", false) => Some(Operation::CreateBucket),
            ("HEAD", false) => Some(Operation::HeadBucket),
            ("GET", false) => Some(Operation::ListObjectsV2),
            ("PUT", true) => Some(Operation::PutObject),
            ("GET", true) => Some(Operation::GetObject),
            ("HEAD", true) => Some(Operation::HeadObject),
            ("DELETE", true) => Some(Operation::DeleteObject),
            _ => None,
        }
    }
}
