//! Checks the template against the code.

use std::{collections::BTreeSet, path::Path};

use flinks_webhooks::{
    config::{Config, FanOutConfig, RecoveryConfig, RedeliveryConfig},
    routing::Kind,
};
use serde_json::{Map, Value, json};

/// `template.yaml` with its loops expanded, as `.ci/expand_template.py` writes it.
pub fn template() -> Value {
    with_short_names(include_str!("../data/template.expanded.json"))
}

/// The same of `fan-out.yaml`, with all kinds.
pub fn fan_out_template() -> Value {
    with_short_names(include_str!("../data/fan-out.expanded.json"))
}

/// The same of `recovery.yaml`.
pub fn recovery_template() -> Value {
    with_short_names(include_str!("../data/recovery.expanded.json"))
}

/// CloudFormation's functions by their short names: `{"Fn::Sub": "X"}` as `{"Sub": "X"}`, `{"Fn::GetAtt": ["X", "Y"]}`
/// as `{"GetAtt": "X.Y"}`.
fn with_short_names(template: &str) -> Value {
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
    short(serde_json::from_str(template).unwrap())
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

/// The variable that holds the queue's URL.
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
fn exactly_the_variables_that_are_read_are_declared() {
    let (mut of_receiver, mut of_redelivery) = (BTreeSet::new(), BTreeSet::new());
    let (mut of_fan_out, mut of_recovery) = (BTreeSet::new(), BTreeSet::new());
    let _ = Config::read(|name| {
        of_receiver.insert(name);
        None
    });
    let _ = RedeliveryConfig::read(|name| {
        of_redelivery.insert(name);
        None
    });
    let _ = FanOutConfig::read(|name| {
        of_fan_out.insert(name);
        None
    });
    let _ = RecoveryConfig::read(|name| {
        of_recovery.insert(name);
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
    let (template, fan_out, recovery) = (template(), fan_out_template(), recovery_template());
    for (template, function, mut read) in [
        (&template, "ReceiverFunction", of_receiver),
        (&template, "RedeliveryFunction", of_redelivery),
        (&fan_out, "FanOutFunction", of_fan_out),
        (&recovery, "RecoveryFunction", of_recovery),
    ] {
        for variable in from_lambda {
            assert!(read.remove(variable), "{function} does not read {variable}");
        }
        if FUNCTIONS.contains(&function) {
            // glibc reads these.
            read.extend(["MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"]);
        }
        let declared = variables(template, function);
        assert_eq!(declared.keys().map(String::as_str).collect::<BTreeSet<_>>(), read, "{function}");
    }
}

#[test]
fn every_parameter_default_is_accepted_by_the_configuration() {
    let template = template();
    let changed = [
        "RESPONSE_TYPE_QUEUES",
        "ASCII_ENCODING",
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
fn two_parameters_choose_the_endpoints_of_every_function() {
    let template = template();
    for (variable, parameter) in
        [("AWS_USE_FIPS_ENDPOINT", "UseFipsEndpoints"), ("AWS_USE_DUALSTACK_ENDPOINT", "UseDualStackEndpoints")]
    {
        for function in FUNCTIONS {
            assert_eq!(variables(&template, function)[variable], json!({ "Ref": parameter }), "{function}");
        }
        let parameter = &template["Parameters"][parameter];
        assert_eq!((&parameter["Type"], &parameter["Default"]), (&json!("String"), &json!("false")));
        // The values that the SDKs accept.
        assert_eq!(parameter["AllowedValues"], json!(["true", "false"]));
    }
    assert_eq!(FUNCTIONS.map(str::to_owned).to_vec(), functions(&template), "every function");
}

/// The functions in the template that are built from this package.
fn functions(template: &Value) -> Vec<String> {
    let functions = resources_of(template, "AWS::Serverless::Function").into_iter();
    functions.filter(|(_, function)| function["Metadata"].get("BuildMethod").is_some()).map(|(name, _)| name).collect()
}

fn resources_of(template: &Value, of_type: &str) -> Vec<(String, Value)> {
    let resources = template["Resources"].as_object().unwrap().iter();
    let wanted = resources.filter(|(_, resource)| resource["Type"] == of_type);
    wanted.map(|(name, resource)| (name.clone(), resource.clone())).collect()
}

/// The statements of a role. A statement behind a condition is included as if the condition held.
fn statements(role: &Value) -> Vec<Value> {
    let policies = role["Properties"]["Policies"].as_array().unwrap().iter();
    let statements = policies.flat_map(|policy| policy["PolicyDocument"]["Statement"].as_array().unwrap());
    statements.map(|statement| statement.pointer("/If/1").unwrap_or(statement).clone()).collect()
}

#[test]
fn every_function_has_a_role_of_its_own_that_writes_its_own_log_and_no_other() {
    let template = template();
    for (name, function) in resources_of(&template, "AWS::Serverless::Function") {
        let stem = name.strip_suffix("Function").unwrap();
        let function = &function["Properties"];
        assert_eq!(function["Role"]["GetAtt"], format!("{stem}Role.Arn"));
        assert_eq!(function["LoggingConfig"]["LogGroup"]["Ref"], format!("{stem}LogGroup"));
        assert!(function.get("Policies").is_none(), "SAM ignores policies of a function that has a role");
        let role = resource(&template, &format!("{stem}Role"));
        assert!(role["Properties"].get("ManagedPolicyArns").is_none(), "{name}");
        let statements = statements(&role);
        let log: Vec<_> =
            statements.iter().filter(|statement| statement["Action"].to_string().contains("logs:")).collect();
        let [log] = log[..] else { panic!("{name}: {log:?}") };
        assert_eq!(log["Resource"]["GetAtt"], format!("{stem}LogGroup.Arn"));
        for statement in &statements {
            assert!(!statement["Action"].to_string().contains('*'), "{name}: {statement}");
            let everything = statement["Resource"] == "*";
            assert!(!everything || statement["Sid"] == "WriteTraces", "{name}: only X-Ray's actions have no resource");
        }
    }
}

#[test]
fn no_payload_goes_to_or_comes_from_a_bucket_of_another_account() {
    let template = template();
    let mut of_s3 = 0;
    for (name, role) in resources_of(&template, "AWS::IAM::Role") {
        for statement in statements(&role) {
            if statement["Action"].to_string().contains("s3:") {
                of_s3 += 1;
                let owner = &statement["Condition"]["StringEquals"]["aws:ResourceAccount"];
                assert_eq!(*owner, json!({ "Ref": "AWS::AccountId" }), "{name}: {statement}");
            }
        }
    }
    assert_eq!(of_s3, 4);
}

#[test]
fn former_secrets_and_keys_stay_readable_and_nothing_more() {
    let template = template();
    for (role, former) in [
        (
            "ReceiverRole",
            vec![("FormerSecretArns", "secretsmanager:GetSecretValue"), ("FormerKmsKeyArns", "kms:Decrypt")],
        ),
        ("RedeliveryRole", vec![("FormerKmsKeyArns", "kms:Decrypt")]),
    ] {
        let statements = statements(&resource(&template, role));
        let of_former = statements.iter().filter(|statement| statement["Resource"].to_string().contains("Former"));
        let of_former = of_former.map(|statement| (statement["Resource"].clone(), statement["Action"].clone()));
        let expected = former.into_iter().map(|(parameter, action)| (json!({ "Ref": parameter }), json!(action)));
        assert_eq!(of_former.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{role}");
    }
}

#[test]
fn a_deployment_id_makes_a_new_version_of_an_old_commit() {
    let description = resource(&template(), "ReceiverFunction")["Properties"]["Description"]["Sub"].clone();
    assert!(description.as_str().unwrap().contains("${DeploymentId}"));
}

#[test]
fn resources_that_outlive_the_stack_keep_their_policies_and_nothing_is_exported() {
    let template = template();
    for of_type in
        ["AWS::SQS::Queue", "AWS::SQS::QueuePolicy", "AWS::S3::Bucket", "AWS::S3::BucketPolicy", "AWS::Logs::LogGroup"]
    {
        for (name, resource) in resources_of(&template, of_type) {
            assert_eq!(resource["DeletionPolicy"], "RetainExceptOnCreate", "{name}");
            assert_eq!(resource["UpdateReplacePolicy"], "Retain", "{name}");
        }
    }
    // An imported export cannot be deleted, and no other account can import it.
    assert!(template["Outputs"].as_object().unwrap().values().all(|output| output.get("Export").is_none()));
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

/// What a role always allows, other than logs and traces, as pairs of actions and resources.
fn permissions(template: &Value, role: &str) -> Vec<(Value, Value)> {
    let policies = resource(template, role)["Properties"]["Policies"].clone();
    assert_eq!(policies.as_array().unwrap().len(), 1, "{role}");
    let statements = policies[0]["PolicyDocument"]["Statement"].as_array().unwrap().clone();
    let (with_key, always): (Vec<_>, Vec<_>) =
        statements.into_iter().partition(|statement| statement.get("If").is_some());
    for statement in with_key {
        let action = &statement["If"][1]["Action"];
        assert!(action.to_string().contains("kms:") || action == "secretsmanager:GetSecretValue", "{role}: {action}");
    }
    let allowed = always.iter().map(|statement| (statement["Action"].clone(), statement["Resource"].clone()));
    let of_telemetry = |action: &Value| ["logs:", "xray:"].iter().any(|service| action.to_string().contains(service));
    allowed.filter(|(action, _)| !of_telemetry(action)).collect()
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
    let of_receiver = permissions(&template, "ReceiverRole");
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
        permissions(&template, "RedeliveryRole"),
        [
            (json!("s3:ListBucket"), json!({ "GetAtt": "PayloadBucket.Arn" })),
            (json!(["s3:GetObject", "s3:DeleteObject"]), json!({ "Sub": "${PayloadBucket.Arn}/undelivered/*" })),
            (json!("sqs:SendMessage"), queues),
            (json!(["s3:PutObject", "s3:DeleteObject"]), objects(kinds)),
        ]
    );
    let list = &statements(&resource(&template, "RedeliveryRole"))[0];
    assert_eq!(list["Condition"]["StringLikeIfExists"], json!({ "s3:prefix": "undelivered/*" }));
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
    let (outcomes, payloads) = expiring.split_last().unwrap();
    assert_eq!(payloads.len(), Kind::ALL.len(), "nothing else expires, above all no undelivered payload");
    for (rule, kind) in payloads.iter().zip(Kind::ALL) {
        assert_eq!(rule["Prefix"], format!("{}/", kind.label()));
        assert_eq!(rule["ExpirationInDays"], json!({ "Ref": "PayloadRetentionDays" }));
    }
    assert_eq!((&outcomes["Prefix"], &outcomes["ExpirationInDays"]), (&json!("recovery/"), &json!(30)));
}

#[test]
fn each_function_runs_a_program_of_this_package() {
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
fn every_parameter_has_a_default_and_a_constraint() {
    let template = template();
    for (name, parameter) in template["Parameters"].as_object().unwrap() {
        for part in ["Description", "Default", "ConstraintDescription"] {
            assert!(parameter.get(part).is_some(), "{name} has no {part}");
        }
        let forms = ["AllowedValues", "AllowedPattern", "MinValue"];
        assert!(forms.iter().any(|form| parameter.get(*form).is_some()), "{name} accepts any value");
    }
}
