//! The function's targets and its results. A missed target does not fail the run: people decide what to do about it.

use crate::{
    backend::{LATENCY, Transport},
    callback::Size,
    measured::{CPU, FIRST, Measured, Metric, PEAK, START, START_MEMORY},
    subject::{FLOOR, FUNCTION},
    table::{self, short},
};

/// TLS as in production, and plain HTTP.
const BOTH: &[Transport] = &[Transport::Http, Transport::Tls];

/// The limit for a figure of the function.
#[derive(Clone, Copy)]
enum Limit {
    /// A value in the figure's unit.
    Value(f64),
    /// A multiple of another subject's figure.
    Times(&'static str, f64),
    /// Another subject's figure, divided by a number.
    Part(&'static str, f64),
    /// The latency of one call to AWS, plus a number of milliseconds.
    CallAnd(f64),
    /// The memory at the first poll, plus a multiple of the body.
    StartAndBodies(f64),
}

type Target = (Metric, &'static [Transport], Option<Size>, Limit);

const TARGETS: [Target; 13] = [
    (START, &[Transport::Http], None, Limit::Times(FLOOR, 2.0)),
    (START, &[Transport::Tls], None, Limit::Times(FLOOR, 3.0)),
    (START, BOTH, None, Limit::Part("node", 12.0)),
    (START, BOTH, None, Limit::Part("python", 30.0)),
    (CPU, BOTH, Some(Size::Kb2), Limit::Times(FLOOR, 3.0)),
    (CPU, BOTH, Some(Size::Kb2), Limit::Part("node", 10.0)),
    (CPU, BOTH, Some(Size::Kb2), Limit::Part("python", 10.0)),
    (CPU, BOTH, Some(Size::Mb1), Limit::Times("rust", 0.6)),
    (CPU, BOTH, Some(Size::Mb1), Limit::Part("node", 5.0)),
    (CPU, BOTH, Some(Size::Mb1), Limit::Part("python", 5.0)),
    (PEAK, BOTH, Some(Size::Kb2), Limit::Value(12.0)),
    (PEAK, BOTH, Some(Size::Mb5), Limit::StartAndBodies(4.0)),
    (FIRST, &[Transport::Slow], Some(Size::Kb2), Limit::CallAnd(3.0)),
];

impl Limit {
    fn words(self, unit: &str) -> String {
        match self {
            Self::Value(max) => format!("{max} {unit}"),
            Self::Times(subject, times) => format!("{times} × {subject}"),
            Self::Part(subject, by) => format!("{subject} / {by}"),
            Self::CallAnd(ms) => format!("one call + {ms} ms"),
            Self::StartAndBodies(times) => format!("at first poll + {times} × body"),
        }
    }

    /// The limit in the figure's unit. `None` if the figure that it depends on was not measured.
    fn max(self, measured: &Measured, metric: &Metric, transport: Transport, size: Option<Size>) -> Option<f64> {
        const BYTES_IN_MIB: f64 = 1_048_576.0;
        match self {
            Self::Value(max) => Some(max),
            Self::Times(subject, times) => Some(measured.figure(metric, subject, transport, size)? * times),
            Self::Part(subject, by) => Some(measured.figure(metric, subject, transport, size)? / by),
            Self::CallAnd(ms) => Some(LATENCY.as_secs_f64() * 1_000.0 + ms),
            Self::StartAndBodies(times) => {
                let start = measured.figure(&START_MEMORY, FUNCTION, transport, size)?;
                Some(start + times * size?.bytes() as f64 / BYTES_IN_MIB)
            }
        }
    }
}

/// Each target, and whether it is met.
pub fn table(measured: &Measured) -> String {
    let rows = TARGETS.iter().flat_map(|(metric, transports, size, limit)| {
        transports.iter().map(move |transport| {
            let own = measured.figure(metric, FUNCTION, *transport, *size);
            let max = limit.max(measured, metric, *transport, *size);
            let of = size.map_or(String::new(), |size| format!(", {}", size.label()));
            let verdict = match (own, max) {
                (Some(own), Some(max)) if own <= max => "met",
                (Some(_), Some(_)) => "missed",
                _ => "not measured",
            };
            let in_unit =
                |value: Option<f64>| value.map_or(String::new(), |value| format!("{} {}", short(value), metric.unit));
            vec![
                format!("{}{of}, {}", metric.name, transport.label()),
                format!("at most {}", limit.words(metric.unit)),
                in_unit(max),
                in_unit(own),
                verdict.to_owned(),
            ]
        })
    });
    table::markdown(&["function", "target", "that is", "measured", ""], rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measured::tests::sample;

    #[test]
    fn a_target_is_met_up_to_its_limit_and_not_measured_where_a_figure_is_missing() {
        let verdicts = |own: f64| {
            let mut measured = Measured::new(Vec::new());
            for (subject, value) in [(FLOOR, 1.0), (FUNCTION, own), ("node", 60.0)] {
                measured.add(subject, Transport::Http, Size::Kb2, sample(value, vec![value]));
            }
            let table = table(&measured);
            let rows: Vec<&str> = table.lines().skip(2).collect();
            assert_eq!(rows.len(), TARGETS.iter().map(|(_, transports, ..)| transports.len()).sum::<usize>());
            let is_measured = |row: &&&str| !row.contains("not measured");
            rows.iter().filter(is_measured).map(|row| !row.contains("missed")).collect::<Vec<_>>()
        };
        // Five targets: the start against the floor and Node, the CPU against both, and the memory.
        assert_eq!(verdicts(2.0), [true; 5]);
        assert_eq!(verdicts(2.5), [false, true, true, true, true]);
        assert_eq!(verdicts(12.5), [false; 5]);
    }
}
