//! [`Outcome`]: what became of a request, as an object in the payload bucket. Its LoginId and tag are in no log and in no key.

use std::time::SystemTime;

use bytes::Bytes;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{
    pace::Ending,
    request::{Request, StoredPayload},
    step::Reason,
};
use crate::{delivery::DeliveryId, routing::Kind, timestamp::rfc3339};

/// What every key begins with.
pub const OUTCOME_PREFIX: &str = "recovery/";

/// What became of a request.
pub struct Outcome<'r> {
    pub request: &'r Request,
    pub ended_at: SystemTime,
    pub end: End<'r>,
}

pub enum End<'r> {
    Recovered(&'r StoredPayload),
    Failed(Ending, &'r Reason),
}

/// The object's content. A member without a value is `null`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Content<'r> {
    login_id: &'r str,
    tag: Option<&'r str>,
    started_at: String,
    ended_at: String,
    outcome: &'static str,
    code: Option<&'r str>,
    problem: Option<&'r str>,
    delivery_id: Option<&'r DeliveryId>,
    queue: Option<&'static str>,
    stored_as: Option<&'static str>,
    bytes: Option<usize>,
    last_refresh: Option<&'r str>,
}

impl Outcome<'_> {
    /// The object's key: `recovery/OWNER/STARTED-AT.json`. OWNER is the SHA-256 of the LoginId in lower-case hex, because
    /// keys get into access logs, CloudTrail's data events and inventories.
    pub fn key(&self) -> String {
        let Request { login_id, progress, .. } = self.request;
        let owner = hex::encode(Sha256::digest(login_id.as_bytes()));
        let started_at = rfc3339(progress.started_at).replace(['-', ':'], "");
        format!("{OUTCOME_PREFIX}{owner}/{started_at}.json")
    }

    pub fn json(&self) -> Bytes {
        let mut content = Content {
            login_id: &self.request.login_id,
            tag: self.request.tag.as_deref(),
            started_at: rfc3339(self.request.progress.started_at),
            ended_at: rfc3339(self.ended_at),
            outcome: "recovered",
            code: None,
            problem: None,
            delivery_id: None,
            queue: None,
            stored_as: None,
            bytes: None,
            last_refresh: None,
        };
        match &self.end {
            End::Recovered(StoredPayload { delivery_id, stored_as, bytes, last_refresh }) => {
                content.delivery_id = Some(delivery_id);
                content.queue = Some(Kind::AccountsDetail.queue());
                content.stored_as = Some(stored_as.label());
                content.bytes = Some(*bytes);
                content.last_refresh = last_refresh.as_deref();
            }
            End::Failed(ending, reason) => {
                content.outcome = ending.label();
                content.code = reason.code().map(|code| code.as_str());
                content.problem = reason.problem().map(|problem| problem.as_str());
            }
        }
        // Serialising fails only for maps whose keys are not strings, and there are none here.
        serde_json::to_vec(&content).unwrap_or_default().into()
    }
}
