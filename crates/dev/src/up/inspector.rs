//! The inspector: a page that shows the callbacks as they arrive, and the routes that it calls.
//!
//! Everything in a callback is hostile. The page shows it only as text, and its content security policy forbids every
//! script but its own. Three rules protect the routes:
//!
//! - The Host header must name a loopback. Otherwise a website that points its own name to this machine could read
//!   callbacks.
//! - Requests through a tunnel or proxy are rejected, whatever their Host header. Anybody may be behind a tunnel.
//! - Only the page itself may change something.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Path, Query, Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
        },
    },
    middleware::{Next, from_fn},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::{get, post},
};
use flinks_webhooks::delivery;
use futures_util::stream::{Stream, unfold};
use local_aws::{Host, is_forwarded};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::{sync::watch, task::spawn_blocking, time::sleep};

use super::{
    callback::{self, Callback, PATH, Summary},
    front::Front,
    journal::Totals,
};
use crate::samples;

/// The page gets at most this many bytes of a body.
const MAX_SHOWN_BYTES: usize = 256 * 1024;
/// The page gets at most this many bytes of a body that is not text. It shows them in hexadecimal.
const MAX_SHOWN_BINARY_BYTES: usize = 1024;
/// How long to collect callbacks before sending them to the page. It looks immediate, and limits the load.
const BATCH_INTERVAL: Duration = Duration::from_millis(100);

/// The samples that have a button: one of each kind, and one that is rejected.
const SAMPLES: [SampleButton; 7] = [
    SampleButton { name: "kyc", label: "KYC" },
    SampleButton { name: "accounts-detail", label: "Accounts detail" },
    SampleButton { name: "investments", label: "Investments" },
    SampleButton { name: "pay", label: "Pay" },
    SampleButton { name: "upload-fraud", label: "Upload fraud" },
    SampleButton { name: "unknown-type", label: "Unknown type" },
    SampleButton { name: "forged", label: "Forgery" },
];

/// A sample's name and its button's label.
#[derive(Serialize)]
struct SampleButton {
    name: &'static str,
    label: &'static str,
}

/// The content security policy. It allows only the page's own files. It forbids turning text into markup, and embedding
/// the page in another one.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

#[derive(Clone)]
struct Inspector {
    front: Arc<Front>,
    stopped: watch::Receiver<bool>,
}

/// The routes of the page. The live streams end when `stopped` becomes true.
pub(super) fn routes(front: Arc<Front>, stopped: watch::Receiver<bool>) -> Router {
    const HTML: &str = "text/html; charset=utf-8";
    const CSS: &str = "text/css; charset=utf-8";
    const SCRIPT: &str = "text/javascript; charset=utf-8";
    const SVG: &str = "image/svg+xml";
    let file = |content_type: &'static str, content: &'static str| {
        get(move || async move { ([(CONTENT_TYPE, content_type)], content) })
    };
    Router::new()
        .route("/", file(HTML, include_str!("page/inspector.html")))
        .route("/inspector/inspector.css", file(CSS, include_str!("page/inspector.css")))
        .route("/inspector/inspector.js", file(SCRIPT, include_str!("page/inspector.js")))
        .route("/inspector/json.js", file(SCRIPT, include_str!("page/json.js")))
        .route("/inspector/icon.svg", file(SVG, include_str!("page/icon.svg")))
        .route("/inspector/live", get(live))
        .route("/inspector/search", get(search))
        .route("/inspector/callbacks/{number}", get(detail))
        .route("/inspector/callbacks/{number}/again", post(send_again))
        .route("/inspector/samples/{name}", post(send_sample))
        .layer(from_fn(guard))
        .with_state(Inspector { front, stopped })
}

