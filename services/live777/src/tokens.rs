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
