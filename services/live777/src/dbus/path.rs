//! Object paths of streams.

use std::fmt::Write as _;

use zbus::OwnedObjectPath;

/// The manager's path, above those of the streams.
pub(crate) const ROOT: &str = "/org/livehal/Capture1";

/// The path of a stream's object.
///
/// Letters and digits stand for themselves. Every other byte of the name, and a digit at its
/// beginning, becomes `_` and two hexadecimal digits; an empty name becomes `_`. This is systemd's
/// `sd_bus_path_encode`, so that other programs can compute it, too.
///
/// # Errors
/// None in fact: the result has the form of a path.
pub(crate) fn of_stream(name: &str) -> zbus::Result<OwnedObjectPath> {
    let mut path = format!("{ROOT}/stream/");
    if name.is_empty() {
        path.push('_');
    }
    for (i, byte) in name.bytes().enumerate() {
        if byte.is_ascii_alphabetic() || (i > 0 && byte.is_ascii_digit()) {
            path.push(char::from(byte));
        } else {
            let _ = write!(path, "_{byte:02x}");
        }
    }
    OwnedObjectPath::try_from(path)
}
