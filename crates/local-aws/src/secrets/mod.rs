//! Secrets Manager: AWS JSON 1.1, target prefix `secretsmanager`.

mod identity;
mod operations;
mod secret;
mod store;

use serde_json::Value;

use crate::error::ServiceError;
use crate::json::parameters;
use crate::operation::Operation;
use crate::wire::Call;

pub(crate) use self::store::SecretsManager;

impl SecretsManager {
    pub(crate) fn serve(&self, operation: Operation, call: &Call) -> Result<Value, ServiceError> {
        match operation {
            Operation::GetSecretValue => self.get_secret_value(&parameters(call)?),
            Operation::PutSecretValue => self.put_secret_value(parameters(call)?),
            Operation::CreateSecret => self.create_secret(parameters(call)?),
            _ => Err(ServiceError::other_service()),
        }
    }
}
