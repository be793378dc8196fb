//! Samples as API Gateway events: one callback of each type that Flinks documents, and unusual ones. All people are
//! made up.
//!
//! A test writes them to `events/`. They have the shapes of Flinks' published samples. For Investments and fraud
//! alerts, Flinks publishes none, so those shapes are guesses from the closest page.

use flinks_webhooks::routing::Kind;
use local_lambda::gateway::{HttpRequest, event};
use serde_json::{Value, json};

use crate::{
    sign,
    stack::{PAY_SIGNING_SECRET, SIGNING_SECRET},
};

/// An event, and the expected result.
pub struct Sample {
    /// The file's name in `events/`, without `.json`.
    pub name: &'static str,
    pub event: Value,
    /// The body that is stored.
    pub body: Vec<u8>,
    pub expected: Expected,
}

/// The expected result of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// A 200, and the body is on this kind's queue.
    Inline(Kind),
    /// A 200, and a claim check is on this kind's queue.
    ClaimCheck(Kind),
    /// This status, and nothing is stored.
    Rejected(u16),
}

impl Expected {
    /// The HTTP status of the response.
    pub fn status(self) -> u16 {
        match self {
            Self::Inline(_) | Self::ClaimCheck(_) => 200,
            Self::Rejected(status) => status,
        }
    }

    /// The kind whose queue gets a message.
    pub fn kind(self) -> Option<Kind> {
        match self {
            Self::Inline(kind) | Self::ClaimCheck(kind) => Some(kind),
            Self::Rejected(_) => None,
        }
    }
}

const JSON: &str = "application/json; charset=utf-8";
const AGGREGATION_HEADER: &str = "flinks-authenticity-key";
const PAY_HEADER: &str = "X-Webhook-Signature";

