//! Faults that no single key shows, and how they are told.

use crate::support::{parse, refused};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn auth(tokens: &str) -> String {
    format!("[stream.demo]\n[auth]\n{tokens}")
}

fn token(name: &str, token: &str, scopes: &str) -> String {
    format!("[[auth.tokens]]\nname = \"{name}\"\ntoken = \"{token}\"\nscopes = {scopes}\n")
}

#[test]
fn all_faults_are_told_at_once_in_the_order_of_the_file() {
    let problems = refused(
        "[http]\nlisen = \"x\"\nmax_connections = 0\n[log]\nlevel = \"loud\"\n[stream.a]\ngrace_s = 1\n[stream.\"b c\"]\n",
    );
    assert_eq!(
        problems,
        [
            "http.lisen = \"x\": unknown key; did you mean listen?",
            "http.max_connections = 0: must be 1 to 10000",
            "log.level = \"loud\": must be one of \"error\", \"warn\", \"info\", \"debug\", \"trace\"",
            "stream.a.grace_s = 1: has no meaning without on_demand = true",
            "stream.\"b c\": a stream's name has 1 to 64 of A-Z a-z 0-9 - _ . and begins with a letter or digit",
        ]
    );
}

#[test]
fn lines_are_those_of_the_keys() {
    let problems = parse("[http]\n\nlisten = 1\n[http.tls]\nkey = \"k\"\n").unwrap_err();
    let lines: Vec<_> = problems.iter().map(|p| (p.path.as_str(), p.line)).collect();
    assert_eq!(
        lines,
        [("http.listen", Some(3)), ("http.tls.certificate", Some(4))]
    );
}

#[test]
fn syntax_errors_have_their_line_and_show_no_text() {
    let text = format!("[auth]\n[[auth.tokens]]\ntoken = {TOKEN}\nname = \"a\"\n[stream");
    let problems = parse(&text).unwrap_err();
    assert!(problems.len() >= 2, "{problems:?}");
    assert_eq!(problems[0].line, Some(3));
    assert!(
        problems.iter().all(|p| !p.to_string().contains(TOKEN)),
        "{problems:?}"
    );
}

#[test]
fn an_open_server_on_a_network_is_refused_unless_it_says_so() {
    for (text, path) in [
        ("[http]\nlisten = \"0.0.0.0:7777\"", "http.listen"),
        ("[http]\nlisten = \"[::]:7777\"", "http.listen"),
        ("[http]\nlisten = \"192.0.2.7:80\"", "http.listen"),
        ("[webrtc]\nlisten = \"0.0.0.0:7777\"", "webrtc.listen"),
    ] {
        let problems = parse(text).unwrap_err();
        let paths: Vec<_> = problems.iter().map(|p| p.path.as_str()).collect();
        assert_eq!(paths, [path]);
        assert!(problems[0].reason.contains("auth.allow_open = true"));
        assert!(parse(&format!("auth.allow_open = true\n{text}")).is_ok());
        let tokens = token("a", TOKEN, "[\"admin\"]");
        assert!(parse(&format!("{text}\n{tokens}")).is_ok());
    }
    for loopback in [
        "127.0.0.1:7777",
        "127.8.8.8:1",
        "[::1]:7777",
        "[::ffff:127.0.0.1]:7777",
    ] {
        let text = format!("[http]\nlisten = \"{loopback}\"\n[webrtc]\nlisten = \"{loopback}\"");
        assert!(parse(&text).is_ok(), "{loopback}");
    }
}

#[test]
fn tokens_over_plain_http_are_warned_of() {
    let tokens = token("a", TOKEN, "[\"admin\"]");
    let config = parse(&format!(
        "[http]\nlisten = \"0.0.0.0:1\"\n[stream.x]\n{tokens}"
    ))
    .unwrap();
    let [warning] = config.warnings.as_slice() else {
        panic!("{:?}", config.warnings);
    };
    assert!(warning.starts_with("http.tls: "), "{warning}");
}

#[test]
fn bad_tokens_are_refused_and_never_shown() {
    for (secret, why) in [
        ("short", "16 to 1024"),
        ("", "16 to 1024"),
        ("fifteen-letters", "16 to 1024"),
        ("has a space in it, and more", "letters, digits"),
        ("umläute-are-not-for-headers", "letters, digits"),
    ] {
        let problems = refused(&auth(&token("a", secret, "[\"view\"]")));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0].starts_with("auth.tokens[0].token = ("),
            "{problems:?}"
        );
        assert!(problems[0].contains(why), "{problems:?}");
        assert!(
            secret.is_empty() || !problems[0].contains(secret),
            "{problems:?}"
        );
    }
    assert!(parse(&auth(&token("a", &"x".repeat(16), "[\"view\"]"))).is_ok());
    assert!(parse(&auth(&token("a", &"x".repeat(1025), "[\"view\"]"))).is_err());
}

#[test]
fn a_token_in_the_wrong_place_is_not_shown_either() {
    for text in [
        format!("auth = \"{TOKEN}\""),
        format!("[auth]\ntoken = \"{TOKEN}\""),
        format!("[auth]\ntokens = [\"{TOKEN}\"]"),
        format!("[auth]\ntokens = {{ admin = \"{TOKEN}\" }}"),
        format!("[[auth.tokens]]\nname = \"a\"\ntokn = \"{TOKEN}\"\nscopes = []"),
        format!("[[auth.tokens]]\nname = \"a\"\ntoken = [\"{TOKEN}\"]\nscopes = [\"view\"]"),
        format!("[http]\ntoken = \"{TOKEN}\""),
        format!("api_secret = \"{TOKEN}\""),
    ] {
        for problem in refused(&text) {
            assert!(!problem.contains(TOKEN), "{problem}");
        }
    }
}

