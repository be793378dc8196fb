//! The template held against the code.

use std::{collections::BTreeSet, path::Path};

use flinks_webhooks::{
    config::{Config, RedeliveryConfig},
    kind::Kind,
};
use serde_json::{Map, Value, json};

/// `template.yaml` with its loops expanded, as `.ci/expand_template.py` writes it, and CloudFormation's functions by
/// their short names: `{"Fn::Sub": "X"}` as `{"Sub": "X"}`, `{"Fn::GetAtt": ["X", "Y"]}` as `{"GetAtt": "X.Y"}`.
pub fn template() -> Value {
    fn short(value: Value) -> Value {
        match value {
            Value::Object(members) => members
                .into_iter()
                .map(|(key, value)| match (key.strip_prefix("Fn::"), value) {
                    (Some("GetAtt"), Value::Array(path)) => {
                        let path: Vec<_> = path.iter().map(|part| part.as_str().unwrap()).collect();
                        ("GetAtt".to_owned(), path.join(".").into())
                    }
                    (name, value) => (name.unwrap_or(&key).to_owned(), short(value)),
                })
                .collect::<Map<_, _>>()
                .into(),
            Value::Array(items) => items.into_iter().map(short).collect(),
            other => other,
        }
    }
    short(serde_json::from_str(include_str!("../data/template.expanded.json")).unwrap())
}

pub fn resource(template: &Value, name: &str) -> Value {
    let resource = &template["Resources"][name];
    assert!(resource.is_object(), "{name} is not in the template");
    resource.clone()
}

const FUNCTIONS: [&str; 2] = ["ReceiverFunction", "RedeliveryFunction"];

fn variables(template: &Value, function: &str) -> Map<String, Value> {
    resource(template, function)["Properties"]["Environment"]["Variables"].as_object().unwrap().clone()
}

/// The variable that has the queue's URL.
fn variable_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Kyc => "KYC_QUEUE_URL",
        Kind::AccountsDetail => "ACCOUNTS_DETAIL_QUEUE_URL",
        Kind::Investments => "INVESTMENTS_QUEUE_URL",
        Kind::Pay => "PAY_QUEUE_URL",
        Kind::UploadFraud => "UPLOAD_FRAUD_QUEUE_URL",
        Kind::Unclassified => "UNCLASSIFIED_QUEUE_URL",
    }
}

#[test]
fn every_variable_that_is_read_is_declared_and_no_other() {
    let (mut of_receiver, mut of_redelivery) = (BTreeSet::new(), BTreeSet::new());
    let _ = Config::read(|name| {
        of_receiver.insert(name);
        None
    });
    let _ = RedeliveryConfig::read(|name| {
        of_redelivery.insert(name);
        None
    });
    let from_lambda = [
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_REGION",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
    ];
    let template = template();
    for (function, mut read) in FUNCTIONS.into_iter().zip([of_receiver, of_redelivery]) {
        for variable in from_lambda {
            assert!(read.remove(variable), "{function} does not read {variable}");
        }
        let declared = variables(&template, function);
        assert_eq!(declared.keys().map(String::as_str).collect::<BTreeSet<_>>(), read, "{function}");
    }
}

#[test]
fn every_default_of_a_parameter_is_a_configuration_that_is_accepted() {
    let template = template();
    let changed = [
        "RESPONSE_TYPE_QUEUES",
        "ASCII_READING",
        "PREVIOUS_KEY_DAYS",
        "ALLOWED_SOURCE_CIDRS",
        "AWS_USE_FIPS_ENDPOINT",
        "AWS_USE_DUALSTACK_ENDPOINT",
    ];
    let read = Config::read(|name| {
        let value = if changed.contains(&name) {
            let value = &variables(&template, "ReceiverFunction")[name];
            let list = &value["Join"][1];
            let parameter = value.get("Ref").unwrap_or_else(|| &list["Ref"]).as_str().unwrap();
            match &template["Parameters"][parameter]["Default"] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            }
        } else if name.starts_with("AWS_ENDPOINT") {
            String::new()
        } else if name == "PAYLOAD_BUCKET" {
            "payloads".to_owned()
        } else {
            "https://example.com/".to_owned()
        };
        Some(value)
    });
    assert!(read.is_ok(), "{read:?}");
}

