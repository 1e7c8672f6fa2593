//! The library's error codes in words.

use std::ffi::c_int;
use std::fmt;

/// The codes of `hb_media_error.h`, from `HB_MEDIA_ERR_UNKNOWN` on downwards by one each.
const FIRST: c_int = -268_435_455;
/// `HB_MEDIA_ERR_WAIT_TIMEOUT`.
pub(super) const WAIT_TIMEOUT: c_int = -268_435_443;
/// `HB_MEDIA_ERR_INVALID_PARAMS`.
const INVALID_PARAMS: c_int = -268_435_447;

const WORDS: [&str; 20] = [
    "unknown error",
    "codec not found",
    "the codec's device does not open",
    "the codec's device does not answer in time",
    "the codec's device does not initialise",
    "not allowed in this state",
    "not enough memory of the codec's kind, or another resource is used up",
    "all of the codec's instances are in use",
    "a parameter is not allowed",
    "no such instance",
    "not a buffer of this encoder",
    "no such command",
    "nothing within the time given",
    "a file cannot be used",
    "a parameter cannot be set",
    "a parameter cannot be read",
    "coding failed",
    "no room for output",
    "not supported by this hardware",
    "no such priority",
];

/// A call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CallError {
    /// The function.
    pub(super) call: &'static str,
    /// What it gave back.
    pub(super) code: c_int,
}

impl CallError {
    /// The library did not take a parameter: trying again with the same ones cannot help.
    pub(super) fn is_parameter(self) -> bool {
        self.code == INVALID_PARAMS
    }

    fn words(self) -> Option<&'static str> {
        let index = self.code.checked_sub(FIRST)?;
        WORDS.get(usize::try_from(index).ok()?).copied()
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self
            .words()
            .unwrap_or("a code the library does not explain");
        write!(f, "{}: {words} ({})", self.call, self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_words_and_others_are_shown_as_they_are() {
        let text = |code| CallError { call: "f", code }.to_string();
        assert_eq!(text(-268_435_455), "f: unknown error (-268435455)");
        assert_eq!(
            text(-268_435_450),
            "f: not allowed in this state (-268435450)"
        );
        assert_eq!(
            text(WAIT_TIMEOUT),
            "f: nothing within the time given (-268435443)"
        );
        assert_eq!(text(-268_435_436), "f: no such priority (-268435436)");
        for other in [-268_435_456, -268_435_435, -1, 0, i32::MIN, i32::MAX] {
            assert!(text(other).contains("does not explain"), "{other}");
        }
    }
}
