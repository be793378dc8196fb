use super::*;

const COMPLETE: [(&str, &str); 16] = [
    ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001"),
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
    ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
    ("AWS_LAMBDA_FUNCTION_NAME", "receiver"),
    ("AWS_REGION", "ca-central-1"),
    ("AWS_ACCESS_KEY_ID", "fake"),
    ("AWS_SECRET_ACCESS_KEY", "fake"),
    ("SIGNING_SECRET_ID", "a"),
    ("PAY_SIGNING_SECRET_ID", "b"),
    ("KYC_QUEUE_URL", "http://127.0.0.1/kyc"),
    ("ACCOUNTS_DETAIL_QUEUE_URL", "http://127.0.0.1/accounts"),
    ("INVESTMENTS_QUEUE_URL", "http://127.0.0.1/investments"),
    ("PAY_QUEUE_URL", "http://127.0.0.1/pay"),
    ("UPLOAD_FRAUD_QUEUE_URL", "http://127.0.0.1/fraud"),
    ("UNCLASSIFIED_QUEUE_URL", "http://127.0.0.1/unclassified"),
    ("PAYLOAD_BUCKET", "payloads"),
];

/// The configuration of the complete set with some variables changed.
fn read(changed: &[(&str, &str)]) -> Result<Config, Vec<&'static str>> {
    let changed_or_complete = |name: &'static str| {
        changed.iter().chain(&COMPLETE).find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    };
    Config::read(changed_or_complete).map_err(|problems| problems.iter().map(|problem| problem.variable).collect())
}

#[test]
fn defaults_are_those_of_the_design() {
    let config = read(&[]).unwrap();
    assert!(config.policy.key_rules.accept_ascii);
    assert_eq!(config.policy.key_rules.previous_key_for, Duration::from_secs(7 * 24 * 60 * 60));
    assert!(config.policy.response_types.is_empty());
    assert_eq!(config.policy.allowlist, IpAllowlist::default());
    assert_eq!(config.storage.sqs_endpoint, None);
}

#[test]
fn an_empty_value_counts_as_unset() {
    let empty =
        ["AWS_ENDPOINT_URL", "ASCII_ENCODING", "PREVIOUS_KEY_DAYS", "ALLOWED_SOURCE_CIDRS"].map(|name| (name, ""));
    let config = read(&empty).unwrap();
    assert!(config.policy.key_rules.accept_ascii && config.storage.s3_endpoint.is_none());
    assert_eq!(read(&[("PAYLOAD_BUCKET", "")]).unwrap_err(), ["PAYLOAD_BUCKET"]);
}

#[test]
fn each_missing_variable_is_named() {
    for (variable, _) in COMPLETE {
        assert_eq!(read(&[(variable, "")]).unwrap_err(), [variable]);
    }
}

#[test]
fn a_value_of_the_wrong_form_is_named_and_not_shown() {
    for (variable, value) in [
        ("KYC_QUEUE_URL", "KycQueue"),
        ("KYC_QUEUE_URL", "http://[bad"),
        ("KYC_QUEUE_URL", "ftp://127.0.0.1/kyc"),
        ("PAYLOAD_BUCKET", " "),
        ("AWS_ENDPOINT_URL", "http://host:port"),
        ("PREVIOUS_KEY_DAYS", "366"),
        ("PREVIOUS_KEY_DAYS", "-1"),
        ("ASCII_ENCODING", "yes"),
        ("AWS_ENDPOINT_URL_S3", "127.0.0.1:4566"),
        ("RESPONSE_TYPE_QUEUES", "New"),
        ("RESPONSE_TYPE_QUEUES", "New=Nowhere"),
        ("RESPONSE_TYPE_QUEUES", "KYC=Nowhere"),
        ("RESPONSE_TYPE_QUEUES", "=PayQueue"),
        ("ALLOWED_SOURCE_CIDRS", "198.51.100.7"),
        ("ALLOWED_SOURCE_CIDRS", "198.51.100.0/24,10.1.2.3/8"),
    ] {
        assert_eq!(read(&[(variable, value)]).unwrap_err(), [variable], "{value}");
    }
}

#[test]
fn further_response_types_are_mapped_to_queues_by_their_names() {
    let config =
        read(&[("RESPONSE_TYPE_QUEUES", "GetAccountsSummary=AccountsDetailQueue, Dropout = UnclassifiedQueue,")]);
    let mapped = config.unwrap().policy.response_types;
    assert_eq!(mapped.get("GetAccountsSummary"), Some(&Kind::AccountsDetail));
    assert_eq!(mapped.get("Dropout"), Some(&Kind::Unclassified));
}

#[test]
fn a_response_type_that_is_built_in_keeps_its_queue_and_is_noted() {
    let pairs = "KYC=PayQueue,New=PayQueue, Investments = InvestmentsQueue ,KYC=UnclassifiedQueue";
    let config = read(&[("RESPONSE_TYPE_QUEUES", pairs)]).unwrap();
    assert_eq!(config.policy.response_types, ResponseTypes::from([("New".to_owned(), Kind::Pay)]));
    let ignored = config.ignored_response_types.unwrap();
    assert_eq!((ignored.variable, ignored.names.join(" ")), ("RESPONSE_TYPE_QUEUES", "Investments KYC".into()));
    assert_eq!(read(&[("RESPONSE_TYPE_QUEUES", "New=PayQueue")]).unwrap().ignored_response_types, None);
}

