//! What the command prints.

use aws_smithy_types::{DateTime, date_time::Format};
use serde_json::{Map, Value, json};

use super::{
    super::{connection::Counts, peek::printable},
    input::Request,
    outcome::Outcome,
    plan::{Action, Plan, Step},
    send::{Run, State},
};
use flinks_dev::{failure::Failure, output::Output};

/// A run that was killed leaves this.
const PERHAPS_NOT_SENT: &str = "perhaps not sent, because the run before ended too early: --again sends it";

pub struct Report {
    pub output: Output,
    pub show_tags: bool,
}

impl Report {
    /// Prints what would be sent, and what is on the queue.
    pub fn dry_run(&self, plan: &Plan, queue: Counts, dead_letters: Option<Counts>) {
        for step in &plan.steps {
            self.step(step);
        }
        self.duplicates(plan.duplicates, &plan.conflicts);
        let count = |is: fn(&Action) -> bool| plan.steps.iter().filter(|step| is(&step.action)).count();
        let would_send = count(|action| *action == Action::Send);
        let waiting = count(|action| matches!(action, Action::Waiting { .. }));
        let recovered = count(|action| *action == Action::Recovered);
        let Counts { visible, in_flight, delayed } = queue;
        let dead = dead_letters.map(|counts| counts.visible);
        self.output.json(&json!({
            "dryRun": true,
            "wouldSend": would_send,
            "waiting": waiting,
            "recoveredBefore": recovered,
            "duplicates": plan.duplicates,
            "queue": { "visible": visible, "inFlight": in_flight, "delayed": delayed, "deadLetters": dead },
        }));
        let dead = dead.map_or("n/a".to_owned(), |dead| dead.to_string());
        self.output.line(format_args!(
            "RecoveryQueue: visible {visible}, in flight {in_flight}, delayed {delayed}, dead letters {dead}"
        ));
        if waiting + recovered > 0 {
            self.output.line(format_args!(
                "would not send: {waiting} that still wait, {recovered} recovered within a day. To send them too, add \
                 --again."
            ));
        }
        self.output.line(format_args!("This was a dry run: it would send {would_send}. To send, add --send."));
    }

    fn step(&self, step: &Step) {
        let (action, text) = match step.action {
            Action::Send => ("send", "would send".to_owned()),
            Action::Waiting { since, is_sent } => {
                let since = DateTime::from_secs(since).fmt(Format::DateTime).unwrap_or_default();
                let text = match is_sent {
                    true => format!("still waits since {since}"),
                    false => format!("{PERHAPS_NOT_SENT} (noted {since})"),
                };
                ("waiting", text)
            }
            Action::Recovered => ("recovered-before", "already recovered".to_owned()),
        };
        let mut object = self.object(&step.request, action);
        object.insert("lastOutcome".to_owned(), step.recent.as_ref().map(outcome_json).into());
        if let Action::Waiting { is_sent: false, .. } = step.action {
            object.insert("problem".to_owned(), PERHAPS_NOT_SENT.into());
        }
        if let Some(why) = &step.unreadable {
            object.insert("unreadableOutcome".to_owned(), why.as_str().into());
        }
        self.output.json(&object.into());
        let tag = self.tag(&step.request);
        let last = step.recent.as_ref().map(|outcome| format!("  last outcome: {}", outcome_text(outcome)));
        self.output.line(format_args!("{text}  {}{tag}{}", step.request.login_id, last.unwrap_or_default()));
        self.unreadable(step.unreadable.as_deref());
    }

    /// Prints what became of each LoginId. `waited` is false if the command was not to wait.
    ///
    /// # Errors
    /// If not all data were recovered, or without waiting if a request was not sent.
    pub fn end(&self, runs: &[Run], duplicates: usize, conflicts: &[String], waited: bool) -> Result<(), Failure> {
        for run in runs {
            self.run(run);
        }
        self.duplicates(duplicates, conflicts);
        let count = |is: &dyn Fn(&State) -> bool| runs.iter().filter(|run| is(&run.state)).count();
        let recovered =
            count(&|state| matches!(state, State::Finished { outcome, now: true } if outcome.is_recovered()));
        let before = count(&|state| matches!(state, State::Finished { now: false, .. }));
        let waiting = count(&|state| matches!(state, State::Waiting { .. }));
        let not_sent = count(&|state| matches!(state, State::NotSent(_)));
        let failed = runs.len() - recovered - before - waiting - not_sent;
        let is_complete = not_sent == 0 && failed == 0 && (waiting == 0 || !waited);
        self.output.json(&json!({
            "dryRun": false,
            "recovered": recovered,
            "recoveredBefore": before,
            "failed": failed,
            "waiting": waiting,
            "notSent": not_sent,
            "duplicates": duplicates,
            "complete": is_complete,
        }));
        if recovered + before > 0 {
            self.output.line(
                "Flinks returns its newest data of a login. They are not what was lost if there was a refresh since: \
                 compare LastRefresh.",
            );
        }
        if before > 0 {
            self.output
                .line(format_args!("not sent, because recovered within a day: {before}. --again sends them too"));
        }
        let summary = format!("recovered {recovered}, failed {failed}, waiting {waiting}, not sent {not_sent}");
        self.output.line(&summary);
        if is_complete {
            return Ok(());
        }
        let advice = match (not_sent, waiting) {
            (0, 0) => "the report has the reasons",
            (0, _) if runs.iter().any(is_perhaps_not_sent) => {
                "to go on waiting, run the same command again; with --again it also sends what was perhaps not sent"
            }
            (0, _) => "to go on waiting, run the same command again: it sends nothing twice",
            _ => "run the same command again: it sends only what was not sent",
        };
        Err(Failure::reported(format!("not all data were recovered ({summary}): {advice}")))
    }

