//! How pictures get into the device: read where they are, or copied into its own buffers.

use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

use super::copy::Copier;
use super::formats::{Layout, failed};
use crate::CaptureTime;
use crate::capture::{BackendError, DmaBuf, Picture};
use crate::convert::ConvertError;
use crate::v4l2::{BufferType, Device, ExternalPlane, Failure, Queue};

/// Buffers of its own that pictures are copied into. One is filled while another is read.
const COPIES: u32 = 2;
/// Places for buffers of the capture device: as many as a camera may have.
const PLACES: u32 = 16;

/// Pictures' way into the device.
pub(super) enum Input {
    /// The device reads them where the capture device put them.
    Import(Import),
    /// They are copied, and converted if need be.
    Copy(Queue),
}

/// Pictures that the device reads where they are.
pub(super) struct Import {
    // Dropped first: then the device reads nothing.
    queue: Queue,
    /// For each place the descriptor that it last had: with the same again, the kernel keeps what
    /// it set up for it.
    last: Vec<Option<RawFd>>,
    /// For each place the picture that the device reads. Nobody may write to it until then.
    reading: Vec<Option<Arc<dyn Picture>>>,
}

/// What became of a picture that was to be submitted.
pub(super) enum Submitted {
    /// The device has it.
    Taken,
    /// It cannot be read; the next one may be.
    Damaged(String),
}

impl Input {
    /// The device will read pictures where they are.
    pub(super) fn importing(
        device: &Arc<Device>,
        kind: BufferType,
        layout: &Layout,
    ) -> Result<Self, Failure> {
        let queue = Queue::external(device, kind, layout.sizes.len(), PLACES)?;
        Ok(Self::Import(Import {
            last: vec![None; queue.len()],
            reading: (0..queue.len()).map(|_| None).collect(),
            queue,
        }))
    }

    /// Pictures will be copied.
    pub(super) fn copying(
        device: &Arc<Device>,
        kind: BufferType,
        layout: &Layout,
    ) -> Result<Self, Failure> {
        let queue = Queue::mapped(device, kind, layout.sizes.len(), COPIES)?;
        Ok(Self::Copy(queue))
    }

    pub(super) fn start(&self) -> Result<(), Failure> {
        self.queue().start()
    }

    /// Takes everything back from the device.
    pub(super) fn stop(&mut self) -> Result<(), Failure> {
        let stopped = self.queue().stop();
        if let Self::Import(import) = self {
            import.reading.fill_with(|| None);
        }
        stopped
    }

    /// Lets go of the pictures that the device has read.
    ///
    /// # Errors
    /// The device failed, or could not read one.
    pub(super) fn reclaim(&mut self) -> Result<(), BackendError> {
        while let Some(done) = self.queue().dequeue().map_err(failed)? {
            let damaged = done.damaged();
            if let Self::Import(import) = self
                && let Some(picture) = import.reading.get_mut(done.buffer.index())
            {
                *picture = None;
            }
            if damaged {
                return Err(BackendError::passing(
                    "encoder.backend = v4l2-m2m: the device could not read a picture",
                ));
            }
        }
        Ok(())
    }

    /// Gives a picture to the device, which reads it where it is.
    ///
    /// # Errors
    /// The device refuses it.
    pub(super) fn import(
        &mut self,
        picture: &Arc<dyn Picture>,
        from: &DmaBuf<'_>,
        layout: &Layout,
        time: CaptureTime,
    ) -> Result<(), Failure> {
        match self {
            Self::Import(import) => import.submit(picture, from, layout, time),
            Self::Copy(queue) => Err(queue.misused()),
        }
    }

    /// Copies a picture and gives the copy to the device.
    ///
    /// # Errors
    /// The device has failed, or no picture of this kind can be copied.
    pub(super) fn copy(
        &mut self,
        picture: &dyn Picture,
        copier: &mut Copier,
        time: CaptureTime,
    ) -> Result<Submitted, BackendError> {
        let queue = match self {
            Self::Copy(queue) => queue,
            Self::Import(import) => return Err(failed(import.queue.misused())),
        };
        let Some(mut buffer) = queue.take() else {
            return Err(BackendError::passing(
                "encoder.backend = v4l2-m2m: the device keeps all its buffers",
            ));
        };
        match copier.fill(buffer.planes_mut(), picture) {
            Ok(()) => {}
            Err(ConvertError::Damaged(why)) => return Ok(Submitted::Damaged(why)),
            Err(ConvertError::Unfit(why)) => {
                let why = format!("encoder.backend = v4l2-m2m: {why}");
                return Err(BackendError::permanent(why));
            }
        }
        let sent = queue.submit(buffer, copier.sizes(), time);
        sent.map(|()| Submitted::Taken).map_err(failed)
    }

    fn queue(&self) -> &Queue {
        match self {
            Self::Import(import) => &import.queue,
            Self::Copy(queue) => queue,
        }
    }
}

impl Import {
    fn submit(
        &mut self,
        picture: &Arc<dyn Picture>,
        from: &DmaBuf<'_>,
        layout: &Layout,
        time: CaptureTime,
    ) -> Result<(), Failure> {
        let planes: Vec<_> = layout
            .sizes
            .iter()
            .enumerate()
            .filter_map(|(buffer, size)| {
                let first = layout.planes.iter().position(|p| p.buffer == buffer)?;
                let plane = from.planes.get(first)?;
                Some(ExternalPlane {
                    fd: plane.fd,
                    length: plane.length,
                    used: *size,
                })
            })
            .collect();
        let fd = planes.first().map(|plane| plane.fd.as_raw_fd());
        let place = place(&self.last, fd, |n| self.queue.is_free(n));
        let place = place.ok_or_else(|| self.queue.misused())?;
        self.queue.submit_external(place, &planes, time)?;
        if let (Some(last), Some(reading)) = (self.last.get_mut(place), self.reading.get_mut(place))
        {
            (*last, *reading) = (fd, Some(Arc::clone(picture)));
        }
        Ok(())
    }
}

/// The place for a descriptor: the one it had, else one that had none, else any; free ones only.
fn place(last: &[Option<RawFd>], fd: Option<RawFd>, free: impl Fn(usize) -> bool) -> Option<usize> {
    let with = |wanted: Option<RawFd>| {
        let fits = |(n, last): (usize, &Option<RawFd>)| *last == wanted && free(n);
        last.iter().enumerate().position(fits)
    };
    with(fd)
        .or_else(|| with(None))
        .or_else(|| (0..last.len()).find(|n| free(*n)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_keeps_its_place() {
        let last = [Some(5), Some(7), None, None];
        let all = |_| true;
        assert_eq!(place(&last, Some(7), all), Some(1));
        assert_eq!(place(&last, Some(9), all), Some(2));
        assert_eq!(place(&last, Some(9), |n| n < 2), Some(0));
        assert_eq!(place(&last, Some(7), |n| n == 3), Some(3));
        assert_eq!(place(&last, Some(7), |_| false), None);
    }
}