/// Applies the three rules to a request, and sets the security headers of the response.
async fn guard(request: Request, next: Next) -> Response {
    let mut response = if is_forwarded(request.headers()) {
        forbidden("This page cannot be used through a tunnel or proxy: open it on the machine that it runs on.")
    } else if !Host::of_request(request.uri(), request.headers()).is_some_and(Host::is_loopback) {
        // Somebody else may point another name to this machine. Any port is allowed, because it may be forwarded.
        forbidden("This page is available only on http://127.0.0.1 and http://localhost.")
    } else if !matches!(*request.method(), Method::GET | Method::HEAD) && !is_own(request.headers()) {
        forbidden("Only the inspector's own page may do this.")
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn forbidden(why: &'static str) -> Response {
    (StatusCode::FORBIDDEN, why).into_response()
}

/// Whether a page of this server made the request. A browser sends the Origin header with every POST.
fn is_own(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    match (text(ORIGIN), text(HOST)) {
        (Some(origin), Some(host)) => origin.strip_prefix("http://") == Some(host),
        _ => false,
    }
}

/// Streams the callbacks in the journal at once, and then each new one.
async fn live(State(inspector): State<Inspector>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let Inspector { front, stopped } = inspector;
    let changes = front.journal.watch();
    let stream = unfold(Live { front, changes, stopped, last: None }, |mut live| async move {
        let event = live.next().await?;
        Some((Ok(event), live))
    });
    Sse::new(stream).keep_alive(KeepAlive::default())
}

/// The stream of one open page.
struct Live {
    front: Arc<Front>,
    changes: watch::Receiver<Totals>,
    stopped: watch::Receiver<bool>,
    /// The number of the last callback that it got.
    last: Option<u64>,
}

impl Live {
    async fn next(&mut self) -> Option<Event> {
        if self.last.is_some() {
            tokio::select! {
                _ = self.stopped.wait_for(|stopped| *stopped) => return None,
                changed = async { sleep(BATCH_INTERVAL).await; self.changes.changed().await } => changed.ok()?,
            }
        }
        let totals = *self.changes.borrow_and_update();
        let after = self.last.unwrap_or_default();
        let callbacks = self.front.journal.after(after);
        let update = Update {
            start: self.last.is_none().then_some(Start { path: PATH, samples: SAMPLES }),
            totals,
            callbacks: callbacks.iter().map(|callback| callback.summary()).collect(),
        };
        self.last = Some(callbacks.last().map_or(after, |newest| newest.number));
        let name = if update.start.is_some() { "start" } else { "callbacks" };
        Some(Event::default().event(name).data(serde_json::to_string(&update).unwrap_or_default()))
    }
}

/// What the page gets when it connects and at each change.
#[derive(Serialize)]
struct Update<'a> {
    #[serde(flatten)]
    start: Option<Start>,
    totals: Totals,
    /// Oldest first.
    callbacks: Vec<Summary<'a>>,
}

#[derive(Serialize)]
struct Start {
    path: &'static str,
    samples: [SampleButton; 7],
}

#[derive(Deserialize)]
struct Search {
    #[serde(default)]
    text: String,
}

/// Finds the numbers of the callbacks whose body contains a text. It ignores case.
async fn search(State(inspector): State<Inspector>, Query(Search { text }): Query<Search>) -> Response {
    let text = text.to_lowercase();
    let found = spawn_blocking(move || {
        let callbacks = inspector.front.journal.after(0);
        let contains =
            |callback: &Arc<Callback>| String::from_utf8_lossy(&callback.request.body).to_lowercase().contains(&text);
        callbacks.into_iter().filter(contains).map(|callback| callback.number).collect::<Vec<_>>()
    });
    json_response(&json!({ "numbers": found.await.unwrap_or_default() }))
}

/// Everything about one callback.
async fn detail(State(inspector): State<Inspector>, Path(number): Path<u64>) -> Response {
    let Some(callback) = inspector.front.journal.get(number) else { return not_found() };
    let message = inspector.front.message(&callback).await;
    json_response(&Detail {
        summary: callback.summary(),
        headers: &callback.request.headers,
        body: Body::excerpt(&callback.request.body),
        group_id: message.as_ref().and_then(|(message, _)| message.group_id()),
        attributes: message.as_ref().map(|(_, attributes)| attributes.iter().map(Attribute::from_message).collect()),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Detail<'a> {
    #[serde(flatten)]
    summary: Summary<'a>,
    headers: &'a [(String, String)],
    body: Body<'a>,
    group_id: Option<&'a str>,
    /// `None` if there is no message.
    attributes: Option<Vec<Attribute<'a>>>,
}

#[derive(Serialize)]
struct Attribute<'a> {
    name: &'static str,
    r#type: &'static str,
    value: &'a str,
}

impl<'a> Attribute<'a> {
    fn from_message(attribute: &'a delivery::Attribute) -> Self {
        Self { name: attribute.name, r#type: attribute.data_type.as_str(), value: &attribute.value }
    }
}

/// The start of a body: as text if it is UTF-8, otherwise in hexadecimal.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hex: Option<String>,
    /// How many bytes of the body this shows.
    shown: usize,
}

impl<'a> Body<'a> {
    fn excerpt(bytes: &'a [u8]) -> Self {
        if let Ok(text) = str::from_utf8(bytes) {
            let shown = text.floor_char_boundary(MAX_SHOWN_BYTES);
            Self { text: text.get(..shown), hex: None, shown }
        } else {
            let shown = bytes.get(..MAX_SHOWN_BINARY_BYTES).unwrap_or(bytes);
            Self { text: None, hex: Some(hex::encode(shown)), shown: shown.len() }
        }
    }
}

async fn send_again(State(inspector): State<Inspector>, Path(number): Path<u64>) -> Response {
    match inspector.front.journal.get(number) {
        // A body that was too large for API Gateway is not kept, so it cannot be sent again.
        Some(callback) if callback.body_bytes == callback.request.body.len() => {
            send(&inspector, callback.request.clone()).await
        }
        _ => not_found(),
    }
}

async fn send_sample(State(inspector): State<Inspector>, Path(name): Path<String>) -> Response {
    let has_button = SAMPLES.iter().any(|button| button.name == name);
    match samples::all().iter().find(|sample| has_button && sample.name == name) {
        Some(sample) => send(&inspector, callback::Request::from_sample(sample)).await,
        None => not_found(),
    }
}

async fn send(inspector: &Inspector, request: callback::Request) -> Response {
    let (response, callback) = inspector.front.handle(request).await;
    json_response(&json!({ "status": response.status, "number": callback.map(|callback| callback.number) }))
}

fn json_response(value: &impl Serialize) -> Response {
    // Serialisation fails only for maps whose keys are not strings, and there are none here.
    ([(CONTENT_TYPE, "application/json")], serde_json::to_vec(value).unwrap_or_default()).into_response()
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "There is no such sample or callback, or the callback is no longer kept.").into_response()
}
