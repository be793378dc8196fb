//! S3: REST, path-style addresses alone.

mod answer;
mod body;
mod bucket;
mod checksum;
mod error;
mod list;
mod path;
mod read;
mod store;
mod write;

use crate::error::ServiceError;
use crate::operation::Operation;
use crate::wire::{Answer, Call};

pub(crate) use self::error::error_response;
use self::path::Path;
pub(crate) use self::path::operation;
pub(crate) use self::store::S3;
pub use self::store::StoredObject;

impl S3 {
    pub(crate) fn serve(&self, operation: Operation, call: &Call) -> Result<Answer, ServiceError> {
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
