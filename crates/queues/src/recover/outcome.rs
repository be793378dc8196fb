//! The objects of a login under `recovery/`: the outcomes of finished requests, and the notes of the last
//! request.

use aws_sdk_s3::types::{EncodingType, Object};
use percent_encoding::percent_decode_str;
use serde::Deserialize;

use super::{super::connection::Connection, super::object, login};
use flinks_dev::failed_call::reason;

/// What RecoveryFunction wrote when it had finished a request.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// `recovered`, `needs-user`, `gone`, `stopped` or `timed-out`.
    pub outcome: String,
    #[serde(default)]
    pub tag: Option<String>,
    #[serde(default)]
    pub code: Option<String>,
    #[serde(default)]
    pub problem: Option<String>,
    #[serde(default)]
    pub delivery_id: Option<String>,
    #[serde(default)]
    pub queue: Option<String>,
    #[serde(default)]
    pub stored_as: Option<String>,
    #[serde(default)]
    pub bytes: Option<u64>,
    #[serde(default)]
    pub last_refresh: Option<String>,
    #[serde(default)]
    pub started_at: Option<String>,
    #[serde(default)]
    pub ended_at: Option<String>,
}

impl Outcome {
    pub fn is_recovered(&self) -> bool {
        self.outcome == "recovered"
    }
}

/// The objects of a login. The times are S3's, in seconds since 1970, so this machine's clock does not matter.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    /// The keys of the outcomes and when they were written, oldest first.
    pub outcomes: Vec<(String, i64)>,
    /// When the last request was noted, just before it was sent.
    pub noted: Option<i64>,
    /// When it was noted that SQS accepted a request.
    pub noted_as_sent: Option<i64>,
}

impl Objects {
    /// Lists a login's objects.
    ///
    /// # Errors
    /// If S3 does not list them, with the reason.
    pub async fn list(connection: &Connection, bucket: &str, login_id: &str) -> Result<Self, String> {
        let (folder, note, sent_note) = (login::folder(login_id), login::note(login_id), login::sent_note(login_id));
        let request = connection.s3.list_objects_v2().bucket(bucket).prefix(&folder);
        let mut pages = request.encoding_type(EncodingType::Url).into_paginator().send();
        let mut objects = Self::default();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| reason(&error))?;
            let is_encoded = page.encoding_type() == Some(&EncodingType::Url);
            for object in page.contents() {
                let Some(key) = object.key() else { continue };
                // These keys have only characters that the encoding leaves alone or writes as %XX.
                let key = match is_encoded {
                    true => percent_decode_str(key).decode_utf8_lossy().into_owned(),
                    false => key.to_owned(),
                };
                let written = written_at(object);
                if key == note {
                    objects.noted = Some(written);
                } else if key == sent_note {
                    objects.noted_as_sent = Some(written);
                } else if key.ends_with(".json") {
                    objects.outcomes.push((key, written));
                }
            }
        }
        objects.outcomes.sort_by(|(key, written), (other_key, other)| (written, key).cmp(&(other, other_key)));
        Ok(objects)
    }

    /// When the request was sent that still waits, if there is one.
    pub fn waiting_since(&self) -> Option<i64> {
        let responded = self.outcomes.last().map(|(_, written)| *written);
        // S3's times have whole seconds. An outcome of the same second counts as the note's.
        self.noted.filter(|noted| responded.is_none_or(|responded| responded < *noted))
    }

    /// Whether SQS accepted the last request. `false` if it was noted by a run that was killed before it knew that.
    pub fn is_sent(&self) -> bool {
        self.noted.is_none_or(|noted| self.noted_as_sent.is_some_and(|sent| sent >= noted))
    }

    /// The newest outcome that `known` does not have.
    pub fn newest_besides(&self, known: &Self) -> Option<&str> {
        let is_new = |key: &str| known.outcomes.iter().all(|(other, _)| other != key);
        self.outcomes.iter().rev().map(|(key, _)| key.as_str()).find(|key| is_new(key))
    }
}

fn written_at(object: &Object) -> i64 {
    object.last_modified().map_or(0, aws_sdk_s3::primitives::DateTime::secs)
}

/// Reads an outcome.
///
/// # Errors
/// If S3 does not return it, or it is not an outcome, with the reason.
pub async fn read(connection: &Connection, bucket: &str, key: &str) -> Result<Outcome, String> {
    let bytes = object::get(&connection.s3, bucket, key).await.map_err(|why| match why {
        object::NoPayload::Gone => "the outcome is gone".to_owned(),
        object::NoPayload::Failed(why) => why,
    })?;
    // The error of the parser may quote the tag.
    serde_json::from_slice(&bytes).map_err(|_| "the object is not an outcome".to_owned())
}
