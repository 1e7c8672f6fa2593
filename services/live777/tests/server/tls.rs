//! HTTPS.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use live777::config::Tls;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{SOON, http, limits, rest, start};

/// Writes a new certificate and its key; returns the certificate.
fn certify(directory: &Path) -> (Tls, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let tls = Tls {
        certificate: directory.join("certificate.pem"),
        key: directory.join("key.pem"),
    };
    std::fs::write(&tls.certificate, made.cert.pem()).unwrap();
    std::fs::write(&tls.key, made.signing_key.serialize_pem()).unwrap();
    (tls, made.cert.der().clone())
}

async fn connect(
    address: SocketAddr,
    trusted: &CertificateDer<'static>,
    versions: &[&'static SupportedProtocolVersion],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let handshake = TlsConnector::from(Arc::new(config)).connect(name, tcp);
    timeout(SOON, handshake)
        .await
        .expect("a handshake within five seconds")
}

#[tokio::test]
async fn both_versions_are_served() {
    let directory = TempDir::new().unwrap();
    let (tls, certificate) = certify(directory.path());
    let server = start(&http(8, Some(tls)), limits(2000));
    for (version, name) in [
        (&rustls::version::TLS12, ProtocolVersion::TLSv1_2),
        (&rustls::version::TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let mut stream = connect(server.address, &certificate, &[version])
            .await
            .unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(name));
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        assert!(rest(&mut stream).await.ends_with("hello"));
    }
}

#[tokio::test]
async fn a_silent_or_plain_client_is_cut_off() {
    let directory = TempDir::new().unwrap();
    let (tls, _) = certify(directory.path());
    let server = start(&http(8, Some(tls)), limits(60_000));
    let mut silent = server.connect().await;
    assert_eq!(rest(&mut silent).await, "");
    let answer = server.tell(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(!answer.contains("HTTP"), "{answer}");
}

#[tokio::test]
async fn a_new_certificate_is_taken_up_and_a_bad_one_is_not() {
    let directory = TempDir::new().unwrap();
    let (tls, old) = certify(directory.path());
    let server = start(&http(8, Some(tls.clone())), limits(2000));
    let versions = rustls::ALL_VERSIONS;
    let mut early = connect(server.address, &old, versions).await.unwrap();

    std::fs::write(&tls.key, "no key").unwrap();
    let error = server.tls.as_ref().unwrap().reload().unwrap_err();
    let named = format!("http.tls.key: {}: ", tls.key.display());
    assert!(error.starts_with(&named), "{error}");
    connect(server.address, &old, versions).await.unwrap();

    let (_, new) = certify(directory.path());
    server.tls.as_ref().unwrap().reload().unwrap();
    connect(server.address, &new, versions).await.unwrap();
    connect(server.address, &old, versions).await.unwrap_err();

    // A connection made before goes on.
    early
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut byte = [0];
    timeout(SOON, early.read_exact(&mut byte))
        .await
        .unwrap()
        .unwrap();
}
