//! Checks `recovery.yaml` against the code and against the documents.

use std::collections::{BTreeMap, BTreeSet};

use flinks_webhooks::{
    routing::Kind,
    telemetry::{Metric, metric::NAMESPACE},
};
use serde_json::{Value, json};

use crate::{
    operations::{Named, alarms, shown, watched},
    template::{recovery_template, resource},
};

const DOCUMENT: &str = include_str!("../../docs/recovery.md");
const QUEUES: [&str; 2] = ["RecoveryQueue", "RecoveryDeadLetterQueue"];
/// What `RecoveryFunction` publishes.
const METRICS: [Metric; 8] = [
    Metric::Recovered,
    Metric::RecoveredBytes,
    Metric::RecoveryPending,
    Metric::RecoveryFailed,
    Metric::RecoveryStepFailures,
    Metric::StoredInline,
    Metric::StoredClaimCheck,
    Metric::StoredUndelivered,
];

fn properties(name: &str) -> Value {
    resource(&recovery_template(), name)["Properties"].clone()
}

fn variables() -> Value {
    properties("RecoveryFunction")["Environment"]["Variables"].clone()
}

fn dashboard() -> Vec<Value> {
    let body = properties("Dashboard")["DashboardBody"]["Sub"].clone();
    let body: Value = serde_json::from_str(body.as_str().unwrap()).unwrap();
    body["widgets"].as_array().unwrap().clone()
}

