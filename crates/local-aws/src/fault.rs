//! Faults: how a test makes an operation fail, and when.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::operation::Operation;

/// What happens to a request instead of the usual response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The service's own throttling error: `RequestThrottled` (SQS, 400), `ThrottlingException` (Secrets Manager, 400),
    /// `SlowDown` (S3, 503). The request has no effect.
    Throttle,
    /// The service's own failure, status 500: `InternalFailure` (SQS), `InternalServiceError` (Secrets Manager),
    /// `InternalError` (S3). The request has no effect.
    Error,
    /// Waits, then carries out the request and responds as usual.
    Delay(Duration),
    /// Reads the request and never responds. The request has no effect. Ends when the client closes the connection or
    /// the server stops.
    Hang,
    /// Reads the request, then resets the connection (a TCP RST) without a response. The request has no effect.
    Reset,
    /// Carries out the request, then resets the connection (a TCP RST). The response is lost.
    ResetAfter,
    /// Any error, by code and message, such as `("AccessDenied", "no")`. The request has no effect. The status is the
    /// code's status in the service, or 400 if that is not known.
    Reject(&'static str, &'static str),
}

/// The calls of an operation that a fault applies to, counted from when the fault is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calls {
    /// The next `n` calls.
    Next(usize),
    /// Only the `n`-th call from now. 1 is the next call.
    Nth(usize),
    /// Every call, until the faults are cleared.
    All,
}

/// `n` calls from now on.
impl From<usize> for Calls {
    fn from(n: usize) -> Calls {
        Calls::Next(n)
    }
}

/// The faults that are set, and the number of calls per operation.
#[derive(Debug, Default)]
pub(crate) struct FaultPlan {
    calls: BTreeMap<Operation, usize>,
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    operation: Operation,
    first: usize,
    last: usize,
    fault: Fault,
}

impl FaultPlan {
    /// Counts one call and returns its fault, if any. If several apply, the one set last.
    pub(crate) fn arrive(&mut self, operation: Operation) -> Option<Fault> {
        let calls = self.calls.entry(operation).or_default();
        *calls = calls.saturating_add(1);
        let call = *calls;
        self.rules
            .iter()
            .rev()
            .find(|rule| rule.operation == operation && (rule.first..=rule.last).contains(&call))
            .map(|rule| rule.fault)
    }

    pub(crate) fn calls(&self, operation: Operation) -> usize {
        self.calls.get(&operation).copied().unwrap_or_default()
    }

    pub(crate) fn set(&mut self, operation: Operation, calls: Calls, fault: Fault) {
        let past = self.calls(operation);
        let (first, last) = match calls {
            Calls::Next(n) => (past.saturating_add(1), past.saturating_add(n)),
            Calls::Nth(n) => (past.saturating_add(n), past.saturating_add(n)),
            Calls::All => (past.saturating_add(1), usize::MAX),
        };
        self.rules.push(Rule { operation, first, last, fault });
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }
}
