use flinks_api::Cause;

use super::*;

const HOUR: Duration = Duration::from_secs(60 * 60);

fn at(since: Duration) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + since
}

fn begun() -> Request {
    Request::read(r#"{"loginId":"l"}"#, at(Duration::ZERO)).unwrap()
}

fn later(pace: Pace) -> Failure {
    Failure::RetryLater(pace, Cause::Broken)
}

/// Repeats a failure until the request ends, or `times` times. Returns the delays, and how it ends.
fn repeat(failure: &Failure, times: usize) -> (Vec<u64>, Option<Ending>) {
    let (mut request, mut now, mut delays) = (begun(), at(Duration::ZERO), Vec::new());
    while delays.len() < times {
        if let Some(wait) = request.waits(now) {
            // The function only puts it back.
            now += wait.min(MAX_DELAY);
            continue;
        }
        match next(&request, failure, RequestId::read("r"), now) {
            Next::Again(progress, delay) => {
                request = Request::read(&request.with_progress(progress).message(), now).unwrap();
                delays.push(delay.as_secs());
                now += delay;
            }
            Next::Ends(ending) => return (delays, Some(ending)),
        }
    }
    (delays, None)
}

#[test]
fn each_pace_has_its_delays() {
    assert_eq!(repeat(&later(Pace::NewSession), 5), (vec![10, 15, 30, 60, 120], None));
    assert_eq!(repeat(&later(Pace::Soon), 5), (vec![10, 15, 30, 60, 120], None));
    assert_eq!(repeat(&later(Pace::BackOff), 9), (vec![15, 30, 60, 120, 240, 480, 900, 900, 900], None));
    assert_eq!(repeat(&later(Pace::FewTimes), 99), (vec![15, 30, 60, 120], Some(Ending::Stopped)));
    let (delays, ending) = repeat(&later(Pace::MuchLater), 999);
    assert_eq!((delays.len(), ending), (24, Some(Ending::TimedOut)), "an hour each");
    assert!(delays.iter().all(|delay| *delay == 900));
}

#[test]
fn a_request_that_is_only_retried_times_out_after_six_hours() {
    for pace in [Pace::NewSession, Pace::Soon, Pace::BackOff] {
        let (delays, ending) = repeat(&later(pace), 9_999);
        assert_eq!(ending, Some(Ending::TimedOut));
        let hours = delays.iter().sum::<u64>() / 3_600;
        assert_eq!(hours, 6, "{pace:?}");
    }
    // A bank that was switched off gives the request more time.
    let mut request = begun();
    request.progress.not_before = Some(at(HOUR));
    assert!(matches!(next(&request, &later(Pace::BackOff), None, at(7 * HOUR)), Next::Again(..)));
    assert!(matches!(next(&request, &later(Pace::BackOff), None, at(24 * HOUR)), Next::Ends(Ending::TimedOut)));
}

#[test]
fn a_session_is_polled_for_thirty_minutes_after_its_first_202() {
    let not_ready = Failure::NotReady(Cause::Status(202));
    let (delays, ending) = repeat(&not_ready, 999);
    assert_eq!((delays.len(), ending), (180, Some(Ending::TimedOut)));
    assert!(delays.iter().all(|delay| *delay == 10));
    // Also after hours of other failures.
    let Next::Again(progress, _) = next(&begun(), &not_ready, RequestId::read("r"), at(5 * HOUR)) else { panic!() };
    assert_eq!(progress.request_id, RequestId::read("r"));
    assert_eq!(progress.polling_since, Some(at(5 * HOUR)));
    let polled = begun().with_progress(progress);
    let long = at(5 * HOUR + POLLING - Duration::from_secs(1));
    assert!(matches!(next(&polled, &not_ready, RequestId::read("r"), long), Next::Again(..)));
    // A message without the member counts from its start.
    let mut polled = begun();
    polled.progress.request_id = RequestId::read("r");
    assert!(matches!(next(&polled, &not_ready, None, at(POLLING)), Next::Ends(Ending::TimedOut)));
}

#[test]
fn a_throttled_poll_keeps_its_session_while_that_may_live() {
    let not_ready = Failure::NotReady(Cause::Status(202));
    let Next::Again(progress, _) = next(&begun(), &not_ready, RequestId::read("r"), at(HOUR)) else { panic!() };
    let mut request = begun().with_progress(progress);
    let mut kept = Vec::new();
    for _ in 0..7 {
        let now = at(HOUR);
        let Next::Again(progress, delay) = next(&request, &later(Pace::BackOff), RequestId::read("r"), now) else {
            panic!()
        };
        kept.push((delay.as_secs(), progress.request_id.is_some()));
        request = request.with_progress(progress);
    }
    let expected = [(15, true), (30, true), (60, true), (120, true), (240, true), (480, false), (900, false)];
    assert_eq!(kept, expected);
    // Other failures begin a new session.
    for pace in [Pace::NewSession, Pace::Soon, Pace::FewTimes, Pace::MuchLater] {
        let mut polled = begun();
        (polled.progress.request_id, polled.progress.polling_since) = (RequestId::read("r"), Some(at(HOUR)));
        let Next::Again(progress, _) = next(&polled, &later(pace), RequestId::read("r"), at(HOUR)) else { panic!() };
        assert_eq!((progress.request_id, progress.polling_since), (None, None), "{pace:?}");
    }
}

#[test]
fn other_failures_end_the_request_at_once() {
    for (failure, expected) in [
        (Failure::NeedsUser(Cause::Status(203)), Ending::NeedsUser),
        (Failure::Gone(Cause::Status(400)), Ending::Gone),
        (Failure::Stop(Cause::TooLong), Ending::Stopped),
    ] {
        assert_eq!(repeat(&failure, 9), (vec![], Some(expected)));
    }
}

/// The progress of a request that was polled, whose last step was at `last_step`.
fn polled(last_step: Duration) -> Progress {
    Progress {
        request_id: RequestId::read("r"),
        polling_since: Some(at(last_step)),
        last_step: Some(at(last_step)),
        attempt: 7,
        few_times: 4,
        ..begun().progress
    }
}

#[test]
fn a_message_that_was_redriven_after_hours_begins_from_the_start_with_or_without_a_session() {
    let now = at(9 * HOUR);
    for progress in [polled(HOUR), polled(HOUR).without_session()] {
        let progress = resumed(progress, now);
        assert_eq!((progress.started_at, progress.attempt, progress.few_times), (now, 0, 0));
        assert_eq!((progress.request_id.clone(), progress.polling_since, progress.restarts), (None, None, 1));
        let request = begun().with_progress(progress);
        assert!(matches!(next(&request, &later(Pace::BackOff), None, now), Next::Again(..)));
    }
}

#[test]
fn a_request_begins_from_the_start_twice_at_most() {
    for failure in [later(Pace::NewSession), Failure::NotReady(Cause::Status(202))] {
        // Every step comes after a queue of two hours.
        let (mut request, mut now, mut starts) = (begun(), at(Duration::ZERO), 1);
        let ending = loop {
            let progress = resumed(request.progress.clone(), now);
            starts += u32::from(progress.started_at == now && now > at(Duration::ZERO));
            assert_eq!(progress.request_id, None, "no session lives that long");
            match next(&request.clone().with_progress(progress), &failure, RequestId::read("r"), now) {
                Next::Again(progress, _) => {
                    request = Request::read(&request.with_progress(progress).message(), now).unwrap();
                }
                Next::Ends(ending) => break ending,
            }
            now += 2 * HOUR;
            assert!(now < at(24 * HOUR), "the request does not end");
        };
        assert_eq!((ending, starts), (Ending::TimedOut, 3));
    }
}

#[test]
fn a_session_is_not_polled_after_it_was_idle() {
    let last_step = HOUR;
    let resumed = |idle: Duration| resumed(polled(last_step), at(last_step + idle));
    let just_alive = resumed(SESSION_IDLE - Duration::from_secs(1));
    assert_eq!((just_alive.request_id, just_alive.polling_since), (RequestId::read("r"), Some(at(last_step))));
    for idle in [SESSION_IDLE, POLLING, LONG_GONE - Duration::from_secs(1)] {
        let progress = resumed(idle);
        assert_eq!((progress.request_id.clone(), progress.polling_since), (None, None));
        // All else goes on.
        assert_eq!((progress.attempt, progress.few_times, progress.restarts), (7, 4, 0));
        // A 202 of the new session is its first one.
        let request = begun().with_progress(progress);
        let not_ready = Failure::NotReady(Cause::Status(202));
        let Next::Again(progress, _) = next(&request, &not_ready, RequestId::read("s"), at(last_step + idle)) else {
            panic!()
        };
        assert_eq!(
            (progress.polling_since, progress.last_step),
            (Some(at(last_step + idle)), Some(at(last_step + idle)))
        );
    }
}
