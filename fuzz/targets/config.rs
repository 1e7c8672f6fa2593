//! The configuration file.
#![no_main]

use std::io::{Error, ErrorKind};
use std::path::Path;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let no_file = |_: &Path| Err(Error::from(ErrorKind::NotFound));
    if let Err(problems) = live777::config::Config::parse(text, Path::new("/"), &no_file) {
        assert!(!problems.is_empty(), "refused without a reason");
    }
});
