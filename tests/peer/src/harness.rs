//! The real server as a child process: free ports, its own configuration, its log kept.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::http::Client;
use crate::metrics::Metrics;
use crate::process::Process;

/// Lines of log kept.
const LOG_LINES: usize = 5000;
/// The server is up, or something is wrong, within this.
const START_LIMIT: Duration = Duration::from_secs(20);

/// Where cargo put the server: `LIVE777_BIN`, or built now in the profile of this test.
///
/// # Errors
/// When it does not build.
pub fn binary() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| find().map_err(|e| format!("{e:#}")));
    built.clone().map_err(anyhow::Error::msg)
}

fn find() -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("LIVE777_BIN") {
        let path = PathBuf::from(given);
        if !path.is_file() {
            bail!("LIVE777_BIN={}: no such file", path.display());
        }
        return Ok(path.canonicalize()?);
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args([
        "build",
        "--quiet",
        "--bin",
        "live777",
        // Its library is opened at run time, and a test brings a stand-in.
        "--features",
        "live777/encoder-rdk",
        "--message-format=json-render-diagnostics",
    ]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let output = command
        .current_dir(workspace())
        .stderr(Stdio::inherit())
        .output()
        .context("cargo build")?;
    if !output.status.success() {
        bail!("cargo build --bin live777: {}", output.status);
    }
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok())
        .filter(|m| m["target"]["name"] == "live777")
        .find_map(|m| m["executable"].as_str().map(PathBuf::from))
        .context("cargo names no executable live777")
}

/// Root of the repository.
pub fn workspace() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here)
}

