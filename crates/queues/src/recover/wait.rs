//! Waits for the outcomes of requests.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{
    super::{
        connection::{Connection, Recovery},
        message::{Received, give_back, hold},
    },
    outcome::{self, Objects},
    plan::AT_ONCE,
    send::{Run, State},
};

/// The pause before the first look, which doubles with each further look.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause. RecoveryFunction polls Flinks as often.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How many dead letters to look at.
const MAX_DEAD_LETTERS: usize = 1000;

/// Looks for outcomes until all requests have one, the time is up, or the user presses Ctrl-C. What is left may be among
/// the dead letters.
pub async fn for_outcomes(connection: &Connection, place: &Recovery, runs: &mut [Run], time_limit: Duration) {
    let mut waiting: Vec<_> = runs.iter_mut().filter(|run| run.is_waiting()).collect();
    let bar = ProgressBar::new(u64::try_from(waiting.len()).unwrap_or(u64::MAX));
    // If the template is wrong, the default style will do.
    if let Ok(style) = ProgressStyle::with_template("waiting {wide_bar} {pos}/{len} {elapsed}") {
        bar.set_style(style);
    }
    let until = Instant::now() + time_limit;
    let mut pause = FIRST_PAUSE;
    let mut stop = std::pin::pin!(tokio::signal::ctrl_c());
    while !waiting.is_empty() && Instant::now() < until {
        let rest = until.saturating_duration_since(Instant::now());
        tokio::select! {
            () = sleep(pause.min(rest)) => {}
            _ = &mut stop => break,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
        tokio::select! {
            () = look(connection, place, &mut waiting, &bar) => {}
            _ = &mut stop => break,
        }
        waiting.retain(|run| run.is_waiting());
    }
    bar.finish_and_clear();
    if !waiting.is_empty() {
        find_dead_letters(connection, place, &mut waiting).await;
    }
}

async fn look(connection: &Connection, place: &Recovery, waiting: &mut [&mut Run], bar: &ProgressBar) {
    let looks = stream::iter(waiting.iter_mut()).map(async |run| {
        if let Some(state) = finished(connection, place, run).await {
            run.state = state;
            bar.inc(1);
        }
    });
    looks.buffer_unordered(AT_ONCE).collect::<()>().await;
}

/// The state of a run that has a new outcome.
async fn finished(connection: &Connection, place: &Recovery, run: &Run) -> Option<State> {
    // If this fails, the next look tries again. The plan could list the objects, so the command has the permission.
    let objects = Objects::list(connection, &place.bucket, &run.request.login_id).await.ok()?;
    let key = objects.newest_besides(&run.known)?;
    Some(match outcome::read(connection, &place.bucket, key).await {
        Ok(outcome) => State::Finished { outcome: Box::new(outcome), now: true },
        Err(why) => State::Unreadable(why),
    })
}

/// A request that RecoveryFunction received too often without finishing it is a dead letter and has no outcome.
async fn find_dead_letters(connection: &Connection, place: &Recovery, waiting: &mut [&mut Run]) {
    let Some(dead_letters) = &place.dead_letters else { return };
    // Without the permission to look, the requests count as waiting.
    let Ok(expected) = connection.counts(&dead_letters.url).await.map(|counts| counts.visible) else { return };
    if expected == 0 {
        return;
    }
    let Ok(held) = hold(&connection.sqs, &dead_letters.url, MAX_DEAD_LETTERS, expected).await else { return };
    for message in &held {
        let body: Option<Value> = serde_json::from_str(message.body()).ok();
        let login_id = body.as_ref().and_then(|body| body.get("loginId")?.as_str());
        for run in waiting.iter_mut().filter(|run| Some(run.request.login_id.as_str()) == login_id) {
            // What the function itself sent has an outcome too, unless its attributes are those of the time before a
            // redrive.
            if message.text_attribute("Outcome").is_none() || is_without_outcome(connection, place, run, message).await
            {
                run.state = State::DeadLetter(received_too_often(message));
            }
        }
    }
    give_back(&connection.sqs, &dead_letters.url, &held).await;
}

/// Whether a dead letter is not from before the last request, and that one has no outcome.
async fn is_without_outcome(connection: &Connection, place: &Recovery, run: &Run, message: &Received) -> bool {
    let Ok(objects) = Objects::list(connection, &place.bucket, &run.request.login_id).await else { return false };
    objects.waiting_since().zip(message.sent_at_seconds()).is_some_and(|(noted, sent)| sent >= noted)
}

fn received_too_often(message: &Received) -> String {
    let sent = message.sent_at().unwrap_or_default();
    format!("RecoveryFunction failed each time, and the request of {sent} is a dead letter: see its log")
}