#[test]
fn names_and_tokens_are_unique() {
    let other = "fedcba9876543210fedcba9876543210";
    let same_name = token("a", TOKEN, "[\"view\"]") + &token("a", other, "[\"view\"]");
    assert_eq!(
        refused(&auth(&same_name)),
        ["auth.tokens[1].name = \"a\": is the name of another token"]
    );
    let same_token = token("a", TOKEN, "[\"view\"]") + &token("b", TOKEN, "[\"view\"]");
    let problems = refused(&auth(&same_token));
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].starts_with("auth.tokens[1].token = (34 characters"),
        "{problems:?}"
    );
}

#[test]
fn a_token_comes_from_one_place() {
    let both =
        "[[auth.tokens]]\nname = \"a\"\ntoken = \"x\"\ntoken_file = \"hall\"\nscopes = [\"admin\"]";
    assert_eq!(
        refused(both),
        ["auth.tokens[0].token_file = \"hall\": excludes token; give one of them"]
    );
    let none = "[[auth.tokens]]\nname = \"a\"\nscopes = [\"admin\"]";
    assert_eq!(refused(none), ["auth.tokens[0]: needs token or token_file"]);
}

#[test]
fn a_key_that_is_not_the_certificates_is_refused_by_its_path() {
    let text = "[http.tls]\ncertificate = \"certificate.pem\"\nkey = \"other.pem\"\n";
    let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let read = |path: &std::path::Path| match path.ends_with("other.pem") {
        true => Ok(other.clone().into_bytes()),
        false => crate::support::read(path),
    };
    let base = std::path::Path::new("/etc/livehal");
    let problems = live777::config::Config::parse(text, base, &read).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].path, "http.tls.key");
    assert_eq!(
        problems[0].reason,
        "/etc/livehal/other.pem: is not the key of the certificate"
    );
}

#[test]
fn files_that_are_no_pem_are_named() {
    for (certificate, key, path) in [
        ("hall", "key.pem", "http.tls.certificate"),
        ("certificate.pem", "hall", "http.tls.key"),
        ("key.pem", "key.pem", "http.tls.certificate"),
        ("certificate.pem", "certificate.pem", "http.tls.key"),
    ] {
        let text = format!("[http.tls]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n");
        let problems = parse(&text).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].path, path, "{problems:?}");
    }
}

#[test]
fn a_source_is_native_or_a_url() {
    let with = |rest: &str| format!("[stream.x]\n[[stream.x.sources]]\n{rest}");
    let encoder = "[stream.x.sources.encoder]\nbackend = \"software\"\ncodec = \"h264\"\nbitrate = 1_000_000\nprofile = \"42001f\"\ngop = 60\n";
    let capture = "[stream.x.sources.capture]\nbackend = \"testsrc\"\n";
    for (source, start) in [
        (
            "".to_owned(),
            "stream.x.sources[0]: needs the tables capture and encoder, or url",
        ),
        (capture.to_owned(), "stream.x.sources[0].encoder: missing"),
        (encoder.to_owned(), "stream.x.sources[0].capture: missing"),
        (
            format!("url = \"rtsp://h/\"\n{capture}{encoder}"),
            "stream.x.sources[0].url = \"rtsp://h/\": excludes capture",
        ),
        (
            "url = \"rtsp://user:pass@h:554/a\"\n".to_owned(),
            "stream.x.sources[0].url = \"rtsp://***@h:554/a\": an RTSP source is not built yet",
        ),
        (
            "url = \"rtp://0.0.0.0:5004\"\n".to_owned(),
            "stream.x.sources[0].url = \"rtp://0.0.0.0:5004\": an RTP source is not built yet",
        ),
        (
            "url = \"file:///a.sdp\"\n".to_owned(),
            "stream.x.sources[0].url = \"file:///a.sdp\": an SDP source is not built yet",
        ),
        (
            "url = \"gopher://h/\"\n".to_owned(),
            "stream.x.sources[0].url = \"gopher://h/\": must be rtsp://",
        ),
    ] {
        let problems = refused(&with(&source));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(start), "{problems:?}");
    }
    assert!(parse(&with(&format!("{capture}{encoder}"))).is_ok());
    let two = with(&format!(
        "{capture}{encoder}[[stream.x.sources]]\n{capture}{encoder}"
    ));
    let problems = refused(&two);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].starts_with("stream.x.sources[1]: the stream has 2 sources"),
        "{problems:?}"
    );
}

#[test]
fn what_is_not_supported_says_so() {
    let channel =
        "[stream.x]\n[stream.x.channel]\nlisten = \"0.0.0.0:8891\"\ntarget = \"127.0.0.1:8890\"";
    assert_eq!(
        refused(channel),
        ["stream.x.channel: a DataChannel <-> UDP channel is not supported; remove it"]
    );
    assert_eq!(
        refused("[stream.x]\non_demand = true"),
        [
            "stream.x.on_demand = true: has no meaning without sources: nothing can start a WHIP publisher"
        ]
    );
}

#[test]
fn an_empty_file_is_allowed_and_warned_of() {
    let config = parse("").unwrap();
    assert_eq!(
        config.warnings,
        ["stream: no stream is configured: there is nothing to watch"]
    );
}