#[test]
fn the_endpoints_of_every_function_are_chosen_by_two_parameters_and_are_the_usual_ones_by_default() {
    let template = template();
    for (variable, parameter) in
        [("AWS_USE_FIPS_ENDPOINT", "UseFipsEndpoints"), ("AWS_USE_DUALSTACK_ENDPOINT", "UseDualStackEndpoints")]
    {
        for function in FUNCTIONS {
            assert_eq!(variables(&template, function)[variable], json!({ "Ref": parameter }), "{function}");
        }
        let parameter = &template["Parameters"][parameter];
        assert_eq!((&parameter["Type"], &parameter["Default"]), (&json!("String"), &json!("false")));
        // The words that the SDKs take.
        assert_eq!(parameter["AllowedValues"], json!(["true", "false"]));
    }
    assert_eq!(FUNCTIONS.map(str::to_owned).to_vec(), functions(&template), "every function");
}

/// All functions of the template.
fn functions(template: &Value) -> Vec<String> {
    let resources = template["Resources"].as_object().unwrap().iter();
    let functions = resources.filter(|(_, resource)| resource["Type"] == "AWS::Serverless::Function");
    functions.map(|(name, _)| name.clone()).collect()
}

#[test]
fn each_kind_has_its_queue_its_dead_letters_and_nothing_of_another_kind() {
    let template = template();
    for kind in Kind::ALL {
        let (queue, dead_letters) = (kind.queue(), kind.queue().replace("Queue", "DeadLetterQueue"));
        for name in [queue, &dead_letters] {
            let resource = resource(&template, name);
            assert_eq!(resource["Type"], "AWS::SQS::Queue", "{name}");
            let properties = &resource["Properties"];
            assert_eq!(properties["MaximumMessageSize"], 1_048_576, "{name}");
            assert_eq!(properties["MessageRetentionPeriod"], 14 * 24 * 60 * 60, "{name}");
            assert_eq!(properties["QueueName"]["Sub"], format!("${{AWS::StackName}}-{name}"));
            assert_eq!(resource["DeletionPolicy"], "RetainExceptOnCreate", "{name}");
            let tls_only = &self::resource(&template, &format!("{name}Policy"))["Properties"];
            assert_eq!(tls_only["Queues"], json!([{ "Ref": name }]));
            let statement = &tls_only["PolicyDocument"]["Statement"][0];
            assert_eq!(statement["Effect"], "Deny", "{name}");
            assert_eq!(statement["Resource"]["GetAtt"], format!("{name}.Arn"));
            assert_eq!(statement["Condition"], json!({ "Bool": { "aws:SecureTransport": "false" } }), "{name}");
        }
        let redrive = &resource(&template, queue)["Properties"]["RedrivePolicy"];
        assert_eq!(redrive["deadLetterTargetArn"]["GetAtt"], format!("{dead_letters}.Arn"), "{queue}");
        for function in FUNCTIONS {
            assert_eq!(variables(&template, function)[variable_of(kind)], json!({ "Ref": queue }), "{function}");
        }
        assert_eq!(template["Outputs"][format!("{queue}Url")]["Value"], json!({ "Ref": queue }));
        assert_eq!(template["Outputs"][format!("{queue}Arn")]["Value"]["GetAtt"], format!("{queue}.Arn"));
        for (suffix, value) in [("Url", json!({ "Ref": queue })), ("Arn", json!({ "GetAtt": format!("{queue}.Arn") }))]
        {
            let parameter = resource(&template, &format!("{queue}{suffix}Parameter"));
            assert_eq!(
                (&parameter["Type"], &parameter["Properties"]["Value"]),
                (&"AWS::SSM::Parameter".into(), &value)
            );
        }
    }
}

/// What a function may do in any case, as pairs of actions and resources; what it may do with a key of its own comes last.
fn permissions(template: &Value, function: &str) -> Vec<(Value, Value)> {
    let policies = resource(template, function)["Properties"]["Policies"].clone();
    assert_eq!(policies.as_array().unwrap().len(), 1, "{function}");
    let statements = policies[0]["Statement"].as_array().unwrap().clone();
    let (with_key, always): (Vec<_>, Vec<_>) =
        statements.into_iter().partition(|statement| statement.get("If").is_some());
    for statement in with_key {
        let actions = statement["If"][1]["Action"].to_string();
        assert!(actions.contains("kms:") && !actions.contains('*'), "{function}: {actions}");
    }
    always.iter().map(|statement| (statement["Action"].clone(), statement["Resource"].clone())).collect()
}

