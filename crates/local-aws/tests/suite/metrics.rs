//! CloudWatch's metric of a queue.

use std::time::{Duration, SystemTime};

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat};
use aws_sdk_sqs::types::QueueAttributeName::{QueueArn, RedrivePolicy, VisibilityTimeout};

use crate::support::{Target, code};

rules! {
    a_queue_has_the_age_of_its_oldest_message: Lacks,
    a_message_in_flight_or_delayed_ages_too: Lacks,
    a_dead_letter_ages_from_when_it_was_moved: Lacks,
    an_empty_queue_has_no_age: Lacks,
    a_time_span_ends_after_it_starts: Lacks,
}

async fn a_queue_has_the_age_of_its_oldest_message(t: &Target) {
    let queue = t.queue([]).await;
    send(t, &queue, 0).await;
    t.pass(Duration::from_secs(100)).await;
    send(t, &queue, 0).await;
    assert_eq!(age(t, &queue).await, Some(100.0));
}

async fn a_message_in_flight_or_delayed_ages_too(t: &Target) {
    let queue = t.queue([]).await;
    send(t, &queue, 900).await;
    t.pass(Duration::from_secs(10)).await;
    assert_eq!(age(t, &queue).await, Some(10.0));
}

async fn a_dead_letter_ages_from_when_it_was_moved(t: &Target) {
    let dead_letters = t.queue([]).await;
    let arn = t.attribute(&dead_letters, QueueArn).await;
    let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":1}}"#);
    let queue = t.queue([(RedrivePolicy, &policy), (VisibilityTimeout, "0")]).await;
    send(t, &queue, 0).await;
    t.pass(Duration::from_secs(100)).await;
    for _ in 0..2 {
        t.sqs.receive_message().queue_url(&queue).send().await.unwrap();
    }
    t.pass(Duration::from_secs(7)).await;
    assert_eq!(age(t, &queue).await, None);
    assert_eq!(age(t, &dead_letters).await, Some(7.0));
}

async fn an_empty_queue_has_no_age(t: &Target) {
    let queue = t.queue([]).await;
    assert_eq!(age(t, &queue).await, None);
}

async fn a_time_span_ends_after_it_starts(t: &Target) {
    let now = DateTime::from(SystemTime::now());
    let query = MetricDataQuery::builder().id("age").metric_stat(stat("any")).build();
    let request = t.metrics.get_metric_data().metric_data_queries(query).start_time(now).end_time(now);
    assert_eq!(code(request.send().await), "InvalidParameterValue");
}

async fn send(t: &Target, queue: &str, delay: i32) {
    t.sqs.send_message().queue_url(queue).message_body("x").delay_seconds(delay).send().await.unwrap();
}

/// The age of the oldest message, in seconds.
async fn age(t: &Target, queue: &str) -> Option<f64> {
    let query = MetricDataQuery::builder().id("age").metric_stat(stat(queue)).build();
    let now = SystemTime::now();
    let request = t.metrics.get_metric_data().metric_data_queries(query);
    let request = request.start_time((now - Duration::from_secs(600)).into());
    let data = request.end_time((now + Duration::from_secs(60)).into()).send().await.unwrap();
    let [result] = data.metric_data_results() else { panic!("{data:?}") };
    assert_eq!(result.id(), Some("age"));
    assert_eq!(result.timestamps().len(), result.values().len());
    result.values().first().copied()
}

fn stat(queue: &str) -> MetricStat {
    let name = queue.rsplit('/').next().unwrap();
    let dimension = Dimension::builder().name("QueueName").value(name).build();
    let metric = Metric::builder().namespace("AWS/SQS").metric_name("ApproximateAgeOfOldestMessage");
    MetricStat::builder().metric(metric.dimensions(dimension).build()).period(60).stat("Maximum").build()
}
