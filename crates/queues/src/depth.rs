//! `cargo dev queues`: shows how many messages are on each queue, and the age of the oldest.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use anstyle::{AnsiColor, Style};
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat, ScanBy};
use flinks_webhooks::routing::Kind;
use futures_util::future::try_join_all;
use serde_json::json;

use super::connection::{Connection, Counts, Queue, Target};
use flinks_dev::{failed_call, failure::Failure, output::Output};

/// Show how many messages are on each queue and its dead-letter queue, and how old the oldest is.
///
/// Consumers can receive visible messages. A message in flight is with a consumer, and becomes visible again unless the
/// consumer deletes it. Delayed messages cannot be received yet.
///
/// On AWS these counts are approximate. The age is CloudWatch's ApproximateAgeOfOldestMessage, which is some minutes
/// late. It is n/a if CloudWatch has no value or the permission cloudwatch:GetMetricData is missing. A dead letter's
/// age counts from the time when SQS moved it.
#[derive(clap::Args, Debug)]
pub struct QueuesArguments {
    #[command(flatten)]
    target: Target,
}

/// Prints two lines for each queue, or two objects.
///
/// # Errors
/// If the queues cannot be reached.
pub async fn run(arguments: &QueuesArguments, output: &Output) -> Result<(), Failure> {
    let connection = Connection::open(&arguments.target).await?;
    let queues = connection.queues(&Kind::ALL).await?;
    let places = queues.iter().flat_map(|queue| [(queue, false), (queue, true)]);
    let depths = places.map(async |(queue, dead_letters)| {
        let counts = connection.counts(queue.url(dead_letters)).await?;
        Ok(Depth { queue, dead_letters, counts })
    });
    let depths = try_join_all(depths).await?;
    let ages = ages(&connection, &depths).await;

    output.line(format_args!("{:<24}{:>9}{:>11}{:>9}   OLDEST", "QUEUE", "VISIBLE", "IN FLIGHT", "DELAYED"));
    for depth in &depths {
        let age = ages.as_ref().ok().and_then(|ages| ages.get(depth.url()));
        depth.print(age.copied(), output);
    }
    if let Err(reason) = ages {
        output.line(format_args!("n/a: CloudWatch did not return the age: {reason}"));
    }
    Ok(())
}

/// The counts of one queue, or of its dead-letter queue.
struct Depth<'a> {
    queue: &'a Queue,
    dead_letters: bool,
    counts: Counts,
}

impl Depth<'_> {
    fn url(&self) -> &str {
        self.queue.url(self.dead_letters)
    }

    fn is_empty(&self) -> bool {
        let Counts { visible, in_flight, delayed } = self.counts;
        visible == 0 && in_flight == 0 && delayed == 0
    }

    fn print(&self, age: Option<Duration>, output: &Output) {
        let Counts { visible, in_flight, delayed } = self.counts;
        output.json(&json!({
            "queue": self.queue.logical_name(self.dead_letters),
            "kind": self.queue.kind.label(),
            "deadLetters": self.dead_letters,
            "visible": visible,
            "inFlight": in_flight,
            "delayed": delayed,
            "oldestSeconds": age.map(|age| age.as_secs()),
            "url": self.url(),
        }));
        let name = if self.dead_letters { "  its dead letters" } else { self.queue.kind.queue() };
        let age = match age {
            _ if self.is_empty() => "-".to_owned(),
            Some(age) => humantime::format_duration(age).to_string(),
            None => "n/a".to_owned(),
        };
        // Dead letters need a person's attention.
        let style = if self.dead_letters && !self.is_empty() { AnsiColor::Yellow.on_default() } else { Style::new() };
        output.line(format_args!("{style}{name:<24}{visible:>9}{in_flight:>11}{delayed:>9}   {age}{style:#}"));
    }
}

/// The age of the oldest message by the queue's URL, if CloudWatch has it.
///
/// # Errors
/// If the call fails, with the reason.
async fn ages<'a>(connection: &Connection, depths: &'a [Depth<'a>]) -> Result<HashMap<&'a str, Duration>, String> {
    /// The start of the time range, before now. The metric has a value each minute, and it is some minutes late.
    const BEFORE: Duration = Duration::from_secs(15 * 60);
    /// The end of the time range, after now. This machine's clock and CloudWatch's may differ.
    const AFTER: Duration = Duration::from_secs(60);

    let full: Vec<_> = depths.iter().filter(|depth| !depth.is_empty()).collect();
    if full.is_empty() {
        return Ok(HashMap::new());
    }
    let now = SystemTime::now();
    let queries = full.iter().enumerate().map(|(place, depth)| {
        let stat = age_metric(depth.url());
        MetricDataQuery::builder().id(query_id(place)).metric_stat(stat).build()
    });
    let request = connection
        .metrics
        .get_metric_data()
        .set_metric_data_queries(Some(queries.collect()))
        .start_time((now - BEFORE).into())
        .end_time((now + AFTER).into())
        .scan_by(ScanBy::TimestampDescending);
    let response = request.send().await.map_err(|error| failed_call::reason(&error))?;
    let ages = full.iter().enumerate().filter_map(|(place, depth)| {
        let id = query_id(place);
        let result = response.metric_data_results().iter().find(|result| result.id() == Some(id.as_str()))?;
        let seconds = Duration::try_from_secs_f64(*result.values().first()?).ok()?;
        Some((depth.url(), seconds))
    });
    Ok(ages.collect())
}

/// A query's id. It must start with a letter.
fn query_id(place: usize) -> String {
    format!("q{place}")
}

fn age_metric(queue_url: &str) -> MetricStat {
    /// The metric's period.
    const SECONDS: i32 = 60;
    let name = queue_url.rsplit('/').next().unwrap_or_default();
    let queue = Dimension::builder().name("QueueName").value(name).build();
    let metric =
        Metric::builder().namespace("AWS/SQS").metric_name("ApproximateAgeOfOldestMessage").dimensions(queue).build();
    MetricStat::builder().metric(metric).period(SECONDS).stat("Maximum").build()
}