/// All samples. The ones that Flinks documents come first.
pub fn all() -> Vec<Sample> {
    let kyc = KYC.as_bytes();
    let signature = sign::aggregation(kyc, SIGNING_SECRET);
    let other_signature = sign::aggregation(kyc, "some other secret");
    let deep = format!(r#"{{"ResponseType":"KYC","Holders":{}{}}}"#, "[".repeat(1000), "]".repeat(1000));
    let long_tag = json!({ "ResponseType": "KYC", "Tag": "tag ".repeat(100), "Login": { "Id": LOGIN_ID } }).to_string();
    // U+FFFF is legal in JSON, and SQS rejects it: claim checks that are small.
    let claim_check = ACCOUNTS_DETAIL.replace("EXAMPLE PAYROLL", "EXAMPLE\u{FFFF}PAYROLL");
    let kyc_claim_check = KYC.replace("1 rue de l'Exemple", "1\u{FFFF}rue de l'Exemple");
    vec![
        signed("kyc", KYC, Expected::Inline(Kind::Kyc)),
        signed("accounts-detail", ACCOUNTS_DETAIL, Expected::Inline(Kind::AccountsDetail)),
        signed("investments", INVESTMENTS, Expected::Inline(Kind::Investments)),
        pay("pay", SESSION_STATUS, Expected::Inline(Kind::Pay)),
        signed("upload-fraud", FRAUD_ANALYSIS, Expected::Inline(Kind::UploadFraud)),
        signed("scheduled-refresh", SCHEDULED_REFRESH, Expected::Inline(Kind::AccountsDetail)),
        signed("failed-refresh", FAILED_REFRESH, Expected::Inline(Kind::AccountsDetail)),
        posted(
            "kyc-ascii",
            &[("Content-Type", JSON), (AGGREGATION_HEADER, &sign::ascii(KYC, SIGNING_SECRET))],
            kyc,
            Expected::Inline(Kind::Kyc),
        ),
        posted(
            "kyc-alias",
            &[("Content-Type", JSON), ("X-Flinks-Signature", &signature)],
            kyc,
            Expected::Inline(Kind::Kyc),
        ),
        // Without a content type, API Gateway encodes the body as base64.
        posted("kyc-base64", &[(AGGREGATION_HEADER, &signature)], kyc, Expected::Inline(Kind::Kyc)),
        signed("nulls", NULLS, Expected::Inline(Kind::AccountsDetail)),
        signed("exact-money", EXACT_MONEY, Expected::Inline(Kind::AccountsDetail)),
        signed("claim-check", &claim_check, Expected::ClaimCheck(Kind::AccountsDetail)),
        signed("kyc-claim-check", &kyc_claim_check, Expected::ClaimCheck(Kind::Kyc)),
        signed("unknown-type", UNKNOWN_TYPE, Expected::Inline(Kind::Unclassified)),
        signed("array", "[1, 2, 3]", Expected::Inline(Kind::Unclassified)),
        signed("malformed", r#"{"ResponseType":"KYC","Holders":[{"#, Expected::Inline(Kind::Unclassified)),
        signed(
            "duplicate-keys",
            r#"{"ResponseType":"Investments","Tag":1,"Tag":"two","ResponseType":"KYC"}"#,
            Expected::Inline(Kind::Kyc),
        ),
        signed("deeply-nested", &deep, Expected::Inline(Kind::Kyc)),
        signed("lone-surrogate", r#"{"ResponseType":"KYC","Tag":"\ud83d","\udc00":null}"#, Expected::Inline(Kind::Kyc)),
        signed("byte-order-mark", "\u{FEFF}{\"ResponseType\":\"KYC\"}", Expected::Inline(Kind::Kyc)),
        signed("long-tag", &long_tag, Expected::Inline(Kind::Kyc)),
        signed("illegal-character", "{\"ResponseType\":\"KYC\",\"Tag\":\"\u{FFFF}\"}", Expected::ClaimCheck(Kind::Kyc)),
        signed("empty-body", "", Expected::ClaimCheck(Kind::Unclassified)),
        not_text("not-utf8"),
        posted(
            "forged",
            &[("Content-Type", JSON), (AGGREGATION_HEADER, &sign::aggregation(kyc, "some other secret"))],
            kyc,
            Expected::Rejected(401),
        ),
        posted(
            "wrong-scheme",
            &[("Content-Type", JSON), (PAY_HEADER, &sign::pay(kyc, SIGNING_SECRET))],
            kyc,
            Expected::Rejected(401),
        ),
        posted("unsigned", &[("Content-Type", JSON)], kyc, Expected::Rejected(401)),
        posted(
            "malformed-signature",
            &[("Content-Type", JSON), (AGGREGATION_HEADER, "not a signature")],
            kyc,
            Expected::Rejected(401),
        ),
        posted(
            "two-signatures",
            &[("Content-Type", JSON), (AGGREGATION_HEADER, &signature), (AGGREGATION_HEADER, &other_signature)],
            kyc,
            Expected::Rejected(401),
        ),
        raw(
            "not-base64",
            json!({ "headers": {}, "body": "not base64!", "isBase64Encoded": true }),
            Expected::Rejected(400),
        ),
        raw("not-http", json!({ "Records": [{ "eventSource": "aws:sqs", "body": "{}" }] }), Expected::Rejected(400)),
    ]
}

fn signed(name: &'static str, body: &str, expected: Expected) -> Sample {
    let signature = sign::aggregation(body.as_bytes(), SIGNING_SECRET);
    posted(name, &[("Content-Type", JSON), (AGGREGATION_HEADER, &signature)], body.as_bytes(), expected)
}

fn pay(name: &'static str, body: &str, expected: Expected) -> Sample {
    let signature = sign::pay(body.as_bytes(), PAY_SIGNING_SECRET);
    posted(name, &[("Content-Type", JSON), (PAY_HEADER, &signature)], body.as_bytes(), expected)
}

fn not_text(name: &'static str) -> Sample {
    let body = b"\xff\xfe{\0\"\0R\0";
    let signature = sign::aggregation(body, SIGNING_SECRET);
    posted(name, &[(AGGREGATION_HEADER, &signature)], body, Expected::ClaimCheck(Kind::Unclassified))
}

fn posted(name: &'static str, headers: &[(&str, &str)], body: &[u8], expected: Expected) -> Sample {
    let request = HttpRequest {
        method: "POST",
        path: "/webhooks/flinks",
        headers,
        body,
        source_ip: Some("192.0.2.1"),
        request_id: Some("JKJaXmPLvHcESHA="),
        time_epoch: Some(1_790_000_000_000),
    };
    // Serialisation fails only for maps whose keys are not strings, and there are none here.
    raw_with_body(name, serde_json::to_value(event(&request)).unwrap_or_default(), body, expected)
}

fn raw(name: &'static str, event: Value, expected: Expected) -> Sample {
    raw_with_body(name, event, b"", expected)
}

fn raw_with_body(name: &'static str, event: Value, body: &[u8], expected: Expected) -> Sample {
    Sample { name, event, body: body.to_vec(), expected }
}

const LOGIN_ID: &str = "5e115eac-1209-4f19-641c-08d6d484e2fe";

const KYC: &str = r#"{"ResponseType":"KYC","HttpStatusCode":200,"Holders":[{"Name":"Zoé Lefrançois","Address":{"CivicAddress":"1 rue de l'Exemple","City":"Montréal","Province":"QC","PostalCode":"H0H 0H0","POBox":null,"Country":"CA"},"Email":"zoe@example.com","PhoneNumber":"5145550100"}],"Tag":"user-1001","Login":{"Username":"zoe_example","IsScheduledRefresh":false,"LastRefresh":"2026-10-01T17:57:16.4111654","Type":"Personal","Id":"5e115eac-1209-4f19-641c-08d6d484e2fe"},"InstitutionId":14,"Institution":"FlinksCapital","RequestId":"703b94bc-8318-4aa0-8b11-a70da78edb5c"}"#;

const ACCOUNTS_DETAIL: &str = r#"{"ResponseType":"GetAccountsDetail","HttpStatusCode":200,"Accounts":[{"Transactions":[{"Date":"2026-10-01","Code":null,"Description":"EXAMPLE PAYROLL","Debit":null,"Credit":500,"Balance":37700.25,"Id":"c140e187-3356-4ba8-b694-cc7051a323f4"},{"Date":"2026-09-30","Code":null,"Description":"EXAMPLE GROCERIES","Debit":42.1,"Credit":null,"Balance":37200.25,"Id":"bb34db6d-af1b-4e60-8915-ce075c02a1a3"}],"TransitNumber":"77777","InstitutionNumber":"777","OverdraftLimit":0,"Title":"Chequing Account","AccountNumber":"1111000","LastFourDigits":null,"Balance":{"Available":38000,"Current":37700.25,"Limit":null},"Category":"Operations","Type":"Chequing","Currency":"CAD","Holder":{"Name":"Sam Example","Address":{"CivicAddress":"1 Sample Street","City":"Toronto","Province":"ON","PostalCode":"M0M 0M0","POBox":null,"Country":"CA"},"Email":"sam@example.com","PhoneNumber":"4165550100"},"AccountType":null,"Id":"964ce7d7-4014-4784-a148-cd1db08e5514"}],"Tag":"user-1002","Login":{"Username":"sam_example","IsScheduledRefresh":false,"LastRefresh":"2026-10-01T17:57:16.4111654","Type":"Personal","Id":"6b818cd8-359f-41c8-2246-08de0113edf4"},"InstitutionId":14,"Institution":"FlinksCapital","RequestId":"703b94bc-8318-4aa0-8b11-a70da78edb5c"}"#;

const SCHEDULED_REFRESH: &str = r#"{"ResponseType":"GetAccountsDetail","HttpStatusCode":200,"Accounts":[],"Login":{"Username":"sam_example","IsScheduledRefresh":true,"LastRefresh":"2026-10-02T05:12:44.0012345Z","Type":"Personal","Id":"6b818cd8-359f-41c8-2246-08de0113edf4"},"Institution":"FlinksCapital","RequestId":"12c70a53-6a02-4b7a-9a3c-0e2b8c9d4f11"}"#;

const FAILED_REFRESH: &str = r#"{"ResponseType":"GetAccountsDetail","HttpStatusCode":401,"FlinksCode":"INVALID_LOGIN","Login":{"Username":"sam_example","IsScheduledRefresh":true,"LastRefresh":"2026-10-02T05:12:44.0012345Z","Type":"Personal","Id":"6b818cd8-359f-41c8-2246-08de0113edf4"},"Institution":"FlinksCapital","RequestId":"0a7d0d7e-3b6b-4f0e-8f60-55d0c1f7c2aa"}"#;

const INVESTMENTS: &str = r#"{"ResponseType":"Investments","HttpStatusCode":200,"Login":{"Username":"ada_example","IsScheduledRefresh":false,"LastRefresh":"2026-03-01T10:00:00.0000000","Type":"Personal","Id":"0f9d8c7b-6a5e-4d3c-2b1a-09f8e7d6c5b4"},"Institution":"FlinksCapital","RequestId":"11f6e5d4-c3b2-4a19-8877-665544332211"}"#;

const SESSION_STATUS: &str = r#"{"sessionId":"aadd08f2-0000-4000-8000-000000000001","referenceId":"USER12345","amount":500,"status":"Completed","statusDetails":"EFT0301","when":"2026-10-01T12:00:00Z"}"#;

const FRAUD_ANALYSIS: &str = r#"{"HttpStatusCode":200,"Message":"Completed","Login":{"LoginId":"2c4b6a88-1357-4246-9bdf-02468ace1357","RequestId":"9e8d7c6b-5a49-4382-b716-05f4e3d2c1b0"},"DocumentAnalysis":[{"Status":"High Risk","FullAnalysis":[{"DocumentType":"BankStatement","FraudSignals":[{"Type":"FontMismatch","PageNumber":1,"Count":2}]}]}],"Tag":"application-77"}"#;

const UNKNOWN_TYPE: &str = r#"{"ResponseType":"GetStatements","HttpStatusCode":200,"Login":{"Username":"sam_example","IsScheduledRefresh":false,"LastRefresh":"2026-10-01T17:57:16.4111654","Type":"Personal","Id":"6b818cd8-359f-41c8-2246-08de0113edf4"},"RequestId":"703b94bc-8318-4aa0-8b11-a70da78edb5c"}"#;

/// Every field is null but the one that tells the type.
const NULLS: &str = r#"{"ResponseType":"GetAccountsDetail","HttpStatusCode":null,"Accounts":[{"Transactions":[{"Date":null,"Code":null,"Description":null,"Debit":null,"Credit":null,"Balance":null,"Id":null},null],"TransitNumber":null,"InstitutionNumber":null,"OverdraftLimit":null,"Title":null,"AccountNumber":null,"LastFourDigits":null,"Balance":{"Available":null,"Current":null,"Limit":null},"Category":null,"Type":null,"Currency":null,"Holder":{"Name":null,"Address":{"CivicAddress":null,"City":null,"Province":null,"PostalCode":null,"POBox":null,"Country":null},"Email":null,"PhoneNumber":null},"AccountType":null,"Id":null},{"Transactions":null,"Balance":null,"Holder":null},null],"Tag":null,"Login":{"Username":null,"IsScheduledRefresh":null,"LastRefresh":null,"Type":null,"Id":null},"InstitutionId":null,"Institution":null,"InstitutionName":null,"RequestId":null}"#;

/// Amounts that a float does not hold, and one that no decimal of 28 digits does.
const EXACT_MONEY: &str = r#"{"ResponseType":"GetAccountsDetail","HttpStatusCode":200,"Accounts":[{"Transactions":[{"Date":"2026-10-01","Code":null,"Description":"EXAMPLE PAYROLL","Debit":null,"Credit":19.10,"Balance":-0.30,"Id":"c140e187-3356-4ba8-b694-cc7051a323f4"}],"Balance":{"Available":1e400,"Current":123456789012345678.12,"Limit":9007199254740993},"Currency":"CAD","Id":"964ce7d7-4014-4784-a148-cd1db08e5514"}],"Login":{"Id":"6b818cd8-359f-41c8-2246-08de0113edf4"},"RequestId":"703b94bc-8318-4aa0-8b11-a70da78edb5c"}"#;
