//! Errors on the bus.

use zbus::DBusError;

use crate::verify::VerifyError;

/// What a call can be refused with, as `org.livehal.Error.<Variant>`.
#[derive(Debug, DBusError)]
#[zbus(prefix = "org.livehal.Error")]
pub(crate) enum Error {
    /// Of the bus itself.
    #[zbus(error)]
    ZBus(zbus::Error),
    /// What was sent is not allowed; the text says what is.
    InvalidArgument(String),
    /// It is allowed, but cannot be done here.
    NotSupported(String),
    /// It could be done, but not now.
    Unavailable(String),
    /// Anything else.
    Failed(String),
}

impl From<VerifyError> for Error {
    fn from(error: VerifyError) -> Self {
        let text = error.to_string();
        match error {
            VerifyError::File(_) | VerifyError::Length(_) | VerifyError::Stream(_) => {
                Self::InvalidArgument(text)
            }
            VerifyError::Codec(_) => Self::NotSupported(text),
            VerifyError::Damaged(_) | VerifyError::Slow | VerifyError::Worker(_) => {
                Self::Failed(text)
            }
        }
    }
}
