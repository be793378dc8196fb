//! The inspector: a page that shows the callbacks as they arrive, and the few addresses that it asks.
//!
//! Everything a callback carries is hostile. The page shows it as text only, and its policy forbids every script but its
//! own. Its addresses answer only to a browser that was sent to this machine by name, so that a page elsewhere, whose
//! name somebody has made to point here, cannot read callbacks; never to a tunnel or proxy, behind which may be anybody,
//! whatever it makes of the Host header; and what changes something, only to the page itself.

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

/// Most of a body that the page gets to see, in bytes.
const MAX_SHOWN_BYTES: usize = 256 * 1024;
/// Most of a body that is no text, which is shown in hexadecimal, in bytes.
const MAX_SHOWN_BINARY_BYTES: usize = 1024;
/// How long callbacks are gathered before the page hears of them: fast enough for the eye, and bearable under load.
const GATHERED_FOR: Duration = Duration::from_millis(100);

/// The samples that have a button: one of each kind, and one that is rejected.
const SAMPLES: [Offer; 7] = [
    Offer { name: "kyc", label: "KYC" },
    Offer { name: "accounts-detail", label: "Accounts detail" },
    Offer { name: "investments", label: "Investments" },
    Offer { name: "pay", label: "Pay" },
    Offer { name: "upload-fraud", label: "Upload fraud" },
    Offer { name: "unknown-type", label: "Unknown type" },
    Offer { name: "forged", label: "Forgery" },
];

/// A sample's name, and what is on its button.
#[derive(Serialize)]
struct Offer {
    name: &'static str,
    label: &'static str,
}

/// Nothing but the page's own files, no text that becomes markup, and no other page around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

#[derive(Clone)]
struct Inspector {
    front: Arc<Front>,
    stopped: watch::Receiver<bool>,
}

/// The page and its addresses. The live streams end when `stopped` turns true.
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

/// Lets in who came by this machine's own name and from this machine, and changes from the page alone.
async fn guard(request: Request, next: Next) -> Response {
    let mut response = if is_forwarded(request.headers()) {
        forbidden("This page does not answer through a tunnel or proxy: open it on the machine that it runs on.")
    } else if !Host::of_request(request.uri(), request.headers()).is_some_and(Host::is_loopback) {
        // A name that somebody else can make to point here. Any port: it may be forwarded.
        forbidden("This page answers only on http://127.0.0.1 and http://localhost.")
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

/// Whether the request was made by a page of this very server. A browser says so with every POST.
fn is_own(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    match (text(ORIGIN), text(HOST)) {
        (Some(origin), Some(host)) => origin.strip_prefix("http://") == Some(host),
        _ => false,
    }
}

/// What is kept, at once, and each callback from now on.
async fn live(State(inspector): State<Inspector>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let Inspector { front, stopped } = inspector;
    let changes = front.journal.watch();
    let stream = unfold(Live { front, changes, stopped, last: None }, |mut live| async move {
        let event = live.next().await?;
        Some((Ok(event), live))
    });
    Sse::new(stream).keep_alive(KeepAlive::default())
}

/// One page that is watching.
struct Live {
    front: Arc<Front>,
    changes: watch::Receiver<Totals>,
    stopped: watch::Receiver<bool>,
    /// Number of the last callback that was sent to it.
    last: Option<u64>,
}

impl Live {
    async fn next(&mut self) -> Option<Event> {
        if self.last.is_some() {
            tokio::select! {
                _ = self.stopped.wait_for(|stopped| *stopped) => return None,
                changed = async { sleep(GATHERED_FOR).await; self.changes.changed().await } => changed.ok()?,
            }
        }
        let totals = *self.changes.borrow_and_update();
        let after = self.last.unwrap_or_default();
        let callbacks = self.front.journal.after(after);
        let news = News {
            start: self.last.is_none().then_some(Start { path: PATH, samples: SAMPLES }),
            totals,
            callbacks: callbacks.iter().map(|callback| callback.summary()).collect(),
        };
        self.last = Some(callbacks.last().map_or(after, |newest| newest.number));
        let name = if news.start.is_some() { "start" } else { "callbacks" };
        Some(Event::default().event(name).data(serde_json::to_string(&news).unwrap_or_default()))
    }
}

/// What the page gets, at first and with each change.
#[derive(Serialize)]
struct News<'a> {
    #[serde(flatten)]
    start: Option<Start>,
    totals: Totals,
    /// Oldest first.
    callbacks: Vec<Summary<'a>>,
}

#[derive(Serialize)]
struct Start {
    path: &'static str,
    samples: [Offer; 7],
}

#[derive(Deserialize)]
struct Search {
    #[serde(default)]
    text: String,
}

/// The numbers of the callbacks whose body has a text, in any case.
async fn search(State(inspector): State<Inspector>, Query(Search { text }): Query<Search>) -> Response {
    let text = text.to_lowercase();
    let found = spawn_blocking(move || {
        let callbacks = inspector.front.journal.after(0);
        let has_it =
            |callback: &Arc<Callback>| String::from_utf8_lossy(&callback.request.body).to_lowercase().contains(&text);
        callbacks.into_iter().filter(has_it).map(|callback| callback.number).collect::<Vec<_>>()
    });
    answer(&json!({ "numbers": found.await.unwrap_or_default() }))
}

/// All of one callback.
async fn detail(State(inspector): State<Inspector>, Path(number): Path<u64>) -> Response {
    let Some(callback) = inspector.front.journal.get(number) else { return gone() };
    let message = inspector.front.message(&callback).await;
    answer(&Detail {
        summary: callback.summary(),
        headers: &callback.request.headers,
        body: Body::start_of(&callback.request.body),
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
    /// None where there is no message.
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

/// The start of a body, as text where the body is text.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hex: Option<String>,
    /// How much of the body this is, in bytes.
    shown: usize,
}

impl<'a> Body<'a> {
    fn start_of(bytes: &'a [u8]) -> Self {
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
        // Of a body that the gateway did not take, there is nothing left to send.
        Some(callback) if callback.body_bytes == callback.request.body.len() => {
            send(&inspector, callback.request.clone()).await
        }
        _ => gone(),
    }
}

async fn send_sample(State(inspector): State<Inspector>, Path(name): Path<String>) -> Response {
    let offered = SAMPLES.iter().any(|offer| offer.name == name);
    match samples::all().iter().find(|sample| offered && sample.name == name) {
        Some(sample) => send(&inspector, callback::Request::of_sample(sample)).await,
        None => gone(),
    }
}

async fn send(inspector: &Inspector, request: callback::Request) -> Response {
    let (response, callback) = inspector.front.take(request).await;
    answer(&json!({ "status": response.status, "number": callback.map(|callback| callback.number) }))
}

fn answer(value: &impl Serialize) -> Response {
    // Only a map with keys that are no strings cannot be written.
    ([(CONTENT_TYPE, "application/json")], serde_json::to_vec(value).unwrap_or_default()).into_response()
}

fn gone() -> Response {
    (StatusCode::NOT_FOUND, "No such callback or sample, or it is no longer kept.").into_response()
}
