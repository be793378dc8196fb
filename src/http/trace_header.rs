//! The header of the X-Ray trace that an invocation belongs to. The message carries it, so that a consumer's trace
//! continues that trace.

/// X-Ray's trace header with the three fields that it documents. Only a sampled trace has one: without tracing, nothing is
/// added to a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TraceHeader(String);

impl TraceHeader {
    /// Parses the header that Lambda passes with an event. `None` if the trace is not sampled, and for any other text:
    /// SQS rejects a message whose header is malformed.
    pub fn parse(text: &str) -> Option<Self> {
        let field = |name: &str| text.split(';').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='));
        if field("Sampled") != Some("1") {
            return None;
        }
        let root = field("Root").filter(|root| is_trace_id(root))?;
        Some(Self(match field("Parent") {
            Some(parent) if is_hex(parent, 16) => format!("Root={root};Parent={parent};Sampled=1"),
            Some(_) => return None,
            None => format!("Root={root};Sampled=1"),
        }))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The version, the start in seconds and 96 random bits, with hyphens between.
fn is_trace_id(text: &str) -> bool {
    let mut parts = text.split('-');
    parts.next() == Some("1")
        && parts.next().is_some_and(|seconds| is_hex(seconds, 8))
        && parts.next().is_some_and(|random| is_hex(random, 24))
        && parts.next().is_none()
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLED: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

    fn parsed(text: &str) -> Option<String> {
        TraceHeader::parse(text).map(|header| header.as_str().to_owned())
    }

    #[test]
    fn a_sampled_trace_goes_on() {
        assert_eq!(parsed(SAMPLED).as_deref(), Some(SAMPLED));
        let rearranged = "Sampled=1; Parent=53995c3f42cd8ad8; Root=1-5759e988-bd862e3fe1be46a994272793";
        assert_eq!(parsed(rearranged).as_deref(), Some(SAMPLED));
        let root_only = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1";
        assert_eq!(parsed(root_only).as_deref(), Some(root_only));
    }

    #[test]
    fn what_lambda_adds_for_itself_stays_out() {
        assert_eq!(parsed(&format!("{SAMPLED};Lineage=1:a87bd80c:0|68fd508a:5")).as_deref(), Some(SAMPLED));
    }

    #[test]
    fn a_trace_that_is_not_sampled_and_any_other_text_give_none() {
        for text in [
            "",
            "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0",
            "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8",
            "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=?",
            "Parent=53995c3f42cd8ad8;Sampled=1",
            "Root=2-5759e988-bd862e3fe1be46a994272793;Sampled=1",
            "Root=1-5759e988-bd862e3fe1be46a994272793-0;Sampled=1",
            "Root=1-5759e98g-bd862e3fe1be46a994272793;Sampled=1",
            "Root=1-5759e988-bd862e3fe1be46a99427279;Sampled=1",
            "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=1;Sampled=1",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }
}
