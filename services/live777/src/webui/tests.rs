use std::collections::BTreeSet;
use std::path::Path as FilePath;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use tower::ServiceExt as _;

use super::*;

async fn get_with(path: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, String) {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    let response = router().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    (
        parts.status,
        parts.headers,
        String::from_utf8(body.to_vec()).unwrap(),
    )
}

/// Values of `attribute="…"` in `html`.
fn attributes<'a>(html: &'a str, attribute: &str) -> Vec<&'a str> {
    let start = format!(" {attribute}=\"");
    let values = html.split(&start).skip(1);
    values.filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn every_file_of_the_directory_is_embedded() {
    let directory = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("src/webui/assets");
    let there: BTreeSet<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "index.html")
        .collect();
    let embedded: BTreeSet<String> = FILES.iter().map(|f| f.name.to_owned()).collect();
    assert_eq!(there, embedded);
}

#[test]
fn modules_import_only_what_is_there() {
    for file in FILES.iter().filter(|f| f.kind == JAVASCRIPT) {
        for line in file.content.lines().filter(|l| l.starts_with("import ")) {
            let target = line.rsplit("'./").next().and_then(|t| t.strip_suffix("';"));
            let known = FILES.iter().any(|f| Some(f.name) == target);
            assert!(known, "{}: {line}", file.name);
        }
    }
}

#[tokio::test]
async fn the_page_is_served_with_a_policy_that_allows_nothing_inline() {
    let (status, headers, html) = get_with("/", &[]).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(headers["cache-control"], "no-cache");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    // The policy would block these, and the page would be broken.
    assert_eq!(
        html.matches("<script").count(),
        html.matches("<script type=\"module\" src=").count()
    );
    for inline in [
        "<style",
        " style=\"",
        " onclick=\"",
        " onload=\"",
        "javascript:",
    ] {
        assert!(!html.contains(inline), "{inline}");
    }
}

#[tokio::test]
async fn the_page_loads_only_files_that_are_served() {
    let (_, _, html) = get_with("/", &[]).await;
    let mut addresses = attributes(&html, "src");
    addresses.extend(
        attributes(&html, "href")
            .iter()
            .filter(|a| !a.starts_with('#')),
    );
    assert!(addresses.len() > FILES.len() - 2, "{addresses:?}");
    for address in addresses {
        assert!(
            address.starts_with("/assets/"),
            "{address} is from elsewhere"
        );
        let (status, headers, _) = get_with(address, &[]).await;
        assert_eq!(status, StatusCode::OK, "{address}");
        assert_eq!(
            headers["cache-control"], "public, max-age=31536000, immutable",
            "{address}"
        );
    }
}

#[tokio::test]
async fn what_the_browser_has_is_not_sent_again() {
    let (_, headers, _) = get_with("/", &[]).await;
    let etag = headers["etag"].to_str().unwrap();
    for tags in [
        etag.to_owned(),
        format!("W/{etag}"),
        format!("\"old\", {etag}"),
        "*".to_owned(),
    ] {
        let (status, headers, body) = get_with("/", &[("if-none-match", &tags)]).await;
        assert_eq!(status, StatusCode::NOT_MODIFIED, "{tags}");
        assert_eq!(headers["etag"], etag);
        assert_eq!(body, "");
    }
    let (status, _, _) = get_with("/", &[("if-none-match", "\"old\"")]).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn files_of_another_version_are_not_found() {
    let (_, _, html) = get_with("/", &[]).await;
    let script = attributes(&html, "src")[0];
    let (status, _, _) = get_with(script, &[]).await;
    assert_eq!(status, StatusCode::OK);
    for path in [
        "/assets/0000000000000000/main.js".to_owned(),
        script.replace("main.js", "none.js"),
    ] {
        let (status, headers, _) = get_with(&path, &[]).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert!(!headers.contains_key("etag"), "a browser would keep it");
    }
}

/// The strips of some frames, drawn by livehal, as the JSON that the page's own tests read.
fn strips() -> String {
    let frames = [
        (256, 0, 1_795_151_220_687),
        (640, 1, 1_795_151_220_720),
        (1280, 123_456, 1_795_151_999_999),
        (1920, u32::MAX, 0xFF_FFFF_FFFF),
        (3840, 0xA5A5_5A5A, 1),
    ];
    let vector = |(width, frame, millis): (usize, u32, u64)| {
        // One more column than the picture has: the stride is not the width.
        let stride = width + 16;
        let mut luma = vec![90; stride * livehal::strip::height(width)];
        let strip = livehal::strip::Strip {
            frame,
            millis: millis % (1 << 40),
        };
        livehal::strip::draw(strip, &mut luma, stride, width);
        serde_json::json!({
            "width": width, "stride": stride, "frame": frame, "millis": millis, "luma": luma,
        })
    };
    serde_json::Value::from_iter(frames.map(vector)).to_string()
}

/// The tests of the page's modules are written in JavaScript and run by node.
#[test]
fn the_modules_pass_their_own_tests() {
    let node = std::process::Command::new("node").arg("--version").output();
    let Ok(version) = node else {
        skip(
            "tests of the page's modules",
            "node is not installed (apt-get install nodejs)",
        );
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let vectors = directory.path().join("strips.json");
    std::fs::write(&vectors, strips()).unwrap();
    let tests = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("src/webui/test");
    let mut files: Vec<_> = std::fs::read_dir(tests)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.sort();
    let run = std::process::Command::new("node")
        .arg("--test")
        .args(&files)
        .env("STRIP_VECTORS", &vectors)
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&run.stdout);
    let version = String::from_utf8_lossy(&version.stdout);
    assert!(run.status.success(), "node {version}{report}");
    assert!(report.contains("skipped 0"), "{report}");
}

/// Not by `eprintln!`: what a passing test prints is not seen.
fn skip(what: &str, why: &str) {
    use std::io::Write as _;
    let mut seen = std::io::stderr();
    writeln!(seen, "SKIPPED: {what}: {why}").unwrap();
    assert_ne!(
        std::env::var("REQUIRE_ALL").as_deref(),
        Ok("1"),
        "{what}: {why}"
    );
}
