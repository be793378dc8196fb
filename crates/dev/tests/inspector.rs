//! The inspector's page in a real browser, and who may ask it.

#![recursion_limit = "256"]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a helper's failure is its test's, though clippy knows only the test functions"
)]

mod browser;
mod running;

use browser::{Browser, Screen};
use flinks_dev::sign;
use running::{AGGREGATION, JSON, Up};
use serde_json::{Value, json};

const DESK: Screen = Screen::Desk(1280, 900);
const PHONE: Screen = Screen::Phone(360, 740);

/// The program with the page open; none where there is no browser.
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
async fn a_callback_appears_as_it_arrives_with_its_attributes_and_its_body() {
    let Some((up, browser)) = open("a_callback_appears_as_it_arrives_with_its_attributes_and_its_body", DESK).await
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
    for expected in ["KycQueue", "on its queue, as it is", "raw: over the exact bytes", "user-7", "DeliveryId"] {
        assert!(detail.contains(expected), "{expected} is not in:\n{detail}");
    }
    // Laid out, and nothing else changed: a parser would write 37700.25.
    let body = browser.text("#body").await;
    assert!(body.contains("  \"Balance\": 37700.250,\n  \"Holders\": [\n    {\n      \"Name\": \"Zoé\"\n"), "{body}");
    assert_eq!(browser.errors().await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_refused_callback_says_why() {
    let Some((up, browser)) = open("a_refused_callback_says_why", DESK).await else { return };
    let forged = sign::aggregation(b"{}", "another secret");
    up.post(&[JSON, (AGGREGATION, &forged)], "{}").await;
    until_shown(&browser, 1).await;
    browser.click("#callbacks button").await;
    browser.until("document.querySelector('#why')").await;
    let why = browser.text("#why").await;
    assert!(why.contains("signature-wrong") && why.contains("not made with this stack's secret"), "{why}");
    assert!(browser.text("#detail").await.contains("None: no message was made."));
}

#[tokio::test]
async fn search_finds_what_is_in_a_body_and_filters_go_by_kind() {
    let Some((up, browser)) = open("search_finds_what_is_in_a_body_and_filters_go_by_kind", DESK).await else { return };
    up.post_signed(r#"{"ResponseType":"KYC","Holders":[{"Name":"Zoé Lefrançois"},{"Name":"Zoé Roy"}]}"#).await;
    up.post_signed(r#"{"ResponseType":"Investments","Tag":"other"}"#).await;
    up.post(&[JSON], "{}").await;
    until_shown(&browser, 3).await;

    browser.fill("#search", "lefranç").await;
    until_shown(&browser, 1).await;
    assert_eq!(shown(&browser).await, ["KYC"]);
    // One that arrives meanwhile is searched too.
    up.post_signed(r#"{"ResponseType":"GetAccountsDetail","Holder":"LEFRANÇOIS"}"#).await;
    until_shown(&browser, 2).await;
    assert_eq!(shown(&browser).await, ["Accounts detail", "KYC"]);

    browser.click("#callbacks li:not([hidden]) ~ li:not([hidden]) button").await;
    browser.until("document.querySelector('#body mark')").await;
    assert_eq!(browser.text("#body mark").await, "Lefranç", "what led here is marked");
    browser.script("document.querySelector('#body-search').value = ''").await;
    browser.fill("#body-search", "name").await;
    browser.until("document.querySelector('#matches').textContent === '2 matches'").await;
    browser.click("#detail input[type=checkbox]").await;
    browser.until("document.querySelectorAll('#body .line').length === 2").await;

    browser.script("document.querySelector('#search').select()").await;
    browser.fill("#search", "\u{E003}").await;
    until_shown(&browser, 4).await;
    browser.click("[data-only=refused]").await;
    assert_eq!(shown(&browser).await, ["Refused"]);
    browser.click("[data-only=investments]").await;
    assert_eq!(shown(&browser).await, ["Investments"]);
    browser.click("[data-only='']").await;
    assert_eq!(shown(&browser).await.len(), 4);
}

#[tokio::test]
async fn a_sample_of_each_kind_can_be_sent_and_each_sent_again() {
    let Some((mut up, browser)) = open("a_sample_of_each_kind_can_be_sent_and_each_sent_again", DESK).await else {
        return;
    };
    let samples = browser.script("return [...document.querySelectorAll('.sample')].map((b) => b.dataset.sample)").await;
    let mut sent = Vec::new();
    for (i, sample) in samples.as_array().unwrap().iter().enumerate() {
        browser.click(&format!("[data-sample={}]", sample.as_str().unwrap())).await;
        until_shown(&browser, i + 1).await;
        let line = up.line().await;
        sent.push((line["status"].as_u64().unwrap(), line["kind"].as_str().unwrap_or("refused").to_owned()));
    }
    let expected = [
        (200, "kyc"),
        (200, "accounts-detail"),
        (200, "investments"),
        (200, "pay"),
        (200, "upload-fraud"),
        (200, "unclassified"),
        (401, "refused"),
    ];
    assert_eq!(sent, expected.map(|(status, kind)| (status, kind.to_owned())));

    browser.click("#callbacks li:last-child button").await;
    browser.until("document.querySelector('#again')").await;
    browser.click("#again").await;
    until_shown(&browser, 8).await;
    assert_eq!(shown(&browser).await[0], "KYC");
    assert_eq!(up.receive("KycQueue").await.len(), 2);
    browser.until("document.querySelector('#notice').textContent.includes('answered 200, no. 8')").await;
}

#[tokio::test]
async fn a_hostile_callback_is_text_and_nothing_else() {
    let Some((up, browser)) = open("a_hostile_callback_is_text_and_nothing_else", DESK).await else { return };
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
    // And would be nothing else if the page did use it as markup.
    let refused = "try { document.body.innerHTML = '<b>'; return 'taken' } catch { return 'refused' }";
    assert_eq!(browser.script(refused).await, "refused");
}

#[tokio::test]
async fn a_body_that_is_no_json_or_no_text_is_shown_all_the_same() {
    let Some((up, browser)) = open("a_body_that_is_no_json_or_no_text_is_shown_all_the_same", DESK).await else {
        return;
    };
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    let many = format!(r#"{{"Accounts":[{}{{}}]}}"#, r#"{"Name":"Zoé","Balance":1.50},"#.repeat(12_000));
    for (body, expected) in [
        ("not json", "It is no JSON: as it was received."),
        ("", "Empty."),
        (deep.as_str(), "]"),
        (many.as_str(), "The first 262,144 bytes."),
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
    // As WebDriver names them.
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
    // Everything that can be pressed or filled in has a name.
    let nameless = "return [...document.querySelectorAll('button, input')]
        .filter((e) => !(e.innerText || e.ariaLabel || e.labels?.[0]?.textContent).trim()).length";
    assert_eq!(browser.script(nameless).await, 0);
}

#[tokio::test]
async fn only_a_browser_that_was_sent_to_this_machine_by_name_gets_an_answer() {
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
    // The webhook is for programs, whatever they call this machine.
    let answer = up.request("POST", "/webhooks/flinks", &[("Host", "receiver.example")], "{}").await;
    assert_eq!(answer.0, 401);
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
