//! What is wrong with a configuration.

use std::fmt;
use std::path::{Path, PathBuf};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key, such as `stream.demo.sources[0].encoder.level`; empty for a syntax error.
    pub path: String,
    /// Line of the file, from 1; of the nearest table where the key is missing.
    pub line: Option<usize>,
    /// The value as the user wrote it; never a token.
    pub value: Option<String>,
    /// What is wrong and what is allowed.
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.path.as_str(), &self.value) {
            ("", _) => write!(f, "{}", self.reason),
            (path, Some(value)) => write!(f, "{path} = {value}: {}", self.reason),
            (path, None) => write!(f, "{path}: {}", self.reason),
        }
    }
}

/// Why a configuration file was refused: everything that is wrong with it.
#[derive(Debug)]
pub enum ConfigError {
    /// The file cannot be read.
    Read {
        /// The file.
        file: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The file has errors; at least one.
    Refused {
        /// The file.
        file: PathBuf,
        /// All of them, in the order of the file.
        problems: Vec<Problem>,
    },
    /// No file was named and there is none where one is looked for.
    Missing {
        /// Where it was looked for.
        looked: Vec<PathBuf>,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { file, source } => write!(f, "{}: {source}", file.display()),
            Self::Refused { file, problems } => refused(f, file, problems),
            Self::Missing { looked } => {
                let looked: Vec<_> = looked.iter().map(|p| p.display().to_string()).collect();
                let looked = looked.join(" nor ");
                write!(
                    f,
                    "no configuration: neither {looked} exists; name one with --config"
                )
            }
        }
    }
}

/// One line a problem, `FILE:LINE: KEY = VALUE: REASON`, which editors understand.
fn refused(f: &mut fmt::Formatter<'_>, file: &Path, problems: &[Problem]) -> fmt::Result {
    for (i, problem) in problems.iter().enumerate() {
        if i > 0 {
            writeln!(f)?;
        }
        write!(f, "{}", file.display())?;
        if let Some(line) = problem.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {problem}")?;
    }
    Ok(())
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read { source, .. } => Some(source),
            Self::Refused { .. } | Self::Missing { .. } => None,
        }
    }
}
