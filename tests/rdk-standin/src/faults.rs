//! What goes wrong when a test wants it: a list such as `slow=20,headers=split`.

use std::cell::{Cell, RefCell};
use std::str::FromStr;

/// Environment variable with the list, for whole programs.
const VARIABLE: &str = "RDK_STANDIN_FAULTS";

thread_local! {
    static HERE: RefCell<Option<String>> = const { RefCell::new(None) };
    static OPEN: Cell<i32> = const { Cell::new(0) };
}

/// The faults of one encoder.
pub(crate) struct Faults(Vec<(String, String)>);

impl Faults {
    /// Those of this thread, else those of the environment.
    pub(crate) fn now() -> Self {
        let list = HERE
            .with_borrow(Clone::clone)
            .or_else(|| std::env::var(VARIABLE).ok())
            .unwrap_or_default();
        let pairs = list.split(',').filter(|item| !item.is_empty());
        Self(
            pairs
                .map(|item| {
                    let (name, value) = item.split_once('=').unwrap_or((item, ""));
                    (name.to_owned(), value.to_owned())
                })
                .collect(),
        )
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    pub(crate) fn value<T: FromStr>(&self, name: &str) -> Option<T> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        value.parse().ok()
    }
}

/// Sets the faults of encoders that this thread opens from now on.
pub(crate) fn set(list: String) {
    HERE.set(Some(list));
}

/// Counts encoders that this thread opened and did not release.
pub(crate) fn count(by: i32) -> i32 {
    OPEN.set(OPEN.get() + by);
    OPEN.get()
}
