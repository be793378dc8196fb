//! Recovery: what never arrived as a callback is fetched from Flinks' API (`docs/recovery.md`).
//!
//! ```text
//! a message of RecoveryQueue
//!   -> Request             the LoginId, and how far the request is
//!   -> FinalResponse       only the API's client makes one: a 202 may have a part of the data, and never becomes one
//!   -> RecoveredPayload    with the member that a callback has and the API's response lacks
//!   -> Message, Receipt    as for a callback: on AccountsDetailQueue, or in the bucket for the redelivery
//!   -> Outcome             an object in the bucket
//! ```
//!
//! Each message is one step: [`Recovery::step`] asks Flinks once and does not wait. A request that is not finished goes
//! back to its queue with a delay ([`pace`] has the table), and one that fails for good goes to the dead-letter queue.
//! A message is done only after what follows it is accepted. If that fails, the message stays on its queue and comes
//! again, so no request is lost. A payload may be stored twice then, with two DeliveryIds, because each session has a
//! RequestId of its own. If only the outcome fails, the request goes back with what is known of the stored payload, and
//! the next step has only the outcome to store.
//!
//! Only this folder, its program and `src/recovered_payload.rs` name `flinks_api`.

mod credentials;
mod outcome;
mod pace;
mod ports;
mod request;
mod step;

pub use crate::recovered_payload::RecoveredPayload;
pub use outcome::OUTCOME_PREFIX;
pub use pace::Ending;
pub use ports::{CredentialsSource, OutcomeStore, RequestQueues};
pub use request::StoredPayload;
pub use step::{Problem, Reason, ReportedCode, Step, StepResult};

use std::time::{Duration, SystemTime};

use flinks_api::{Cause, Failure, FinalResponse, FlinksApi, FlinksCode, Pace, RequestId, codes};
use tokio::time::{Instant, timeout_at};

use self::{
    credentials::{Clients, NoClient},
    outcome::{End, Outcome},
    pace::{FIRST_BACK_OFF, MAX_DELAY, MUCH_LATER, Next, next, resumed},
    request::{Progress, Request},
};
use crate::{
    aws_error::{FailedCalls, Operation},
    config::FlinksConfig,
    delivery::{Message, PayloadStore, Queues, Storage, StoreResult},
    http::TraceHeader,
    retry,
    time_budget::{BUDGET, budget_of},
};

/// The time that one step may take.
#[derive(Clone, Copy, Debug)]
pub struct StepBudget {
    /// When the calls to Flinks end.
    flinks_end: Instant,
    /// When the calls to AWS end.
    end: Instant,
}

impl StepBudget {
    /// The budget of a function that Lambda ends at `deadline`.
    pub fn until(deadline: SystemTime) -> Self {
        /// Time to store what Flinks sent. A call may take 210 seconds, and the function has more than that.
        const TO_STORE: Duration = Duration::from_secs(30);
        /// Time to respond.
        const TO_RESPOND: Duration = Duration::from_secs(1);
        let (now, left) = (Instant::now(), deadline.duration_since(SystemTime::now()).unwrap_or_default());
        // With a shorter timeout than in the template, use at least half of it.
        let before = |reserve| now + left.saturating_sub(reserve).max(left / 2);
        Self { flinks_end: before(TO_STORE), end: before(TO_RESPOND) }
    }

    /// When a call to AWS ends that begins now and carries a body of this length.
    fn call_end(&self, bytes: usize) -> Instant {
        self.end.min(Instant::now() + budget_of(bytes))
    }
}

/// Takes requests to their end, step by step.
pub struct Recovery<C, R, Q, P> {
    clients: Clients<C>,
    requests: R,
    storage: Storage<Q, P>,
}

/// What Flinks was asked, and its response.
struct Asked {
    response: Result<FinalResponse, Failure>,
    session: Option<RequestId>,
}

impl Asked {
    /// The cause, if Flinks denied access.
    fn denial(&self) -> Option<Cause> {
        self.response.as_ref().err().and_then(denial)
    }
}

impl<C: CredentialsSource, R: RequestQueues, Q: Queues, P: PayloadStore + OutcomeStore> Recovery<C, R, Q, P> {
    pub fn new(config: FlinksConfig, source: C, requests: R, storage: Storage<Q, P>) -> Self {
        Self { clients: Clients::new(config, source), requests, storage }
    }

