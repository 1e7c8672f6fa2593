//! Errors on the bus.

use zbus::DBusError;

/// What a call or a property can be refused with, as `org.livehal.Error.<Variant>`.
#[derive(Debug, DBusError)]
#[zbus(prefix = "org.livehal.Error")]
pub(crate) enum Error {
    /// Of the bus itself.
    #[zbus(error)]
    ZBus(zbus::Error),
    /// A value that is not allowed; the text says which are.
    InvalidArgument(String),
    /// There is no stream, or control, of that name.
    NotFound(String),
    /// The stream's source cannot do this.
    NotSupported(String),
    /// It could be done, but not now.
    Unavailable(String),
    /// Anything else.
    Failed(String),
}

impl From<liveion::Error> for Error {
    fn from(error: liveion::Error) -> Self {
        use livehal::{ControlError, Error as Native};
        let text = error.to_string();
        match error {
            liveion::Error::Unsupported { .. } => Self::NotSupported(text),
            liveion::Error::Native(Native::Param(_)) => Self::InvalidArgument(text),
            liveion::Error::Control(ControlError::Refused { .. }) => Self::InvalidArgument(text),
            liveion::Error::Control(ControlError::Unknown { .. }) => Self::NotFound(text),
            liveion::Error::Control(ControlError::NoCamera(_)) => Self::Unavailable(text),
            liveion::Error::Unavailable(_) => Self::Unavailable(text),
            liveion::Error::Native(Native::Stopped | Native::NoFrame) => Self::Unavailable(text),
            _ => Self::Failed(text),
        }
    }
}
