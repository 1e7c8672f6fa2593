//! The shipped file and the files its examples name.

use std::io;
use std::path::Path;
use std::sync::LazyLock;

use live777::config::{Config, Problem};

/// `conf/live777.toml`.
pub const SHIPPED: &str = include_str!("../../../../conf/live777.toml");

static CERTIFIED: LazyLock<rcgen::CertifiedKey<rcgen::KeyPair>> =
    LazyLock::new(|| rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap());

/// The shipped file with every example in force.
pub fn full() -> String {
    let uncommented = SHIPPED.lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if !setting.starts_with(' ') && !setting.is_empty() => setting,
        _ => line,
    });
    uncommented.collect::<Vec<_>>().join("\n")
}

/// The files that the examples name.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let name = path
        .file_name()
        .and_then(|n| n.to_str())
        .unwrap_or_default();
    match name {
        "certificate.pem" => Ok(CERTIFIED.cert.pem().into_bytes()),
        "key.pem" => Ok(CERTIFIED.signing_key.serialize_pem().into_bytes()),
        "operator" => Ok(b"0123456789abcdef-operator\n".to_vec()),
        "hall" => Ok(b"0123456789abcdef-hall".to_vec()),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

pub fn parse(text: &str) -> Result<Config, Vec<Problem>> {
    Config::parse(text, Path::new("/etc/livehal"), &read)
}

/// What is wrong with `text`, each as one line.
pub fn refused(text: &str) -> Vec<String> {
    match parse(text) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}
