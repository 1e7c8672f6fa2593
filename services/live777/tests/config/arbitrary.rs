//! Any text at all: an answer, never a panic.

use proptest::prelude::*;

use crate::support::{SHIPPED, full, parse};

/// The body of the fuzz target.
fn survives(text: &str) {
    if let Err(problems) = parse(text) {
        assert!(!problems.is_empty());
        let lines = text.lines().count().max(1) + 1;
        for problem in problems {
            assert!(problem.line.is_none_or(|line| line <= lines), "{problem:?}");
            assert!(!problem.reason.is_empty(), "{problem:?}");
        }
    }
}

/// Pieces that a configuration is made of, and pieces that it is not.
fn piece() -> impl Strategy<Value = String> {
    let lines: Vec<String> = full().lines().map(str::to_owned).collect();
    prop_oneof![
        8 => proptest::sample::select(lines),
        1 => "[\\[a-z0-9.\"= \\]{}#,-]{0,30}",
        1 => "\\PC{0,12}",
        1 => Just("\u{feff}".to_owned()),
        1 => Just("a = ".to_owned() + &"[".repeat(200)),
        1 => Just("x.".repeat(200) + "y = 1"),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pieces_in_any_order(pieces in prop::collection::vec(piece(), 0..40)) {
        survives(&pieces.join("\n"));
    }

    #[test]
    fn the_shipped_file_with_some_bytes_changed(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        shipped in any::<bool>(),
    ) {
        let mut bytes = if shipped { SHIPPED.to_owned() } else { full() }.into_bytes();
        for (at, to) in changes {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        survives(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_text(text in "\\PC{0,200}") {
        survives(&text);
    }
}