    fn run(&self, run: &Run) {
        let (state, text, details) = match &run.state {
            State::NotSent(why) => ("not-sent", format!("not sent: {}", printable(why)), json!({ "problem": why })),
            State::Waiting { sent: true } => ("waiting", "sent, and waits".to_owned(), json!({})),
            State::Waiting { .. } if is_perhaps_not_sent(run) => {
                ("waiting", PERHAPS_NOT_SENT.to_owned(), json!({ "problem": PERHAPS_NOT_SENT }))
            }
            State::Waiting { sent: false } => ("waiting", "still waits, from an earlier request".to_owned(), json!({})),
            State::Finished { outcome, now } => {
                let state = match (outcome.is_recovered(), now) {
                    (true, true) => "recovered",
                    (true, false) => "recovered-before",
                    (false, _) => "failed",
                };
                (state, outcome_text(outcome), outcome_json(outcome))
            }
            State::Unreadable(why) => {
                let why = format!("the outcome cannot be read: {why}");
                ("failed", printable(&why), json!({ "problem": why }))
            }
            State::DeadLetter(why) => ("failed", printable(why), json!({ "problem": why })),
        };
        let mut object = self.object(&run.request, state);
        if let Value::Object(details) = details {
            object.extend(details);
        }
        if let Some(why) = &run.not_noted {
            object.insert("notNoted".to_owned(), why.as_str().into());
        }
        if let Some(why) = &run.unreadable {
            object.insert("unreadableOutcome".to_owned(), why.as_str().into());
        }
        self.output.json(&object.into());
        self.output.line(format_args!("{state}  {}{}  {text}", run.request.login_id, self.tag(&run.request)));
        if let Some(why) = &run.not_noted
            && matches!(run.state, State::Waiting { .. })
        {
            let why = printable(why);
            self.output.line(format_args!("  not noted in the bucket, so a later run would send it again: {why}"));
        }
        self.unreadable(run.unreadable.as_deref());
    }

    fn unreadable(&self, why: Option<&str>) {
        if let Some(why) = why {
            let why = printable(why);
            self.output.line(format_args!("  the last outcome cannot be read, and counts as none: {why}"));
        }
    }

    fn duplicates(&self, duplicates: usize, conflicts: &[String]) {
        if duplicates > 0 {
            self.output.line(format_args!("LoginIds that were there several times count once: {duplicates} left out"));
        }
        for login_id in conflicts {
            self.output.json(&json!({ "loginId": login_id, "problem": "it was there with different tags" }));
            self.output.line(format_args!("{login_id} was there with different tags: the first counts"));
        }
    }

    fn object(&self, request: &Request, state: &str) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("loginId".to_owned(), request.login_id.as_str().into());
        object.insert("state".to_owned(), state.into());
        if self.show_tags {
            object.insert("tag".to_owned(), request.tag.as_deref().into());
        }
        object
    }

    fn tag(&self, request: &Request) -> String {
        match &request.tag {
            Some(tag) if self.show_tags => format!("  Tag {}", printable(tag).replace('\n', " ")),
            Some(_) => "  with a tag".to_owned(),
            None => String::new(),
        }
    }
}

/// Whether a run that was killed noted the request, and may not have sent it.
fn is_perhaps_not_sent(run: &Run) -> bool {
    matches!(run.state, State::Waiting { sent: false }) && !run.known.is_sent()
}

/// The outcome without its tag.
fn outcome_json(outcome: &Outcome) -> Value {
    json!({
        "outcome": outcome.outcome,
        "code": outcome.code,
        "problem": outcome.problem,
        "deliveryId": outcome.delivery_id,
        "queue": outcome.queue,
        "storedAs": outcome.stored_as,
        "bytes": outcome.bytes,
        "lastRefresh": outcome.last_refresh,
        "startedAt": outcome.started_at,
        "endedAt": outcome.ended_at,
    })
}

fn outcome_text(outcome: &Outcome) -> String {
    let stored_as = match outcome.stored_as.as_deref() {
        Some("undelivered") => Some("undelivered, in the bucket until the redelivery puts it on the queue".to_owned()),
        stored_as => stored_as.map(|stored_as| format!("stored as {stored_as}")),
    };
    let labelled = |label: &str, text: &Option<String>| text.as_ref().map(|text| format!("{label}{text}"));
    let parts = [
        Some(outcome.outcome.clone()),
        outcome.code.clone(),
        outcome.problem.clone(),
        labelled("DeliveryId ", &outcome.delivery_id),
        outcome.bytes.map(|bytes| format!("{bytes} bytes")),
        stored_as,
        labelled("LastRefresh ", &outcome.last_refresh),
        labelled("ended ", &outcome.ended_at),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    printable(&parts.join("  ")).replace('\n', " ")
}