    /// Does what a message asks for, as far as that can be done without waiting.
    pub async fn step(&self, body: &str, trace_header: Option<TraceHeader>, budget: StepBudget) -> Step {
        let mut failures = FailedCalls::default();
        let Some(request) = Request::read(body, SystemTime::now()) else {
            const UNREADABLE: &str = "unreadable";
            let attributes = [("RecoveryProblem", UNREADABLE), ("Outcome", UNREADABLE)];
            let given_up = self.give_up(body, &attributes, budget, &mut failures).await;
            let result = given_up.map_or_else(StepResult::Failed, |()| StepResult::Unreadable);
            return Step { result, stored: None, reason: None, attempt: 0, aws_failures: failures };
        };
        let attempt = request.progress.attempt;
        if let Some(stored) = &request.stored {
            let put = self.put_outcome(&request, End::Recovered(stored), budget, &mut failures).await;
            let result = put.map_or_else(StepResult::Failed, |()| StepResult::Recovered(stored.clone()));
            return Step { result, stored: None, reason: None, attempt, aws_failures: failures };
        }
        let mut stored = None;
        let (result, reason) = self.advance(request, trace_header, budget, &mut stored, &mut failures).await;
        Step { result: result.unwrap_or_else(StepResult::Failed), stored, reason, attempt, aws_failures: failures }
    }

    /// The error is why the message stays on its queue.
    async fn advance(
        &self,
        request: Request,
        trace_header: Option<TraceHeader>,
        budget: StepBudget,
        stored: &mut Option<StoredPayload>,
        failures: &mut FailedCalls,
    ) -> (Result<StepResult, &'static str>, Option<Reason>) {
        let now = SystemTime::now();
        let progress = resumed(request.progress.clone(), now);
        let request = request.with_progress(progress);
        if let Some(wait) = request.waits(now).filter(|wait| *wait <= MUCH_LATER) {
            let waiting = Progress { last_step: Some(now), ..request.progress.clone() };
            return (self.put_back(&request.with_progress(waiting), wait, budget, failures).await, None);
        }
        let Asked { response, session } = match self.ask(&request, budget, failures).await {
            Ok(asked) => asked,
            Err(NoClient(why)) => return (Err(why), None),
        };
        let not_json = Failure::RetryLater(Pace::FewTimes, Cause::NotJson);
        let failure = match response.and_then(|response| RecoveredPayload::new(response).ok_or(not_json)) {
            // The session in a request that somebody wrote by hand can be one of another login.
            Ok(payload) if payload.is_of_another_login(&request.login_id) => {
                let reason = Reason::another_login();
                let ended = self.end(&request, Ending::Stopped, &reason, budget, failures).await;
                return (ended, Some(reason));
            }
            Ok(payload) => {
                return match self.store(payload, trace_header, budget, failures).await {
                    Ok(payload) => {
                        *stored = Some(payload.clone());
                        (self.finish(request, payload, budget, failures).await, None)
                    }
                    Err(why) => (Err(why), None),
                };
            }
            Err(failure) => failure,
        };
        let reason = Reason::of(&failure);
        let result = match next(&request, &failure, session, SystemTime::now()) {
            Next::Again(progress, delay) => {
                self.put_back(&request.with_progress(progress), delay, budget, failures).await
            }
            Next::Ends(ending) => self.end(&request, ending, &reason, budget, failures).await,
        };
        (result, Some(reason))
    }

    /// Asks Flinks. If it denies access, the credentials are read again, and newer ones are tried at once. If that does not
    /// help, the request is not given up yet: an operator needs some minutes to store the right credentials, and a wrong
    /// key would make a dead letter of everything on the queue at once.
    async fn ask(&self, request: &Request, budget: StepBudget, failures: &mut FailedCalls) -> Result<Asked, NoClient> {
        let client = self.clients.client(budget.flinks_end, failures).await?;
        let mut asked = ask_within(&client.api, request, budget.flinks_end).await;
        if asked.denial().is_some()
            && let Some(newer) = self.clients.after_denial(&client, budget.flinks_end, failures).await
        {
            asked = ask_within(&newer.api, request, budget.flinks_end).await;
        }
        if let Some(denied) = asked.denial() {
            asked.response = Err(Failure::RetryLater(Pace::FewTimes, denied));
        }
        Ok(asked)
    }

