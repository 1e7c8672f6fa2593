//! Headless Chromium, driven over its debugging protocol.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Message, WebSocket};

/// Longest a page may take for one evaluation.
const REPLY_LIMIT: Duration = Duration::from_secs(90);

/// A browser with one page.
pub struct Browser {
    child: Child,
    socket: WebSocket<MaybeTlsStream<TcpStream>>,
    session: String,
    next_id: u64,
    /// Errors and uncaught exceptions of the page.
    pub console_errors: Vec<String>,
    /// Requests that went anywhere but to the page's own server.
    pub foreign_requests: Vec<String>,
    origin: String,
    _profile: TempDir,
}

/// The browser's executable, or why there is none.
///
/// # Errors
/// In words fit for a SKIPPED line.
pub fn executable() -> Result<PathBuf> {
    let given = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let known = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].map(PathBuf::from);
    given
        .into_iter()
        .chain(known)
        .find(|p| p.is_file())
        .context("chromium is not installed (apt-get install chromium)")
}

impl Browser {
    /// Starts a browser with a new profile and an empty page of this size.
    ///
    /// # Errors
    /// When it is not installed or does not come up.
    pub fn start(width: u32, height: u32) -> Result<Self> {
        let profile = tempfile::tempdir()?;
        let child = Command::new(executable()?)
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-dev-shm-usage",
                "--autoplay-policy=no-user-gesture-required",
                "--disable-background-timer-throttling",
                "--disable-renderer-backgrounding",
                "--remote-debugging-port=0",
            ])
            .arg(format!("--window-size={width},{height}"))
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("chromium")?;
        // The child is in a guard from here on, so that a failure below ends it.
        let mut guard = Guard(Some(child));
        let url = debugger_url(profile.path(), &mut guard)?;
        let (socket, _) = tungstenite::connect(&url).with_context(|| url.clone())?;
        if let MaybeTlsStream::Plain(tcp) = socket.get_ref() {
            tcp.set_read_timeout(Some(Duration::from_millis(200)))?;
        }
        let mut browser = Self {
            child: guard.0.take().context("child")?,
            socket,
            session: String::new(),
            next_id: 0,
            console_errors: Vec::new(),
            foreign_requests: Vec::new(),
            origin: String::new(),
            _profile: profile,
        };
        browser.attach()?;
        Ok(browser)
    }

    fn attach(&mut self) -> Result<()> {
        let made = self.call("Target.createTarget", json!({"url": "about:blank"}))?;
        let attached = self.call(
            "Target.attachToTarget",
            json!({"targetId": made["targetId"], "flatten": true}),
        )?;
        let id = attached["sessionId"].as_str().context("sessionId")?;
        self.session = id.to_owned();
        for domain in ["Page", "Runtime", "Network", "Log"] {
            self.call(&format!("{domain}.enable"), json!({}))?;
        }
        Ok(())
    }

    /// Sends one command and waits for its result.
    ///
    /// # Errors
    /// When the browser reports one, or does not answer.
    pub fn call(&mut self, method: &str, params: Value) -> Result<Value> {
        self.next_id += 1;
        let id = self.next_id;
        let mut message = json!({"id": id, "method": method, "params": params});
        if !self.session.is_empty() {
            message["sessionId"] = self.session.clone().into();
        }
        self.socket.send(Message::text(message.to_string()))?;
        let deadline = Instant::now() + REPLY_LIMIT;
        loop {
            if Instant::now() > deadline {
                bail!("{method}: no answer within {REPLY_LIMIT:?}");
            }
            let Some(value) = self.receive()? else {
                continue;
            };
            if value["id"] == id {
                if let Some(error) = value.get("error") {
                    bail!("{method}: {error}");
                }
                return Ok(value["result"].clone());
            }
        }
    }

    fn receive(&mut self) -> Result<Option<Value>> {
        let message = match self.socket.read() {
            Ok(Message::Text(text)) => text,
            Ok(_) => return Ok(None),
            Err(tungstenite::Error::Io(e))
                if matches!(
                    e.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                ) =>
            {
                return Ok(None);
            }
            Err(e) => return Err(e.into()),
        };
        let value: Value = serde_json::from_str(&message)?;
        self.note(&value);
        Ok(Some(value))
    }

    fn note(&mut self, event: &Value) {
        let params = &event["params"];
        match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => self
                .console_errors
                .push(params["exceptionDetails"].to_string()),
            Some("Runtime.consoleAPICalled") if params["type"] == "error" => {
                self.console_errors.push(params["args"].to_string());
            }
            Some("Log.entryAdded") if params["entry"]["level"] == "error" => {
                self.console_errors.push(params["entry"].to_string());
            }
            Some("Network.requestWillBeSent") => {
                let url = params["request"]["url"].as_str().unwrap_or_default();
                let own = url.starts_with(&self.origin) && !self.origin.is_empty();
                if !own && !url.starts_with("data:") && !url.starts_with("blob:") {
                    self.foreign_requests.push(url.to_owned());
                }
            }
            _ => {}
        }
    }

    /// Opens a page of `origin` and waits until it has loaded.
    ///
    /// # Errors
    /// When it does not load.
    pub fn open(&mut self, origin: &str, path: &str) -> Result<()> {
        self.origin = origin.to_owned();
        self.foreign_requests.clear();
        self.call("Page.navigate", json!({"url": format!("{origin}{path}")}))?;
        self.wait("the page to load", Duration::from_secs(20), |page| {
            let ready = "location.href !== 'about:blank' && document.readyState === 'complete'";
            Ok(page.evaluate(ready)? == true)
        })
    }

    /// Evaluates an expression in the page and waits for its promise, if it is one.
    ///
    /// # Errors
    /// When it throws.
    pub fn evaluate(&mut self, expression: &str) -> Result<Value> {
        let result = self.call(
            "Runtime.evaluate",
            json!({"expression": expression, "awaitPromise": true, "returnByValue": true,
                   "userGesture": true}),
        )?;
        if let Some(thrown) = result.get("exceptionDetails") {
            bail!("the page threw: {thrown}");
        }
        Ok(result["result"]["value"].clone())
    }

    /// Waits until `done`.
    ///
    /// # Errors
    /// After `limit`, with what the page complained about.
    pub fn wait(
        &mut self,
        what: &str,
        limit: Duration,
        mut done: impl FnMut(&mut Self) -> Result<bool>,
    ) -> Result<()> {
        let deadline = Instant::now() + limit;
        while !done(self)? {
            if Instant::now() > deadline {
                bail!("waited {limit:?} for {what}; {:?}", self.console_errors);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// A PNG of the page, base64.
    ///
    /// # Errors
    /// When the browser refuses.
    pub fn screenshot(&mut self) -> Result<String> {
        let shot = self.call("Page.captureScreenshot", json!({"format": "png"}))?;
        Ok(shot["data"].as_str().context("screenshot")?.to_owned())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its own processes end with it; the kill is for one that hangs.
        self.session.clear();
        let _ = self.call("Browser.close", json!({}));
        let deadline = Instant::now() + Duration::from_secs(3);
        while Instant::now() < deadline {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Guard(Option<Child>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The browser writes its port and path into its profile once it listens.
fn debugger_url(profile: &std::path::Path, guard: &mut Guard) -> Result<String> {
    let file = profile.join("DevToolsActivePort");
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        if let Some((port, path)) = text.trim().split_once('\n') {
            return Ok(format!("ws://127.0.0.1:{port}{path}"));
        }
        if let Some(child) = &mut guard.0
            && let Some(status) = child.try_wait()?
        {
            bail!("chromium ended with {status}");
        }
        if Instant::now() > deadline {
            bail!("chromium did not open its debugging port within 30 s");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Watches a `<video>` of the page: every presented frame with its strip and times, in
/// `window.__frames`. Reads pixels by itself, independent of the page's own reader.
pub const WATCH: &str = include_str!("watch.js");