/// The objects of the bucket under each prefix.
fn objects<'p>(prefixes: impl IntoIterator<Item = &'p str>) -> Value {
    let under = |prefix| json!({ "Sub": format!("${{PayloadBucket.Arn}}/{prefix}/*") });
    prefixes.into_iter().map(under).collect()
}

#[test]
fn a_function_may_do_what_its_code_does_and_nothing_else() {
    let template = template();
    let queues = json!(Kind::ALL.map(|kind| json!({ "GetAtt": format!("{}.Arn", kind.queue()) })));
    let kinds = Kind::ALL.map(Kind::label);
    let of_receiver = permissions(&template, "ReceiverFunction");
    let (secrets, of_receiver) = of_receiver.split_first().unwrap();
    assert_eq!(secrets.0, "secretsmanager:GetSecretValue");
    assert_eq!(
        of_receiver,
        [
            (json!("sqs:SendMessage"), queues.clone()),
            (json!("s3:PutObject"), objects(kinds.into_iter().chain(["undelivered"]))),
        ]
    );
    assert_eq!(
        permissions(&template, "RedeliveryFunction"),
        [
            (json!("s3:ListBucket"), json!({ "GetAtt": "PayloadBucket.Arn" })),
            (json!(["s3:GetObject", "s3:DeleteObject"]), json!({ "Sub": "${PayloadBucket.Arn}/undelivered/*" })),
            (json!("sqs:SendMessage"), queues),
            (json!(["s3:PutObject", "s3:DeleteObject"]), objects(kinds)),
        ]
    );
    let list = &resource(&template, "RedeliveryFunction")["Properties"]["Policies"][0]["Statement"][0];
    assert_eq!(list["Condition"], json!({ "StringLikeIfExists": { "s3:prefix": "undelivered/*" } }));
}

#[test]
fn objects_outlive_a_queue_and_its_dead_letters() {
    let template = template();
    let longest_message_days = 14 + 14;
    let retention = &template["Parameters"]["PayloadRetentionDays"];
    assert!(retention["MinValue"].as_i64().unwrap() > longest_message_days);
    let rules = resource(&template, "PayloadBucket")["Properties"]["LifecycleConfiguration"]["Rules"].clone();
    let expiring: Vec<_> =
        rules.as_array().unwrap().iter().filter(|rule| rule.get("ExpirationInDays").is_some()).collect();
    assert_eq!(expiring.len(), Kind::ALL.len(), "nothing else expires, and nothing that is undelivered");
    for (rule, kind) in expiring.iter().zip(Kind::ALL) {
        assert_eq!(rule["Prefix"], format!("{}/", kind.label()));
        assert_eq!(rule["ExpirationInDays"], json!({ "Ref": "PayloadRetentionDays" }));
    }
}

#[test]
fn each_function_is_a_program_of_this_package() {
    let template = template();
    let programs = [env!("CARGO_BIN_EXE_flinks-webhooks"), env!("CARGO_BIN_EXE_redelivery")];
    for (function, program) in FUNCTIONS.into_iter().zip(programs) {
        let resource = resource(&template, function);
        let binary = resource["Metadata"]["BuildProperties"]["Binary"].as_str();
        assert_eq!(binary, Path::new(program).file_stem().unwrap().to_str());
        assert_eq!(resource["Properties"]["Runtime"], "provided.al2023");
    }
    let receiver = resource(&template, "ReceiverFunction");
    assert_eq!(receiver["Properties"]["Events"]["Webhook"]["Properties"]["Path"], "/webhooks/flinks");
}

#[test]
fn every_parameter_can_be_left_as_it_is_and_is_held_to_a_form() {
    let template = template();
    for (name, parameter) in template["Parameters"].as_object().unwrap() {
        for part in ["Description", "Default", "ConstraintDescription"] {
            assert!(parameter.get(part).is_some(), "{name} has no {part}");
        }
        let forms = ["AllowedValues", "AllowedPattern", "MinValue"];
        assert!(forms.iter().any(|form| parameter.get(*form).is_some()), "{name} takes anything");
    }
}
