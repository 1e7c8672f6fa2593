//! What a token allows.

use serde::Deserialize;

/// One scope.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum Scope {
    /// `view`: watch every stream, read the metrics.
    ViewAll,
    /// `view:NAME`: watch one stream.
    View(String),
    /// `publish`: send to every WHIP stream.
    Publish,
    /// `admin`: everything.
    Admin,
}

impl TryFrom<String> for Scope {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.split_once(':') {
            None if text == "view" => Ok(Self::ViewAll),
            None if text == "publish" => Ok(Self::Publish),
            None if text == "admin" => Ok(Self::Admin),
            Some(("view", stream)) if !stream.is_empty() => Ok(Self::View(stream.to_owned())),
            _ => Err("must be \"view\", \"view:STREAM\", \"publish\" or \"admin\""),
        }
    }
}
