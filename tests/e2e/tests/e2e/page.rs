//! The page: what a user sees and does, in Chromium.

use std::time::Duration;

use anyhow::Result;
use e2e::browser::{self, Browser};
use e2e::config::{Stream, whip};
use e2e::skip;
use peer::Server;
use serde_json::{Value, json};

use crate::support::{LIMIT, viewers, wait};

/// A desktop window.
const DESKTOP: (u32, u32) = (1400, 900);

fn cam() -> String {
    Stream::default().toml()
}

/// A browser, or a line that says why there is none.
fn start() -> Option<Browser> {
    match browser::executable() {
        Ok(_) => Some(Browser::start(DESKTOP.0, DESKTOP.1).unwrap()),
        Err(e) => {
            skip("the page in Chromium", &format!("{e:#}"));
            None
        }
    }
}

/// Waits until an expression is true in the page, or in the one that it is just leaving for.
fn until(page: &mut Browser, what: &str, expression: &str) {
    page.wait(what, LIMIT, |p| match p.evaluate(expression) {
        Err(e) if format!("{e:#}").contains("target navigated") => Ok(false),
        found => Ok(found? == true),
    })
    .unwrap();
}

fn connected(page: &mut Browser, state: &str) {
    let expression = format!("document.body?.dataset.connection === '{state}'");
    until(page, state, &expression);
}

/// The number that a figure shows; `None` before it is known.
fn figure(page: &mut Browser, key: &str) -> Option<f64> {
    let expression = format!("document.querySelector('[data-stat=\"{key}\"]').dataset.value");
    page.evaluate(&expression).unwrap().as_str()?.parse().ok()
}

fn until_figure(page: &mut Browser, key: &str, fits: impl Fn(f64) -> bool) -> f64 {
    let mut last = None;
    let found = page.wait(key, LIMIT, |p| {
        last = figure(p, key);
        Ok(last.is_some_and(&fits))
    });
    assert!(found.is_ok(), "{key} is {last:?}: {found:?}");
    last.unwrap()
}

fn click(page: &mut Browser, id: &str) {
    until(
        page,
        id,
        &format!("!document.getElementById('{id}').disabled"),
    );
    page.evaluate(&format!("document.getElementById('{id}').click()"))
        .unwrap();
}

#[test]
fn the_page_plays_and_shows_its_figures() {
    let Some(mut page) = start() else { return };
    let server = Server::start(&cam()).unwrap();
    page.open(&server.url(), "/").unwrap();
    connected(&mut page, "playing");

    let first = until_figure(&mut page, "first-frame", |ms| ms > 0.0);
    assert!(first < 1000.0, "{first} ms to the first frame");
    until_figure(&mut page, "fps", |fps| (20.0..40.0).contains(&fps));
    until_figure(&mut page, "bitrate", |bps| {
        (100_000.0..2_000_000.0).contains(&bps)
    });
    until_figure(&mut page, "viewers", |n| n == 1.0);
    // One machine, one clock: whatever the compositor adds, it is neither negative nor a second.
    for key in [
        "latency",
        "latency-strip",
        "latency-capture-time",
        "latency-receive",
    ] {
        until_figure(&mut page, key, |ms| (0.0..1000.0).contains(&ms));
    }
    let method = "document.querySelector('[data-stat=latency]').dataset.method === 'strip'";
    until(&mut page, "latency by the strip", method);
    let by_strip = figure(&mut page, "latency-strip").unwrap();
    let by_time = figure(&mut page, "latency-capture-time").unwrap();
    assert!(
        (by_strip - by_time).abs() < 25.0,
        "strip {by_strip} ms, capture time {by_time} ms"
    );
    let shown = page.evaluate(
        "['resolution', 'codec', 'source'].map(\
            (k) => document.querySelector(`[data-stat=\"${k}\"]`).textContent)",
    );
    let wanted = json!(["640 × 360", "H.264", "testsrc → software"]);
    assert_eq!(shown.unwrap(), wanted);
    // A busy machine drops frames before they are coded, and says so.
    let state = "['running', 'degraded'].includes(document.querySelector('[data-stat=state]').dataset.value)";
    until(&mut page, "the state", state);
    let strip = page.evaluate("livehal.readStrip(document.getElementById('video')).frame");
    assert!(strip.unwrap().as_u64() > Some(0));
    assert_eq!(page.console_errors, Vec::<String>::new());
    assert_eq!(page.foreign_requests, Vec::<String>::new());
}

