//! S3: REST, with path-style addresses only.

mod body;
mod bucket;
mod checksum;
mod error;
mod list;
mod path;
mod read;
mod response;
mod store;
mod write;

use crate::error::ServiceError;
use crate::operation::Operation;
use crate::wire::{Call, Response};

pub(crate) use self::error::error_response;
use self::path::Path;
pub(crate) use self::path::operation;
pub(crate) use self::store::S3;
pub use self::store::StoredObject;

impl S3 {
    pub(crate) fn serve(&self, operation: Operation, call: &Call) -> Result<Response, ServiceError> {
        let path = Path::read(call)?;
        match operation {
            Operation::CreateBucket => self.create_bucket(&path),
            Operation::HeadBucket => self.head_bucket(&path),
            Operation::ListObjectsV2 => self.list_objects(&path, call),
            Operation::PutObject => self.put_object(path, call),
            Operation::GetObject | Operation::HeadObject => self.get_object(&path, call),
            Operation::DeleteObject => self.delete_object(&path),
            _ => Err(error::not_implemented()),
        }
    }
}
