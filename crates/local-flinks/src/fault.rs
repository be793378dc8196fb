//! Faults: how a test makes an operation fail, and when.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use crate::operation::Operation;

/// What happens to a request instead of the usual response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An error with this status and FlinksCode. The request has no effect, and no token is used up.
    Code(u16, &'static str),
    /// Any response: status, content type and body. The request has no effect.
    Respond(u16, &'static str, Bytes),
    /// Waits, then carries out the request and responds as usual.
    Delay(Duration),
    /// Reads the request and never responds. The request has no effect. Ends when the client closes the connection or
    /// the server stops.
    Hang,
    /// Reads the request, then resets the connection without a response. The request has no effect.
    Reset,
    /// Carries out the request, then resets the connection. The response is lost.
    ResetAfter,
    /// Carries out the request, and resets the connection in the middle of the response's body.
    CutBody,
    /// Carries out the request, and responds with the first half of the body as if it were the whole.
    HalfBody,
}

impl Fault {
    /// Throttling, as Flinks reports it.
    pub const THROTTLE: Fault = Fault::Code(401, "TOO_MANY_REQUESTS");

    /// A page in place of JSON, with status 200, as from an endpoint that is not enabled.
    pub const HTML: Fault =
        Fault::Respond(200, "text/html; charset=utf-8", Bytes::from_static(b"<!DOCTYPE html><title>Flinks</title>"));

    /// A string in place of a JSON object, with status 200, as from SetScheduledRefresh.
    pub const BARE_STRING: Fault =
        Fault::Respond(200, "application/json; charset=utf-8", Bytes::from_static(b"\"Success\""));
}

/// The calls of an operation that a fault applies to, counted from when the fault is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
#[derive(Default)]
pub(crate) struct FaultPlan {
    calls: BTreeMap<Operation, usize>,
    rules: Vec<Rule>,
}

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
        let applies = |rule: &&Rule| rule.operation == operation && (rule.first..=rule.last).contains(&call);
        self.rules.iter().rev().find(applies).map(|rule| rule.fault.clone())
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
