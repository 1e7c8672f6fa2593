//! A TOML document: parsed once, read into types with every fault found, and asked afterwards
//! where a key stands.

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::key_path::{KeyPath, Step};
use super::problem::Problem;
use super::wording;

/// More problems than this are not worth reading.
const MAX_PROBLEMS: usize = 100;

/// The key by which toml hands a date to a type that wants a table.
const DATE_KEY: &str = "$__toml_private_datetime";

/// A parsed document and its text.
pub(crate) struct Document<'t> {
    text: &'t str,
    root: Spanned<DeTable<'t>>,
}

/// What became of reading a document into a type.
pub(crate) struct Reading<T> {
    /// The value, without the keys that are at fault; nothing if the rest made none.
    pub(crate) value: Option<T>,
    /// What is at fault.
    pub(crate) problems: Vec<Problem>,
    /// Where keys were left out because of it.
    pub(crate) broken: Vec<KeyPath>,
}

impl<'t> Document<'t> {
    /// Parses TOML.
    ///
    /// # Errors
    /// Every syntax error, with its line.
    pub(crate) fn parse(text: &'t str) -> Result<Self, Vec<Problem>> {
        let (root, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            return Ok(Self { text, root });
        }
        let problem = |e: &toml::de::Error| Problem {
            path: String::new(),
            line: e.span().map(|span| line(text, span.start)),
            value: None,
            reason: format!("not TOML: {}", e.message()),
        };
        let mut problems: Vec<_> = errors.iter().take(MAX_PROBLEMS).map(problem).collect();
        problems.sort_by_key(|p| p.line);
        Err(problems)
    }

    /// Reads the document into `T`.
    ///
    /// serde stops at the first fault. So the faulty key is noted and left out, and the rest is
    /// read again, until nothing is left to complain about.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Reading<T> {
        let mut tree = self.root.clone();
        let mut problems = Vec::new();
        let mut broken: Vec<KeyPath> = Vec::new();
        while problems.len() < MAX_PROBLEMS {
            let error = match serde_path_to_error::deserialize(Deserializer::from(tree.clone())) {
                Ok(value) => {
                    return Reading {
                        value: Some(value),
                        problems,
                        broken,
                    };
                }
                Err(error) => error,
            };
            let mut path = KeyPath::from(error.path());
            let mut message = error.inner().message();
            if path.last_key() == Some(DATE_KEY) {
                path = path.parent().unwrap_or_default();
                message = "a date or time is not allowed here";
            }
            match wording::missing_field(message) {
                Some(field) => {
                    let key = path.key(field);
                    let known = broken
                        .iter()
                        .any(|b| b.within(&key) || wording::misspells(b, &key));
                    if !known {
                        problems.push(self.problem(&key, "missing".to_owned()));
                    }
                }
                None => problems.push(self.problem(&path, wording::reason(message))),
            }
            let Some(cut) = cut(tree.get_mut(), &path) else {
                break;
            };
            broken.push(cut);
        }
        Reading {
            value: None,
            problems,
            broken,
        }
    }

    /// A problem with the key at `path`.
    pub(crate) fn problem(&self, path: &KeyPath, reason: String) -> Problem {
        Problem {
            path: path.to_string(),
            line: self.line(path),
            value: self.shown(path),
            reason,
        }
    }

    /// The value as written, where it is short and no secret.
    fn shown(&self, path: &KeyPath) -> Option<String> {
        let value = self.value(path)?;
        let simple = match value.get_ref() {
            DeValue::Table(_) => false,
            DeValue::Array(items) => !items.iter().any(|i| is_compound(i.get_ref())),
            _ => true,
        };
        let text = self.text.get(value.span())?;
        simple.then(|| wording::shown(path, text))
    }

    fn value(&self, path: &KeyPath) -> Option<&Spanned<DeValue<'t>>> {
        let (first, rest) = path.steps().split_first()?;
        let Step::Key(first) = first else {
            return None;
        };
        let top = self.root.get_ref().get(first.as_str())?;
        rest.iter()
            .try_fold(top, |value, step| match (value.get_ref(), step) {
                (DeValue::Table(table), Step::Key(key)) => table.get(key.as_str()),
                (DeValue::Array(items), Step::Index(i)) => items.get(*i),
                _ => None,
            })
    }

    /// Line of a key, or of the nearest table around it that exists.
    fn line(&self, path: &KeyPath) -> Option<usize> {
        self.offset(path)
            .map(|at| line(self.text, at))
            .or_else(|| self.line(&path.parent()?))
    }

    /// Where a key (or an item of an array) begins in the text.
    fn offset(&self, path: &KeyPath) -> Option<usize> {
        let value = self.value(path)?;
        let Some(key) = path.last_key() else {
            return Some(value.span().start);
        };
        let parent = path.parent()?;
        let table = match self.value(&parent).map(Spanned::get_ref) {
            Some(DeValue::Table(table)) => table,
            Some(_) => return None,
            None => self.root.get_ref(),
        };
        table.get_key_value(key).map(|(key, _)| key.span().start)
    }
}

fn is_compound(value: &DeValue<'_>) -> bool {
    matches!(value, DeValue::Table(_) | DeValue::Array(_))
}

/// Takes the key at `path` out of the tree. An item of an array goes with the whole array, for
/// the others would move. Returns what is gone.
fn cut(root: &mut DeTable<'_>, path: &KeyPath) -> Option<KeyPath> {
    let Some(key) = path.last_key() else {
        return cut(root, &path.parent()?);
    };
    let parent = path.parent()?;
    table_at(root, parent.steps())?.remove(key)?;
    Some(path.clone())
}

fn table_at<'a, 't>(root: &'a mut DeTable<'t>, steps: &[Step]) -> Option<&'a mut DeTable<'t>> {
    let Some((first, rest)) = steps.split_first() else {
        return Some(root);
    };
    let Step::Key(first) = first else {
        return None;
    };
    let mut value = root.get_mut(first.as_str())?.get_mut();
    for step in rest {
        value = match (value, step) {
            (DeValue::Table(table), Step::Key(key)) => table.get_mut(key.as_str())?.get_mut(),
            (DeValue::Array(items), Step::Index(i)) => items.get_mut(*i)?.get_mut(),
            _ => return None,
        };
    }
    match value {
        DeValue::Table(table) => Some(table),
        _ => None,
    }
}

/// Line of a byte, from 1.
fn line(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    1 + before.iter().filter(|b| **b == b'\n').count()
}
