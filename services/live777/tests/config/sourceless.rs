//! A build without sources.

use crate::support::{SHIPPED, full, parse, refused};

#[test]
fn a_source_is_refused_by_the_feature_that_is_missing() {
    let [problem] = refused(SHIPPED).try_into().unwrap();
    assert!(problem.starts_with("stream.demo.sources[0]: "), "{problem}");
    assert!(problem.contains("feature source"), "{problem}");
    assert_eq!(refused(&full()).len(), 5);
}

#[test]
fn a_publishers_stream_is_not() {
    assert!(parse("[stream.studio]").is_ok());
}
