//! All samples of a run, and the figures computed from them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    backend::Transport,
    callback::Size,
    sample::Sample,
    statistics::{median, percentile},
    subject::{FLOOR, FUNCTION},
    table::{self, short},
    valgrind::Counts,
};

/// Bytes.
const MB: f64 = 1e6;

/// The results of a run.
#[derive(Default)]
pub struct Measured {
    /// The names of the subjects, in the order of the tables.
    pub subjects: Vec<String>,
    samples: BTreeMap<(String, Transport, Size), Vec<Sample>>,
    packages: BTreeMap<String, Package>,
    counts: BTreeMap<(String, Size), Counts>,
}

/// The sizes of a deployment package.
#[derive(Clone, Copy, Serialize)]
pub struct Package {
    /// The program, or the folder that an interpreter reads.
    pub bytes: u64,
    pub zip_bytes: u64,
}

/// A figure of a subject: its name, its unit, and the function that computes it from the samples.
pub struct Metric {
    pub name: &'static str,
    pub unit: &'static str,
    compute: fn(&[&Sample]) -> f64,
}

const fn metric(name: &'static str, unit: &'static str, compute: fn(&[&Sample]) -> f64) -> Metric {
    Metric { name, unit, compute }
}

fn median_of(samples: &[&Sample], of: fn(&Sample) -> f64) -> f64 {
    median(&samples.iter().map(|sample| of(sample)).collect::<Vec<_>>())
}

fn latency(samples: &[&Sample], percent: usize) -> f64 {
    let all: Vec<f64> = samples.iter().flat_map(|sample| sample.latencies_ms.iter().copied()).collect();
    percentile(&all, percent)
}

pub const START: Metric = metric("start to first poll", "ms", |samples| median_of(samples, |sample| sample.start_ms));
pub const FIRST: Metric = metric("first callback", "ms", |samples| median_of(samples, |sample| sample.first_ms));
pub const CPU: Metric = metric("CPU per callback", "ms", |samples| median_of(samples, |sample| sample.cpu_ms));
pub const PEAK: Metric = metric("peak memory", "MiB", |samples| median_of(samples, |sample| sample.peak_mib));

pub const START_MEMORY: Metric =
    metric("memory at first poll", "MiB", |samples| median_of(samples, |sample| sample.start_mib));

/// The metrics of a start. The size of the callbacks after it does not matter, so all sizes count together.
const START_METRICS: [Metric; 3] = [
    START,
    metric("CPU to first poll", "ms", |samples| median_of(samples, |sample| sample.start_cpu_ms)),
    START_MEMORY,
];

/// The main figures, which are shown first. Most are over TLS, as in production.
const MAIN: [(Metric, Transport, Option<Size>); 7] = [
    (START, Transport::Http, None),
    (START, Transport::Tls, None),
    (CPU, Transport::Tls, Some(Size::Kb2)),
    (CPU, Transport::Tls, Some(Size::Mb1)),
    (PEAK, Transport::Tls, Some(Size::Kb2)),
    (PEAK, Transport::Tls, Some(Size::Mb5)),
    (FIRST, Transport::Slow, Some(Size::Kb2)),
];

/// The metrics of callbacks of one size.
const CALLBACK_METRICS: [Metric; 6] = [
    FIRST,
    metric("median latency", "ms", |samples| latency(samples, 50)),
    metric("99th percentile", "ms", |samples| latency(samples, 99)),
    CPU,
    PEAK,
    metric("threads", "", |samples| median_of(samples, |sample| sample.threads)),
];

impl Measured {
    /// Empty results for these subjects.
    pub fn new(subjects: Vec<String>) -> Self {
        Self { subjects, ..Self::default() }
    }

    pub fn add(&mut self, subject: &str, transport: Transport, size: Size, sample: Sample) {
        self.samples.entry((subject.to_owned(), transport, size)).or_default().push(sample);
    }

    /// Removes the samples of a subject that failed.
    pub fn remove(&mut self, subject: &str, transport: Transport, size: Size) {
        self.samples.remove(&(subject.to_owned(), transport, size));
    }

    pub fn add_package(&mut self, subject: &str, package: Package) {
        self.packages.insert(subject.to_owned(), package);
    }

    pub fn count(&mut self, subject: &str, size: Size, counts: Counts) {
        self.counts.insert((subject.to_owned(), size), counts);
    }

