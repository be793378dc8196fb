//! Searches the bucket: undelivered payloads, the payloads of claim checks, and objects without a message.

use std::collections::HashMap;

use aws_sdk_s3::types::{EncodingType, Object};
use flinks_webhooks::delivery::UNDELIVERED_PREFIX;
use futures_util::{StreamExt, stream};
use percent_encoding::percent_decode_str;

use super::{
    super::{
        object::{self, NoPayload},
        recover::RECOVERY_PREFIX,
    },
    report::{Found, NotRead, Outcome, Place, Report},
    search::Search,
};
use flinks_dev::failed_call::reason;

/// How many objects to read at the same time. Each has up to 6 MB, and a recovered payload up to 64 MiB.
const AT_ONCE: usize = 8;

/// Whose an object is. After an interrupted redrive, two messages can share an object. Then the greater verdict counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It is another person's.
    Others,
    /// It is the person's, because its message was.
    Persons,
    /// It stays for the next run, because its message stays too.
    Stays,
}

/// Verdicts by key.
pub type Verdicts = HashMap<String, Verdict>;

/// Records a verdict. If there is one already, keeps the greater.
pub fn record(verdicts: &mut Verdicts, key: String, verdict: Verdict) {
    verdicts.entry(key).and_modify(|known| *known = (*known).max(verdict)).or_insert(verdict);
}

/// Searches the undelivered payloads, and deletes the person's. Their redelivery moves them to a queue, so this must
/// come before the queues.
pub async fn undelivered(search: &Search, verdicts: &mut Verdicts) -> Report {
    all(search, UNDELIVERED_PREFIX, verdicts).await
}

/// Searches the rest of the bucket, and deletes the person's objects. Objects with another verdict are skipped.
pub async fn rest(search: &Search, verdicts: &mut Verdicts) -> Report {
    let mut report = all(search, "", verdicts).await;
    if !report.failures.is_empty() {
        // The listing failed. But these keys are known from messages that are deleted now.
        let known = verdicts.iter().filter(|(_, verdict)| **verdict == Verdict::Persons).map(|(key, _)| key.clone());
        let left: Vec<_> = known.filter(|key| !report.found.iter().any(|found| found.is_object(key))).collect();
        for key in left {
            report.found.push(remove(search, key).await);
        }
    }
    report
}

async fn all(search: &Search, prefix: &str, verdicts: &mut Verdicts) -> Report {
    let mut report = Report::default();
    let request = search.connection.s3.list_objects_v2().bucket(&search.bucket).prefix(prefix);
    // A key can have characters that are illegal in XML. Without the encoding, one of them would make a page
    // unreadable.
    let mut pages = request.encoding_type(EncodingType::Url).into_paginator().send();
    while !search.stop.is_requested()
        && let Some(page) = pages.next().await
    {
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                let bucket = &search.bucket;
                report.failures.push(format!("cannot list s3://{bucket}/{prefix}: {}", reason(&error)));
                break;
            }
        };
        let unknown = page.contents().iter().filter(|object| !is_folder(object)).filter_map(|object| {
            let key = decoded(object.key()?, page.encoding_type());
            let known = verdicts.get(&key).copied();
            matches!(known, None | Some(Verdict::Persons)).then_some((key, known))
        });
        let looks = stream::iter(unknown.collect::<Vec<_>>()).map(|(key, known)| look(search, key, known));
        let mut looks = looks.buffer_unordered(AT_ONCE);
        while let Some((key, look)) = looks.next().await {
            search.bar.inc(1);
            match look {
                Look::Gone | Look::Skipped => {}
                Look::Others => {
                    report.objects_seen += 1;
                    record(verdicts, key, Verdict::Others);
                }
                Look::Persons(found) => {
                    report.objects_seen += 1;
                    if !matches!(found.outcome, Outcome::Deleted) {
                        record(verdicts, key, Verdict::Stays);
                    }
                    report.found.push(found);
                }
                Look::NotRead(why) => {
                    record(verdicts, key.clone(), Verdict::Stays);
                    report.not_read.push(NotRead { place: Place::Object { key }, why });
                }
            }
        }
    }
    report
}

/// Whether an object is the empty one that the console creates for a folder.
fn is_folder(object: &Object) -> bool {
    object.size() == Some(0) && object.key().is_some_and(|key| key.ends_with('/'))
}

/// Decodes a key from a listing. S3 encodes it as an HTML form does, with + for a space.
fn decoded(key: &str, encoding: Option<&EncodingType>) -> String {
    if encoding != Some(&EncodingType::Url) {
        return key.to_owned();
    }
    percent_decode_str(&key.replace('+', " ")).decode_utf8_lossy().into_owned()
}

enum Look {
    /// Another program has deleted the object.
    Gone,
    /// The user pressed Ctrl-C.
    Skipped,
    Others,
    Persons(Found),
    NotRead(String),
}

async fn look(search: &Search, key: String, known: Option<Verdict>) -> (String, Look) {
    if search.stop.is_requested() {
        return (key, Look::Skipped);
    }
    if known == Some(Verdict::Persons) {
        let found = remove(search, key.clone()).await;
        return (key, Look::Persons(found));
    }
    let payload = object::get(&search.connection.s3, &search.bucket, &key).await;
    let is_in = |payload| match key.starts_with(RECOVERY_PREFIX) {
        true => search.wanted.is_in_recovery(payload),
        false => search.wanted.is_in(payload),
    };
    let look = match payload.as_deref().map(is_in) {
        Ok(Ok(true)) => Look::Persons(remove(search, key.clone()).await),
        Ok(Ok(false)) => Look::Others,
        Ok(Err(why)) => Look::NotRead(why.to_owned()),
        Err(NoPayload::Gone) => Look::Gone,
        Err(NoPayload::Failed(why)) => Look::NotRead(why.clone()),
    };
    (key, look)
}

/// Deletes an object of the person's, except in a dry run.
async fn remove(search: &Search, key: String) -> Found {
    let outcome = if search.delete {
        let request = search.connection.s3.delete_object().bucket(&search.bucket).key(&key);
        match request.send().await {
            Ok(_) => Outcome::Deleted,
            Err(error) => Outcome::Failed(reason(&error)),
        }
    } else {
        Outcome::DryRun
    };
    Found { place: Place::Object { key }, outcome }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_key_is_decoded_only_if_it_is_encoded() {
        assert_eq!(decoded("a+b%2B%1B%25", Some(&EncodingType::Url)), "a b+\u{1b}%");
        assert_eq!(decoded("a+b%2B", None), "a+b%2B");
    }

    #[test]
    fn the_verdict_that_keeps_an_object_wins() {
        let mut verdicts = Verdicts::new();
        for verdict in [Verdict::Others, Verdict::Stays, Verdict::Persons] {
            record(&mut verdicts, "key".to_owned(), verdict);
        }
        assert_eq!(verdicts["key"], Verdict::Stays);
    }
}
