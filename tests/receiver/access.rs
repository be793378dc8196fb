//! Who the template lets access what, and which secret can write to which queue.

use flinks_dev::{
    sign,
    stack::{PAY_SIGNING_SECRET, SIGNING_SECRET, dead_letter_queue},
};
use flinks_webhooks::{http::Response, routing::Kind};
use serde_json::{Value, json};

use crate::{
    support::Fixture,
    template::{resource, template},
};

/// The statements of a resource's policy. A statement behind a condition is included as if the condition held.
fn statements(template: &Value, policy: &str) -> Vec<Value> {
    let statements = resource(template, policy)["Properties"]["PolicyDocument"]["Statement"].clone();
    let statements = statements.as_array().unwrap().iter();
    statements.map(|statement| statement.pointer("/If/1").unwrap_or(statement).clone()).collect()
}

#[test]
fn a_consumers_account_can_consume_and_nothing_else() {
    let template = template();
    for kind in Kind::ALL {
        let [_, consume] = &statements(&template, &format!("{}Policy", kind.queue()))[..] else { panic!("{kind:?}") };
        assert_eq!(consume["Principal"], json!({ "AWS": { "Ref": "ConsumerAccountIds" } }));
        assert_eq!(consume["Resource"]["GetAtt"], format!("{}.Arn", kind.queue()));
        let actions =
            ["ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "GetQueueAttributes", "GetQueueUrl"];
        assert_eq!(consume["Action"], json!(actions.map(|action| format!("sqs:{action}"))), "{kind:?}");

        let of_dead_letters = statements(&template, &format!("{}Policy", dead_letter_queue(kind)));
        assert!(of_dead_letters.iter().all(|statement| statement["Effect"] == "Deny"), "{kind:?}");
    }
    let [_, consume, keep] = &statements(&template, "PayloadBucketPolicy")[..] else {
        panic!("there is an unexpected statement")
    };
    assert_eq!(consume["Action"], json!(["s3:GetObject", "s3:DeleteObject"]));
    let prefixes = Kind::ALL.map(|kind| json!({ "Sub": format!("${{PayloadBucket.Arn}}/{}/*", kind.label()) }));
    assert_eq!(
        consume["Resource"],
        json!(prefixes),
        "undelivered payloads and the outcomes of recoveries are for the operator alone"
    );

    // What several teams read, none of them deletes.
    assert_eq!((&keep["Effect"], &keep["Action"]), (&json!("Deny"), &json!("s3:DeleteObject")));
    assert_eq!(keep["Principal"], consume["Principal"]);
    let shared = Kind::ALL.into_iter().zip(prefixes).map(|(kind, prefix)| {
        let condition = format!("Shares{}", kind.queue().strip_suffix("Queue").unwrap());
        json!({ "If": [condition, prefix, { "Ref": "AWS::NoValue" }] })
    });
    assert_eq!(keep["Resource"], shared.collect::<Value>());
}

#[test]
fn the_bucket_is_private_encrypted_and_kept() {
    let template = template();
    let bucket = resource(&template, "PayloadBucket");
    let blocked = bucket["Properties"]["PublicAccessBlockConfiguration"].as_object().unwrap();
    assert!(blocked.len() == 4 && blocked.values().all(|blocked| *blocked == true), "{blocked:?}");
    assert_eq!(
        bucket["Properties"]["OwnershipControls"]["Rules"],
        json!([{ "ObjectOwnership": "BucketOwnerEnforced" }])
    );
    let encryption = &bucket["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]["If"];
    let algorithm = |place: usize| &encryption[place]["ServerSideEncryptionByDefault"]["SSEAlgorithm"];
    assert_eq!((algorithm(1), algorithm(2)), (&json!("aws:kms"), &json!("AES256")));
    assert_eq!(bucket["DeletionPolicy"], "RetainExceptOnCreate");
    let tls_only = &statements(&template, "PayloadBucketPolicy")[0];
    assert_eq!((&tls_only["Effect"], &tls_only["Action"]), (&json!("Deny"), &json!("s3:*")));
    assert_eq!(tls_only["Condition"], json!({ "Bool": { "aws:SecureTransport": "false" } }));
}

#[test]
fn every_queue_is_encrypted() {
    let template = template();
    for queue in Kind::ALL.into_iter().flat_map(|kind| [kind.queue().to_owned(), dead_letter_queue(kind)]) {
        let properties = &resource(&template, &queue)["Properties"];
        assert_eq!(properties["SqsManagedSseEnabled"], json!({ "If": ["HasKmsKey", { "Ref": "AWS::NoValue" }, true] }));
        let key = json!({ "If": ["HasKmsKey", { "Ref": "KmsKeyArn" }, { "Ref": "AWS::NoValue" }] });
        assert_eq!(properties["KmsMasterKeyId"], key, "{queue}");
    }
}

#[test]
fn a_secret_that_the_stack_makes_is_random_and_kept() {
    let template = template();
    for name in ["SigningSecret", "PaySigningSecret"] {
        let secret = resource(&template, name);
        assert_eq!(secret["Properties"]["GenerateSecretString"]["PasswordLength"], 64, "{name}");
        assert!(secret["Properties"].get("SecretString").is_none(), "{name}");
        assert_eq!(secret["DeletionPolicy"], "RetainExceptOnCreate", "{name}");
    }
}

#[test]
fn the_api_has_one_route_and_throttles_requests() {
    let template = template();
    let routes = resource(&template, "ReceiverFunction")["Properties"]["Events"].clone();
    assert_eq!(routes.as_object().unwrap().len(), 1);
    assert_eq!(
        (&routes["Webhook"]["Type"], &routes["Webhook"]["Properties"]["Method"]),
        (&json!("HttpApi"), &json!("POST"))
    );
    // An authorizer writes to the field that marks an event as the deployment check's, so the route must have none.
    let api = resource(&template, "WebhookApi")["Properties"].clone();
    assert!(api.get("Auth").is_none() && routes["Webhook"]["Properties"].get("Auth").is_none());
    assert!(api["DefinitionBody"].get("components").is_none());
    let limits = api["DefaultRouteSettings"].clone();
    for limit in ["ThrottlingRateLimit", "ThrottlingBurstLimit"] {
        assert_eq!(limits[limit], json!({ "Ref": limit }));
    }
}

#[test]
fn the_apis_own_address_can_be_disabled() {
    let template = template();
    let disabled = &template["Conditions"]["DefaultEndpointDisabled"];
    assert_eq!(*disabled, json!({ "Equals": [{ "Ref": "DefaultEndpoint" }, "disabled"] }));
    let api = resource(&template, "WebhookApi");
    let shut = json!({ "If": ["DefaultEndpointDisabled", true, false] });
    assert_eq!(api["Properties"]["DisableExecuteApiEndpoint"], shut);
}

#[test]
fn a_custom_domain_leads_to_the_api_and_is_the_url_in_the_outputs() {
    let template = template();
    let mapping = resource(&template, "WebhookDomainMapping");
    assert_eq!(mapping["Condition"], "HasDomain");
    assert_eq!(
        mapping["Properties"],
        json!({
            "DomainName": { "Ref": "WebhookDomain" },
            "ApiId": { "Ref": "WebhookApi" },
            "Stage": { "Ref": "WebhookApi.Stage" },
        })
    );
    let url = template["Outputs"]["WebhookUrl"]["Value"]["If"].clone();
    assert_eq!((&url[0], &url[1]), (&json!("HasDomain"), &json!({ "Sub": "https://${DomainName}/webhooks/flinks" })));
    // DNS may be elsewhere.
    assert_eq!(resource(&template, "WebhookDomainRecord")["Condition"], "HasDomainRecord");
    let domain = resource(&template, "WebhookDomain")["Properties"]["DomainNameConfigurations"][0].clone();
    assert_eq!((&domain["EndpointType"], &domain["SecurityPolicy"]), (&json!("REGIONAL"), &json!("TLS_1_2")));
}

#[test]
fn the_apis_log_has_nothing_that_the_sender_wrote() {
    let format = resource(&template(), "WebhookApi")["Properties"]["AccessLogSettings"]["Format"].clone();
    let variables: Vec<_> = format.as_str().unwrap().split('$').skip(1).collect();
    assert!(!variables.is_empty());
    for variable in variables {
        let name = variable.split('"').next().unwrap();
        assert!(name.starts_with("context."), "{name}");
        let theirs = ["header", "query", "path", "userAgent", "authorizer"];
        assert!(!theirs.iter().any(|word| name.to_lowercase().contains(&word.to_lowercase())), "{name}");
    }
}

#[tokio::test]
async fn the_aggregation_secret_can_write_to_the_pay_queue_and_the_message_says_so() {
    let (ascii, accents) = (r#"{"sessionId":"s","status":"Completed"}"#, r#"{"sessionId":"é","status":"Completed"}"#);
    for (header, signature, body, form) in [
        ("flinks-authenticity-key", sign::aggregation(ascii.as_bytes(), SIGNING_SECRET), ascii, "raw"),
        ("flinks-authenticity-key", sign::ascii(accents, SIGNING_SECRET), accents, "ascii"),
        ("X-Webhook-Signature", sign::pay(ascii.as_bytes(), PAY_SIGNING_SECRET), ascii, "pay"),
    ] {
        let fixture = Fixture::start().await;
        let headers = [("Content-Type", "application/json"), (header, signature.as_str())];
        assert_eq!(fixture.post(&headers, body.as_bytes()).await.response, Response::Stored);
        let (queue, message) = fixture.message();
        assert_eq!((queue, message.attributes["SignatureForm"].value.as_str()), (Kind::Pay, form));
    }
}
