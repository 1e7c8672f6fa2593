//! The shipped file and its examples, damaged key by key: each damage is refused, at its path and
//! nowhere else.

use std::fmt;

use toml::{Table, Value};

use crate::support::{SHIPPED, full, parse};

/// Values that a key of this name must not have, whatever table it is in; nothing where every
/// value of the type is allowed.
fn wrong_values(path: &Path) -> Vec<Value> {
    let strings = |list: &[&str]| list.iter().map(|s| Value::from(*s)).collect();
    let numbers = |list: &[i64]| list.iter().map(|n| Value::from(*n)).collect();
    let list_of = |list: &[&str]| list.iter().map(|s| Value::from(vec![*s])).collect();
    let text = path.to_string();
    match path.last_key() {
        "listen" => strings(&["", "localhost:7777", "127.0.0.1", "127.0.0.1:65536"]),
        "cors" => list_of(&[
            "",
            "example.org",
            "https://example.org/",
            "https://EXAMPLE.org",
            "null",
        ]),
        "hosts" => list_of(&["", "a:80", "http://a", "a b"]),
        "max_connections" | "max_sessions" => numbers(&[0, -1, 10_001, i64::MAX]),
        "certificate" | "key" | "token_file" => strings(&["", "is/not/there"]),
        "candidates" => list_of(&["", "0.0.0.0", "::", "224.0.0.1", "host", "192.0.2.1"]),
        "idle_timeout_s" => numbers(&[4, -1, 3601]),
        "allow_open" => vec![Value::from(true)],
        "name" if text.starts_with("auth.tokens[1]") => strings(&["", "a\nb", "operator"]),
        "name" => strings(&["", "a\nb"]),
        "scopes" => {
            let mut lists: Vec<Value> = list_of(&["", "all", "view:", "view:nobody", "Admin"]);
            lists.push(Value::Array(Vec::new()));
            lists
        }
        "level" if text == "log.level" => strings(&["", "INFO", "verbose"]),
        "level" => strings(&["", "9.9", "three", "baseline"]),
        "format" => strings(&["", "xml"]),
        "bus" => strings(&["", "both"]),
        "grace_s" => numbers(&[-1, 3601]),
        "backend" => strings(&["", "nope", "Software"]),
        "width" => numbers(&[0, -2, 15, 641, 100_000]),
        "height" => numbers(&[0, -2, 15, 481, 100_000]),
        "fps" => numbers(&[0, -1, 1000]),
        "pixel_format" => strings(&["", "nv99", "YUYV"]),
        "codec" => strings(&["", "h266", "mjpeg"]),
        "bitrate" => numbers(&[0, -1, 5_000_000_000]),
        "min_bitrate" => numbers(&[0, -1, 100_000_000]),
        "max_bitrate" => numbers(&[0, -1, 5_000_000_000]),
        "profile" => strings(&["", "extended", "42001", "42001g"]),
        "gop" => numbers(&[0, -1, 1_000_000]),
        "payload_type" => numbers(&[0, 95, 128, 256, -1]),
        "clock_rate" => numbers(&[0, 48_000, -1]),
        "device" => strings(&[""]),
        "path" => strings(&[""]),
        "on_demand" | "prefer_dmabuf" => Vec::new(),
        other => panic!("no wrong value for {other} ({text}): add some"),
    }
}

/// One step of a path.
#[derive(Clone, PartialEq)]
enum Step {
    Key(String),
    Index(usize),
}

#[derive(Clone)]
struct Path(Vec<Step>);

impl Path {
    fn and(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    fn last_key(&self) -> &str {
        match self.0.last().unwrap() {
            Step::Key(key) => key,
            Step::Index(_) => "",
        }
    }

    /// Keys that the user chooses: a stream's name.
    fn is_name(&self) -> bool {
        matches!(self.0.as_slice(), [Step::Key(table), Step::Key(_)] if table == "stream")
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if i == 0 => write!(f, "{key}")?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Every key and item below `value`.
fn paths(value: &Value, at: &Path, into: &mut Vec<Path>) {
    let children: Vec<(Step, &Value)> = match value {
        Value::Table(table) => table
            .iter()
            .map(|(k, v)| (Step::Key(k.clone()), v))
            .collect(),
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.map(|(i, v)| (Step::Index(i), v)).collect()
        }
        _ => Vec::new(),
    };
    for (step, child) in children {
        let path = at.and(step);
        paths(child, &path, into);
        into.push(path);
    }
}

fn get<'a>(root: &'a mut Value, path: &[Step]) -> &'a mut Value {
    path.iter().fold(root, |value, step| match step {
        Step::Key(key) => value.as_table_mut().unwrap().get_mut(key).unwrap(),
        Step::Index(i) => value.as_array_mut().unwrap().get_mut(*i).unwrap(),
    })
}

