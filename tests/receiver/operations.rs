//! Checks the alarms, the dashboard and the runbook against the code and against each other.

use std::collections::{BTreeMap, BTreeSet};

use flinks_webhooks::{
    rejection::Rejection,
    routing::Kind,
    telemetry::Metric,
    telemetry::metric::{FUNCTION_NAME, FUNCTION_VERSION, KIND, NAMESPACE, REASON},
};
use serde_json::{Value, json};
use strum::VariantArray;

use crate::template::{resource, template};

const REJECTIONS: &[Rejection] = Rejection::VARIANTS;

/// A metric as an alarm or a widget names it. References to the template are written as in `Fn::Sub`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    pub namespace: String,
    pub name: String,
    pub dimensions: BTreeMap<String, String>,
}

/// A text, or `{"Ref": "X"}` and `{"GetAtt": "X.Y"}` as `Fn::Sub` writes them.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => {
            let (_, inner) = other.as_object().unwrap().iter().next().unwrap();
            let inner = inner.as_str().unwrap();
            if other.get("Sub").is_some() { inner.to_owned() } else { format!("${{{inner}}}") }
        }
    }
}

fn of_type(template: &Value, of_type: &str) -> BTreeMap<String, Value> {
    let resources = template["Resources"].as_object().unwrap();
    let wanted = resources.iter().filter(|(_, resource)| resource["Type"] == of_type);
    wanted.map(|(name, resource)| (name.clone(), resource["Properties"].clone())).collect()
}

pub fn alarms(template: &Value) -> BTreeMap<String, Value> {
    of_type(template, "AWS::CloudWatch::Alarm")
}

/// The metrics of an alarm: the one that it watches, or those in its expression.
pub fn watched(alarm: &Value) -> Vec<Named> {
    let metrics = alarm.get("Metrics").map(|_| {
        metrics_of(alarm).iter().filter_map(|metric| metric.get("MetricStat")).map(|stat| &stat["Metric"]).collect()
    });
    let named = |metric: &Value| Named {
        namespace: text(&metric["Namespace"]),
        name: text(&metric["MetricName"]),
        dimensions: metric["Dimensions"].as_array().map_or_else(BTreeMap::new, |dimensions| {
            dimensions.iter().map(|dimension| (text(&dimension["Name"]), text(&dimension["Value"]))).collect()
        }),
    };
    metrics.unwrap_or_else(|| vec![alarm]).into_iter().map(named).collect()
}

/// The metrics of an alarm on an expression. A metric behind a condition is included as if the condition held.
fn metrics_of(alarm: &Value) -> Vec<&Value> {
    let metrics = alarm["Metrics"].as_array().into_iter().flatten();
    metrics.map(|metric| metric.pointer("/If/1").unwrap_or(metric)).collect()
}

/// The expression of an alarm, as if every condition held. `None` for an alarm on one metric.
fn expression(alarm: &Value) -> Option<String> {
    let expression = metrics_of(alarm).into_iter().find_map(|metric| metric.get("Expression"))?;
    let text = expression.pointer("/If/1").or_else(|| expression.pointer("/Sub/0")).unwrap_or(expression);
    let canary = expression.pointer("/Sub/1/Canary/If/1").map_or("", |canary| canary.as_str().unwrap());
    Some(text.as_str().unwrap().replace("${Canary}", canary))
}

/// The widgets of the dashboard, including the alarms that a parameter can switch off.
fn widgets(template: &Value) -> Vec<Value> {
    let body = &resource(template, "Dashboard")["Properties"]["DashboardBody"]["Sub"];
    let optional = body[1]["OptionalAlarms"]["Join"][1].as_array().unwrap();
    let optional: String = optional.iter().map(|alarm| text(&alarm["If"][1])).collect();
    let body = body[0].as_str().unwrap().replace("${OptionalAlarms}", &optional);
    let body: Value = serde_json::from_str(&body).unwrap();
    body["widgets"].as_array().unwrap().clone()
}

/// The metrics of a widget. In a row, "." repeats the word above it.
pub fn shown(widget: &Value) -> Vec<Named> {
    let mut above: Vec<String> = Vec::new();
    let mut named = Vec::new();
    for row in widget["properties"]["metrics"].as_array().into_iter().flatten() {
        let words = row.as_array().unwrap().iter().filter_map(Value::as_str).enumerate();
        let words = words.map(|(at, word)| if word == "." { above[at].clone() } else { word.to_owned() }).collect();
        above = words;
        // A row without words is an expression.
        if let [namespace, name, dimensions @ ..] = above.as_slice() {
            let dimensions = dimensions.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
            named.push(Named { namespace: namespace.clone(), name: name.clone(), dimensions });
        }
    }
    named
}

