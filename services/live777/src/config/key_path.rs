//! Paths of keys, such as `stream.demo.sources[0].encoder.level`.

use std::fmt;

use serde_path_to_error::Segment;

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// Into a table.
    Key(String),
    /// Into an array, from 0.
    Index(usize),
}

/// Where a key is. Ordered; a table comes before what is in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct KeyPath(Vec<Step>);

impl KeyPath {
    /// The document.
    pub(crate) fn root() -> Self {
        Self::default()
    }

    /// A key below this table.
    pub(crate) fn key(&self, name: &str) -> Self {
        self.and(Step::Key(name.to_owned()))
    }

    /// Keys below this table, separated by dots; no key of ours has one in its name.
    pub(crate) fn keys(&self, dotted: &str) -> Self {
        dotted
            .split('.')
            .fold(self.clone(), |path, key| path.key(key))
    }

    /// An item of this array.
    pub(crate) fn index(&self, i: usize) -> Self {
        self.and(Step::Index(i))
    }

    fn and(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// The table or array this is in; nothing for the document.
    pub(crate) fn parent(&self) -> Option<Self> {
        let (_, steps) = self.0.split_last()?;
        Some(Self(steps.to_vec()))
    }

    pub(crate) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The last step's key; nothing for an item of an array.
    pub(crate) fn last_key(&self) -> Option<&str> {
        match self.0.last() {
            Some(Step::Key(key)) => Some(key),
            _ => None,
        }
    }

    /// Is it `other`, or in it?
    pub(crate) fn within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }
}

impl From<&serde_path_to_error::Path> for KeyPath {
    fn from(path: &serde_path_to_error::Path) -> Self {
        let steps = path.iter().filter_map(|segment| match segment {
            Segment::Seq { index } => Some(Step::Index(*index)),
            Segment::Map { key } => Some(Step::Key(key.clone())),
            // An enum of ours is one string: the key before it says where.
            Segment::Enum { .. } | Segment::Unknown => None,
        });
        Self(steps.collect())
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => {
                    if i > 0 {
                        f.write_str(".")?;
                    }
                    write_key(f, key)?;
                }
            }
        }
        Ok(())
    }
}

/// A key as TOML wants it written.
fn write_key(f: &mut fmt::Formatter<'_>, key: &str) -> fmt::Result {
    let bare = !key.is_empty()
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if bare {
        f.write_str(key)
    } else {
        write!(f, "{key:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_toml_writes_it() {
        let path = KeyPath::root()
            .keys("stream.my cam")
            .key("sources")
            .index(1)
            .keys("encoder.level");
        assert_eq!(
            path.to_string(),
            "stream.\"my cam\".sources[1].encoder.level"
        );
    }

    #[test]
    fn a_table_contains_its_keys_and_itself() {
        let table = KeyPath::root().keys("a.b");
        assert!(table.key("c").within(&table));
        assert!(table.within(&table));
        assert!(!KeyPath::root().keys("a.bc").within(&table));
    }
}
