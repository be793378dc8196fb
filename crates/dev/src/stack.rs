//! A stack like the deployed one, in this process: the queues with their dead-letter queues, the bucket and the
//! secrets.

use std::io;

use flinks_webhooks::{
    Receiver,
    aws::{Clients, S3, SecretsManager, Sqs},
    config::{Config, Problem, RedeliveryConfig},
    routing::Kind,
};
use local_aws::{LocalAws, QueueSettings, Redrive};
use serde_json::Value;

/// The secrets that sign the samples. They are plainly fake.
pub const SIGNING_SECRET: &str = "sample-signing-secret-never-deploy";
pub const PAY_SIGNING_SECRET: &str = "sample-pay-signing-secret-never-deploy";

/// The names of the secrets and the bucket, as in `events/env.json`.
pub const SIGNING_SECRET_ID: &str = "flinks/signing-secret";
pub const PAY_SIGNING_SECRET_ID: &str = "flinks/pay-signing-secret";
pub const PAYLOAD_BUCKET: &str = "flinks-payloads";

/// The names of the optional queue for recoveries and its dead-letter queue.
pub const RECOVERY_QUEUE: &str = "RecoveryQueue";
pub const RECOVERY_DEAD_LETTER_QUEUE: &str = "RecoveryDeadLetterQueue";
/// The name of the secret with the credentials for Flinks' API.
pub const FLINKS_API_SECRET_ID: &str = "flinks/api-credentials";

/// After this many receives a message goes to the dead-letter queue, as in the template.
const MAX_RECEIVES: u32 = 5;

/// The logical name of a queue's dead-letter queue.
pub fn dead_letter_queue(kind: Kind) -> String {
    kind.queue().replace("Queue", "DeadLetterQueue")
}

/// The resources of `template.yaml` on a local AWS.
pub struct Stack {
    pub aws: LocalAws,
}

/// The receiver with the real SDK clients.
pub type AwsReceiver = Receiver<SecretsManager, Sqs, S3>;

/// Creates the receiver in this process.
pub fn receiver(config: &Config) -> AwsReceiver {
    let Clients { secrets, storage } = Clients::new(config);
    Receiver::new(config.policy.clone(), secrets, storage)
}

impl Stack {
    /// Starts on a free port of the loopback.
    ///
    /// # Errors
    /// If no port is free.
    pub async fn start() -> io::Result<Self> {
        LocalAws::start().await.map(Self::with_aws)
    }

    /// Creates the resources on a local AWS that already runs.
    pub fn with_aws(aws: LocalAws) -> Self {
        for kind in Kind::ALL {
            let dead_letter_queue = dead_letter_queue(kind);
            aws.create_queue(&dead_letter_queue, QueueSettings::default());
            let redrive = Some(Redrive { dead_letter_queue, max_receive_count: MAX_RECEIVES });
            aws.create_queue(kind.queue(), QueueSettings { redrive, ..QueueSettings::default() });
        }
        aws.create_bucket(PAYLOAD_BUCKET);
        aws.create_secret(SIGNING_SECRET_ID, SIGNING_SECRET);
        aws.create_secret(PAY_SIGNING_SECRET_ID, PAY_SIGNING_SECRET);
        Self { aws }
    }

    /// Creates what the optional recovery has besides: its queue with the dead-letter queue, and the secret with the
    /// credentials for Flinks' API.
    pub fn add_recovery(&self, credentials: &Value) {
        /// Six times the timeout of the function, as in the template.
        const VISIBILITY_SECONDS: u32 = 1980;
        self.aws.create_queue(RECOVERY_DEAD_LETTER_QUEUE, QueueSettings::default());
        let dead_letter_queue = RECOVERY_DEAD_LETTER_QUEUE.to_owned();
        let redrive = Some(Redrive { dead_letter_queue, max_receive_count: MAX_RECEIVES });
        let settings = QueueSettings { redrive, visibility_timeout: VISIBILITY_SECONDS, ..QueueSettings::default() };
        self.aws.create_queue(RECOVERY_QUEUE, settings);
        self.aws.create_secret(FLINKS_API_SECRET_ID, &credentials.to_string());
    }

    /// The environment variables with which the function uses this stack.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("SIGNING_SECRET_ID", SIGNING_SECRET_ID.to_owned()),
            ("PAY_SIGNING_SECRET_ID", PAY_SIGNING_SECRET_ID.to_owned()),
            ("KYC_QUEUE_URL", self.aws.queue_url("KycQueue")),
            ("ACCOUNTS_DETAIL_QUEUE_URL", self.aws.queue_url("AccountsDetailQueue")),
            ("INVESTMENTS_QUEUE_URL", self.aws.queue_url("InvestmentsQueue")),
            ("PAY_QUEUE_URL", self.aws.queue_url("PayQueue")),
            ("UPLOAD_FRAUD_QUEUE_URL", self.aws.queue_url("UploadFraudQueue")),
            ("UNCLASSIFIED_QUEUE_URL", self.aws.queue_url("UnclassifiedQueue")),
            ("PAYLOAD_BUCKET", PAYLOAD_BUCKET.to_owned()),
            ("AWS_ENDPOINT_URL", self.aws.endpoint()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "fake".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "fake".to_owned()),
        ]
    }

    /// The configuration of a receiver in this process, with some variables changed.
    ///
    /// # Errors
    /// If a changed variable is wrong.
    pub fn config(&self, changed: &[(&'static str, &str)]) -> Result<Config, Vec<Problem>> {
        Config::read(self.variables(changed))
    }

    /// The configuration of a redelivery in this process.
    ///
    /// # Errors
    /// Like [`Stack::config`].
    pub fn redelivery_config(&self) -> Result<RedeliveryConfig, Vec<Problem>> {
        RedeliveryConfig::read(self.variables(&[]))
    }

    fn variables<'c>(&self, changed: &'c [(&'static str, &str)]) -> impl FnMut(&'static str) -> Option<String> + 'c {
        let mut environment = self.environment();
        // Lambda sets these, but there is no Lambda in this process.
        environment.extend(
            [
                "AWS_LAMBDA_RUNTIME_API",
                "AWS_LAMBDA_FUNCTION_NAME",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
                "AWS_LAMBDA_FUNCTION_VERSION",
            ]
            .map(|name| (name, "none".to_owned())),
        );
        move |name| {
            let changed = changed.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned());
            changed
                .or_else(|| environment.iter().find(|(variable, _)| *variable == name).map(|(_, value)| value.clone()))
        }
    }
}
