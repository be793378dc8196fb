//! The inspector's page in a real browser, and who may use it.

#![recursion_limit = "256"]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failure in a helper fails its test, but clippy allows this only in test functions"
)]

mod browser;
mod running;

use browser::{Browser, Screen};
use flinks_dev::sign;
use running::{AGGREGATION, JSON, Up};
use serde_json::{Value, json};

const DESK: Screen = Screen::Desk(1280, 900);
const PHONE: Screen = Screen::Phone(360, 740);

/// Starts the program and opens the page. `None` if there is no browser.
async fn open(test: &str, screen: Screen) -> Option<(Up, Browser)> {
    let browser = Browser::start(test, screen).await?;
    let up = Up::start().await;
    browser.open(up.started["inspector"].as_str().unwrap()).await;
    browser.until("document.querySelector('#connection').textContent === 'live'").await;
    Some((up, browser))
}

async fn shown(browser: &Browser) -> Vec<String> {
    let names = "return [...document.querySelectorAll('#callbacks li:not([hidden]) .name')].map((n) => n.innerText)";
    serde_json::from_value(browser.script(names).await).unwrap()
}

async fn until_shown(browser: &Browser, count: usize) {
    let expression = format!("document.querySelectorAll('#callbacks li:not([hidden])').length === {count}");
    browser.until(&expression).await;
}