#[test]
fn leaving_the_page_ends_the_session() {
    let Some(mut page) = start() else { return };
    let server = Server::start(&cam()).unwrap();
    page.open(&server.url(), "/").unwrap();
    connected(&mut page, "playing");
    assert_eq!(viewers(&server, "cam"), 1);
    page.call("Page.navigate", json!({"url": "about:blank"}))
        .unwrap();
    // Well before the time limit for peers that vanished.
    wait("the viewer to be gone", Duration::from_secs(3), || {
        viewers(&server, "cam") == 0
    });
}

#[test]
fn a_server_that_comes_back_is_played_again() {
    let Some(mut page) = start() else { return };
    let mut server = Server::start(&cam()).unwrap();
    page.open(&server.url(), "/").unwrap();
    connected(&mut page, "playing");
    server.terminate(LIMIT).unwrap();
    connected(&mut page, "waiting");
    until(
        &mut page,
        "the server's silence",
        "document.body.dataset.server === 'unreachable'",
    );
    until(
        &mut page,
        "a word about it",
        "document.getElementById('message').textContent !== ''",
    );
    server.restart().unwrap();
    connected(&mut page, "playing");
    until(
        &mut page,
        "no word any more",
        "document.getElementById('message').textContent === ''",
    );
    wait("one viewer", LIMIT, || viewers(&server, "cam") == 1);
}

#[test]
fn the_buttons_stop_start_and_ask_for_a_key_frame() {
    let Some(mut page) = start() else { return };
    let server = Server::start(&cam()).unwrap();
    page.open(&server.url(), "/").unwrap();
    connected(&mut page, "playing");

    click(&mut page, "keyframe");
    wait("the request", LIMIT, || {
        server.stream("cam").unwrap()["keyframes"].as_u64() >= Some(2)
    });
    let label = "document.getElementById('start-stop').textContent.trim()";
    assert_eq!(page.evaluate(label).unwrap(), "Stop");
    click(&mut page, "start-stop");
    until(
        &mut page,
        "stop",
        "document.getElementById('message').textContent.includes('stopped')",
    );
    assert_eq!(server.stream("cam").unwrap()["state"], "stopped");
    until(
        &mut page,
        "the other label",
        &format!("{label} === 'Start'"),
    );
    click(&mut page, "start-stop");
    until(
        &mut page,
        "start",
        "document.getElementById('message').textContent === ''",
    );
    connected(&mut page, "playing");
}

#[test]
fn a_snapshot_is_downloaded() {
    let Some(mut page) = start() else { return };
    let server = Server::start(&cam()).unwrap();
    let downloads = tempfile::tempdir().unwrap();
    let to = json!({"behavior": "allow", "downloadPath": downloads.path()});
    page.open(&server.url(), "/").unwrap();
    page.call("Page.setDownloadBehavior", to).unwrap();
    connected(&mut page, "playing");
    click(&mut page, "snapshot");
    let file = || {
        let files = std::fs::read_dir(downloads.path()).unwrap();
        let mut files = files.map(|f| f.unwrap().path());
        files.find(|p| p.extension().is_some_and(|e| e == "jpg"))
    };
    wait("the file", LIMIT, || file().is_some());
    let file = file().unwrap();
    assert!(
        file.file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("cam-"),
        "{file:?}"
    );
    let bytes = std::fs::read(&file).unwrap();
    assert_eq!(
        (&bytes[..2], &bytes[bytes.len() - 2..]),
        (&[0xFF, 0xD8][..], &[0xFF, 0xD9][..])
    );
}

#[test]
fn a_token_is_asked_for_and_kept_for_the_tab() {
    const TOKEN: &str = "a-token-for-the-page";
    let Some(mut page) = start() else { return };
    let auth = format!(
        "[[auth.tokens]]\nname = \"page\"\ntoken = \"{TOKEN}\"\nscopes = [\"view\"]\n{}",
        cam()
    );
    let server = Server::start_with("", &auth).unwrap();
    page.open(&server.url(), "/#cam").unwrap();
    until(
        &mut page,
        "the question",
        "document.getElementById('token-dialog').open",
    );
    let answer = |token: &str| {
        format!(
            "document.getElementById('token').value = '{token}'; \
             document.querySelector('#token-dialog form').requestSubmit()"
        )
    };
    page.evaluate(&answer("a-wrong-token-of-somebody")).unwrap();
    let again = "document.getElementById('token-dialog').open && \
                 document.getElementById('token-reason').textContent.includes('not accept')";
    until(&mut page, "the question again", again);
    page.evaluate(&answer(TOKEN)).unwrap();
    connected(&mut page, "playing");

    page.evaluate("window.before = true; location.reload()")
        .unwrap();
    until(&mut page, "another document", "!window.before");
    connected(&mut page, "playing");
    assert_eq!(
        page.evaluate("document.getElementById('token-dialog').open")
            .unwrap(),
        false
    );
    // This token may look only: the page says so and goes on playing.
    click(&mut page, "start-stop");
    until(
        &mut page,
        "the refusal",
        "document.getElementById('toast').textContent.includes('may not')",
    );
    connected(&mut page, "playing");
}

