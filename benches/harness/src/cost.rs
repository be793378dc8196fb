//! The cost of a million callbacks at each memory size, from the measured processor time and the prices in a file.
//!
//! The model: Lambda gives processor time in proportion to memory, with one whole processor at `full_processor_mb`. A
//! callback lasts its processor time divided by that share, plus the wait for AWS. It is billed by the started
//! millisecond. A share of the callbacks finds no warm instance and also pays for a start. A start gets the measured
//! time, because Lambda does not limit the processor then.

use std::{fs, path::Path};

use serde::Deserialize;

use crate::{
    Failure,
    callback::Size,
    measured::{CPU, Measured, PEAK, START},
    subject::FUNCTION,
    table,
};

const MILLION: f64 = 1e6;

/// `benches/prices.toml`, in US dollars.
#[derive(Deserialize)]
pub struct Prices {
    as_of: String,
    region: String,
    api_gateway: ApiGateway,
    lambda: Lambda,
    sqs: Sqs,
    s3: S3,
    model: Model,
}

#[derive(Deserialize)]
struct ApiGateway {
    per_million: f64,
    metered_bytes: usize,
}

#[derive(Deserialize)]
struct Lambda {
    requests_per_million: f64,
    arm64_per_gb_second: f64,
    x86_64_per_gb_second: f64,
    full_processor_mb: f64,
}

#[derive(Deserialize)]
struct Sqs {
    per_million: f64,
    fair_per_million: f64,
    metered_bytes: usize,
}

#[derive(Deserialize)]
struct S3 {
    put_per_thousand: f64,
    gb_month: f64,
}

#[derive(Deserialize)]
struct Model {
    memory_mb: Vec<f64>,
    send_message_ms: f64,
    put_object_ms: f64,
    cold_share: f64,
    payload_days: f64,
}

impl Prices {
    /// # Errors If the file cannot be read or a price is missing.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(toml::from_str(&text)?)
    }

    fn gb_second(&self) -> f64 {
        if cfg!(target_arch = "aarch64") { self.lambda.arm64_per_gb_second } else { self.lambda.x86_64_per_gb_second }
    }

    /// The duration of a callback, in milliseconds.
    fn duration_ms(&self, cpu_ms: f64, size: Size, memory_mb: f64) -> f64 {
        let share = (memory_mb / self.lambda.full_processor_mb).min(1.0);
        let put_ms = if size.is_inline() { 0.0 } else { self.model.put_object_ms };
        cpu_ms / share + self.model.send_message_ms + put_ms
    }

    /// Lambda's share of the cost of a million callbacks.
    fn lambda_dollars(&self, duration_ms: f64, start_ms: f64, memory_mb: f64) -> f64 {
        let billed_ms = duration_ms.ceil() + self.model.cold_share * start_ms.ceil();
        self.lambda.requests_per_million + MILLION * billed_ms / 1_000.0 * memory_mb / 1_024.0 * self.gb_second()
    }

    /// SQS's price for a million messages of this many bytes.
    fn sqs_dollars(&self, bytes: usize) -> f64 {
        bytes.div_ceil(self.sqs.metered_bytes) as f64 * (self.sqs.per_million + self.sqs.fair_per_million)
    }

    /// The shares of API Gateway, SQS and S3. They are the same for every program.
    fn other_dollars(&self, size: Size) -> [f64; 3] {
        /// The size of a claim check. Any small size is metered as one unit.
        const POINTER_BYTES: usize = 1;
        let api_gateway = size.bytes().div_ceil(self.api_gateway.metered_bytes) as f64 * self.api_gateway.per_million;
        if size.is_inline() {
            return [api_gateway, self.sqs_dollars(size.bytes()), 0.0];
        }
        let months = self.model.payload_days * 12.0 / 365.0;
        let kept = MILLION * size.bytes() as f64 / 1e9 * self.s3.gb_month * months;
        [api_gateway, self.sqs_dollars(POINTER_BYTES), MILLION / 1_000.0 * self.s3.put_per_thousand + kept]
    }
}