fn all(text: &str) -> (Value, Vec<Path>) {
    let root = Value::Table(text.parse::<Table>().unwrap());
    let mut found = Vec::new();
    paths(&root, &Path(Vec::new()), &mut found);
    assert!(found.len() > 10, "{found:?}", found = found.len());
    (root, found)
}

/// Parses `root` and demands exactly one complaint, about `path` (or an item of it).
#[track_caller]
fn demand(root: &Value, path: &str, what: &str) {
    let text = toml::to_string(root).unwrap();
    let problems = match parse(&text) {
        Ok(_) => panic!("{path}: {what} was accepted"),
        Err(problems) => problems,
    };
    let [problem] = problems.as_slice() else {
        panic!("{path}: {what}: not one complaint but {problems:#?}");
    };
    let item = problem
        .path
        .strip_prefix(path)
        .is_some_and(|rest| rest.starts_with('['));
    assert!(
        problem.path == path || item,
        "{path}: {what}: blamed {problem:?}"
    );
    assert!(!problem.reason.is_empty(), "{path}: {what}: no reason");
    let line = problem
        .line
        .unwrap_or_else(|| panic!("{path}: {what}: no line"));
    assert!(
        (1..=text.lines().count()).contains(&line),
        "{path}: {what}: line {line}"
    );
}

fn files() -> [(&'static str, String); 2] {
    [
        ("shipped", SHIPPED.to_owned()),
        ("with every example", full()),
    ]
}

#[test]
fn every_misspelt_key_is_refused() {
    for (file, text) in files() {
        let (root, found) = all(&text);
        for path in found
            .iter()
            .filter(|p| !p.is_name() && !p.last_key().is_empty())
        {
            let misspelt = format!("{}x", path.last_key());
            let mut damaged = root.clone();
            let (_, parent) = path.0.split_last().unwrap();
            let table = get(&mut damaged, parent).as_table_mut().unwrap();
            let value = table.remove(path.last_key()).unwrap();
            table.insert(misspelt.clone(), value);
            let expected = Path(parent.to_vec()).and(Step::Key(misspelt)).to_string();
            demand(&damaged, &expected, &format!("{file}: a misspelling"));
        }
    }
}

#[test]
fn every_unknown_key_is_refused() {
    for (file, text) in files() {
        let (root, found) = all(&text);
        let tables = found.iter().map(|p| p.0.as_slice());
        for steps in tables.chain([[].as_slice()]) {
            let mut damaged = root.clone();
            let Value::Table(table) = get(&mut damaged, steps) else {
                continue;
            };
            if matches!(steps, [Step::Key(stream)] if stream == "stream") {
                continue;
            }
            table.insert("no_such_key".to_owned(), Value::from(1));
            let expected = Path(steps.to_vec()).and(Step::Key("no_such_key".to_owned()));
            demand(
                &damaged,
                &expected.to_string(),
                &format!("{file}: an unknown key"),
            );
        }
    }
}

#[test]
fn every_wrong_type_is_refused() {
    for (file, text) in files() {
        let (root, found) = all(&text);
        for path in &found {
            let mut damaged = root.clone();
            let value = get(&mut damaged, &path.0);
            for wrong in [
                Value::from(7),
                Value::from(0.5),
                Value::from("x y"),
                Value::from(true),
                Value::Array(vec![Value::from(Vec::<Value>::new())]),
                Value::Table(Table::new()),
                Value::Datetime("2026-11-20".parse().unwrap()),
            ] {
                if wrong.same_type(value) {
                    continue;
                }
                let what = format!("{file}: {} for {}", wrong.type_str(), value.type_str());
                let mut damaged = root.clone();
                *get(&mut damaged, &path.0) = wrong;
                demand(&damaged, &path.to_string(), &what);
            }
        }
    }
}

#[test]
fn every_wrong_value_is_refused() {
    for (file, text) in files() {
        let (root, found) = all(&text);
        for path in &found {
            let mut damaged = root.clone();
            let value = get(&mut damaged, &path.0);
            if value.is_table() || path.last_key().is_empty() || is_tables(value) {
                continue;
            }
            for wrong in wrong_values(path) {
                if path.to_string() == "auth.allow_open" && !text.contains("\n[[auth.tokens]]") {
                    continue;
                }
                let mut damaged = root.clone();
                let what = format!("{file}: {wrong}");
                *get(&mut damaged, &path.0) = wrong;
                demand(&damaged, &path.to_string(), &what);
            }
        }
    }
}

fn is_tables(value: &Value) -> bool {
    value
        .as_array()
        .is_some_and(|a| a.iter().any(Value::is_table))
}
