//! TLS from PEM files, by rustls.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config::Tls;

/// Which of the two files is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The certificate.
    Certificate,
    /// Its key.
    Key,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct TlsError {
    /// The file at fault.
    pub part: Part,
    /// What is wrong with it.
    pub reason: String,
}

impl TlsError {
    fn new(part: Part, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { part, reason }
    }
}

/// A server's configuration, TLS 1.2 and 1.3, from PEM texts.
///
/// # Errors
/// No certificate or key in them, or they do not fit.
pub fn server_config(certificate: &[u8], key: &[u8]) -> Result<Arc<ServerConfig>, TlsError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<_, _>>()
        .map_err(|e| TlsError::new(Part::Certificate, format!("not PEM: {e}")))?;
    if chain.is_empty() {
        return Err(TlsError::new(Part::Certificate, "holds no certificate"));
    }
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|e| TlsError::new(Part::Key, format!("holds no private key: {e}")))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| TlsError::new(Part::Certificate, e.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(refused)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn refused(error: rustls::Error) -> TlsError {
    match error {
        rustls::Error::InconsistentKeys(_) => {
            TlsError::new(Part::Key, "is not the key of the certificate")
        }
        rustls::Error::General(reason) => TlsError::new(Part::Key, reason),
        other => TlsError::new(Part::Certificate, other.to_string()),
    }
}

/// The present certificate; can be read again while serving.
#[derive(Debug)]
pub struct Acceptor {
    files: Tls,
    present: RwLock<Arc<ServerConfig>>,
}

impl Acceptor {
    /// Reads the files.
    ///
    /// # Errors
    /// A file cannot be read, or as [`server_config`]; the text names the key and the file.
    pub fn new(files: Tls) -> Result<Self, String> {
        let present = RwLock::new(load(&files)?);
        Ok(Self { files, present })
    }

    /// Reads the files again; connections made from now on use them.
    ///
    /// # Errors
    /// As [`new`](Self::new); then the present certificate stays.
    pub fn reload(&self) -> Result<(), String> {
        let new = load(&self.files)?;
        *self.present.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// What the next connection is to use.
    pub fn present(&self) -> TlsAcceptor {
        let config = self.present.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&config))
    }
}

fn load(files: &Tls) -> Result<Arc<ServerConfig>, String> {
    let read = |name: &str, file: &Path| {
        std::fs::read(file).map_err(|e| format!("http.tls.{name}: {}: {e}", file.display()))
    };
    let certificate = read("certificate", &files.certificate)?;
    let key = read("key", &files.key)?;
    server_config(&certificate, &key).map_err(|e| {
        let (name, file) = match e.part {
            Part::Certificate => ("certificate", &files.certificate),
            Part::Key => ("key", &files.key),
        };
        format!("http.tls.{name}: {}: {}", file.display(), e.reason)
    })
}
