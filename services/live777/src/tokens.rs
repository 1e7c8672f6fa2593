//! Bearer tokens.

use std::fmt;
use std::sync::Arc;

use liveion::http::{Access, Authorizer};
use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

/// The tokens of the configuration, as digests: the tokens themselves are not kept.
#[derive(Default)]
pub struct Tokens(Vec<([u8; SHA256_OUTPUT_LEN], Arc<Access>)>);

impl Tokens {
    /// Adds a token; `false` if it is there already.
    pub fn add(&mut self, token: &str, access: Access) -> bool {
        if self.find(token).is_some() {
            return false;
        }
        self.0.push((hash(token), Arc::new(access)));
        true
    }

    /// Compares with every token, each in constant time, so that the time tells nothing of any.
    fn find(&self, token: &str) -> Option<&Arc<Access>> {
        let given = hash(token);
        let mut found = u64::MAX;
        for (i, (known, _)) in (0u64..).zip(&self.0) {
            let same: Choice = known.ct_eq(&given);
            found.conditional_assign(&i, same);
        }
        let index = usize::try_from(found).ok()?;
        self.0.get(index).map(|(_, access)| access)
    }
}

impl Authorizer for Tokens {
    fn authorize(&self, token: Option<&str>) -> Option<Arc<Access>> {
        self.find(token?).cloned()
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|(_, access)| &access.name);
        f.debug_list().entries(names).finish()
    }
}

fn hash(token: &str) -> [u8; SHA256_OUTPUT_LEN] {
    let mut out = [0; SHA256_OUTPUT_LEN];
    out.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    out
}

#[cfg(test)]
mod tests {
    use liveion::http::View;

    use super::*;

    fn access(name: &str) -> Access {
        Access {
            name: name.to_owned(),
            view: View::All,
            publish: false,
            admin: false,
        }
    }

    #[test]
    fn each_token_finds_its_own_rights() {
        let mut tokens = Tokens::default();
        for (token, name) in [("token-one", "a"), ("token-two", "b"), ("token-three", "c")] {
            assert!(tokens.add(token, access(name)));
        }
        let found = |token| tokens.authorize(token).map(|a| a.name.clone());
        assert_eq!(found(Some("token-one")).as_deref(), Some("a"));
        assert_eq!(found(Some("token-two")).as_deref(), Some("b"));
        assert_eq!(found(Some("token-three")).as_deref(), Some("c"));
        for wrong in [
            None,
            Some(""),
            Some("token-"),
            Some("token-onf"),
            Some("token-one "),
        ] {
            assert_eq!(found(wrong), None, "{wrong:?}");
        }
        assert!(!tokens.add("token-two", access("d")));
    }

    #[test]
    fn debug_shows_names_only() {
        let mut tokens = Tokens::default();
        tokens.add("the-secret-itself", access("door"));
        assert_eq!(format!("{tokens:?}"), "[\"door\"]");
    }
}
