use super::*;
use crate::auth::SignatureForm;

fn kind(body: &str, signature_form: SignatureForm) -> Kind {
    let mapped = ResponseTypes::from([("GetAccountsSummary".to_owned(), Kind::AccountsDetail)]);
    let callback = AuthenticCallback::for_test(body.to_owned(), signature_form);
    ClassifiedCallback::classify(callback, &mapped).kind
}

#[test]
fn a_mapped_response_type_has_the_kind_it_is_mapped_to() {
    assert_eq!(kind(r#"{"ResponseType":"GetAccountsSummary"}"#, SignatureForm::Raw), Kind::AccountsDetail);
}

#[test]
fn a_pay_signature_makes_it_pay() {
    assert_eq!(kind(r#"{"ResponseType":"KYC"}"#, SignatureForm::Pay), Kind::Pay);
    assert_eq!(kind(r#"{"ResponseType":"KYC"}"#, SignatureForm::Raw), Kind::Kyc);
}