fn all_shown(template: &Value) -> BTreeSet<Named> {
    widgets(template).iter().flat_map(shown).collect()
}

/// Every metric with each set of dimensions that the code publishes.
fn published() -> BTreeSet<Named> {
    let mut published = BTreeSet::new();
    for metric in Metric::ALL {
        let function = match metric {
            // Of another stack, without a dashboard.
            Metric::Published | Metric::PublishedBytes | Metric::PublishFailures => continue,
            // Of another stack: `recovery_template.rs` checks its dashboard.
            Metric::Recovered
            | Metric::RecoveredBytes
            | Metric::RecoveryPending
            | Metric::RecoveryFailed
            | Metric::RecoveryStepFailures => continue,
            Metric::Undelivered
            | Metric::UndeliveredAge
            | Metric::Redelivered
            | Metric::RedeliveredBytes
            | Metric::RedeliveryFailures => "${RedeliveryFunction}",
            _ => "${ReceiverFunction}",
        };
        for dimensions in metric.dimensions() {
            let further = match dimensions[1..] {
                [] => vec![None],
                [KIND] => Kind::ALL.map(|kind| Some((KIND, kind.label()))).into(),
                [REASON] => REJECTIONS.iter().map(|rejection| Some((REASON, rejection.label()))).collect(),
                _ => panic!("{dimensions:?}"),
            };
            assert_eq!(dimensions[0], FUNCTION_NAME);
            for further in further {
                let dimensions = [(FUNCTION_NAME, function)].into_iter().chain(further);
                published.insert(Named {
                    namespace: NAMESPACE.to_owned(),
                    name: metric.name().to_owned(),
                    dimensions: dimensions.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
                });
            }
        }
    }
    published
}

/// The metrics that the code also publishes by function version.
fn published_by_version() -> BTreeSet<Named> {
    let version = "${ReceiverFunction.Version.Version}";
    let mut published = BTreeSet::new();
    for metric in Metric::ALL {
        for dimensions in metric.dimensions_by_version() {
            let reasons = if dimensions.contains(&REASON) { VERSION_REJECTIONS.map(Some).to_vec() } else { vec![None] };
            for reason in reasons {
                let reason = reason.map(|reason| (REASON, reason.label()));
                let named =
                    [(FUNCTION_NAME, "${ReceiverFunction}"), (FUNCTION_VERSION, version)].into_iter().chain(reason);
                published.insert(Named {
                    namespace: NAMESPACE.to_owned(),
                    name: metric.name().to_owned(),
                    dimensions: named.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
                });
            }
        }
    }
    published
}

/// The rejections that a bad version can cause.
const VERSION_REJECTIONS: [Rejection; 3] = [Rejection::NoKeys, Rejection::NotStored, Rejection::Fault];

#[test]
fn the_metrics_published_by_version_are_those_that_roll_a_deploy_back() {
    let rolling_back = rolling_back(&template());
    let watched: BTreeSet<_> =
        rolling_back.values().flat_map(watched).filter(|named| named.namespace == NAMESPACE).collect();
    assert_eq!(watched, published_by_version());
}

#[test]
fn the_list_of_rejections_is_complete() {
    for (at, rejection) in REJECTIONS.iter().copied().enumerate() {
        let place = match rejection {
            Rejection::NotHttp => 0,
            Rejection::NotBase64 => 1,
            Rejection::SourceNotAllowed => 2,
            Rejection::SignatureMissing => 3,
            Rejection::SignatureMalformed => 4,
            Rejection::SignatureWrong => 5,
            Rejection::NoKeys => 6,
            Rejection::NotStored => 7,
            Rejection::Fault => 8,
        };
        assert_eq!(place, at);
    }
}

