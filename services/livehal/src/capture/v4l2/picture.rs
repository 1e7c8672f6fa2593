//! Pictures in a driver's buffers.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Arc;

use super::layout::Layout;
use crate::capture::{DmaBuf, DmaBufPlane, Picture, Plane};
use crate::v4l2::Dequeued;

/// A picture; the buffer goes back to the driver when it is dropped.
pub(super) struct Shot {
    buffer: Dequeued,
    layout: Arc<Layout>,
    /// Empty if the buffers are not exported.
    dmabufs: Vec<DmaBufPlane<'static>>,
}

impl Shot {
    pub(super) fn new(buffer: Dequeued, layout: Arc<Layout>) -> Self {
        let dmabufs = exported(&buffer, &layout).unwrap_or_default();
        Self {
            buffer,
            layout,
            dmabufs,
        }
    }
}

/// Where the planes lie in DMA-BUFs; `None` if not all of them do.
fn exported(buffer: &Dequeued, layout: &Layout) -> Option<Vec<DmaBufPlane<'static>>> {
    let Layout::Raw { places, .. } = layout else {
        return None;
    };
    places
        .iter()
        .map(|place| {
            let fd = buffer.buffer.dmabuf(place.buffer)?.as_raw_fd();
            let start = buffer.data.get(place.buffer)?.0;
            Some(DmaBufPlane {
                // SAFETY: the descriptor is open as long as the buffer's memory, which `Shot` keeps
                // beside this; both are given out for no longer than `Shot` is borrowed.
                fd: unsafe { BorrowedFd::borrow_raw(fd) },
                length: u32::try_from(buffer.buffer.plane(place.buffer)?.len()).ok()?,
                offset: u32::try_from(start + place.offset).ok()?,
                stride: u32::try_from(place.stride).ok()?,
            })
        })
        .collect()
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
        (!self.dmabufs.is_empty()).then_some(DmaBuf {
            planes: &self.dmabufs,
        })
    }
}
