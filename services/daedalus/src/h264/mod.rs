//! H.264 as a stateless client gives it: slices without the parameter sets they refer to.
//!
//! A client parses the stream's sequence and picture parameter sets itself and hands them over as
//! controls; the buffer holds the slices of one picture only. A decoder wants to parse the sets
//! itself, so they are written again from the controls (`params`), under the numbers by which the
//! slices ask for them (`slices`).

mod bits;
pub mod controls;
mod params;
mod slices;

pub use params::{ParameterError, Parameters};
pub use slices::{SliceError, Slices};

use controls::{Pps, ScalingMatrix, Sps};

/// Makes units that a decoder can take on their own.
#[derive(Debug, Default)]
pub struct Rebuilder {
    /// What the decoder has been given last, without the slices.
    told: Vec<u8>,
}

/// Why a picture cannot be given to a decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RebuildError {
    /// The controls.
    #[error(transparent)]
    Parameters(#[from] ParameterError),
    /// The bitstream.
    #[error(transparent)]
    Slices(#[from] SliceError),
}

impl Rebuilder {
    /// The slices of one picture or field, after the parameter sets where those are new.
    ///
    /// # Errors
    /// See [`RebuildError`].
    pub fn unit(
        &mut self,
        sps: &Sps,
        pps: &Pps,
        scaling: Option<&ScalingMatrix>,
        bitstream: &[u8],
    ) -> Result<Vec<u8>, RebuildError> {
        let slices = Slices::read(bitstream)?;
        let parameters = Parameters::new(sps, pps, scaling)?;
        let mut unit = Vec::with_capacity(bitstream.len() + 256);
        parameters.write(slices.pps_ids(), &mut unit);
        if unit == self.told {
            unit.clear();
        } else {
            self.told.clone_from(&unit);
        }
        unit.extend_from_slice(bitstream);
        Ok(unit)
    }

    /// The decoder is a new one.
    pub fn forget(&mut self) {
        self.told.clear();
    }
}