#[tokio::test]
async fn a_callback_appears_when_it_arrives_with_its_attributes_and_body() {
    let Some((up, browser)) = open("a_callback_appears_when_it_arrives_with_its_attributes_and_body", DESK).await
    else {
        return;
    };
    until_shown(&browser, 0).await;
    up.post_signed(r#"{"ResponseType":"KYC","Tag":"user-7","Balance":37700.250,"Holders":[{"Name":"Zoé"}]}"#).await;
    until_shown(&browser, 1).await;
    up.post_signed(r#"{"ResponseType":"Investments","Login":{"Id":"login-9"}}"#).await;
    until_shown(&browser, 2).await;
    assert_eq!(shown(&browser).await, ["Investments", "KYC"], "newest first");

    browser.click("#callbacks li:nth-child(2) button").await;
    browser.until("document.querySelector('#body')").await;
    let detail = browser.text("#detail").await;
    for expected in ["KycQueue", "on its queue, unchanged", "raw: over the exact bytes", "user-7", "DeliveryId"] {
        assert!(detail.contains(expected), "{expected} is not in:\n{detail}");
    }
    // Only the white space changes. A parser would write 37700.25.
    let body = browser.text("#body").await;
    assert!(body.contains("  \"Balance\": 37700.250,\n  \"Holders\": [\n    {\n      \"Name\": \"Zoé\"\n"), "{body}");
    assert_eq!(browser.errors().await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_rejected_callback_shows_the_reason() {
    let Some((up, browser)) = open("a_rejected_callback_shows_the_reason", DESK).await else { return };
    let forged = sign::aggregation(b"{}", "another secret");
    up.post(&[JSON, (AGGREGATION, &forged)], "{}").await;
    until_shown(&browser, 1).await;
    browser.click("#callbacks button").await;
    browser.until("document.querySelector('#why')").await;
    let why = browser.text("#why").await;
    assert!(why.contains("signature-wrong") && why.contains("not made with this stack's secret"), "{why}");
    assert!(browser.text("#detail").await.contains("None, because the receiver made no message."));
}

#[tokio::test]
async fn the_search_finds_text_in_bodies_and_the_filters_select_a_kind() {
    let Some((up, browser)) = open("the_search_finds_text_in_bodies_and_the_filters_select_a_kind", DESK).await else {
        return;
    };
    up.post_signed(r#"{"ResponseType":"KYC","Holders":[{"Name":"Zoé Lefrançois"},{"Name":"Zoé Roy"}]}"#).await;
    up.post_signed(r#"{"ResponseType":"Investments","Tag":"other"}"#).await;
    up.post(&[JSON], "{}").await;
    until_shown(&browser, 3).await;

    browser.fill("#search", "lefranç").await;
    until_shown(&browser, 1).await;
    assert_eq!(shown(&browser).await, ["KYC"]);
    // The search includes callbacks that arrive during it.
    up.post_signed(r#"{"ResponseType":"GetAccountsDetail","Holder":"LEFRANÇOIS"}"#).await;
    until_shown(&browser, 2).await;
    assert_eq!(shown(&browser).await, ["Accounts detail", "KYC"]);

    browser.click("#callbacks li:not([hidden]) ~ li:not([hidden]) button").await;
    browser.until("document.querySelector('#body mark')").await;
    assert_eq!(browser.text("#body mark").await, "Lefranç", "the search text is marked in the body");
    browser.script("document.querySelector('#body-search').value = ''").await;
    browser.fill("#body-search", "name").await;
    browser.until("document.querySelector('#matches').textContent === '2 matches'").await;
    browser.click("#detail input[type=checkbox]").await;
    browser.until("document.querySelectorAll('#body .line').length === 2").await;

    browser.script("document.querySelector('#search').select()").await;
    browser.fill("#search", "\u{E003}").await;
    until_shown(&browser, 4).await;
    browser.click("[data-only=rejected]").await;
    assert_eq!(shown(&browser).await, ["Rejected"]);
    browser.click("[data-only=investments]").await;
    assert_eq!(shown(&browser).await, ["Investments"]);
    browser.click("[data-only='']").await;
    assert_eq!(shown(&browser).await.len(), 4);
}

#[tokio::test]
async fn the_page_sends_a_sample_of_each_kind_and_sends_a_callback_again() {
    let Some((mut up, browser)) = open("the_page_sends_a_sample_of_each_kind_and_sends_a_callback_again", DESK).await
    else {
        return;
    };
    let samples = browser.script("return [...document.querySelectorAll('.sample')].map((b) => b.dataset.sample)").await;
    let mut sent = Vec::new();
    for (i, sample) in samples.as_array().unwrap().iter().enumerate() {
        browser.click(&format!("[data-sample={}]", sample.as_str().unwrap())).await;
        until_shown(&browser, i + 1).await;
        let line = up.line().await;
        sent.push((line["status"].as_u64().unwrap(), line["kind"].as_str().unwrap_or("rejected").to_owned()));
    }
    let expected = [
        (200, "kyc"),
        (200, "accounts-detail"),
        (200, "investments"),
        (200, "pay"),
        (200, "upload-fraud"),
        (200, "unclassified"),
        (401, "rejected"),
    ];
    assert_eq!(sent, expected.map(|(status, kind)| (status, kind.to_owned())));

    browser.click("#callbacks li:last-child button").await;
    browser.until("document.querySelector('#again')").await;
    browser.click("#again").await;
    until_shown(&browser, 8).await;
    assert_eq!(shown(&browser).await[0], "KYC");
    assert_eq!(up.receive("KycQueue").await.len(), 2);
    browser.until("document.querySelector('#notice').textContent.includes('status 200, no. 8')").await;
}

#[tokio::test]
async fn a_hostile_callback_is_shown_only_as_text() {
    let Some((up, browser)) = open("a_hostile_callback_is_shown_only_as_text", DESK).await else { return };
    let markup = "</pre><script>hacked=1</script><img src=x onerror=hacked=1>";
    let body = json!({ "ResponseType": "KYC", "Tag": markup, "Name": "\u{202E}evil\u{0}" }).to_string();
    up.post_signed(&body).await;
    up.post(&[JSON, (AGGREGATION, markup), ("X-Other", markup)], markup).await;
    until_shown(&browser, 2).await;
    for place in [1, 2] {
        browser.click(&format!("#callbacks li:nth-child({place}) button")).await;
        browser.until(&format!("document.querySelector('.ordinal')?.textContent === 'no. {}'", 3 - place)).await;
        assert!(browser.text("#body").await.contains("<script>hacked=1</script>"));
        browser.script("document.querySelector('#detail details').open = true").await;
    }
    let detail = browser.text("#detail").await;
    assert!(detail.contains("⟨U+202E⟩evil\\u0000"), "{detail}");
    assert_eq!(browser.script("return typeof hacked").await, "undefined");
    assert_eq!(browser.script("return document.querySelectorAll('#detail script, #detail img').length").await, 0);
    assert_eq!(browser.errors().await, Vec::<Value>::new());
    // The policy blocks markup even if the page tries to use it.
    let blocked = "try { document.body.innerHTML = '<b>'; return 'allowed' } catch { return 'blocked' }";
    assert_eq!(browser.script(blocked).await, "blocked");
}

#[tokio::test]
async fn a_body_that_is_not_json_or_very_large_is_shown_too() {
    let Some((up, browser)) = open("a_body_that_is_not_json_or_very_large_is_shown_too", DESK).await else { return };
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    let many = format!(r#"{{"Accounts":[{}{{}}]}}"#, r#"{"Name":"Zoé","Balance":1.50},"#.repeat(12_000));
    for (body, expected) in [
        ("not json", "The body is not JSON, so it is shown as received."),
        ("", "Empty."),
        (deep.as_str(), "]"),
        (many.as_str(), "Only the first 262,144 bytes."),
    ] {
        up.post_signed(body).await;
        browser.until("document.querySelector('#callbacks li')").await;
        browser.script("document.querySelector('#callbacks li')?.remove(); document.querySelector('#detail').replaceChildren()").await;
        let number = browser.script("return document.querySelector('#totals').textContent.split(' ')[0]").await;
        browser.script(&format!("location.hash = {number}")).await;
        browser.until(&format!("document.querySelector('.ordinal')?.textContent === 'no. ' + {number}")).await;
        let detail = browser.text("#detail").await;
        assert!(detail.contains(expected), "{expected} is not in:\n{detail:.2000}");
    }
    assert_eq!(browser.errors().await, Vec::<Value>::new());
}

#[tokio::test]
async fn on_a_phone_nothing_is_wider_than_the_screen() {
    let Some((up, browser)) = open("on_a_phone_nothing_is_wider_than_the_screen", PHONE).await else { return };
    let long = format!(r#"{{"ResponseType":"KYC","Tag":"{}","Name":"{}"}}"#, "t".repeat(250), "long".repeat(500));
    up.post_signed(&long).await;
    up.post(&[JSON, (AGGREGATION, &"x".repeat(500))], "{}").await;
    until_shown(&browser, 2).await;
    let fits = "document.documentElement.scrollWidth <= 360";
    assert_eq!(browser.script(&format!("return innerWidth === 360 && {fits}")).await, true);
    for place in [1, 2] {
        browser.click(&format!("#callbacks li:nth-child({place}) button")).await;
        browser.until("document.querySelector('#body')?.checkVisibility()").await;
        assert_eq!(browser.script(&format!("return {fits}")).await, true);
        browser.click(".back").await;
        browser.until("document.querySelector('#callbacks').checkVisibility()").await;
    }
}

#[tokio::test]
async fn the_keyboard_is_enough() {
    const DOWN: &str = "\u{E015}";
    // WebDriver's codes for these keys.
    const ENTER: &str = "\u{E007}";
    const ESCAPE: &str = "\u{E00C}";
    let Some((up, browser)) = open("the_keyboard_is_enough", DESK).await else { return };
    up.post_signed(r#"{"ResponseType":"KYC"}"#).await;
    up.post_signed(r#"{"ResponseType":"Investments"}"#).await;
    until_shown(&browser, 2).await;
    browser.press(&["/"]).await;
    assert_eq!(browser.script("return document.activeElement.id").await, "search");
    browser.script("document.querySelector('#callbacks button[tabindex=\"0\"]').focus()").await;
    browser.press(&[DOWN, ENTER]).await;
    browser.until("document.querySelector('h2')?.textContent.startsWith('KYC')").await;
    browser.press(&[ESCAPE]).await;
    browser.until("document.querySelector('#detail .empty')").await;
    // Every button and input has an accessible name.
    let nameless = "return [...document.querySelectorAll('button, input')]
        .filter((e) => !(e.innerText || e.ariaLabel || e.labels?.[0]?.textContent).trim()).length";
    assert_eq!(browser.script(nameless).await, 0);
}

#[tokio::test]
async fn the_page_is_available_only_under_loopback_names() {
    let up = Up::start().await;
    let port = up.port();
    for (host, status) in [
        (format!("127.0.0.1:{port}"), 200),
        (format!("localhost:{port}"), 200),
        ("[::1]:9999".to_owned(), 200),
        (format!("inspector.example:{port}"), 403),
        (format!("127.0.0.1.inspector.example:{port}"), 403),
        (format!("127.0.0.1:{port}@inspector.example"), 403),
        ("192.0.2.1".to_owned(), 403),
    ] {
        for path in ["/", "/inspector/inspector.js", "/inspector/search?text=a"] {
            assert_eq!(up.request("GET", path, &[("Host", &host)], "").await.0, status, "{host} {path}");
        }
    }
    // The webhook accepts any host name.
    let response = up.request("POST", "/webhooks/flinks", &[("Host", "receiver.example")], "{}").await;
    assert_eq!(response.0, 401);
}

#[tokio::test]
async fn only_the_page_itself_may_send() {
    let up = Up::start().await;
    let own = format!("http://127.0.0.1:{}", up.port());
    for path in ["/inspector/samples/kyc", "/inspector/callbacks/1/again"] {
        for origin in [Some("http://elsewhere.example"), Some("http://127.0.0.1:1"), Some("null"), None] {
            let headers: Vec<_> = origin.iter().map(|origin| ("Origin", *origin)).collect();
            assert_eq!(up.request("POST", path, &headers, "").await.0, 403, "{origin:?} {path}");
        }
    }
    assert_eq!(up.request("POST", "/inspector/samples/kyc", &[("Origin", &own)], "").await.0, 200);
    assert_eq!(up.request("POST", "/inspector/callbacks/1/again", &[("Origin", &own)], "").await.0, 200);
    for gone in ["/inspector/callbacks/9/again", "/inspector/samples/not-http"] {
        assert_eq!(up.request("POST", gone, &[("Origin", &own)], "").await.0, 404);
    }
    assert_eq!(up.receive("KycQueue").await.len(), 2);
}