#[test]
fn alarms_and_widgets_name_only_metrics_that_are_published() {
    let (template, mut published) = (template(), published());
    published.extend(published_by_version());
    let filters = of_type(&template, "AWS::Logs::MetricFilter");
    let mut filtered: BTreeSet<_> = filters
        .values()
        .flat_map(|filter| filter["MetricTransformations"].as_array().unwrap())
        .map(|made| (text(&made["MetricNamespace"]), text(&made["MetricName"])))
        .collect();
    // The canary publishes this metric itself.
    let canary = resource(&template, "CanaryFunction")["Properties"].clone();
    assert!(canary["InlineCode"].as_str().unwrap().contains(r#""Name": "CanaryRejected""#));
    filtered.insert((text(&canary["Environment"]["Variables"]["NAMESPACE"]), "CanaryRejected".to_owned()));
    let watched = alarms(&template).values().flat_map(watched).collect::<Vec<_>>();
    for named in watched.into_iter().chain(all_shown(&template)) {
        let ours = named.namespace.starts_with(NAMESPACE);
        let from_a_filter = filtered.contains(&(named.namespace.clone(), named.name.clone()));
        assert!(!ours || from_a_filter || published.contains(&named), "nothing publishes {named:?}");
        for value in named.dimensions.values().filter_map(|value| value.strip_prefix("${")) {
            resource(&template, value.split(['.', '}']).next().unwrap());
        }
    }
}

#[test]
fn the_access_log_has_every_field_that_a_metric_filter_reads() {
    let template = template();
    let log = resource(&template, "WebhookApi")["Properties"]["AccessLogSettings"]["Format"].clone();
    let log: BTreeMap<String, String> = serde_json::from_str(log.as_str().unwrap()).unwrap();
    let filter = resource(&template, "ApiRejectionsFilter")["Properties"]["FilterPattern"].clone();
    let mut fields = filter.as_str().unwrap().split("$.").skip(1).map(|field| field.split(' ').next().unwrap());
    assert!(fields.all(|field| log.contains_key(field)), "{filter}");
}

#[test]
fn every_metric_is_on_the_dashboard_by_each_kind_and_reason() {
    let shown = all_shown(&template());
    // The dashboard shows such a metric by kind or reason instead.
    let broken_down =
        |named: &Named| published().iter().any(|other| other.name == named.name && other.dimensions.len() > 1);
    for named in published() {
        assert!(shown.contains(&named) || (named.dimensions.len() == 1 && broken_down(&named)), "{named:?}");
    }
}

#[test]
fn every_queue_is_on_the_dashboard_with_its_depth_age_and_dead_letters() {
    let shown = all_shown(&template());
    for kind in Kind::ALL {
        let dead_letters = kind.queue().replace("Queue", "DeadLetterQueue");
        for (name, queue) in [
            ("ApproximateNumberOfMessagesVisible", kind.queue()),
            ("ApproximateAgeOfOldestMessage", kind.queue()),
            ("NumberOfMessagesSent", kind.queue()),
            ("ApproximateNumberOfMessagesVisible", &dead_letters),
        ] {
            let named = Named {
                namespace: "AWS/SQS".to_owned(),
                name: name.to_owned(),
                dimensions: [("QueueName".to_owned(), format!("${{{queue}.QueueName}}"))].into(),
            };
            assert!(shown.contains(&named), "{named:?}");
        }
    }
}

#[test]
fn widgets_do_not_overlap_in_the_24_columns() {
    let mut taken = BTreeSet::new();
    for widget in widgets(&template()) {
        let number = |name: &str| widget[name].as_u64().unwrap();
        let title = &widget["properties"]["title"];
        for x in number("x")..number("x") + number("width") {
            for y in number("y")..number("y") + number("height") {
                assert!(x < 24 && taken.insert((x, y)), "{title} overlaps another widget or the edge");
            }
        }
    }
}

#[test]
fn the_dashboard_shows_the_state_of_every_alarm() {
    let template = template();
    let widgets = widgets(&template);
    let states = widgets.iter().find(|widget| widget["type"] == "alarm").unwrap();
    let shown: BTreeSet<_> = states["properties"]["alarms"].as_array().unwrap().iter().map(text).collect();
    assert_eq!(shown, alarms(&template).keys().map(|name| format!("${{{name}.Arn}}")).collect());
}

#[test]
fn every_alarm_notifies_when_it_fires_and_when_it_clears() {
    let template = template();
    let topic = json!([{ "If": ["MakeAlarmTopic", { "Ref": "AlarmTopic" }, { "Ref": "AlarmTopicArn" }] }]);
    for (name, alarm) in alarms(&template) {
        assert_eq!((&alarm["AlarmActions"], &alarm["OKActions"]), (&topic, &topic), "{name}");
        assert!(text(&alarm["AlarmName"]).starts_with("${AWS::StackName}-"), "{name}");
    }
    let policy = resource(&template, "AlarmTopicPolicy");
    let statements = &policy["Properties"]["PolicyDocument"]["Statement"];
    assert_eq!(statements[0]["Principal"], json!({ "Service": "cloudwatch.amazonaws.com" }));
    assert_eq!(
        statements[0]["Condition"],
        json!({ "StringEquals": { "aws:SourceAccount": { "Ref": "AWS::AccountId" } } })
    );
    assert_eq!(
        (&statements[1]["Effect"], &statements[1]["Condition"]),
        (&json!("Deny"), &json!({ "Bool": { "aws:SecureTransport": "false" } }))
    );
}

#[test]
fn missing_data_breaches_only_alarms_that_expect_data() {
    for (name, alarm) in alarms(&template()) {
        let absence = alarm["ComparisonOperator"] == "LessThanThreshold";
        assert_eq!(alarm["TreatMissingData"], if absence { "breaching" } else { "notBreaching" }, "{name}");
    }
}

#[test]
fn every_alarm_has_its_section_in_the_runbook_and_every_section_its_alarm() {
    let runbook = include_str!("../../docs/runbook.md");
    let (_, alarms_and_rest) = runbook.split_once("\n## Alarms\n").unwrap();
    let (of_alarms, _) = alarms_and_rest.split_once("\n## ").unwrap();
    let headings = of_alarms.lines().filter_map(|line| line.strip_prefix("### "));
    let sections: BTreeSet<_> = headings.map(|heading| heading.to_lowercase().replace(' ', "-")).collect();
    let mut named = BTreeSet::new();
    for (name, alarm) in alarms(&template()) {
        let description = alarm["AlarmDescription"].as_str().unwrap();
        let (says, section) = description.split_once(" See docs/runbook.md#").unwrap();
        // CloudWatch allows 1024 characters.
        assert!((80..1_000).contains(&says.len()), "the description of {name} is too short or too long");
        named.insert(section.to_owned());
    }
    assert_eq!(named, sections);
}

#[test]
fn the_six_queues_have_the_same_alarms() {
    let template = template();
    let of_kind = |kind: Kind| {
        let stem = kind.queue().strip_suffix("Queue").unwrap();
        ["DeadLettersAlarm", "DeadLettersAgeAlarm", "AgeAlarm"].map(|alarm| {
            let alarm = resource(&template, &format!("{stem}{alarm}")).to_string();
            assert!(alarm.contains(&format!("\"{stem}")) && alarm.contains(&format!("-{stem}Queue-")), "{alarm}");
            alarm.replace(stem, "")
        })
    };
    for kind in Kind::ALL {
        assert_eq!(of_kind(kind), of_kind(Kind::Kyc));
    }
}

#[test]
fn a_deploy_rolls_back_on_alarms_about_the_new_version() {
    let template = template();
    let receiver = resource(&template, "ReceiverFunction")["Properties"].clone();
    assert_eq!(receiver["AutoPublishAlias"], "live");
    assert_eq!(receiver["AutoPublishAliasAllProperties"], true);
    assert_eq!(receiver["DeploymentPreference"]["Type"], json!({ "Ref": "Deployment" }));
    assert_eq!(
        receiver["DeploymentPreference"]["Hooks"],
        json!({ "PreTraffic": { "Ref": "DeploymentCheckFunction" } })
    );
    let rolling_back = rolling_back(&template);
    assert!(rolling_back.len() <= 10, "CodeDeploy allows 10 alarms");
    let watched_by: BTreeSet<_> = rolling_back.values().map(named_by_function).collect();
    assert_eq!(watched_by.len(), rolling_back.len(), "two alarms watch the same metric");
    let expected =
        ROLLBACK_METRICS.map(|(function, name, reason)| (function.to_owned(), name.to_owned(), reason.to_owned()));
    assert_eq!(watched_by, expected.into());
    for (name, alarm) in &rolling_back {
        // A fault of the old version is no reason to roll back to it. The redelivery has no versions.
        let dimensions = watched(alarm).remove(0).dimensions;
        let of_version = [FUNCTION_VERSION, "ExecutedVersion"].into_iter().any(|dimension| {
            dimensions.get(dimension).is_some_and(|version| version == "${ReceiverFunction.Version.Version}")
        });
        assert_eq!(of_version, name != "RedeliveryErrorsLastingAlarm", "{name}");
    }
    for (name, alarm) in alarms(&template).iter().filter(|(name, _)| !rolling_back.contains_key(*name)) {
        assert!(!alarm["Dimensions"].to_string().contains("Version"), "{name} watches every version");
    }
}

#[test]
fn codedeploy_may_invoke_the_check_and_the_check_may_invoke_the_functions() {
    let template = template();
    let role = &resource(&template, "ReceiverFunction")["Properties"]["DeploymentPreference"]["Role"];
    assert_eq!(*role, json!({ "GetAtt": "DeploymentRole.Arn" }));
    let invokes = |role: &str| {
        let statements = resource(&template, role)["Properties"]["Policies"][0]["PolicyDocument"]["Statement"].clone();
        let statement = statements.as_array().unwrap().iter().find(|found| found["Action"] == "lambda:InvokeFunction");
        statement.unwrap()["Resource"].clone()
    };
    assert_eq!(invokes("DeploymentRole"), json!({ "GetAtt": "DeploymentCheckFunction.Arn" }));
    let tries = json!([{ "Sub": "${ReceiverFunction.Arn}:*" }, { "GetAtt": "RedeliveryFunction.Arn" }]);
    assert_eq!(invokes("DeploymentCheckRole"), tries);
    let check = resource(&template, "DeploymentCheckFunction")["Properties"].clone();
    let variables = &check["Environment"]["Variables"];
    assert_eq!(variables["NEW_VERSION"], json!({ "Ref": "ReceiverFunction.Version" }));
    // CodeDeploy waits one hour for the check's result.
    assert!(check["Timeout"].as_u64().unwrap() < 3_600);
}

/// The metrics that roll a deploy back: function, metric and reason.
const ROLLBACK_METRICS: [(&str, &str, &str); 7] = [
    ("${ReceiverFunction}", "Errors", ""),
    ("${ReceiverFunction}", "Duration", ""),
    ("${ReceiverFunction}", "Rejected", "no-keys"),
    ("${ReceiverFunction}", "Rejected", "not-stored"),
    ("${ReceiverFunction}", "Rejected", "fault"),
    ("${ReceiverFunction}", "StoredUndelivered", ""),
    ("${RedeliveryFunction}", "Errors", ""),
];

/// The alarms that roll a deploy back.
fn rolling_back(template: &Value) -> BTreeMap<String, Value> {
    let receiver = resource(template, "ReceiverFunction");
    let names = receiver["Properties"]["DeploymentPreference"]["Alarms"].as_array().unwrap().iter();
    let names: BTreeSet<_> = names.map(|alarm| alarm["Ref"].as_str().unwrap()).collect();
    alarms(template).into_iter().filter(|(name, _)| names.contains(name.as_str())).collect()
}

/// The function, the metric and the reason of an alarm on one metric.
fn named_by_function(alarm: &Value) -> (String, String, String) {
    let [watched] = <[Named; 1]>::try_from(watched(alarm)).unwrap();
    let reason = watched.dimensions.get(REASON).cloned().unwrap_or_default();
    (watched.dimensions[FUNCTION_NAME].clone(), watched.name, reason)
}

/// How many periods over the threshold an alarm needs, out of how many, and the seconds of a period.
fn needs(alarm: &Value) -> (u64, u64, u64) {
    assert_eq!((&alarm["ComparisonOperator"], &alarm["Threshold"]), (&json!("GreaterThanThreshold"), &json!(0)));
    let of = alarm["EvaluationPeriods"].as_u64().unwrap();
    // A period that `RedeliveryMinutes` sets counts as 0 here; it has one run.
    (alarm["DatapointsToAlarm"].as_u64().unwrap_or(of), of, alarm["Period"].as_u64().unwrap_or_default())
}

#[test]
fn a_short_fault_rolls_nothing_back_and_a_lasting_one_rolls_back() {
    const MIN_DEPLOYMENT_SECONDS: u64 = 5 * 60;
    let template = template();
    let (all, rolling_back) = (alarms(&template), rolling_back(&template));
    let of_receiver = [
        (Metric::Rejected.name(), Rejection::NoKeys.label()),
        (Metric::Rejected.name(), Rejection::NotStored.label()),
        (Metric::StoredUndelivered.name(), ""),
    ];
    let of_receiver = of_receiver.map(|(name, reason)| ("${ReceiverFunction}", name, reason));
    for (function, name, reason) in of_receiver.into_iter().chain([("${RedeliveryFunction}", "Errors", "")]) {
        let made_by_aws = (function.to_owned(), name.to_owned(), reason.to_owned());
        let watching = |alarm: &&Value| {
            alarm.get("Metrics").is_none()
                && matches!(&watched(alarm)[..], [one] if one.dimensions.contains_key(FUNCTION_NAME))
                && named_by_function(alarm) == made_by_aws
        };
        let rolls_back = rolling_back.values().find(watching).unwrap();
        let (bad, of, seconds) = needs(rolls_back);
        if function == "${ReceiverFunction}" {
            // A fault of one second, plus the 12 seconds until its callbacks get a response, affects two minutes at
            // most.
            assert!(seconds == 60 && bad > 2, "{name} {reason}");
            assert!(bad * seconds < MIN_DEPLOYMENT_SECONDS, "{name} {reason} fires only after the deploy is over");
        } else {
            // Each period has one run.
            assert!(bad > 1, "{name}");
        }
        assert!(bad <= of);
        let at_once = all.iter().find(|(other, alarm)| !rolling_back.contains_key(*other) && watching(alarm));
        let (bad, of, _) = needs(at_once.unwrap().1);
        assert_eq!((bad, of), (1, 1), "{name} {reason}: a single event must notify");
    }
    let (bad, of, seconds) = needs(&rolling_back["NewVersionStoredUndeliveredAlarm"]);
    assert!(bad >= 3 && of * seconds <= 5 * 60);
}

#[test]
fn receiver_slow_fires_when_the_time_budget_is_exceeded_and_not_when_it_is_used_up() {
    const RESPONSE_WITHIN_MS: u64 = 12_000;
    let template = template();
    let alarm = &alarms(&template)["ReceiverSlowAlarm"];
    assert_eq!((&alarm["MetricName"], &alarm["Statistic"]), (&json!("Duration"), &json!("Maximum")));
    let threshold = alarm["Threshold"].as_u64().unwrap();
    let timeout = resource(&template, "ReceiverFunction")["Properties"]["Timeout"].as_u64().unwrap();
    assert_eq!(threshold, RESPONSE_WITHIN_MS + 1_000);
    assert!(threshold < timeout * 1_000, "Lambda ends the function before that");
}

#[test]
fn an_unusable_key_notifies_and_rolls_nothing_back() {
    let template = template();
    let unusable = ("${ReceiverFunction}".to_owned(), Metric::UnusableKeys.name().to_owned(), String::new());
    let alarm = &alarms(&template)["UnusableKeyAlarm"];
    assert_eq!(named_by_function(alarm), unusable);
    assert_eq!((&alarm["ComparisonOperator"], &alarm["Threshold"]), (&json!("GreaterThanThreshold"), &json!(0)));
    assert!(!rolling_back(&template).values().any(|alarm| named_by_function(alarm) == unusable));
}

/// A parameter's allowed values, each with its value in a mapping.
fn mapped(template: &Value, parameter: &str, mapping: &str, to: &str) -> Vec<(String, String)> {
    let allowed = template["Parameters"][parameter]["AllowedValues"].as_array().unwrap();
    let mapping = template["Mappings"][mapping].as_object().unwrap();
    let allowed = allowed.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    allowed.map(|value| (value.clone(), mapping[&value][to].as_str().unwrap().to_owned())).collect()
}

#[test]
fn every_value_of_a_mapped_parameter_has_its_meaning() {
    let template = template();
    for parameter in ["QueueAgeAlarmMinutes", "RedeliveryMinutes"] {
        for (minutes, seconds) in mapped(&template, parameter, "Seconds", "Of") {
            assert_eq!(minutes.parse::<u32>().unwrap() * 60, seconds.parse::<u32>().unwrap());
        }
        // The transform looks up a default without converting it, and the keys are text.
        assert!(template["Parameters"][parameter]["Default"].is_string(), "{parameter}");
    }
    let gradual = mapped(&template, "Deployment", "Deployments", "Gradual");
    for (deployment, gradual) in &gradual {
        assert_eq!(gradual, if deployment == "AllAtOnce" { "false" } else { "true" });
    }
    assert_ne!(template["Parameters"]["Deployment"]["Default"], "AllAtOnce");
}

#[test]
fn no_alarm_looks_back_further_than_cloudwatch_does() {
    const HOUR: u64 = 3_600;
    let template = template();
    for (name, alarm) in alarms(&template) {
        let period = alarm["Period"].as_u64().unwrap_or(HOUR);
        let periods = match &alarm["EvaluationPeriods"] {
            Value::Number(periods) => periods.as_u64(),
            parameter => template["Parameters"][parameter["Ref"].as_str().unwrap()]["MaxValue"].as_u64(),
        };
        let longest = if period < HOUR { 24 * HOUR } else { 7 * 24 * HOUR };
        assert!(period * periods.unwrap() <= longest, "{name}");
    }
}

#[test]
fn all_rejected_counts_every_rejection_for_a_signature_or_an_address() {
    let alarm = alarms(&template())["AllRejectedAlarm"].clone();
    let metrics = metrics_of(&alarm);
    assert!(metrics.len() <= 10, "CloudWatch allows 10 metrics");
    let expression = expression(&alarm).unwrap();
    for metric in metrics.iter().filter(|metric| metric.get("ReturnData").is_some()) {
        let id = metric["Id"].as_str().unwrap();
        assert_eq!(expression.matches(id).count(), 1, "{id} in {expression}");
    }
    let counted = watched(&alarm).into_iter().filter_map(|metric| metric.dimensions.get(REASON).cloned());
    let expected = [
        Rejection::SourceNotAllowed,
        Rejection::SignatureMissing,
        Rejection::SignatureMalformed,
        Rejection::SignatureWrong,
    ];
    assert_eq!(counted.collect::<BTreeSet<_>>(), expected.map(|rejection| rejection.label().to_owned()).into());
}

/// Anybody can send what the canary sends, so the receiver cannot recognise its requests. The alarms subtract only as
/// many rejections as the canary itself counted. Without a canary they subtract nothing.
#[test]
fn the_canarys_requests_count_in_no_alarm_and_hide_nobody_elses() {
    let template = template();
    for (name, with, without) in [
        ("RejectionsAlarm", "FILL(rejected, 0) - FILL(canary, 0)", "FILL(rejected, 0)"),
        ("AllRejectedAlarm", "FILL(elsewhere, 0) - FILL(canary, 0), 0)", "FILL(elsewhere, 0), 0)"),
    ] {
        let alarm = &alarms(&template)[name];
        assert!(expression(alarm).unwrap().ends_with(with), "{name}");
        let expression = alarm["Metrics"][0]["Expression"].to_string();
        assert!(expression.contains(r#""If":["HasCanary""#), "{name}");
        let off = expression.replace("${Canary}", "");
        assert!(off.contains(without), "{name}: {off}");
        let canary = alarm["Metrics"].as_array().unwrap().last().unwrap();
        assert_eq!((&canary["If"][0], &canary["If"][2]), (&json!("HasCanary"), &json!({ "Ref": "AWS::NoValue" })));
    }
    // The canary's alarm also fires if the canary does not run.
    let alarm = &alarms(&template)["CanaryAlarm"];
    assert_eq!(
        (&alarm["TreatMissingData"], &alarm["ComparisonOperator"]),
        (&json!("breaching"), &json!("LessThanThreshold"))
    );
}

#[test]
fn a_dead_letter_that_waits_for_days_fires_a_second_alarm_before_it_expires() {
    const DAY: u64 = 24 * 60 * 60;
    let template = template();
    for kind in Kind::ALL {
        let stem = kind.queue().strip_suffix("Queue").unwrap();
        let alarm = &alarms(&template)[&format!("{stem}DeadLettersAgeAlarm")];
        let [named] = <[Named; 1]>::try_from(watched(alarm)).unwrap();
        assert_eq!(named.name, "ApproximateAgeOfOldestMessage");
        assert_eq!(named.dimensions["QueueName"], format!("${{{stem}DeadLetterQueue.QueueName}}"));
        assert_eq!(alarm["Threshold"], 3 * DAY);
    }
}

#[test]
fn the_default_throttle_fits_the_usual_concurrency_quota() {
    const QUOTA: u64 = 1_000;
    const SECONDS_HELD: u64 = 12;
    let template = template();
    let default = |parameter: &str| template["Parameters"][parameter]["Default"].as_u64().unwrap();
    let at_once = default("ThrottlingBurstLimit") + SECONDS_HELD * default("ThrottlingRateLimit");
    // The rest is for the redelivery and for other functions.
    assert!(at_once <= QUOTA - 100, "{at_once}");
    let hourly = default("HourlyRequestsAlarmThreshold");
    assert!(hourly < 3_600 * default("ThrottlingRateLimit"), "a flood at the rate of the throttle would fire no alarm");
}

#[test]
fn the_redelivery_alarms_stay_on_between_two_runs() {
    let template = template();
    let between_runs = redelivery_minutes(&template).into_iter().max().unwrap() * 60;
    let looks_back = |name: &str| {
        let alarm = &alarms(&template)[name];
        alarm["Period"].as_u64().unwrap() * alarm["EvaluationPeriods"].as_u64().unwrap()
    };
    assert!(looks_back("UndeliveredAlarm") >= between_runs);
    // The alarm tolerates one run that is late or fails.
    assert!(looks_back("RedeliveryStoppedAlarm") >= 2 * between_runs);
}

/// The allowed intervals of the redelivery, in minutes.
fn redelivery_minutes(template: &Value) -> Vec<u64> {
    let parameter = &template["Parameters"]["RedeliveryMinutes"];
    let number = |minutes: &Value| minutes.as_str().unwrap().parse().unwrap();
    let allowed: Vec<u64> = parameter["AllowedValues"].as_array().unwrap().iter().map(number).collect();
    assert!(allowed.contains(&number(&parameter["Default"])));
    allowed
}

#[test]
fn an_alarm_over_hours_fills_missing_data_and_a_redelivery_alarm_has_a_run_in_each_period() {
    let template = template();
    for (name, alarm) in alarms(&template) {
        let Some(expression) = expression(&alarm) else {
            assert!(
                alarm["Period"].as_u64().unwrap_or_default() < 3_600,
                "{name}: for longer periods CloudWatch needs filled data"
            );
            continue;
        };
        for metric in metrics_of(&alarm).iter().filter(|metric| metric.get("ReturnData").is_some()) {
            let id = metric["Id"].as_str().unwrap();
            assert!(expression.contains(&format!("FILL({id}, 0)")), "{name}: {expression}");
        }
    }
    for name in ["RedeliveryErrorsAlarm", "RedeliveryErrorsLastingAlarm"] {
        let period = &alarms(&template)[name]["Period"];
        assert_eq!(*period, json!({ "FindInMap": ["Seconds", { "Ref": "RedeliveryMinutes" }, "Of"] }), "{name}");
    }
}

#[test]
fn a_scheduled_run_of_the_redelivery_ends_before_the_next_one_begins() {
    /// EventBridge starts a run at any second of the scheduled minute.
    const MINUTE: u64 = 60;
    let template = template();
    let redelivery = resource(&template, "RedeliveryFunction")["Properties"].clone();
    let schedule = &redelivery["Events"]["Schedule"]["Properties"];
    assert_eq!(schedule["Schedule"]["Sub"], "rate(${RedeliveryMinutes} minutes)");
    assert_eq!(schedule["RetryPolicy"]["MaximumRetryAttempts"], 0);
    assert_eq!(redelivery["EventInvokeConfig"]["MaximumRetryAttempts"], 0);
    let begins_within = MINUTE + redelivery["EventInvokeConfig"]["MaximumEventAgeInSeconds"].as_u64().unwrap();
    let timeout = redelivery["Timeout"].as_u64().unwrap();
    for minutes in redelivery_minutes(&template) {
        assert!(minutes > 1, "EventBridge requires the singular for 1 minute");
        assert!(begins_within + timeout <= minutes * MINUTE, "every {minutes} minutes");
    }
    // A new account has no concurrency that it could reserve.
    assert!(redelivery.get("ReservedConcurrentExecutions").is_none());
}

#[test]
fn running_the_redelivery_by_hand_waits_for_its_end() {
    let template = template();
    let timeout = resource(&template, "RedeliveryFunction")["Properties"]["Timeout"].as_u64().unwrap();
    let output = template["Outputs"]["RunRedelivery"]["Value"]["Sub"].as_str().unwrap();
    for command in [output, include_str!("../../docs/runbook.md")] {
        let mut waits = command.split("--cli-read-timeout ").skip(1).peekable();
        assert!(waits.peek().is_some());
        // After a shorter timeout the AWS CLI would invoke the function again.
        assert!(waits.all(|rest| rest.split(' ').next().unwrap().parse::<u64>().unwrap() > timeout));
    }
}

#[test]
fn sam_deploy_waits_for_the_slowest_deployment() {
    let defaults = include_str!("../../samconfig.toml");
    let waits = defaults.lines().find_map(|line| line.strip_prefix("max_wait_duration = ")).unwrap();
    let number = |text: &str| text.parse::<u32>().unwrap();
    for deployment in template()["Parameters"]["Deployment"]["AllowedValues"].as_array().unwrap() {
        let deployment = deployment.as_str().unwrap().trim_end_matches("Minutes").trim_end_matches("Minute");
        let takes = match (deployment.split_once("Percent"), deployment.strip_prefix("Linear")) {
            (Some((_, minutes)), None) => number(minutes),
            (Some((_, every)), Some(linear)) => {
                let percent = number(linear.split_once("Percent").unwrap().0);
                (100 / percent - 1) * number(every.strip_prefix("Every").unwrap())
            }
            (None, _) => 0,
        };
        // Half an hour is for the steps before the shift and for a rollback.
        assert!(number(waits) >= takes + 30, "{deployment}");
    }
}
