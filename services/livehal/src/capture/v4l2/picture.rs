//! Pictures in a driver's buffers.

use std::sync::Arc;

use super::layout::{Layout, Place};
use crate::capture::{DmaBuf, DmaBufPlane, Picture, Plane};
use crate::v4l2::Dequeued;

/// A picture; the buffer goes back to the driver when it is dropped.
pub(super) struct Shot {
    pub(super) buffer: Dequeued,
    pub(super) layout: Arc<Layout>,
}

impl Shot {
    /// Where a plane lies in a DMA-BUF; `None` if the buffers are not exported.
    fn exported(&self, place: &Place) -> Option<DmaBufPlane<'_>> {
        let buffer = &self.buffer.buffer;
        let start = self.buffer.data.get(place.buffer)?.0;
        Some(DmaBufPlane {
            fd: buffer.dmabuf(place.buffer)?,
            length: u32::try_from(buffer.plane(place.buffer)?.len()).ok()?,
            offset: u32::try_from(start + place.offset).ok()?,
            stride: u32::try_from(place.stride).ok()?,
        })
    }
}

impl Picture for Shot {
    fn plane(&self, index: usize) -> Option<Plane<'_>> {
        match &*self.layout {
            Layout::Compressed if index == 0 => Some(Plane {
                data: self.buffer.bytes(0)?,
                stride: 0,
            }),
            Layout::Compressed => None,
            Layout::Raw { places, .. } => {
                let place = places.get(index)?;
                let data = self.buffer.bytes(place.buffer)?;
                Some(Plane {
                    data: data.get(place.offset..)?.get(..place.len)?,
                    stride: place.stride,
                })
            }
        }
    }

    fn dmabuf(&self) -> Option<DmaBuf<'_>> {
        let Layout::Raw { places, .. } = &*self.layout else {
            return None;
        };
        let planes = places
            .iter()
            .map(|place| self.exported(place))
            .collect::<Option<_>>()?;
        Some(DmaBuf { planes })
    }
}