/// A port that is free for TCP and UDP on loopback right now.
///
/// # Errors
/// When there is none.
pub fn free_port() -> Result<u16> {
    for _ in 0..100 {
        let tcp = TcpListener::bind("127.0.0.1:0")?;
        let port = tcp.local_addr()?.port();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port free for both TCP and UDP")
}

/// The configuration in a server's directory.
const CONFIG: &str = "live777.toml";

/// Variables that a server has beside those of the test.
type Environment = Vec<(String, OsString)>;
type Log = Arc<Mutex<VecDeque<String>>>;

fn spawn(directory: &Path, environment: &Environment, log: &Log) -> Result<Child> {
    let mut child = Command::new(binary()?)
        .args(["--config", CONFIG])
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("live777")?;
    if let Some(out) = child.stdout.take() {
        collect(out, Arc::clone(log));
    }
    if let Some(err) = child.stderr.take() {
        collect(err, Arc::clone(log));
    }
    Ok(child)
}

/// Files a test gives its server, and the streams in its configuration.
#[derive(Debug)]
pub struct Server {
    child: Child,
    port: u16,
    log: Log,
    directory: TempDir,
    environment: Environment,
    exited: Option<ExitStatus>,
}

impl Server {
    /// Starts the server on free ports; `streams` is TOML below the server's own tables.
    ///
    /// # Errors
    /// When it does not answer `/healthz` in time, with its log.
    pub fn start(streams: &str) -> Result<Self> {
        Self::start_with("", streams)
    }

    /// As [`Self::start`], with TOML for tables such as `[auth]` and keys of `[webrtc]` first.
    ///
    /// # Errors
    /// See [`Self::start`].
    pub fn start_with(webrtc: &str, rest: &str) -> Result<Self> {
        Self::start_in(&[], webrtc, rest)
    }

    /// As [`Self::start_with`], with environment variables.
    ///
    /// # Errors
    /// See [`Self::start`].
    pub fn start_in(environment: &[(&str, &OsStr)], webrtc: &str, rest: &str) -> Result<Self> {
        let environment = environment.iter();
        let environment = environment.map(|(name, value)| ((*name).into(), (*value).into()));
        let environment: Environment = environment.collect();
        let port = free_port()?;
        let directory = tempfile::tempdir()?;
        let config = format!(
            "[http]\nlisten = \"127.0.0.1:{port}\"\n\n[webrtc]\nlisten = \"127.0.0.1:{port}\"\n\
             {webrtc}\n[dbus]\nbus = \"none\"\n\n{rest}\n"
        );
        std::fs::write(directory.path().join(CONFIG), &config)?;
        let log = Arc::new(Mutex::new(VecDeque::new()));
        let mut server = Self {
            child: spawn(directory.path(), &environment, &log)?,
            port,
            log,
            directory,
            environment,
            exited: None,
        };
        server.wait_healthy()?;
        Ok(server)
    }

    /// Starts the server again after its end, with the same configuration on the same ports.
    ///
    /// # Errors
    /// See [`Self::start`].
    pub fn restart(&mut self) -> Result<()> {
        if self.alive()? {
            bail!("the server still runs");
        }
        self.child = spawn(self.directory.path(), &self.environment, &self.log)?;
        self.exited = None;
        self.wait_healthy()
    }

    fn wait_healthy(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        let client = self.client();
        loop {
            if client.get("/healthz").is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                self.exited = Some(status);
                bail!("live777 ended with {status}\n{}", self.log());
            }
            if Instant::now() > deadline {
                bail!(
                    "no answer on /healthz within {START_LIMIT:?}\n{}",
                    self.log()
                );
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Base URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// TCP and UDP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A client without a token.
    pub fn client(&self) -> Client {
        Client::new(&self.url(), None)
    }

    /// The process.
    pub fn process(&self) -> Process {
        Process::new(self.child.id())
    }

    /// Its working directory, gone with the server.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What it wrote to its log so far.
    pub fn log(&self) -> String {
        let lines = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        lines
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// A scrape of `/metrics`.
    ///
    /// # Errors
    /// When it does not answer or its text is not in form.
    pub fn metrics(&self) -> Result<Metrics> {
        Metrics::parse(&self.client().get("/metrics")?)
    }

    /// `GET /api/streams/<name>`.
    ///
    /// # Errors
    /// When it does not answer 200.
    pub fn stream(&self, name: &str) -> Result<serde_json::Value> {
        self.client().json(&format!("/api/streams/{name}"))
    }

    /// Waits until the stream's detail satisfies `done`.
    ///
    /// # Errors
    /// After `limit`, with the last detail and the log.
    pub fn wait_stream(
        &self,
        name: &str,
        what: &str,
        limit: Duration,
        mut done: impl FnMut(&serde_json::Value) -> bool,
    ) -> Result<serde_json::Value> {
        let deadline = Instant::now() + limit;
        loop {
            let detail = self.stream(name)?;
            if done(&detail) {
                return Ok(detail);
            }
            if Instant::now() > deadline {
                bail!(
                    "stream {name}: no {what} within {limit:?}: {detail}\n{}",
                    self.log()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether the process still runs.
    ///
    /// # Errors
    /// The system's.
    pub fn alive(&mut self) -> Result<bool> {
        if self.exited.is_none() {
            self.exited = self.child.try_wait()?;
        }
        Ok(self.exited.is_none())
    }

    /// SIGTERM, and the wait for its end.
    ///
    /// # Errors
    /// When it still runs after `limit`.
    pub fn terminate(&mut self, limit: Duration) -> Result<(ExitStatus, Duration)> {
        let start = Instant::now();
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM)?;
        while self.alive()? {
            if start.elapsed() > limit {
                bail!("still running {limit:?} after SIGTERM\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let status = self.exited.context("exit status")?;
        Ok((status, start.elapsed()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.exited.is_none() {
            // It is ours and nothing depends on its last words.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- log of live777 ---\n{}", self.log());
        }
    }
}

fn collect(from: impl Read + Send + 'static, log: Log) {
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let mut lines = log.lock().unwrap_or_else(PoisonError::into_inner);
            if lines.len() == LOG_LINES {
                lines.pop_front();
            }
            lines.push_back(line);
        }
    });
}
