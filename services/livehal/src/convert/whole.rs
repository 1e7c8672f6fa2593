//! Pictures of any format as planar 4:2:0 in ordinary memory.

#[cfg(feature = "encoder-software")]
use std::sync::Arc;

use super::{ConvertError, Converter, PlaneMut, Target};
#[cfg(feature = "encoder-software")]
use crate::PipelineStats;
use crate::PixelFormat;
use crate::capture::{I420, Picture, Plane, RawFormat};

/// Gives planar 4:2:0: the picture's own planes if it has such, or those of one buffer.
pub(crate) struct Planar(Option<(Converter, I420)>);

impl Planar {
    /// For pictures of `format`.
    ///
    /// # Errors
    /// Those of [`Converter::new`].
    pub(crate) fn new(format: &RawFormat) -> Result<Self, ConvertError> {
        if format.pixel == PixelFormat::Yuv420 {
            return Ok(Self(None));
        }
        let buffer = I420::new(format.width, format.height);
        Ok(Self(Some((Converter::new(format)?, buffer))))
    }

    /// See [`Converter::counted`].
    #[cfg(feature = "encoder-software")]
    pub(crate) fn counted(self, stats: &Arc<PipelineStats>) -> Self {
        Self(
            self.0
                .map(|(converter, buffer)| (converter.counted(stats), buffer)),
        )
    }

    /// Y, U and V of `picture`.
    ///
    /// # Errors
    /// Those of [`Converter::convert`].
    pub(crate) fn planes<'a>(
        &'a mut self,
        picture: &'a dyn Picture,
    ) -> Result<[Plane<'a>; 3], ConvertError> {
        let Some((converter, buffer)) = &mut self.0 else {
            return three(picture);
        };
        let width = buffer.width();
        let [y, u, v] = buffer.planes_mut();
        let plane = |data, stride| PlaneMut { data, stride };
        let planes = [plane(y, width), plane(u, width / 2), plane(v, width / 2)];
        converter.convert(picture, Target::Yuv420(planes))?;
        three(buffer)
    }
}

fn three(picture: &dyn Picture) -> Result<[Plane<'_>; 3], ConvertError> {
    match [picture.plane(0), picture.plane(1), picture.plane(2)] {
        [Some(y), Some(u), Some(v)] => Ok([y, u, v]),
        _ => Err(ConvertError::Damaged("a plane is missing".into())),
    }
}
