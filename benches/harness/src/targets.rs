//! What the function has to reach, beside what it reached. A target that is missed is for people to argue about: it does
//! not fail the run.

use crate::{
    callback::Size,
    measured::{CPU, FIRST, Measured, Metric, PEAK, START, START_MEMORY},
    subject::{FLOOR, FUNCTION},
    table::{self, short},
    world::{LATENCY, Transport},
};

/// Over what the function goes in production, and without TLS.
const BOTH: &[Transport] = &[Transport::Http, Transport::Tls];

/// How much a figure of the function may be.
#[derive(Clone, Copy)]
enum Limit {
    /// In the figure's unit.
    Value(f64),
    /// So many times that of another subject.
    Times(&'static str, f64),
    /// That of another subject by so much.
    Part(&'static str, f64),
    /// The latency of one call to AWS, and so many milliseconds.
    CallAnd(f64),
    /// The memory at the first poll, and so many times the body.
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
            Self::Value(most) => format!("{most} {unit}"),
            Self::Times(subject, times) => format!("{times} × {subject}"),
            Self::Part(subject, by) => format!("{subject} / {by}"),
            Self::CallAnd(ms) => format!("one call + {ms} ms"),
            Self::StartAndBodies(times) => format!("at first poll + {times} × body"),
        }
    }

    /// In the figure's unit; none where what it goes by was not measured.
    fn most(self, measured: &Measured, metric: &Metric, transport: Transport, size: Option<Size>) -> Option<f64> {
        const BYTES_IN_MIB: f64 = 1_048_576.0;
        match self {
            Self::Value(most) => Some(most),
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
            let most = limit.most(measured, metric, *transport, *size);
            let of = size.map_or(String::new(), |size| format!(", {}", size.label()));
            let verdict = match (own, most) {
                (Some(own), Some(most)) if own <= most => "met",
                (Some(_), Some(_)) => "missed",
                _ => "not measured",
            };
            let in_unit =
                |value: Option<f64>| value.map_or(String::new(), |value| format!("{} {}", short(value), metric.unit));
            vec![
                format!("{}{of}, {}", metric.name, transport.label()),
                format!("at most {}", limit.words(metric.unit)),
                in_unit(most),
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
            let mut measured = Measured::of(Vec::new());
            for (subject, value) in [(FLOOR, 1.0), (FUNCTION, own), ("node", 60.0)] {
                measured.add(subject, Transport::Http, Size::Kb2, sample(value, vec![value]));
            }
            let table = table(&measured);
            let rows: Vec<&str> = table.lines().skip(2).collect();
            assert_eq!(rows.len(), TARGETS.iter().map(|(_, transports, ..)| transports.len()).sum::<usize>());
            let is_measured = |row: &&&str| !row.contains("not measured");
            rows.iter().filter(is_measured).map(|row| !row.contains("missed")).collect::<Vec<_>>()
        };
        // Start by floor and Node, CPU by both, memory.
        assert_eq!(verdicts(2.0), [true; 5]);
        assert_eq!(verdicts(2.5), [false, true, true, true, true]);
        assert_eq!(verdicts(12.5), [false; 5]);
    }
}
