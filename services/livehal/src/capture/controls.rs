//! What every camera backend offers of its controls.

use crate::{CameraControl, ControlError, ControlValue};

/// The controls of an open camera.
pub(crate) trait CameraControls: Send + Sync {
    /// All of them, with their present values.
    fn list(&self) -> Vec<CameraControl>;

    /// Sets the control called `name`, and gives the value that the camera took: drivers round.
    ///
    /// # Errors
    /// There is no such control, the value is none it allows, or the device refuses.
    fn set(&self, name: &str, value: &ControlValue) -> Result<ControlValue, ControlError>;
}