/// A table for each size, with the duration of a callback and Lambda's cost of a million at each memory size.
pub fn tables(measured: &Measured, prices: &Prices) -> String {
    let Some(transport) = measured.main_transport() else { return String::new() };
    let mut text =
        format!("### Cost of a million callbacks in US dollars, {}, prices of {}\n", prices.region, prices.as_of);
    for size in measured.sizes() {
        let [api_gateway, sqs, s3] = prices.other_dollars(size);
        text += &format!(
            "\n{}: API Gateway {api_gateway:.2}, SQS {sqs:.2}, S3 {s3:.2}, and Lambda ({}):\n\n",
            size.label(),
            transport.label()
        );
        let header: Vec<&str> = ["memory"].into_iter().chain(measured.subjects.iter().map(String::as_str)).collect();
        // `None` if it was not measured.
        let cost = |subject: &str, memory_mb: f64| {
            let cpu_ms = measured.figure(&CPU, subject, transport, Some(size))?;
            let start_ms = measured.figure(&START, subject, transport, None)?;
            let duration_ms = prices.duration_ms(cpu_ms, size, memory_mb);
            Some((prices.lambda_dollars(duration_ms, start_ms, memory_mb), duration_ms))
        };
        let has_room = |subject: &str, memory_mb: f64| {
            measured.figure(&PEAK, subject, transport, Some(size)).is_some_and(|peak_mib| peak_mib <= memory_mb)
        };
        let memories = prices.model.memory_mb.iter();
        let of_function = memories.filter(|memory_mb| has_room(FUNCTION, **memory_mb));
        let of_function = of_function.filter_map(|memory_mb| Some(cost(FUNCTION, *memory_mb)?.0));
        let least = of_function.fold(f64::INFINITY, f64::min);
        let rows = prices.model.memory_mb.iter().map(|memory_mb| {
            let own = cost(FUNCTION, *memory_mb);
            let cell = |subject: &String| {
                let Some((dollars, duration_ms)) = cost(subject, *memory_mb) else { return String::new() };
                if !has_room(subject, *memory_mb) {
                    return "too little".to_owned();
                }
                let mark = match own {
                    _ if subject == FUNCTION && dollars <= least => ", least".to_owned(),
                    Some((own, _)) if subject != FUNCTION => format!(", ×{}", table::short(dollars / own)),
                    _ => String::new(),
                };
                format!("{dollars:.2}{mark}, {} ms", table::short(duration_ms))
            };
            [format!("{memory_mb} MB")].into_iter().chain(measured.subjects.iter().map(cell)).collect()
        });
        text += &table::markdown(&header, rows);
        text += "\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prices() -> Prices {
        toml::from_str(include_str!("../../prices.toml")).unwrap()
    }

    #[test]
    fn a_callback_lasts_its_processor_time_by_the_share_and_the_waiting() {
        let prices = prices();
        let (whole, waiting) = (prices.lambda.full_processor_mb, prices.model.send_message_ms);
        assert_eq!(prices.duration_ms(1.0, Size::Kb2, whole / 4.0), 4.0 + waiting);
        assert_eq!(prices.duration_ms(1.0, Size::Kb2, whole * 2.0), 1.0 + waiting);
        assert_eq!(prices.duration_ms(1.0, Size::Mb5, whole), 1.0 + waiting + prices.model.put_object_ms);
    }

    #[test]
    fn lambda_bills_the_started_millisecond() {
        let prices = prices();
        assert_eq!(prices.lambda_dollars(0.1, 0.0, 128.0), prices.lambda_dollars(1.0, 0.0, 128.0));
        assert!(prices.lambda_dollars(1.1, 0.0, 128.0) > prices.lambda_dollars(1.0, 0.0, 128.0));
    }

    #[test]
    fn chunks_are_metered_as_started() {
        let prices = prices();
        let [api_gateway, sqs, s3] = prices.other_dollars(Size::Mb1);
        assert_eq!(api_gateway, 2.0 * prices.api_gateway.per_million);
        assert_eq!((sqs, s3), (16.0 * prices.sqs_dollars(1), 0.0));
        assert_eq!(prices.other_dollars(Size::Mb5)[1], prices.sqs_dollars(1));
    }
}