#[test]
fn a_question_that_was_declined_can_be_asked_again() {
    const TOKEN: &str = "a-token-for-the-page";
    let Some(mut page) = start() else { return };
    let auth = format!(
        "[[auth.tokens]]\nname = \"page\"\ntoken = \"{TOKEN}\"\nscopes = [\"view\"]\n{}",
        cam()
    );
    let server = Server::start_with("", &auth).unwrap();
    page.open(&server.url(), "/").unwrap();
    until(
        &mut page,
        "the question",
        "document.getElementById('token-dialog').open",
    );
    click(&mut page, "token-cancel");
    let said = "document.getElementById('badge').textContent === 'Token needed'";
    until(&mut page, "what is missing", said);
    click(&mut page, "token-open");
    until(
        &mut page,
        "the question",
        "document.getElementById('token-dialog').open",
    );
    let answer = format!(
        "document.getElementById('token').value = '{TOKEN}'; \
         document.querySelector('#token-dialog form').requestSubmit()"
    );
    page.evaluate(&answer).unwrap();
    connected(&mut page, "playing");
}

#[test]
fn streams_are_chosen_by_their_entry_and_by_the_address() {
    let Some(mut page) = start() else { return };
    let second = Stream {
        name: "second",
        width: 320,
        height: 180,
        ..Stream::default()
    };
    let config = cam() + &second.toml() + &whip("studio");
    let server = Server::start(&config).unwrap();
    page.open(&server.url(), "/#second").unwrap();
    connected(&mut page, "playing");
    until(
        &mut page,
        "the small picture",
        "document.getElementById('video').videoWidth === 320",
    );
    let entries =
        "[...document.querySelectorAll('#streams [data-stream]')].map((e) => e.dataset.stream)";
    assert_eq!(
        page.evaluate(entries).unwrap(),
        json!(["cam", "second", "studio"])
    );

    page.evaluate("document.querySelector('[data-stream=cam] a').click()")
        .unwrap();
    until(
        &mut page,
        "the large picture",
        "document.getElementById('video').videoWidth === 640",
    );
    assert_eq!(page.evaluate("location.hash").unwrap(), "#cam");
    let current = "document.querySelector('[aria-current=true]').parentElement.dataset.stream";
    assert_eq!(page.evaluate(current).unwrap(), "cam");
    wait("the other viewer to be gone", LIMIT, || {
        viewers(&server, "second") == 0
    });

    page.evaluate("document.querySelector('[data-stream=studio] a').click()")
        .unwrap();
    let nobody = "document.getElementById('message').textContent === 'Nobody is publishing'";
    until(&mut page, "what is missing", nobody);
    assert_eq!(
        page.evaluate("document.getElementById('start-stop').disabled")
            .unwrap(),
        true
    );
}

/// Elements that are too small for a finger, or outside of the window.
const MISFITS: &str = "(() => {
    const shown = [...document.querySelectorAll('button, .rail a, #video')]
        .filter((e) => e.checkVisibility({ visibilityProperty: true }));
    const small = shown.filter((e) => e.getBoundingClientRect().height < 44);
    const outside = shown.filter((e) => {
        const box = e.getBoundingClientRect();
        return !e.closest('.rail') && (box.left < 0 || box.right > innerWidth + 0.5);
    });
    return [...small, ...outside].map((e) => e.id || e.textContent)
        .concat(document.documentElement.scrollWidth > innerWidth ? ['the page'] : []);
})()";

#[test]
fn it_fits_every_screen() -> Result<()> {
    let Some(mut page) = start() else {
        return Ok(());
    };
    let long = "a-camera-with-a-rather-long-name-over-the-back-door";
    let streams = ["cam", "second", "third", long].map(whip).concat();
    let server = Server::start(&streams)?;
    for (width, height, phone) in [
        (320, 640, true),
        (390, 844, true),
        (844, 390, true),
        (820, 1180, true),
        (1280, 720, false),
        (2560, 1300, false),
    ] {
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone});
        page.call("Emulation.setDeviceMetricsOverride", size)?;
        page.open(&server.url(), "/")?;
        until(
            &mut page,
            "the list",
            "document.querySelectorAll('#streams [data-stream]').length === 4",
        );
        let misfits = page.evaluate(MISFITS)?;
        assert_eq!(misfits, Value::Array(Vec::new()), "at {width}×{height}");
    }
    Ok(())
}