#[test]
fn an_endpoint_of_one_service_goes_before_the_common_one() {
    let config = read(&[("AWS_ENDPOINT_URL", "http://a:1"), ("AWS_ENDPOINT_URL_SQS", "http://b:2")]).unwrap();
    assert_eq!(config.storage.sqs_endpoint.as_deref(), Some("http://b:2"));
    assert_eq!(config.storage.s3_endpoint.as_deref(), Some("http://a:1"));
}

#[cfg(feature = "recovery")]
#[test]
fn the_recovery_needs_flinks_api_over_tls_and_its_queues() {
    let complete = [
        ("FLINKS_API_URL", "https://example-api.private.fin.ag"),
        ("FLINKS_CUSTOMER_ID", "43387ca6-0391-4c82-857d-70d95f087ecb"),
        ("FLINKS_API_SECRET_ID", "flinks/api"),
        ("RECOVERY_QUEUE_URL", "http://127.0.0.1/recovery"),
        ("RECOVERY_DEAD_LETTER_QUEUE_URL", "http://127.0.0.1/dead"),
    ];
    let read = |changed: &[(&str, &str)]| {
        let lookup = |name: &'static str| {
            let known = changed.iter().chain(&complete).chain(&COMPLETE);
            known.copied().find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
        };
        let config = RecoveryConfig::read(lookup);
        config.map_err(|problems| problems.iter().map(|problem| problem.variable).collect::<Vec<_>>())
    };
    let config = read(&[]).unwrap();
    assert_eq!(config.storage.queue_urls.accounts_detail, "http://127.0.0.1/accounts");
    for url in [
        "https://example-api.private.fin.ag/",
        "https://h:8443",
        "http://127.0.0.1:1",
        "http://[::1]:1/",
        "http://localhost",
    ] {
        assert!(read(&[("FLINKS_API_URL", url)]).is_ok(), "{url}");
    }
    for (variable, value) in [
        ("FLINKS_API_URL", ""),
        ("FLINKS_API_URL", "example-api.private.fin.ag"),
        ("FLINKS_API_URL", "http://example-api.private.fin.ag"),
        ("FLINKS_API_URL", "http://127.0.0.1.example.com"),
        ("FLINKS_API_URL", "https://example-api.private.fin.ag/v3"),
        ("FLINKS_API_URL", "https://example-api.private.fin.ag?a"),
        ("FLINKS_API_URL", "https://user@example-api.private.fin.ag"),
        ("FLINKS_CUSTOMER_ID", ""),
        ("FLINKS_CUSTOMER_ID", "../x"),
        ("FLINKS_API_SECRET_ID", ""),
        ("RECOVERY_QUEUE_URL", "RecoveryQueue"),
        ("RECOVERY_DEAD_LETTER_QUEUE_URL", ""),
        ("ACCOUNTS_DETAIL_QUEUE_URL", ""),
        ("PAYLOAD_BUCKET", "Payloads"),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", "127.0.0.1"),
    ] {
        assert_eq!(read(&[(variable, value)]).unwrap_err(), [variable], "{value}");
    }
    assert!(read(&[("KYC_QUEUE_URL", ""), ("SIGNING_SECRET_ID", "")]).is_ok(), "the receiver's own");
}

#[cfg(feature = "fan-out")]
#[test]
fn the_fan_out_needs_its_kinds_and_where_their_queues_and_topics_are() {
    let complete = [
        ("KINDS", "Kyc,UploadFraud"),
        ("QUEUE_ARN_PREFIX", "arn:aws:sqs:ca-central-1:123456789012:flinks-webhooks-"),
        ("TOPIC_ARN_PREFIX", "arn:aws:sns:ca-central-1:123456789012:flinks-fan-out-"),
    ];
    let read = |changed: &[(&str, &str)]| {
        let lookup = |name: &'static str| {
            let known = changed.iter().chain(&complete).chain(&COMPLETE);
            known.copied().find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
        };
        let config = FanOutConfig::read(lookup);
        config.map_err(|problems| problems.iter().map(|problem| problem.variable).collect::<Vec<_>>())
    };
    let routes = read(&[]).unwrap().routes;
    let route = routes.of_queue("arn:aws:sqs:ca-central-1:123456789012:flinks-webhooks-UploadFraudQueue").unwrap();
    assert_eq!(route.kind, Kind::UploadFraud);
    assert_eq!(route.topic_arn, "arn:aws:sns:ca-central-1:123456789012:flinks-fan-out-UploadFraudTopic");
    for (variable, value) in [
        ("KINDS", ""),
        ("KINDS", "kyc"),
        ("KINDS", "Kyc,"),
        ("KINDS", "Kyc, Pay"),
        ("QUEUE_ARN_PREFIX", ""),
        ("QUEUE_ARN_PREFIX", "arn:aws:sns:ca-central-1:123456789012:flinks-webhooks-"),
        ("TOPIC_ARN_PREFIX", "flinks-fan-out-"),
        ("TOPIC_ARN_PREFIX", "arn:aws:sns::123456789012:flinks-fan-out-"),
        ("AWS_ENDPOINT_URL_SNS", "127.0.0.1"),
    ] {
        assert_eq!(read(&[(variable, value)]).unwrap_err(), [variable], "{value}");
    }
}
