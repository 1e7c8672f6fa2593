//! The few HTTP requests a peer makes.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ureq::http::{Request, Response};
use ureq::tls::TlsConfig;

/// A WHEP or WHIP resource as the server's 201 describes it.
#[derive(Debug, Clone)]
pub struct Resource {
    /// Absolute URL of the session.
    pub url: String,
    /// Answer SDP.
    pub answer: String,
    /// Entity tag, if one was given.
    pub etag: Option<String>,
}

/// A response read to its end.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Reply {
    /// Value of the first header of this name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    /// Body as text, bad UTF-8 replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// An HTTP client for one server.
#[derive(Debug, Clone)]
pub struct Client {
    base: String,
    token: Option<String>,
    agent: ureq::Agent,
}

impl Client {
    /// `base` without a trailing slash, e.g. `http://127.0.0.1:7777`. Whose certificate an https
    /// server has is not checked: a server under test made it itself.
    pub fn new(base: &str, token: Option<&str>) -> Self {
        let tls = TlsConfig::builder()
            .disable_verification(true)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(20)))
            .proxy(None)
            .tls_config(tls)
            .build()
            .new_agent();
        Self {
            base: base.trim_end_matches('/').to_owned(),
            token: token.map(str::to_owned),
            agent,
        }
    }

    /// The base URL.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Sends one request; `path` may be an absolute URL.
    ///
    /// # Errors
    /// When no response arrives. A status of 400 or more is a [`Reply`], not an error.
    pub fn request(
        &self,
        method: &str,
        path: &str,
        content_type: Option<&str>,
        body: &[u8],
    ) -> Result<Reply> {
        let url = self.absolute(path);
        let mut request = Request::builder().method(method).uri(&url);
        if let Some(kind) = content_type {
            request = request.header("content-type", kind);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let response = if body.is_empty() && content_type.is_none() {
            self.agent.run(request.body(())?)
        } else {
            self.agent.run(request.body(body)?)
        };
        read(response.with_context(|| format!("{method} {url}"))?)
    }

    /// GET, with the body as text.
    ///
    /// # Errors
    /// When the answer is not 200.
    pub fn get(&self, path: &str) -> Result<String> {
        let reply = self.request("GET", path, None, b"")?;
        if reply.status != 200 {
            bail!("GET {path}: {} {}", reply.status, reply.text());
        }
        Ok(reply.text())
    }

    /// GET, parsed as JSON.
    ///
    /// # Errors
    /// When the answer is not 200 or not JSON.
    pub fn json(&self, path: &str) -> Result<serde_json::Value> {
        let text = self.get(path)?;
        serde_json::from_str(&text).with_context(|| format!("GET {path}: {text}"))
    }

    /// Posts an offer to `/whep/<stream>` or `/whip/<stream>`.
    ///
    /// # Errors
    /// When the answer is not 201 with a Location.
    pub fn offer(&self, path: &str, sdp: &str) -> Result<Resource> {
        let reply = self.request("POST", path, Some("application/sdp"), sdp.as_bytes())?;
        if reply.status != 201 {
            bail!("POST {path}: {} {}", reply.status, reply.text());
        }
        let location = reply
            .header("location")
            .with_context(|| format!("POST {path}: 201 without Location"))?;
        Ok(Resource {
            url: self.absolute(location),
            etag: reply.header("etag").map(str::to_owned),
            answer: reply.text(),
        })
    }

    fn absolute(&self, path: &str) -> String {
        if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.base)
        }
    }
}

fn read(mut response: Response<ureq::Body>) -> Result<Reply> {
    let headers = response
        .headers()
        .iter()
        .map(|(n, v)| {
            let value = String::from_utf8_lossy(v.as_bytes()).into_owned();
            (n.as_str().to_owned(), value)
        })
        .collect();
    Ok(Reply {
        status: response.status().as_u16(),
        headers,
        body: response.body_mut().read_to_vec()?,
    })
}
