//! serde's messages in the words of a user, and values without their secrets.

use super::key_path::KeyPath;

/// Longest value shown.
const MAX_SHOWN: usize = 60;

/// The field of serde's "missing field".
pub(crate) fn missing_field(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.split('`').next()
}

/// Is `written` (an unknown key) most likely meant to be `meant`, in the same table?
pub(crate) fn misspells(written: &KeyPath, meant: &KeyPath) -> bool {
    let (Some(a), Some(b)) = (written.last_key(), meant.last_key()) else {
        return false;
    };
    written.parent() == meant.parent() && is_close(a, b)
}

fn is_close(a: &str, b: &str) -> bool {
    strsim::damerau_levenshtein(a, b) <= 2
}

/// What is wrong and what is allowed. serde's text repeats the value, which stands before the
/// reason already (and may be a secret): it is left out.
pub(crate) fn reason(message: &str) -> String {
    if let Some(rest) = message.strip_prefix("unknown field `") {
        return unknown_key(rest);
    }
    if let Some(rest) = message.strip_prefix("unknown variant `") {
        let allowed = rest.split_once("`, ").map_or("", |(_, allowed)| allowed);
        return format!(
            "must be {}",
            allowed.trim_start_matches("expected ").replace('`', "\"")
        );
    }
    if message == "wanted string or table" {
        // toml, of an enum.
        return format!("must be {}", in_words("a string"));
    }
    let expected = ["invalid type: ", "invalid value: ", "invalid length "]
        .iter()
        .any(|p| message.starts_with(p));
    match message.rsplit_once(", expected ") {
        Some((_, expected_type)) if expected => format!("must be {}", in_words(expected_type)),
        _ => message.to_owned(),
    }
}

/// From `name`, expected one of `a`, `b`.
fn unknown_key(rest: &str) -> String {
    let (name, allowed) = rest.split_once("`, ").unwrap_or((rest, ""));
    let keys: Vec<&str> = allowed.split('`').skip(1).step_by(2).collect();
    let near = keys.iter().filter(|k| is_close(name, k));
    let near = near.min_by_key(|k| strsim::damerau_levenshtein(name, k));
    match near {
        Some(near) => format!("unknown key; did you mean {near}?"),
        None => format!("unknown key; allowed here: {}", keys.join(", ")),
    }
}

fn in_words(expected: &str) -> String {
    let whole = |max: u64| format!("a whole number from 0 to {max}");
    match expected {
        "u8" => whole(u64::from(u8::MAX)),
        "u16" => whole(u64::from(u16::MAX)),
        "u32" => whole(u64::from(u32::MAX)),
        "u64" | "usize" => "a whole number, 0 or more".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "an array: [ … ]".to_owned(),
        "a map" => "a table".to_owned(),
        "a string" | "path string" => "a string: \"…\"".to_owned(),
        other if other.starts_with("struct ") => "a table".to_owned(),
        other if other.contains("enum ") => "a string: \"…\"".to_owned(),
        other => other.to_owned(),
    }
}

/// A value as the user wrote it, on one line, without secrets.
pub(crate) fn shown(path: &KeyPath, text: &str) -> String {
    if is_secret(&path.to_string()) {
        return format!("({} characters, not shown)", text.chars().count());
    }
    let line = without_credentials(&text.split_whitespace().collect::<Vec<_>>().join(" "));
    if line.chars().count() <= MAX_SHOWN {
        return line;
    }
    let start: String = line.chars().take(MAX_SHOWN - 1).collect();
    format!("{start}…")
}

/// Everything under `auth` but what is known to be none, and whatever is called like a secret:
/// a token in a misspelt or misplaced key is a token still.
fn is_secret(path: &str) -> bool {
    let key = path.rsplit('.').next().unwrap_or(path);
    if path == "auth" || path.starts_with("auth.") {
        let open = ["allow_open", "name", "token_file"].contains(&key)
            || key == "scopes"
            || key.starts_with("scopes[");
        return !open;
    }
    let key = key.to_ascii_lowercase();
    ["token", "secret", "passw", "auth"]
        .iter()
        .any(|word| key.contains(word))
}

/// `rtsp://user:password@host/` as `rtsp://***@host/`.
fn without_credentials(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://***@{host}{path}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(dotted: &str) -> KeyPath {
        KeyPath::root().keys(dotted)
    }

    #[test]
    fn messages_say_what_is_allowed_and_drop_the_value() {
        for (message, wanted) in [
            (
                "invalid type: string \"s3cret\", expected u8",
                "must be a whole number from 0 to 255",
            ),
            (
                "invalid type: integer `5`, expected a boolean",
                "must be true or false",
            ),
            (
                "unknown variant `x`, expected `a` or `b`",
                "must be \"a\" or \"b\"",
            ),
            (
                "unknown variant `x`, expected one of `a`, `b`",
                "must be one of \"a\", \"b\"",
            ),
            (
                "unknown field `listn`, expected one of `listen`, `cors`",
                "unknown key; did you mean listen?",
            ),
            (
                "unknown field `zzz`, expected `listen` or `cors`",
                "unknown key; allowed here: listen, cors",
            ),
            ("not an address", "not an address"),
        ] {
            assert_eq!(reason(message), wanted);
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        for dotted in [
            "auth",
            "auth.tokens",
            "auth.tokn",
            "http.token",
            "auth.tokens.tokne",
        ] {
            let text = shown(&path(dotted), "\"hunter2hunter2\"");
            assert!(!text.contains("hunter2"), "{dotted}: {text}");
        }
        assert_eq!(shown(&path("auth.allow_open"), "1"), "1");
        let url = shown(&path("stream.x.sources.url"), "\"rtsp://u:p@h:554/a@b\"");
        assert_eq!(url, "\"rtsp://***@h:554/a@b\"");
    }
}
