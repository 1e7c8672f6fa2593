//! Trickle-ICE fragments (RFC 8840), as PATCH carries them.

use std::fmt::Write;
use std::net::SocketAddr;

use super::IceCredentials;
use super::answer::write_candidates;
use crate::SessionError;

const MAX_FRAGMENT: usize = 16 * 1024;

/// What a fragment says. Its candidates are not kept: an ICE-lite agent answers checks and never
/// sends any, so it needs none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IceFragment {
    /// Credentials, where given; new ones ask for an ICE restart.
    pub ice: Option<IceCredentials>,
    /// Number of candidates.
    pub candidates: usize,
}

impl IceFragment {
    /// Parses a fragment.
    ///
    /// # Errors
    /// [`SessionError::BadSdp`] naming the line.
    pub fn parse(text: &str) -> Result<Self, SessionError> {
        let bad = |what: String| SessionError::BadSdp(what);
        if text.len() > MAX_FRAGMENT {
            return Err(bad(format!("{} bytes; at most {MAX_FRAGMENT}", text.len())));
        }
        let (mut ufrag, mut pwd, mut candidates) = (None, None, 0);
        for (n, line) in text.lines().enumerate() {
            let line = line.trim_end();
            let known = ["a=", "m=", "c=", "v=", "o=", "s=", "t=", ""];
            if !known.iter().any(|k| !k.is_empty() && line.starts_with(k)) && !line.is_empty() {
                return Err(bad(format!("line {}: {line}", n + 1)));
            }
            if let Some(v) = line.strip_prefix("a=ice-ufrag:") {
                ufrag = Some(v.to_owned());
            } else if let Some(v) = line.strip_prefix("a=ice-pwd:") {
                pwd = Some(v.to_owned());
            } else if let Some(v) = line.strip_prefix("a=candidate:") {
                if v.split_whitespace().count() < 8 {
                    return Err(bad(format!("line {}: {line}: not a candidate", n + 1)));
                }
                candidates += 1;
            }
        }
        let ice = match (ufrag, pwd) {
            (Some(ufrag), Some(pwd)) => Some(IceCredentials { ufrag, pwd }),
            (None, None) => None,
            _ => return Err(bad("a=ice-ufrag and a=ice-pwd go together".into())),
        };
        Ok(Self { ice, candidates })
    }
}

/// The answer to an ICE restart: our new credentials and candidates.
pub(crate) fn answer_fragment(ice: &IceCredentials, candidates: &[SocketAddr]) -> String {
    let mut s = String::new();
    // Writing to a String cannot fail.
    let _ = write!(
        s,
        "a=ice-lite\r\na=ice-ufrag:{}\r\na=ice-pwd:{}\r\n",
        ice.ufrag, ice.pwd
    );
    let _ = write_candidates(&mut s, candidates);
    s
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_counted_and_credentials_taken() {
        let f = IceFragment::parse(
            "a=ice-ufrag:abcd\r\na=ice-pwd:efgh\r\nm=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n\
             a=candidate:1 1 udp 2113937151 x.local 50000 typ host\r\na=end-of-candidates\r\n",
        )
        .unwrap();
        assert_eq!(f.candidates, 1);
        assert_eq!(f.ice.unwrap().ufrag, "abcd");
    }

    #[test]
    fn what_is_no_fragment_is_refused_with_its_line() {
        for (text, want) in [
            ("hello", "line 1"),
            ("a=mid:0\r\na=candidate:1 1", "line 2"),
            ("a=ice-ufrag:x", "go together"),
        ] {
            let e = IceFragment::parse(text).unwrap_err().to_string();
            assert!(e.contains(want), "{e}");
        }
        assert!(IceFragment::parse(&"a=x\r\n".repeat(9_000)).is_err());
    }
}
