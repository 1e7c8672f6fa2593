//! The lines of docs/dbus.md do what they say.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use livehal_bus::testing::{Bus, LIMIT, bus_installed, until};

use crate::decoder;
use crate::server::{Server, root};

/// One command and what it prints.
struct Example {
    command: String,
    output: String,
}

/// The `console` blocks of a Markdown text.
fn examples(markdown: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let blocks = markdown.split("```console\n").skip(1);
    for line in blocks
        .filter_map(|block| block.split("```").next())
        .flat_map(str::lines)
    {
        if let Some(command) = line.strip_prefix("$ ") {
            examples.push(Example {
                command: command.to_owned(),
                output: String::new(),
            });
        } else if let Some(example) = examples.last_mut() {
            example.output += line;
            example.output += "\n";
        }
    }
    examples
}

/// Whether `text` is `pattern` with something for every `…`; columns may be wider or narrower.
fn fits(pattern: &str, text: &str) -> bool {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut lines = pattern.lines().zip(text.lines());
    pattern.lines().count() == text.lines().count()
        && lines.all(|(pattern, text)| fits_line(&words(pattern), &words(text)))
}

fn fits_line(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    for (i, part) in parts.iter().enumerate() {
        let at = if i + 1 == parts.len() {
            rest.ends_with(part).then(|| rest.len() - part.len())
        } else {
            rest.find(part)
        };
        let Some(at) = at else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}

/// What a command prints in a directory.
fn run(bus: &Bus, directory: &Path, command: &str) -> String {
    // A decoder of this build, and on this bus.
    let command = match command.strip_prefix("daedalus_v4l2_daemon ") {
        Some(rest) => format!("{} {rest} --bus session", decoder::binary().display()),
        None => command.to_owned(),
    };
    let script = format!("{command} 2>&1");
    let mut shell = bus.command("sh");
    let output = shell.args(["-c", &script]).current_dir(directory).output();
    String::from_utf8_lossy(&output.unwrap().stdout).into_owned()
}

#[test]
fn every_busctl_line_prints_what_the_page_says() {
    const TEST: &str = "docs/dbus.md";
    if !bus_installed(TEST) {
        return;
    }
    let page = fs::read_to_string(root().join(TEST)).unwrap();
    let mut examples = examples(&page);
    assert!(
        examples.len() >= 10,
        "only {} examples found",
        examples.len()
    );
    let bus = Bus::session();
    let directory = tempfile::tempdir().unwrap();
    let decoder = decoder::start(&bus, TEST);
    if decoder.is_none() || !decoder::make_stream(&directory.path().join("stream.h264"), TEST) {
        let words = ["Decoder1", "SelfTest", "daedalus"];
        examples.retain(|e| !words.iter().any(|word| e.command.contains(word)));
    }
    let server = Server::start(bus.command(Server::binary()), "session");
    until("demo to run", || {
        let list = "busctl call org.livehal.Capture1 /org/livehal/Capture1 org.livehal.Capture1.Manager ListStreams";
        run(&bus, directory.path(), list).contains("running")
    });
    for Example { command, output } in examples {
        // Again for a while: a busy machine may have it degraded for a moment.
        let deadline = Instant::now() + LIMIT;
        loop {
            let printed = run(&bus, directory.path(), &command);
            if fits(&output, &printed) {
                break;
            }
            let wrong = format!("$ {command}\nprinted\n{printed}instead of\n{output}");
            assert!(Instant::now() < deadline, "{wrong}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    server.terminate();
}

#[test]
fn what_does_not_fit_is_noticed() {
    assert!(fits("s \"running\"\n", "s \"running\"\n"));
    assert!(fits(
        ".Width  property u … emits-change\n",
        ".Width property   u 1280  emits-change\n"
    ));
    assert!(fits("{…\"a\":…}\n", "{\"b\":1,\"a\":2}\n"));
    assert!(!fits("s \"running\"\n", "s \"stopped\"\n"));
    assert!(!fits("a\n", "a\nb\n"));
    assert!(!fits("{…\"a\":…}\n", "{\"b\":1}\n"));
    assert!(!fits("", "unexpected\n"));
}
