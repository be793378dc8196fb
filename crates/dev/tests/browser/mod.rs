//! A real browser: headless Chromium, controlled over WebDriver (<https://www.w3.org/TR/webdriver2/>).

use std::{
    env,
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    sync::{Mutex, MutexGuard},
    time::{Instant, sleep, timeout},
};

use crate::running::{self, HttpClient, JSON};

/// A time limit that no step comes near.
const TIME_LIMIT: Duration = Duration::from_secs(30);
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Only one browser runs at a time, because a small machine cannot run more.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// The width and height of a window, in CSS pixels.
#[derive(Clone, Copy)]
pub enum Screen {
    Desk(u32, u32),
    Phone(u32, u32),
}

/// An open window. Dropping it closes the browser.
pub struct Browser {
    client: HttpClient,
    /// The driver's address.
    driver: String,
    /// The session's path.
    session: String,
    profile: PathBuf,
    _process: Child,
    _turn: MutexGuard<'static, ()>,
}

impl Browser {
    /// Starts Chromium. It finds the browser and its driver through the variables CHROMIUM and CHROMEDRIVER, or on
    /// PATH. `None` if one of them is missing: then it reports that this test is skipped.
    pub async fn start(test: &str, screen: Screen) -> Option<Self> {
        let (Some(chromium), Some(chromedriver)) =
            (find("CHROMIUM", &["chromium", "chromium-browser"]), find("CHROMEDRIVER", &["chromedriver"]))
        else {
            // This bypasses the test harness, which hides the output of tests that pass.
            let _ = writeln!(std::io::stderr(), "skipped: {test}: this machine has no chromium and chromedriver");
            return None;
        };
        let turn = ONE_AT_A_TIME.lock().await;
        let profile = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("browser-{}-{test}", std::process::id()));
        std::fs::create_dir_all(&profile).unwrap();

        let mut command = Command::new(chromedriver);
        command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = loop {
            let line = timeout(TIME_LIMIT, lines.next_line()).await.unwrap().unwrap().unwrap();
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim_end_matches('.').to_owned();
            }
        };
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });

        let mut browser = Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            driver: format!("127.0.0.1:{port}"),
            session: String::new(),
            profile,
            _process: process,
            _turn: turn,
        };
        let options = options(&chromium, &browser.profile, screen);
        let capabilities = json!({ "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" } });
        let session =
            browser.call("POST", "/session", json!({ "capabilities": { "alwaysMatch": capabilities } })).await;
        browser.session = format!("/session/{}", session["sessionId"].as_str().unwrap());
        Some(browser)
    }

    pub async fn open(&self, url: &str) {
        self.post("/url", json!({ "url": url })).await;
    }

    /// Runs a function body in the page, and returns its result.
    pub async fn script(&self, body: &str) -> Value {
        self.post("/execute/sync", json!({ "script": body, "args": [] })).await
    }

    /// Waits until an expression is true in the page.
    pub async fn until(&self, expression: &str) {
        let deadline = Instant::now() + TIME_LIMIT;
        while self.script(&format!("return Boolean({expression})")).await != true {
            assert!(Instant::now() < deadline, "never true: {expression}\n{}", self.text("body").await);
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// The visible text of an element.
    pub async fn text(&self, selector: &str) -> String {
        let text = self.script(&format!("return document.querySelector({}).innerText", json!(selector))).await;
        text.as_str().unwrap_or_else(|| panic!("no {selector}")).to_owned()
    }

    /// Clicks at the element's position, so an element that is covered or invisible cannot be clicked. If the page
    /// replaces the element before the click, this clicks the new one.
    pub async fn click(&self, selector: &str) {
        loop {
            let id = self.find(selector).await;
            let path = format!("{}/element/{id}/click", self.session);
            match self.exchange("POST", &path, json!({})).await {
                (404, response) if response["value"]["error"] == "stale element reference" => {}
                (status, response) => return assert_eq!(status, 200, "{path}: {response:#}"),
            }
        }
    }

    /// Types into an element.
    pub async fn fill(&self, selector: &str, text: &str) {
        let id = self.find(selector).await;
        self.post(&format!("/element/{id}/value"), json!({ "text": text })).await;
    }

    /// Presses and releases keys, wherever the focus is.
    pub async fn press(&self, keys: &[&str]) {
        let actions: Vec<_> = keys
            .iter()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key })))
            .collect();
        self.post("/actions", json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": actions }] })).await;
    }

    /// The errors in the page's console, including violations of its policy.
    pub async fn errors(&self) -> Vec<Value> {
        let log = self.post("/se/log", json!({ "type": "browser" })).await;
        log.as_array().unwrap().iter().filter(|entry| entry["level"] == "SEVERE").cloned().collect()
    }

    async fn find(&self, selector: &str) -> String {
        let found = self.post("/element", json!({ "using": "css selector", "value": selector })).await;
        found[ELEMENT].as_str().unwrap().to_owned()
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.call("POST", &format!("{}{path}", self.session), body).await
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, response) = self.exchange(method, path, body).await;
        assert_eq!(status, 200, "{path}: {response:#}");
        response["value"].clone()
    }

    async fn exchange(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let url = format!("http://{}{path}", self.driver);
        let response = timeout(TIME_LIMIT, running::request(&self.client, method, &url, &[JSON], body.to_string()));
        let (status, response) = response.await.unwrap();
        (status, serde_json::from_str(&response).unwrap())
    }
}

impl Drop for Browser {
    /// Asks the driver to close the browser, which would otherwise keep running.
    fn drop(&mut self) {
        if let Ok(mut driver) = TcpStream::connect(&self.driver) {
            let _ = driver.set_read_timeout(Some(TIME_LIMIT));
            let request = format!(
                "DELETE {} HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                self.session, self.driver
            );
            let _ = driver.write_all(request.as_bytes());
            let _ = driver.read(&mut [0; 1024]);
        }
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

fn options(chromium: &std::path::Path, profile: &std::path::Path, screen: Screen) -> Value {
    let mut arguments: Vec<String> = [
        "headless",
        // Containers have no user namespaces. This is safe, because the pages are this repository's own.
        "no-sandbox",
        "disable-gpu",
        "disable-quic",
        "disable-dev-shm-usage",
        "no-first-run",
        "no-proxy-server",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        "hide-scrollbars",
    ]
    .map(|argument| format!("--{argument}"))
    .into();
    arguments.push(format!("--user-data-dir={}", profile.display()));
    let mut options = json!({ "binary": chromium });
    match screen {
        Screen::Desk(width, height) => arguments.push(format!("--window-size={width},{height}")),
        Screen::Phone(width, height) => {
            let metrics = json!({ "width": width, "height": height, "pixelRatio": 2, "mobile": true });
            options["mobileEmulation"] = json!({ "deviceMetrics": metrics });
        }
    }
    options["args"] = json!(arguments);
    options
}

/// Finds a program through an environment variable, or on PATH under one of these names.
fn find(variable: &str, names: &[&str]) -> Option<PathBuf> {
    if let Some(path) = env::var_os(variable) {
        return Some(path.into());
    }
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
        .find(|file| file.is_file())
}
