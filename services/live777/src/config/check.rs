//! The second pass: what types alone cannot say.

use std::fmt::Display;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::document::Document;
use super::key_path::KeyPath;
use super::problem::Problem;
use super::wording;

/// Reads a file that the configuration names.
pub type ReadFile<'a> = &'a dyn Fn(&Path) -> io::Result<Vec<u8>>;

/// Collects what is wrong with a document that has been read.
pub(crate) struct Check<'a> {
    document: &'a Document<'a>,
    /// Keys that the first pass left out.
    broken: Vec<KeyPath>,
    problems: Vec<Problem>,
    warnings: Vec<String>,
    /// Relative paths begin here.
    base: &'a Path,
    read: ReadFile<'a>,
}

impl<'a> Check<'a> {
    pub(crate) fn new(
        document: &'a Document<'a>,
        problems: Vec<Problem>,
        broken: Vec<KeyPath>,
        base: &'a Path,
        read: ReadFile<'a>,
    ) -> Self {
        Self {
            document,
            broken,
            problems,
            warnings: Vec::new(),
            base,
            read,
        }
    }

    /// Did the first pass take everything in this table, and is there none beside it that was
    /// meant to be it?
    pub(crate) fn is_whole(&self, table: &KeyPath) -> bool {
        !self
            .broken
            .iter()
            .any(|b| b.within(table) || table.within(b) || wording::misspells(b, table))
    }

    /// Notes a fault.
    pub(crate) fn refuse(&mut self, key: &KeyPath, reason: impl Into<String>) {
        let problem = self.document.problem(key, reason.into());
        self.problems.push(problem);
    }

    /// Notes something that is allowed and unwise.
    pub(crate) fn warn(&mut self, key: &KeyPath, reason: &str) {
        self.warnings.push(format!("{key}: {reason}"));
    }

    /// Refuses a number outside `allowed`.
    pub(crate) fn range<T>(
        &mut self,
        key: &KeyPath,
        value: T,
        allowed: RangeInclusive<T>,
        unit: &str,
    ) where
        T: PartialOrd + Display,
    {
        if !allowed.contains(&value) {
            let (low, high) = (allowed.start(), allowed.end());
            self.refuse(key, format!("must be {low} to {high} {unit}").trim_end());
        }
    }

    /// A path of the file, relative to the file.
    pub(crate) fn resolve(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }

    /// The content of a file that `key` names; refused if it cannot be read.
    pub(crate) fn file(&mut self, key: &KeyPath, path: &Path) -> Option<Vec<u8>> {
        match (self.read)(path) {
            Ok(content) => Some(content),
            Err(e) => {
                self.refuse(key, format!("{}: {e}", path.display()));
                None
            }
        }
    }

    /// The verdict: warnings, or every fault in the order of the file.
    pub(crate) fn finish(mut self) -> Result<Vec<String>, Vec<Problem>> {
        if self.problems.is_empty() {
            return Ok(self.warnings);
        }
        self.problems.sort_by_key(|p| p.line);
        Err(self.problems)
    }
}
