use super::*;
use crate::signature_form::{API, ASCII, PAY, RAW};

fn read(signature_form: &str, body: &str) -> Event {
    Event::read(body.as_bytes(), Attributes::from_iter([("SignatureForm", signature_form)]))
}

fn reason(event: &Event) -> Option<UnknownReason> {
    match &event.payload {
        Payload::Unknown(unknown) => Some(unknown.reason),
        _ => None,
    }
}

fn kyc(body: &str) -> (Kyc, LostFields) {
    let event = read(RAW, body);
    match event.payload {
        Payload::Kyc(kyc) => (*kyc, event.lost),
        payload => panic!("{payload:?}"),
    }
}

fn accounts(body: &str) -> (AccountsDetail, LostFields) {
    let event = read(RAW, body);
    match event.payload {
        Payload::AccountsDetail(accounts) => (*accounts, event.lost),
        payload => panic!("{payload:?}"),
    }
}

#[test]
fn the_receivers_rules_choose_the_type() {
    for (form, body, kind, name) in [
        (RAW, r#"{"ResponseType":"KYC"}"#, Kind::Kyc, "Kyc"),
        (ASCII, r#"{"ResponseType":"GetAccountsDetail"}"#, Kind::AccountsDetail, "AccountsDetail"),
        ("", r#"{"ResponseType":"Investments"}"#, Kind::Investments, "Investments"),
        (RAW, r#"{"DocumentAnalysis":[]}"#, Kind::UploadFraud, "FraudAlert"),
        (RAW, r#"{"sessionId":"s","status":"Failed"}"#, Kind::Pay, "EftSessionStatus"),
        (PAY, r#"{"sessionId":"s","status":"Failed","ResponseType":"KYC"}"#, Kind::Pay, "EftSessionStatus"),
        (PAY, r#"{"ResponseType":"KYC"}"#, Kind::Pay, "Unknown"),
        (PAY, r#"{"sessionId":"s","guarantee":{}}"#, Kind::Pay, "Unknown"),
        (API, r#"{"ResponseType":"GetAccountsDetail","Accounts":[]}"#, Kind::AccountsDetail, "AccountsDetail"),
        (API, r#"{"Accounts":[]}"#, Kind::AccountsDetail, "AccountsDetail"),
        (API, r#"{"ResponseType":"KYC","sessionId":"s","status":"x"}"#, Kind::AccountsDetail, "AccountsDetail"),
        (RAW, r#"{"ResponseType":"GetAccountsSummary","Accounts":[]}"#, Kind::Unclassified, "Unknown"),
    ] {
        let event = read(form, body);
        assert_eq!((event.kind, event.payload.name()), (kind, name), "{form} {body}");
        assert!(event.lost.is_empty(), "{body}");
    }
}

#[test]
fn what_has_no_type_keeps_everything_and_says_why() {
    for body in ["", "{", "[]", "null", r#"{"ResponseType":"KYC""#, r#"{"ResponseType":"KYC"}}"#] {
        for form in [RAW, PAY, API] {
            assert_eq!(reason(&read(form, body)), Some(UnknownReason::NotAnObject), "{form} {body}");
        }
    }
    assert_eq!(reason(&Event::read(b"\xff\xfe", Attributes::default())), Some(UnknownReason::NotAnObject));
    let body = r#"{"ResponseType":"GetStatements","Login":{"Id":"l"},"Tag":"t"}"#;
    let Payload::Unknown(unknown) = read(RAW, body).payload else { panic!("a type") };
    assert_eq!((unknown.reason, &*unknown.body), (UnknownReason::NoType, body.as_bytes()));
    assert_eq!(unknown.fields.login_id.unwrap().as_str(), "l");
}

#[test]
fn a_claim_check_that_nobody_resolved_is_named() {
    let pointer = r#"["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":"b","s3Key":"k"}]"#;
    let sized = |body: &str, size: &str| {
        reason(&Event::read(body.as_bytes(), Attributes::from_iter([("ExtendedPayloadSize", size)])))
    };
    assert_eq!(sized(pointer, "1500000"), Some(UnknownReason::ClaimCheck));
    // A payload that looks like a claim check is none.
    assert_eq!(sized(pointer, &pointer.len().to_string()), Some(UnknownReason::NotAnObject));
    assert_eq!(reason(&read(RAW, pointer)), Some(UnknownReason::NotAnObject));
    assert_eq!(sized(r#"{"ResponseType":"KYC"}"#, "22"), None);
}

#[test]
fn a_value_of_another_type_costs_only_its_own_field() {
    let (payload, lost) = accounts(
        r#"{"ResponseType":"GetAccountsDetail","HttpStatusCode":"200","Tag":7,"Login":[],"Accounts":[
            {"Title":"a","Transactions":[{"Debit":"5"},{"Debit":5,"Date":5},null,6]},
            "x",
            {"Title":["b"],"Holder":5,"TransitNumber":true,"Balance":{"Limit":{}},"Currency":"CAD"}]}"#,
    );
    assert_eq!(
        lost.paths(),
        [
            "HttpStatusCode",
            "Accounts[0].Transactions[0].Debit",
            "Accounts[0].Transactions[1].Date",
            "Accounts[0].Transactions[2]",
            "Accounts[0].Transactions[3]",
            "Accounts[1]",
            "Accounts[2].TransitNumber",
            "Accounts[2].Title",
            "Accounts[2].Balance.Limit",
            "Accounts[2].Holder",
            "Tag",
            "Login",
        ]
    );
    assert_eq!(lost.count(), 12);
    let accounts = payload.accounts.unwrap();
    assert_eq!(accounts.len(), 2);
    assert_eq!(accounts[0].title.as_deref(), Some("a"));
    assert_eq!(accounts[0].transactions.as_ref().unwrap()[1].debit.as_ref().unwrap().as_str(), "5");
    assert_eq!(accounts[1].currency.as_deref(), Some("CAD"));
}

#[test]
fn the_paths_of_a_million_wrong_values_are_few() {
    let (_, lost) = kyc(&format!(r#"{{"ResponseType":"KYC","Holders":[{}0]}}"#, "0,".repeat(999_999)));
    assert_eq!((lost.paths().len(), lost.count()), (LostFields::MAX_PATHS, 1_000_000));
}

#[test]
fn only_where_nothing_better_can_be_said_the_type_is_lost_as_well() {
    let event = read(RAW, r#"{"DocumentAnalysis":"High Risk","Message":"Completed"}"#);
    assert_eq!((event.kind, reason(&event)), (Kind::UploadFraud, Some(UnknownReason::WrongType)));
    assert_eq!(event.lost.paths(), ["DocumentAnalysis"]);
    let event = read(PAY, r#"{"sessionId":{},"status":[],"amount":5}"#);
    assert_eq!((event.kind, reason(&event)), (Kind::Pay, Some(UnknownReason::WrongType)));
    assert_eq!(event.lost.paths(), ["sessionId", "status"]);
    let event = read(PAY, r#"{"sessionId":5,"status":"Failed"}"#);
    assert_eq!((event.payload.name(), event.lost.paths()), ("EftSessionStatus", ["sessionId".to_owned()].as_slice()));
}

#[test]
fn of_a_key_that_is_there_twice_the_last_one_counts() {
    let (payload, lost) = kyc(r#"{"Tag":1,"ResponseType":"Investments","Tag":"t","ResponseType":"KYC",
        "Login":{"Id":"a","Id":"b"},"Institution":"x","Institution":null}"#);
    assert_eq!((payload.tag.as_deref(), payload.login.unwrap().id.as_deref()), (Some("t"), Some("b")));
    assert_eq!((payload.institution, lost.count()), (None, 0));
}

#[test]
fn half_of_a_surrogate_pair_costs_only_its_own_field() {
    let (payload, lost) = kyc(
        r#"{"ResponseType":"KYC","Tag":"\ud83d","\udc00":"\ud800","Holders":[{"Name":"\udfff","Email":"\ud83d\ude00"}]}"#,
    );
    assert_eq!(lost.paths(), ["Holders[0].Name", "Tag"]);
    assert_eq!(payload.holders.unwrap()[0].email.as_deref(), Some("😀"));
}

#[test]
fn nesting_costs_neither_the_type_nor_the_stack() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    for key in ["Unknown", "Tag", "Holders", "Login"] {
        let (payload, lost) = kyc(&format!(r#"{{"ResponseType":"KYC","{key}":{deep},"RequestId":"r"}}"#));
        assert_eq!(payload.request_id.as_deref(), Some("r"), "{key}");
        assert_eq!(lost.is_empty(), key == "Unknown");
    }
}

#[test]
fn a_byte_order_mark_is_ignored() {
    assert_eq!(kyc("\u{FEFF}{\"ResponseType\":\"KYC\",\"Tag\":\"t\"}").0.tag.as_deref(), Some("t"));
}

#[test]
fn either_or_fields_take_both_forms() {
    let (payload, lost) = accounts(
        r#"{"ResponseType":"GetAccountsDetail","Accounts":[
            {"Holder":"Jane","TransitNumber":123,"InstitutionNumber":"004"},
            {"Holder":{"Name":"Joe"},"TransitNumber":"00123","InstitutionNumber":4}]}"#,
    );
    let accounts = payload.accounts.unwrap();
    let read = accounts.iter().map(|account| {
        let text = |number: &Option<crate::Scalar>| number.as_ref().unwrap().as_str().to_owned();
        let name = account.holder.as_ref().unwrap().name().unwrap();
        (name, text(&account.transit_number), text(&account.institution_number))
    });
    let expected = [("Jane", "123".to_owned(), "004".to_owned()), ("Joe", "00123".to_owned(), "4".to_owned())];
    assert!(read.eq(expected) && lost.is_empty());
}

#[test]
fn an_amount_is_exact_or_text_and_takes_nothing_else_away() {
    let (payload, lost) = accounts(
        r#"{"ResponseType":"GetAccountsDetail","Accounts":[{"Balance":
            {"Available":123456789012345678.12,"Current":19.10,"Limit":1e400}}]}"#,
    );
    let balance = payload.accounts.unwrap().remove(0).balance.unwrap();
    let amount = |amount: Option<crate::number::Money>| {
        let amount = amount.unwrap();
        (amount.as_str().to_owned(), amount.decimal().map(|value| value.to_string()))
    };
    assert_eq!(amount(balance.available).1.as_deref(), Some("123456789012345678.12"));
    assert_eq!(amount(balance.current).1.as_deref(), Some("19.10"));
    assert_eq!(amount(balance.limit), ("1e400".to_owned(), None));
    assert!(lost.is_empty());
}

#[test]
fn nothing_that_a_payload_says_is_printed() {
    let objects = [
        r#"{"ResponseType":"KYC","Tag":"Canary","Holders":[{"Name":"Canary","Address":{"City":"Canary"}}],"Institution":["Canary"]}"#,
        r#"{"ResponseType":"GetAccountsDetail","Accounts":[{"Holder":"Canary","Transactions":[{"Date":"Canary"}]}]}"#,
        r#"{"ResponseType":"Canary","Login":{"Id":"Canary"}}"#,
        r#"{"sessionId":"Canary","status":"Canary"}"#,
        r#"{"DocumentAnalysis":[{"Status":"Canary"}],"Tag":{"Canary":1}}"#,
        "Canary",
    ];
    for body in objects {
        let printed = format!("{:?}", read(RAW, body));
        assert!(!printed.contains("Canary"), "{printed}");
    }
    let (payload, _) = accounts(objects[1]);
    let account = &payload.accounts.as_ref().unwrap()[0];
    let printed = format!("{payload:?} {account:?} {:?} {:?}", account.holder, account.transactions);
    assert!(!printed.contains("Canary"), "{printed}");
}