    /// A figure, over all sizes if `size` is `None`. Returns `None` if nothing was measured.
    pub fn figure(&self, metric: &Metric, subject: &str, transport: Transport, size: Option<Size>) -> Option<f64> {
        let is_asked = |key: &&(String, Transport, Size)| {
            key.0 == subject && key.1 == transport && size.is_none_or(|size| key.2 == size)
        };
        let samples: Vec<&Sample> =
            self.samples.iter().filter(|(key, _)| is_asked(key)).flat_map(|(_, samples)| samples).collect();
        (!samples.is_empty()).then(|| (metric.compute)(&samples))
    }

    pub fn transports(&self) -> Vec<Transport> {
        let mut transports: Vec<_> = self.samples.keys().map(|key| key.1).collect();
        transports.sort();
        transports.dedup();
        transports
    }

    /// TLS, as in production, or else the first transport that was measured.
    pub fn main_transport(&self) -> Option<Transport> {
        let transports = self.transports();
        transports.iter().find(|transport| **transport == Transport::Tls).or(transports.first()).copied()
    }

    pub fn sizes(&self) -> Vec<Size> {
        let mut sizes: Vec<_> = self.samples.keys().map(|key| key.2).collect();
        sizes.sort();
        sizes.dedup();
        sizes
    }

    /// The main figures in one table.
    pub fn main_table(&self) -> String {
        let (transports, sizes) = (self.transports(), self.sizes());
        let main = MAIN.iter().filter(|(_, transport, size)| {
            transports.contains(transport) && size.is_none_or(|size| sizes.contains(&size))
        });
        let rows = main.map(|(metric, transport, size)| {
            let of = size.map_or(String::new(), |size| format!(", {}", size.label()));
            let name = format!("{}{of}, {}", metric.name, transport.label());
            self.row(&name, metric.unit, |subject| self.figure(metric, subject, *transport, *size))
        });
        self.table(rows.chain([self.zip_row()]))
    }

    /// Every figure, with the subjects side by side.
    pub fn tables(&self) -> String {
        let mut text = String::new();
        for transport in self.transports() {
            text += &format!("\n### Start, {}\n\n", transport.label());
            text += &self.table(self.rows(&START_METRICS, transport, None));
            for size in self.sizes() {
                text += &format!("\n### Callbacks of {}, {}\n\n", size.label(), transport.label());
                text += &self.table(self.rows(&CALLBACK_METRICS, transport, Some(size)));
            }
        }
        let program = self.row("program or package", "MB", |subject| {
            self.packages.get(subject).map(|package| package.bytes as f64 / MB)
        });
        text += &format!("\n### Size\n\n{}", self.table([program, self.zip_row()]));
        text + &self.tables_of_counts()
    }

    /// The cost of a callback in valgrind's counts.
    fn tables_of_counts(&self) -> String {
        let mut text = String::new();
        for size in self.sizes() {
            let counts = |subject: &str| self.counts.get(&(subject.to_owned(), size));
            if self.subjects.iter().all(|subject| counts(subject).is_none()) {
                continue;
            }
            let row =
                |name: &str, of: fn(&Counts) -> u64| self.row(name, "", |subject| Some(of(counts(subject)?) as f64));
            let rows = [
                row("instructions", |counts| counts.instructions),
                row("allocations", |counts| counts.allocations),
                row("bytes allocated", |counts| counts.allocated_bytes),
                row("bytes copied", |counts| counts.copied_bytes),
            ];
            text += &format!("\n### A callback of {}, counted by valgrind\n\n{}", size.label(), self.table(rows));
        }
        text
    }

    fn table(&self, rows: impl IntoIterator<Item = Vec<String>>) -> String {
        let header: Vec<&str> = [""].into_iter().chain(self.subjects.iter().map(String::as_str)).collect();
        table::markdown(&header, rows) + "\n"
    }

    fn rows(&self, metrics: &[Metric], transport: Transport, size: Option<Size>) -> Vec<Vec<String>> {
        let row = |metric: &Metric| {
            self.row(metric.name, metric.unit, |subject| self.figure(metric, subject, transport, size))
        };
        metrics.iter().map(row).collect()
    }

