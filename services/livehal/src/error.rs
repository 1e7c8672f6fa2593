//! Errors.

/// Why a pipeline could not be made or told to do something.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A parameter is wrong.
    #[error(transparent)]
    Param(#[from] ParamError),
    /// The pipeline has stopped.
    #[error("the pipeline is stopped")]
    Stopped,
    /// No frame has been captured yet.
    #[error("no frame has been captured yet")]
    NoFrame,
    /// A backend failed; the text says which and why.
    #[error("{0}")]
    Backend(String),
}

/// A parameter that cannot be honoured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} = {value}: {reason}")]
pub struct ParamError {
    /// Path of the key below its source, such as `encoder.level`.
    pub key: String,
    /// The value given, as the user wrote it.
    pub value: String,
    /// What is wrong and what is allowed.
    pub reason: String,
}
