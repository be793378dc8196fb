//! Retries of calls to AWS. The SDK's own retries are off, for two reasons. Its retry quota is used up after a few
//! failing callbacks. And the storage must see each failed attempt: the first one starts the clock for the bucket, and
//! a claim check may need another object. The SDK still corrects a skewed clock, because that does not depend on its
//! retries.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    aws_error::{AwsError, FailedCalls, Meaning, Operation},
    time_budget::{FIRST_BACK_OFF, MAX_BACK_OFF, attempt_of},
};

/// Makes one attempt at a call: for [`ATTEMPT`](crate::time_budget::ATTEMPT), and not beyond `limit`.
///
/// # Errors
/// The call's own error, or a timeout.
pub async fn attempt<T>(
    operation: Operation,
    limit: Instant,
    call: impl Future<Output = Result<T, AwsError>>,
) -> Result<T, AwsError> {
    attempt_with(0, operation, limit, call).await
}

/// The same for a call that carries a body of this length: [`attempt_of`] says for how long.
///
/// # Errors
/// As [`attempt`].
pub async fn attempt_with<T>(
    bytes: usize,
    operation: Operation,
    limit: Instant,
    call: impl Future<Output = Result<T, AwsError>>,
) -> Result<T, AwsError> {
    let end = limit.min(Instant::now() + attempt_of(bytes));
    timeout_at(end, call).await.unwrap_or_else(|_| Err(AwsError::timeout(operation)))
}

/// Tries a call until it succeeds, fails for good, or `limit` is reached.
///
/// # Errors
/// The last failure; the ones before it are in `failures`.
pub async fn until<T, F: Future<Output = Result<T, AwsError>>>(
    limit: Instant,
    operation: Operation,
    failures: &mut FailedCalls,
    call: impl FnMut() -> F,
) -> Result<T, AwsError> {
    until_with(0, limit, operation, failures, call).await
}

/// The same for a call that carries a body of this length.
///
/// # Errors
/// As [`until`].
pub async fn until_with<T, F: Future<Output = Result<T, AwsError>>>(
    bytes: usize,
    limit: Instant,
    operation: Operation,
    failures: &mut FailedCalls,
    mut call: impl FnMut() -> F,
) -> Result<T, AwsError> {
    let mut retry = Retry::default();
    loop {
        let failed = match attempt_with(bytes, operation, limit, call()).await {
            Ok(value) => return Ok(value),
            Err(failed) => failed,
        };
        if !retry.is_worth_it(&failed) || !retry.back_off.wait(limit).await {
            return Err(failed);
        }
        failures.push(failed);
    }
}

/// Decides after a failed attempt whether another one is worth it, and how long to wait for it.
#[derive(Default)]
pub struct Retry {
    pub back_off: BackOff,
    /// Whether the extra attempt that [`Meaning::OnceMore`] allows is used up.
    made_once_more: bool,
}

impl Retry {
    /// Whether an attempt that failed like this one may succeed later.
    pub fn is_worth_it(&mut self, failed: &AwsError) -> bool {
        match failed.meaning() {
            Meaning::Transient => true,
            Meaning::OnceMore => !std::mem::replace(&mut self.made_once_more, true),
            Meaning::ContentRejected | Meaning::Permanent => false,
        }
    }
}

/// Exponential back-off with jitter, from [`FIRST_BACK_OFF`] to [`MAX_BACK_OFF`].
#[derive(Clone, Copy, Debug, Default)]
pub struct BackOff {
    waits: u32,
}

impl BackOff {
    /// Waits before the next attempt. False if `limit` is too near for one.
    pub async fn wait(&mut self, limit: Instant) -> bool {
        let left = limit.saturating_duration_since(Instant::now());
        // With less than the first back-off left, another attempt would hardly have time to succeed.
        if left < FIRST_BACK_OFF {
            return false;
        }
        // At most half of what is left, so that there is time for one more attempt.
        sleep(self.next_wait().min(left / 2)).await;
        true
    }

    /// The next wait: a random time between half and all of the back-off, which doubles each time.
    pub fn next_wait(&mut self) -> Duration {
        /// After this many doublings the back-off is at its longest.
        const MAX_DOUBLINGS: u32 = 5;
        let longest = (FIRST_BACK_OFF * (1 << self.waits.min(MAX_DOUBLINGS))).min(MAX_BACK_OFF);
        self.waits = self.waits.saturating_add(1);
        longest.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        aws_error::Reason,
        time_budget::{ATTEMPT, CALLBACK_BYTES},
    };

    fn failed(code: &str) -> AwsError {
        AwsError { code: Some(code.to_owned()), ..AwsError::new(Operation::PutObject, Reason::Service) }
    }

    /// How many attempts a call that always fails like this gets, and in how much time.
    async fn attempts(error: AwsError, budget: Duration) -> (usize, Duration) {
        let started = Instant::now();
        let mut attempts = 0;
        let mut failures = FailedCalls::default();
        let result: Result<(), _> = until(started + budget, Operation::PutObject, &mut failures, || {
            attempts += 1;
            let error = error.clone();
            async { Err(error) }
        })
        .await;
        assert!(result.is_err());
        (attempts, started.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_transient_failure_is_retried_until_the_limit() {
        let budget = Duration::from_secs(10);
        let (attempts, elapsed) = attempts(failed("SlowDown"), budget).await;
        assert!(elapsed <= budget && elapsed > budget - 2 * FIRST_BACK_OFF, "{elapsed:?}");
        // Five short waits, then waits of half a second to a second.
        assert!((14..=40).contains(&attempts), "{attempts}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_permanent_failure_is_not_retried_and_a_rejected_signature_is_retried_once() {
        let budget = Duration::from_secs(10);
        assert_eq!(attempts(failed("AccessDenied"), budget).await, (1, Duration::ZERO));
        assert_eq!(attempts(failed("SignatureDoesNotMatch"), budget).await.0, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_ends_at_its_own_limit_or_at_the_outer_one() {
        for (limit, expected) in [(Duration::from_secs(9), ATTEMPT), (Duration::from_secs(1), Duration::from_secs(1))] {
            let started = Instant::now();
            let hangs = std::future::pending::<Result<(), _>>();
            let ended = attempt(Operation::PutObject, started + limit, hangs).await;
            assert_eq!(ended, Err(AwsError::timeout(Operation::PutObject)));
            assert_eq!(started.elapsed(), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_is_longer_than_a_callback_has_more_time() {
        for (bytes, expected) in
            [(CALLBACK_BYTES, ATTEMPT), (CALLBACK_BYTES + 1, 2 * ATTEMPT), (64 << 20, 11 * ATTEMPT)]
        {
            let started = Instant::now();
            let hangs = std::future::pending::<Result<(), _>>();
            let ended = attempt_with(bytes, Operation::PutObject, started + Duration::from_secs(99), hangs).await;
            assert_eq!(ended, Err(AwsError::timeout(Operation::PutObject)));
            assert_eq!(started.elapsed(), expected);
        }
    }

    #[test]
    fn waits_double_up_to_a_second_and_are_never_longer() {
        let mut back_off = BackOff::default();
        for longest in [50, 100, 200, 400, 800, 1_000, 1_000, 1_000] {
            let (longest, wait) = (Duration::from_millis(longest), back_off.next_wait());
            assert!(longest / 2 <= wait && wait <= longest, "{wait:?} of {longest:?}");
        }
    }
}
