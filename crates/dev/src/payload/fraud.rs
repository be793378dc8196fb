//! A fraud alert of Flinks Upload. Flinks does not publish the alert, so this has the shape of the fraud-analysis API's
//! response.

use rand::{Rng, RngExt};
use serde::Serialize;

use super::{
    item::{Extent, Item, json, list},
    options::Options,
    text::{any, id, tag},
};

/// Makes up an analysis of one or more documents.
pub fn analysis(options: &Options, rng: &mut impl Rng) -> String {
    let mut payload = Analysis {
        http_status_code: 200,
        message: "Completed",
        login: Login { login_id: options.login_id.clone().unwrap_or_else(|| id(rng)), request_id: id(rng) },
        document_analysis: Vec::new(),
        tag: options.tag.clone().unwrap_or_else(|| tag(rng)),
    };
    let extent = options.size.map_or_else(
        || Extent::Items(rng.random_range(1..=2)),
        |size| Extent::Bytes(size.saturating_sub(json(&payload).len())),
    );
    payload.document_analysis = list(extent, || document(rng));
    json(&payload)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Analysis {
    http_status_code: u16,
    message: &'static str,
    login: Login,
    document_analysis: Vec<Item>,
    tag: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Login {
    login_id: String,
    request_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    status: &'static str,
    full_analysis: [FullAnalysis; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct FullAnalysis {
    document_type: &'static str,
    fraud_signals: Vec<FraudSignal>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct FraudSignal {
    #[serde(rename = "Type")]
    signal_type: &'static str,
    page_number: u32,
    count: u32,
}

fn document(rng: &mut impl Rng) -> Document {
    let fraud_signals = (0..rng.random_range(0..=3)).map(|_| signal(rng)).collect();
    Document {
        status: any(&["Trust", "Normal", "Warning", "High Risk"], rng),
        full_analysis: [FullAnalysis { document_type: any(&["BankStatement", "PayStub"], rng), fraud_signals }],
    }
}

fn signal(rng: &mut impl Rng) -> FraudSignal {
    FraudSignal {
        signal_type: any(&["FontMismatch", "EditedText", "MetadataMismatch"], rng),
        page_number: rng.random_range(1..=9),
        count: rng.random_range(1..=5),
    }
}