#[test]
fn the_function_gets_one_request_at_a_time_of_the_queue() {
    let function = resource(&recovery_template(), "RecoveryFunction");
    assert_eq!(function["Metadata"]["BuildProperties"]["Binary"], "recovery");
    let events = function["Properties"]["Events"].as_object().unwrap();
    assert_eq!(events.len(), 1);
    let event = &events["Queue"]["Properties"];
    assert_eq!(event["Queue"]["GetAtt"], "RecoveryQueue.Arn");
    assert_eq!(event["BatchSize"], 1);
    assert_eq!(event["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]));
    assert_eq!(event["ScalingConfig"], json!({ "MaximumConcurrency": { "Ref": "MaximumConcurrency" } }));
    // SQS accepts no smaller one.
    let concurrency = &recovery_template()["Parameters"]["MaximumConcurrency"];
    assert_eq!((&concurrency["MinValue"], &concurrency["Default"]), (&json!(2), &json!(2)));
}

#[test]
fn a_request_stays_hidden_while_its_function_may_run() {
    let timeout = properties("RecoveryFunction")["Timeout"].as_u64().unwrap();
    // A call to Flinks may take 300 s, and what was recovered has to be stored after it.
    assert!(timeout >= 300 + 15, "{timeout}");
    assert_eq!(properties("RecoveryQueue")["VisibilityTimeout"], 6 * timeout);
}

#[test]
fn the_queues_are_encrypted_private_and_keep_requests_for_14_days() {
    for name in QUEUES {
        let queue = properties(name);
        assert_eq!(queue["QueueName"]["Sub"], format!("${{AWS::StackName}}-{name}"));
        assert_eq!(queue["MessageRetentionPeriod"], 14 * 24 * 60 * 60, "{name}");
        assert_eq!(queue["SqsManagedSseEnabled"], json!({ "If": ["HasKmsKey", { "Ref": "AWS::NoValue" }, true] }));
        let key = json!({ "If": ["HasKmsKey", { "Ref": "KmsKeyArn" }, { "Ref": "AWS::NoValue" }] });
        assert_eq!(queue["KmsMasterKeyId"], key, "{name}");
        let policy = properties(&format!("{name}Policy"));
        assert_eq!(policy["Queues"], json!([{ "Ref": name }]));
        let tls_only = &policy["PolicyDocument"]["Statement"][0];
        assert_eq!((&tls_only["Effect"], &tls_only["Action"]), (&json!("Deny"), &json!("sqs:*")));
        assert_eq!(tls_only["Resource"]["GetAtt"], format!("{name}.Arn"));
        assert_eq!(tls_only["Condition"], json!({ "Bool": { "aws:SecureTransport": "false" } }), "{name}");
    }
    let redrive = &properties("RecoveryQueue")["RedrivePolicy"];
    assert_eq!(redrive["deadLetterTargetArn"]["GetAtt"], "RecoveryDeadLetterQueue.Arn");
    assert_eq!(redrive["maxReceiveCount"], 5);
    let source = &properties("RecoveryDeadLetterQueue")["RedriveAllowPolicy"]["sourceQueueArns"][0]["Sub"];
    let name = "${AWS::StackName}-RecoveryQueue";
    assert_eq!(*source, format!("arn:${{AWS::Partition}}:sqs:${{AWS::Region}}:${{AWS::AccountId}}:{name}"));
}

#[test]
fn another_account_may_send_requests_and_nothing_else() {
    let policy = properties("RecoveryQueuePolicy");
    let [_, senders] = &policy["PolicyDocument"]["Statement"].as_array().unwrap()[..] else { panic!("{policy}") };
    let [condition, send, otherwise] = &senders["If"].as_array().unwrap()[..] else { panic!("{senders}") };
    assert_eq!((condition, otherwise), (&json!("HasSenders"), &json!({ "Ref": "AWS::NoValue" })));
    assert_eq!(send["Principal"], json!({ "AWS": { "Ref": "SenderAccountIds" } }));
    assert_eq!(send["Action"], json!(["sqs:SendMessage", "sqs:GetQueueUrl"]));
    assert_eq!(send["Resource"]["GetAtt"], "RecoveryQueue.Arn");
    let of_dead_letters = properties("RecoveryDeadLetterQueuePolicy")["PolicyDocument"]["Statement"].clone();
    assert!(of_dead_letters.as_array().unwrap().iter().all(|statement| statement["Effect"] == "Deny"));
}

#[test]
fn the_function_may_do_what_its_code_does_and_nothing_else() {
    let policies = properties("RecoveryRole")["Policies"].clone();
    let statements = policies[0]["PolicyDocument"]["Statement"].as_array().unwrap().clone();
    let (with_key, always): (Vec<_>, Vec<_>) =
        statements.into_iter().partition(|statement| statement.get("If").is_some());
    let queue = Kind::AccountsDetail.label();
    let bucket = "arn:${AWS::Partition}:s3:::{{resolve:ssm:/${ReceiverStack}/payload-bucket}}";
    let under = |prefix: &str| json!({ "Sub": format!("{bucket}/{prefix}/*") });
    let undelivered = format!("undelivered/{}", Kind::AccountsDetail.queue());
    let secret =
        json!({ "If": ["MakeFlinksApiSecret", { "Ref": "FlinksApiSecret" }, { "Ref": "FlinksApiSecretArn" }] });
    let of_requests = ["ReceiveMessage", "DeleteMessage", "GetQueueAttributes", "SendMessage"];
    let of_requests = of_requests.map(|action| format!("sqs:{action}"));
    let allowed = always.iter().map(|statement| (statement["Action"].clone(), statement["Resource"].clone()));
    assert_eq!(
        allowed.collect::<Vec<_>>(),
        [
            (json!("secretsmanager:GetSecretValue"), secret),
            (json!(of_requests), json!({ "GetAtt": "RecoveryQueue.Arn" })),
            (json!("sqs:SendMessage"), json!({ "GetAtt": "RecoveryDeadLetterQueue.Arn" })),
            (
                json!("sqs:SendMessage"),
                json!({ "Sub": format!("{{{{resolve:ssm:/${{ReceiverStack}}/queues/{queue}/arn}}}}") })
            ),
            (json!("s3:PutObject"), json!([under(queue), under(&undelivered), under("recovery")])),
            (json!(["logs:CreateLogStream", "logs:PutLogEvents"]), json!({ "GetAtt": "RecoveryLogGroup.Arn" })),
            (json!(["xray:PutTraceSegments", "xray:PutTelemetryRecords"]), json!("*")),
        ]
    );
    let of_s3 = always.iter().find(|statement| statement["Action"] == "s3:PutObject").unwrap();
    let owner = &of_s3["Condition"]["StringEquals"]["aws:ResourceAccount"];
    assert_eq!(*owner, json!({ "Ref": "AWS::AccountId" }), "a bucket of another account could take its name");
    // With a key of the operator's, and through the service that uses it.
    let with_key = with_key.iter().map(|statement| {
        let [condition, statement, _] = &statement["If"].as_array().unwrap()[..] else { panic!("{statement}") };
        let service = statement["Condition"]["StringEquals"]["kms:ViaService"]["Sub"].as_str().unwrap();
        let service = service.strip_suffix(".${AWS::Region}.${AWS::URLSuffix}").unwrap().to_owned();
        (condition.clone(), statement["Resource"]["Ref"].clone(), statement["Action"].clone(), service)
    });
    let both = json!(["kms:GenerateDataKey", "kms:Decrypt"]);
    let expected = [
        ("HasSecretsKmsKey", "SecretsKmsKeyArn", json!("kms:Decrypt"), "secretsmanager"),
        ("HasKmsKey", "KmsKeyArn", both, "sqs"),
        ("HasKmsKey", "KmsKeyArn", json!("kms:GenerateDataKey"), "s3"),
    ];
    let expected =
        expected.map(|(condition, key, action, service)| (json!(condition), json!(key), action, service.to_owned()));
    assert_eq!(with_key.collect::<Vec<_>>(), expected);
}

#[test]
fn the_function_finds_flinks_the_queues_and_the_bucket_of_its_receiver() {
    let variables = variables();
    let secret =
        json!({ "If": ["MakeFlinksApiSecret", { "Ref": "FlinksApiSecret" }, { "Ref": "FlinksApiSecretArn" }] });
    let resolved = |name: &str| json!({ "Sub": format!("{{{{resolve:ssm:/${{ReceiverStack}}/{name}}}}}") });
    let queue = Kind::AccountsDetail.label();
    for (variable, value) in [
        ("FLINKS_API_URL", json!({ "Ref": "FlinksApiUrl" })),
        ("FLINKS_CUSTOMER_ID", json!({ "Ref": "FlinksCustomerId" })),
        ("FLINKS_API_SECRET_ID", secret),
        ("RECOVERY_QUEUE_URL", json!({ "Ref": "RecoveryQueue" })),
        ("RECOVERY_DEAD_LETTER_QUEUE_URL", json!({ "Ref": "RecoveryDeadLetterQueue" })),
        ("ACCOUNTS_DETAIL_QUEUE_URL", resolved(&format!("queues/{queue}/url"))),
        ("PAYLOAD_BUCKET", resolved("payload-bucket")),
        ("AWS_USE_FIPS_ENDPOINT", json!({ "Ref": "UseFipsEndpoints" })),
        ("AWS_USE_DUALSTACK_ENDPOINT", json!({ "Ref": "UseDualStackEndpoints" })),
    ] {
        assert_eq!(variables[variable], value, "{variable}");
    }
}

#[test]
fn a_secret_that_the_stack_makes_calls_nobody_and_is_kept() {
    let secret = resource(&recovery_template(), "FlinksApiSecret");
    assert_eq!(secret["Condition"], "MakeFlinksApiSecret");
    assert_eq!(
        (&secret["DeletionPolicy"], &secret["UpdateReplacePolicy"]),
        (&json!("RetainExceptOnCreate"), &json!("Retain"))
    );
    // Random text without punctuation is not a JSON object.
    let generated = &secret["Properties"]["GenerateSecretString"];
    assert_eq!(*generated, json!({ "PasswordLength": 64, "ExcludePunctuation": true }));
    let command = &recovery_template()["Outputs"]["StoreFlinksApiSecret"]["Value"]["Sub"];
    assert!(command[0].as_str().unwrap().ends_with("--secret-string file:///dev/stdin"), "{command}");
}

#[test]
fn senders_find_the_queue_and_the_operator_the_outcomes() {
    let template = recovery_template();
    let bucket = json!({ "Sub": "{{resolve:ssm:/${ReceiverStack}/payload-bucket}}" });
    for (name, path, value) in [
        ("RecoveryQueueUrlParameter", "recovery-queue/url", json!({ "Ref": "RecoveryQueue" })),
        ("RecoveryQueueArnParameter", "recovery-queue/arn", json!({ "GetAtt": "RecoveryQueue.Arn" })),
        ("PayloadBucketParameter", "payload-bucket", bucket),
    ] {
        let parameter = properties(name);
        assert_eq!(parameter["Name"]["Sub"], format!("/${{AWS::StackName}}/{path}"));
        assert_eq!(parameter["Value"], value, "{name}");
    }
    for name in QUEUES {
        assert_eq!(template["Outputs"][format!("{name}Url")]["Value"], json!({ "Ref": name }));
        assert_eq!(template["Outputs"][format!("{name}Arn")]["Value"]["GetAtt"], format!("{name}.Arn"));
    }
    assert!(template["Outputs"].as_object().unwrap().values().all(|output| output.get("Export").is_none()));
}

#[test]
fn every_parameter_is_documented_with_its_default_and_its_constraint() {
    let template = recovery_template();
    let parameters = template["Parameters"].as_object().unwrap();
    let mut required = BTreeSet::new();
    for (name, parameter) in parameters {
        let default = match parameter.get("Default") {
            None => {
                required.insert(name.as_str());
                "none".to_owned()
            }
            Some(Value::String(text)) if text.is_empty() => "empty".to_owned(),
            Some(Value::String(text)) => format!("`{text}`"),
            Some(other) => format!("`{other}`"),
        };
        assert!(DOCUMENT.contains(&format!("\n| `{name}` | {default} | ")), "{name}, {default}");
        for part in ["Description", "ConstraintDescription"] {
            assert!(parameter.get(part).is_some(), "{name} has no {part}");
        }
        let forms = ["AllowedValues", "AllowedPattern", "MinValue"];
        assert!(forms.iter().any(|form| parameter.get(*form).is_some()), "{name} accepts any value");
    }
    // A deploy over another stack fails for want of them.
    assert_eq!(required, BTreeSet::from(["FlinksApiUrl", "FlinksCustomerId"]));
    let (_, parameters_and_rest) = DOCUMENT.split_once("\n### Parameters\n").unwrap();
    let (of_parameters, _) = parameters_and_rest.split_once("\n### ").unwrap();
    assert_eq!(of_parameters.matches("\n| `").count(), parameters.len(), "a parameter that no longer exists");
    let groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"].as_array().unwrap();
    let grouped: Vec<_> = groups.iter().flat_map(|group| group["Parameters"].as_array().unwrap()).collect();
    assert_eq!(grouped.len(), parameters.len());
    assert!(grouped.iter().all(|name| parameters.contains_key(name.as_str().unwrap())));
}

#[test]
fn every_alarm_notifies_has_its_section_and_is_on_the_dashboard() {
    let (_, alarms_and_rest) = DOCUMENT.split_once("\n## When an alarm fires\n").unwrap();
    let (of_alarms, _) = alarms_and_rest.split_once("\n## ").unwrap();
    let headings = of_alarms.lines().filter_map(|line| line.strip_prefix("### "));
    let sections: BTreeSet<_> = headings.map(|heading| heading.to_lowercase().replace(' ', "-")).collect();
    let on_dashboard = dashboard()[0]["properties"]["alarms"].clone();
    let mut named = BTreeSet::new();
    let alarms = alarms(&recovery_template());
    for (name, alarm) in &alarms {
        let (says, section) = alarm["AlarmDescription"].as_str().unwrap().split_once(" See docs/recovery.md#").unwrap();
        // CloudWatch allows 1024 characters.
        assert!((80..1_000).contains(&says.len()), "the description of {name} is too short or too long");
        named.insert(section.to_owned());
        let notified = json!({ "If": ["HasAlarmTopic", [{ "Ref": "AlarmTopicArn" }], { "Ref": "AWS::NoValue" }] });
        assert_eq!((&alarm["AlarmActions"], &alarm["OKActions"]), (&notified, &notified), "{name}");
        assert_eq!(alarm["TreatMissingData"], "notBreaching", "{name}");
        assert_eq!(alarm["AlarmName"]["Sub"], format!("${{AWS::StackName}}-{}", name.strip_suffix("Alarm").unwrap()));
        assert!(on_dashboard.as_array().unwrap().contains(&json!(format!("${{{name}.Arn}}"))), "{name}");
    }
    assert_eq!(on_dashboard.as_array().unwrap().len(), alarms.len());
    assert_eq!(named, sections);
}

#[test]
fn alarms_and_widgets_name_only_what_is_published_and_every_metric_is_shown() {
    let of = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
    let function = of("FunctionName", "${RecoveryFunction}");
    let published: BTreeSet<_> = METRICS.into_iter().map(Metric::name).collect();
    let widgets = dashboard();
    let all_shown: Vec<Named> = widgets.iter().flat_map(shown).collect();
    for Named { namespace, name, dimensions } in
        alarms(&recovery_template()).values().flat_map(watched).chain(all_shown.clone())
    {
        match namespace.as_str() {
            "AWS/Lambda" => assert_eq!(dimensions, function, "{name}"),
            "AWS/SQS" => {
                let queues = QUEUES.map(|queue| of("QueueName", &format!("${{{queue}.QueueName}}")));
                assert!(queues.contains(&dimensions), "{name}: {dimensions:?}");
            }
            _ => {
                assert_eq!((namespace.as_str(), &dimensions), (NAMESPACE, &function));
                assert!(published.contains(name.as_str()), "{name}");
            }
        }
    }
    let shown: BTreeSet<_> = all_shown.iter().map(|named| named.name.as_str()).collect();
    assert!(published.is_subset(&shown), "{published:?} are not all among {shown:?}");
    for queue in QUEUES {
        assert!(all_shown.iter().any(|named| named.dimensions == of("QueueName", &format!("${{{queue}.QueueName}}"))));
    }
}
