//! Sends the requests, in batches, and notes each in the bucket.

use aws_sdk_sqs::{error::SdkError, types::SendMessageBatchRequestEntry};
use futures_util::{FutureExt, future::join_all};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::{
    super::connection::{Connection, Recovery},
    input::Request,
    login,
    outcome::{Objects, Outcome},
    plan::{Action, Plan, Step},
};
use flinks_dev::failed_call::reason;

/// SQS's limit for messages in one batch (SQS API reference, SendMessageBatch). Ten of the longest requests have less
/// than its limit of 1 MiB.
const BATCH: usize = 10;

/// A LoginId and what became of it.
pub struct Run {
    pub request: Request,
    pub state: State,
    /// The login's objects before this run sent anything.
    pub known: Objects,
    /// Why the newest outcome before this run cannot be read.
    pub unreadable: Option<String>,
    /// Why the request could not be noted. It was sent all the same, and a later run does not know of it.
    pub not_noted: Option<String>,
}

pub enum State {
    /// The request was not sent, for this reason.
    NotSent(String),
    /// There is no outcome yet. `true` if this run sent the request.
    Waiting { sent: bool },
    /// The request is finished. `false` if it was finished before this run.
    Finished { outcome: Box<Outcome>, now: bool },
    /// The outcome cannot be read, for this reason.
    Unreadable(String),
    /// The request became a dead letter without an outcome, for this reason.
    DeadLetter(String),
}

/// Sends what the plan says. Stops if SQS accepts nothing of a batch, because the others would fail too, and between two
/// batches if the user has pressed Ctrl-C: a request that is noted is then also sent. Returns whether it was Ctrl-C.
pub async fn all(connection: &Connection, place: &Recovery, plan: Plan) -> (Vec<Run>, bool) {
    // From the first poll on, Ctrl-C does not end the program any more.
    let (mut ctrl_c, mut is_stopped) = (std::pin::pin!(tokio::signal::ctrl_c()), false);
    let mut runs: Vec<_> = plan.steps.into_iter().map(Run::from_step).collect();
    let mut unsent: Vec<_> = runs.iter_mut().filter(|run| matches!(run.state, State::NotSent(_))).collect();
    let bar = ProgressBar::new(u64::try_from(unsent.len()).unwrap_or(u64::MAX));
    // If the template is wrong, the default style will do.
    if let Ok(style) = ProgressStyle::with_template("sending {wide_bar} {pos}/{len}") {
        bar.set_style(style);
    }
    for batch in unsent.chunks_mut(BATCH) {
        if is_stopped || ctrl_c.as_mut().now_or_never().is_some() {
            is_stopped = true;
            for run in batch {
                run.state = State::NotSent("not tried, because of Ctrl-C".to_owned());
            }
            continue;
        }
        send(connection, place, batch).await;
        bar.inc(u64::try_from(batch.len()).unwrap_or_default());
        if batch.iter().all(|run| matches!(run.state, State::NotSent(_))) {
            break;
        }
    }
    is_stopped = is_stopped || ctrl_c.now_or_never().is_some();
    bar.finish_and_clear();
    (runs, is_stopped)
}

impl Run {
    fn from_step(step: Step) -> Self {
        let state = match (step.action, step.recent) {
            (Action::Waiting { .. }, _) => State::Waiting { sent: false },
            (Action::Recovered, Some(outcome)) => State::Finished { outcome: Box::new(outcome), now: false },
            // Overwritten when the request is sent.
            _ => State::NotSent("not tried, because SQS accepted no request of the batch before".to_owned()),
        };
        Self { request: step.request, state, known: step.known, unreadable: step.unreadable, not_noted: None }
    }

    pub fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting { .. })
    }
}

async fn send(connection: &Connection, place: &Recovery, batch: &mut [&mut Run]) {
    // The note comes first: if it came after the request, the outcome could be older than it.
    let notes = batch.iter().map(|run| put(connection, place, &run.request, login::note));
    for (not_noted, run) in join_all(notes).await.into_iter().zip(batch.iter_mut()) {
        run.not_noted = not_noted;
    }
    let entries = batch.iter().enumerate().filter_map(|(index, run)| {
        let entry = SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(body(&run.request));
        // It has an id and a body, so this always succeeds.
        entry.build().ok()
    });
    let request = connection.sqs.send_message_batch().queue_url(&place.queue_url);
    let response = request.set_entries(Some(entries.collect())).send().await;
    for (index, run) in batch.iter_mut().enumerate() {
        let id = index.to_string();
        run.state = match &response {
            Err(error @ SdkError::ServiceError(_)) => State::NotSent(reason(error)),
            Err(error) => State::NotSent(format!("{} (SQS may have accepted it all the same)", reason(error))),
            Ok(response) => match response.successful().iter().find(|sent| sent.id() == id) {
                // SQS gives each message that it accepts an id. A response without one comes from another server.
                Some(sent) if !sent.message_id().is_empty() => State::Waiting { sent: true },
                _ => State::NotSent(match response.failed().iter().find(|failed| failed.id() == id) {
                    Some(failed) => match failed.message() {
                        Some(message) => format!("{}: {message}", failed.code()),
                        None => failed.code().to_owned(),
                    },
                    None => "the response of SQS does not name the request".to_owned(),
                }),
            },
        };
    }
    join_all(batch.iter().map(async |run| match run.state {
        // If that fails, a later run says that the request was perhaps not sent.
        State::Waiting { .. } => drop(put(connection, place, &run.request, login::sent_note).await),
        // A note without a request would keep a later run from sending it.
        _ => forget_note(connection, place, &run.request).await,
    }))
    .await;
}

fn body(request: &Request) -> String {
    match &request.tag {
        Some(tag) => json!({ "loginId": request.login_id, "tag": tag }).to_string(),
        None => json!({ "loginId": request.login_id }).to_string(),
    }
}

/// Writes a note. Returns why it could not.
async fn put(
    connection: &Connection,
    place: &Recovery,
    request: &Request,
    key: impl Fn(&str) -> String,
) -> Option<String> {
    let note = json!({ "loginId": request.login_id }).to_string();
    let put = connection.s3.put_object().bucket(&place.bucket).key(key(&request.login_id));
    let put = put.content_type("application/json").body(note.into_bytes().into());
    put.send().await.err().map(|error| reason(&error))
}

/// Deletes a note. If that fails, a later run needs --again.
async fn forget_note(connection: &Connection, place: &Recovery, request: &Request) {
    let delete = connection.s3.delete_object().bucket(&place.bucket).key(login::note(&request.login_id));
    let _ = delete.send().await;
}