    async fn store(
        &self,
        payload: RecoveredPayload,
        trace_header: Option<TraceHeader>,
        budget: StepBudget,
        failures: &mut FailedCalls,
    ) -> Result<StoredPayload, &'static str> {
        let message = Message::of_recovered(&payload, SystemTime::now()).with_trace(trace_header);
        let bytes = message.body().len();
        // The outcome needs some time too.
        let limit = budget.call_end(bytes).min(budget.end.checked_sub(BUDGET / 4).unwrap_or(budget.end));
        let StoreResult { outcome, failures: on_the_way } = self.storage.store(&message, limit).await;
        failures.extend(on_the_way);
        let stored_as = outcome.map_err(|_| "neither queue nor bucket accepted the payload")?.stored_as();
        let last_refresh = payload.last_refresh().map(str::to_owned);
        Ok(StoredPayload { delivery_id: message.delivery_id().clone(), stored_as, bytes, last_refresh })
    }

    /// Ends a request with data. If the outcome fails, the next step stores it: the payload is not stored again, because
    /// it would be another delivery. If that step fails too, its message stays on the queue.
    async fn finish(
        &self,
        request: Request,
        stored: StoredPayload,
        budget: StepBudget,
        failures: &mut FailedCalls,
    ) -> Result<StepResult, &'static str> {
        let half =
            StepBudget { end: Instant::now() + budget.end.saturating_duration_since(Instant::now()) / 2, ..budget };
        let Err(why) = self.put_outcome(&request, End::Recovered(&stored), half, failures).await else {
            return Ok(StepResult::Recovered(stored));
        };
        let put_back = self.put_back(&request.with_stored(stored), FIRST_BACK_OFF, budget, failures).await;
        put_back.map_err(|_| why)
    }

    /// Ends a request without data. The outcome comes first: if the second call fails, a second outcome does less harm
    /// than a second dead letter.
    async fn end(
        &self,
        request: &Request,
        ending: Ending,
        reason: &Reason,
        budget: StepBudget,
        failures: &mut FailedCalls,
    ) -> Result<StepResult, &'static str> {
        self.put_outcome(request, End::Failed(ending, reason), budget, failures).await?;
        let why = match reason {
            Reason::Code(code) => ("FlinksCode", code.as_str()),
            Reason::Problem(problem) => ("RecoveryProblem", problem.as_str()),
        };
        self.give_up(&request.original(), &[why, ("Outcome", ending.label())], budget, failures).await?;
        Ok(StepResult::Ended(ending))
    }

    async fn put_outcome(
        &self,
        request: &Request,
        end: End<'_>,
        budget: StepBudget,
        failures: &mut FailedCalls,
    ) -> Result<(), &'static str> {
        let outcome = Outcome { request, ended_at: SystemTime::now(), end };
        let (key, json, limit) = (outcome.key(), outcome.json(), budget.call_end(0));
        let put = || self.storage.payloads.put_outcome(&key, json.clone());
        let put = retry::until(limit, Operation::PutObject, failures, put).await;
        put.map_err(|failed| {
            failures.push(failed);
            "the outcome could not be stored"
        })
    }

    async fn put_back(
        &self,
        request: &Request,
        delay: Duration,
        budget: StepBudget,
        failures: &mut FailedCalls,
    ) -> Result<StepResult, &'static str> {
        // Whole seconds, and not too early.
        let delay = Duration::from_secs(delay.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX));
        let (body, delay) = (request.message(), delay.min(MAX_DELAY));
        let put_back = || self.requests.put_back(&body, delay);
        let put_back = retry::until(budget.call_end(0), Operation::SendMessage, failures, put_back).await;
        put_back.map(|()| StepResult::Pending(delay)).map_err(|failed| {
            failures.push(failed);
            "the request could not be put back"
        })
    }

    async fn give_up(
        &self,
        body: &str,
        attributes: &[(&'static str, &str)],
        budget: StepBudget,
        failures: &mut FailedCalls,
    ) -> Result<(), &'static str> {
        let give_up = || self.requests.give_up(body, attributes);
        let given_up = retry::until(budget.call_end(0), Operation::SendMessage, failures, give_up).await;
        given_up.map_err(|failed| {
            failures.push(failed);
            "the dead-letter queue did not accept the request"
        })
    }
}

/// Asks Flinks until `limit`. A call that takes longer counts as one without a response: whether Flinks processes the
/// data is then unknown.
async fn ask_within(api: &FlinksApi, request: &Request, limit: Instant) -> Asked {
    let timed_out = || Err(Failure::RetryLater(Pace::BackOff, Cause::TimedOut));
    let mut session = request.progress.request_id.clone();
    let response = timeout_at(limit, async {
        match &session {
            Some(polled) => api.accounts_detail_async(polled).await,
            None => {
                let opened = api.authorize_cached_with_tag(&request.login_id, request.tag.as_deref()).await?;
                let request_id = &session.insert(opened.request_id).clone();
                let response = api.accounts_detail(request_id).await;
                response.map_err(|failure| explained(failure, opened.replayed))
            }
        }
    });
    let response = response.await.unwrap_or_else(|_| timed_out());
    Asked { response, session }
}

/// The failure of a session that opened with the error of the login's last live attempt. If the session gives no data
/// for good, that error is why.
fn explained(failure: Failure, replayed: Option<FlinksCode>) -> Failure {
    match (&failure, replayed) {
        (Failure::Stop(_), Some(code)) if denial(&failure).is_none() => match codes::find(code.as_str()) {
            Some(row) if row.action == codes::Action::NeedsUser => Failure::NeedsUser(Cause::Code(code)),
            _ => failure,
        },
        _ => failure,
    }
}

/// The cause, if Flinks denied access: the credentials may be old.
fn denial(failure: &Failure) -> Option<Cause> {
    let Failure::Stop(cause) = failure else { return None };
    let is_denial = match cause {
        Cause::Code(code) => matches!(code.as_str(), "ACCESS_DENIED" | "UNAUTHORIZED"),
        Cause::Status(status) => matches!(status, 401 | 403),
        _ => false,
    };
    is_denial.then(|| cause.clone())
}

#[cfg(test)]
mod tests;