    fn zip_row(&self) -> Vec<String> {
        self.row("zip", "MB", |subject| self.packages.get(subject).map(|package| package.zip_bytes as f64 / MB))
    }

    /// One figure of each subject. The function's is also a multiple of the floor's, the others' are multiples of the
    /// function's.
    fn row(&self, name: &str, unit: &str, of: impl Fn(&str) -> Option<f64>) -> Vec<String> {
        let (own, floor) = (of(FUNCTION), of(FLOOR));
        let cell = |subject: &String| {
            let Some(value) = of(subject) else { return String::new() };
            let multiple = if subject == FUNCTION {
                floor.map(|floor| format!(", {} floors", short(value / floor)))
            } else {
                own.map(|own| format!(", ×{}", short(value / own)))
            };
            format!("{} {unit}", short(value)).trim_end().to_owned() + &multiple.unwrap_or_default()
        };
        [name.to_owned()].into_iter().chain(self.subjects.iter().map(cell)).collect()
    }

    /// Every figure, for the JSON report.
    pub fn figures(&self) -> Vec<Figure> {
        let mut figures = Vec::new();
        for subject in &self.subjects {
            for transport in self.transports() {
                let sizes = self.sizes().into_iter().map(Some);
                let of_callbacks = sizes.flat_map(|size| CALLBACK_METRICS.iter().map(move |metric| (metric, size)));
                for (metric, size) in START_METRICS.iter().map(|metric| (metric, None)).chain(of_callbacks) {
                    if let Some(value) = self.figure(metric, subject, transport, size) {
                        let (metric, unit) = (metric.name, metric.unit);
                        figures.push(Figure { subject: subject.clone(), transport, size, metric, unit, value });
                    }
                }
            }
        }
        figures
    }

    pub fn packages(&self) -> &BTreeMap<String, Package> {
        &self.packages
    }

    /// Valgrind's counts, for the JSON report.
    pub fn counts(&self) -> Vec<Counted<'_>> {
        self.counts.iter().map(|((subject, size), counts)| Counted { subject, size: *size, counts }).collect()
    }
}

#[derive(Serialize)]
pub struct Figure {
    subject: String,
    transport: Transport,
    size: Option<Size>,
    metric: &'static str,
    unit: &'static str,
    value: f64,
}

#[derive(Serialize)]
pub struct Counted<'a> {
    subject: &'a str,
    size: Size,
    #[serde(flatten)]
    counts: &'a Counts,
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn sample(cpu_ms: f64, latencies_ms: Vec<f64>) -> Sample {
        let ms = cpu_ms;
        Sample {
            start_ms: ms,
            start_cpu_ms: ms,
            start_mib: ms,
            first_ms: ms,
            latencies_ms,
            cpu_ms,
            peak_mib: ms,
            threads: 1.0,
        }
    }

    #[test]
    fn a_figure_is_the_median_of_its_rounds_and_a_multiple_in_the_table() {
        let mut measured = Measured::new(vec![FLOOR.to_owned(), FUNCTION.to_owned()]);
        for (subject, values) in [(FLOOR, [2.0, 1.0, 50.0]), (FUNCTION, [5.0, 3.0, 4.0])] {
            for value in values {
                measured.add(subject, Transport::Http, Size::Kb2, sample(value, vec![value]));
            }
        }
        assert_eq!(measured.figure(&CPU, FUNCTION, Transport::Http, Some(Size::Kb2)), Some(4.0));
        assert_eq!(measured.figure(&CPU, FUNCTION, Transport::Tls, Some(Size::Kb2)), None);
        let tables = measured.tables();
        assert!(tables.contains("4.00 ms, 2.00 floors") && tables.contains("2.00 ms, ×0.500"), "{tables}");
        let main = measured.main_table();
        assert!(main.contains("start to first poll, plain HTTP") && !main.contains("TLS"), "{main}");
        measured.add(FUNCTION, Transport::Tls, Size::Kb2, sample(1.0, vec![]));
        let main = measured.main_table();
        assert!(main.contains("2 kB, TLS") && !main.contains("1 MB, TLS"), "{main}");
        measured.remove(FUNCTION, Transport::Tls, Size::Kb2);
        measured.remove(FUNCTION, Transport::Http, Size::Kb2);
        assert_eq!(measured.figure(&CPU, FUNCTION, Transport::Http, Some(Size::Kb2)), None);
    }
}
