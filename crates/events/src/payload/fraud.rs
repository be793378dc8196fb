//! Flinks Upload.

use super::object;
use crate::fields::Scalar;

object! {
    /// A fraud alert of Flinks Upload. Inferred: Flinks publishes no alert, so this is the response of its
    /// fraud-analysis API.
    pub struct FraudAlert {
        /// Flinks' own status.
        "HttpStatusCode" => http_status_code: i64,
        /// How the analysis ended.
        "Message" => message: String,
        /// Whose documents they are.
        "Login" => login: FraudLogin,
        /// The analysed documents.
        "DocumentAnalysis" => document_analysis: Vec<DocumentAnalysis>,
        /// What the front end gave Flinks Connect. It does not authenticate anybody, and may be personal data.
        "Tag" => tag: String,
    }
}

object! {
    /// Whose documents were analysed.
    pub struct FraudLogin {
        /// The LoginId.
        "LoginId" => login_id: String,
        /// The id of the request at Flinks.
        "RequestId" => request_id: String,
    }
}

object! {
    /// The analysis of a document.
    pub struct DocumentAnalysis {
        /// The verdict: `Trust`, `Normal`, `Warning` or `High Risk`.
        "Status" => status: String,
        /// What was found, for each document.
        "FullAnalysis" => full_analysis: Vec<FullAnalysis>,
    }
}

object! {
    /// What was found in a document.
    pub struct FullAnalysis {
        /// What the document is.
        "DocumentType" => document_type: String,
        /// The signals of fraud.
        "FraudSignals" => fraud_signals: Vec<FraudSignal>,
    }
}

object! {
    /// A signal of fraud.
    pub struct FraudSignal {
        /// What sort of signal it is.
        "Type" => signal_type: String,
        /// The page that it is on.
        "PageNumber" => page_number: i64,
        /// How often it is there.
        "Count" => count: i64,
        /// The data that it was found in.
        "UnderlyingData" => underlying_data: Vec<UnderlyingData>,
    }
}

object! {
    /// The data that a signal was found in.
    pub struct UnderlyingData {
        /// The pieces of data.
        "Details" => details: Vec<UnderlyingDetail>,
    }
}

object! {
    /// A piece of data that a signal was found in.
    pub struct UnderlyingDetail {
        /// What the value is.
        "SpecificType" => specific_type: String,
        /// The value. Flinks does not document its JSON type: a string or a number.
        "Value" => value: Scalar,
        /// The value's type.
        "DataType" => data_type: String,
    }
}
