//! Frame buffers that are used again.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Picture, Plane};

/// A bounded set of buffers. A buffer comes back when its last user drops it.
pub(crate) struct Pool<T: Send> {
    free: Arc<Mutex<Vec<T>>>,
}

impl<T: Send> Pool<T> {
    /// A pool of `buffers`; it never grows.
    pub(crate) fn new(buffers: impl IntoIterator<Item = T>) -> Self {
        Self {
            free: Arc::new(Mutex::new(buffers.into_iter().collect())),
        }
    }

    /// A free buffer, if there is one.
    pub(crate) fn take(&self) -> Option<Pooled<T>> {
        let value = lock(&self.free).pop()?;
        Some(Pooled {
            value: Some(value),
            home: Arc::clone(&self.free),
        })
    }
}

/// A buffer out of a [`Pool`].
pub(crate) struct Pooled<T: Send> {
    // Empty only while it is dropped.
    value: Option<T>,
    home: Arc<Mutex<Vec<T>>>,
}

impl<T: Send> Drop for Pooled<T> {
    fn drop(&mut self) {
        if let Some(value) = self.value.take() {
            lock(&self.home).push(value);
        }
    }
}

impl<T: Send> Deref for Pooled<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.value {
            Some(value) => value,
            None => unreachable!("a buffer is taken out only by drop"),
        }
    }
}

impl<T: Send> DerefMut for Pooled<T> {
    fn deref_mut(&mut self) -> &mut T {
        match &mut self.value {
            Some(value) => value,
            None => unreachable!("a buffer is taken out only by drop"),
        }
    }
}

impl<T: Picture> Picture for Pooled<T> {
    fn plane(&self, index: usize) -> Option<Plane<'_>> {
        self.deref().plane(index)
    }
}

fn lock<T>(free: &Mutex<Vec<T>>) -> std::sync::MutexGuard<'_, Vec<T>> {
    // A push or pop that panicked has left the list whole.
    free.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A planar 4:2:0 picture in one allocation, without padding.
pub(crate) struct I420 {
    width: usize,
    height: usize,
    data: Vec<u8>,
}

impl I420 {
    /// A black picture. Odd sizes round the chroma planes up.
    pub(crate) fn new(width: u32, height: u32) -> Self {
        let (width, height) = (width as usize, height as usize);
        let (luma, chroma) = sizes(width, height);
        let mut data = vec![16; luma + 2 * chroma];
        data[luma..].fill(128);
        Self {
            width,
            height,
            data,
        }
    }

    /// Bytes from one row of luma to the next.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// All samples: Y, U and V one after the other.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.data
    }

    /// Y, U and V; rows are as long as the plane is wide.
    pub(crate) fn planes_mut(&mut self) -> [&mut [u8]; 3] {
        let (luma, chroma) = sizes(self.width, self.height);
        let (y, uv) = self.data.split_at_mut(luma);
        let (u, v) = uv.split_at_mut(chroma);
        [y, u, v]
    }
}

impl Picture for I420 {
    fn plane(&self, index: usize) -> Option<Plane<'_>> {
        let (luma, chroma) = sizes(self.width, self.height);
        let (range, stride) = match index {
            0 => (0..luma, self.width),
            1 => (luma..luma + chroma, self.width.div_ceil(2)),
            2 => (luma + chroma..luma + 2 * chroma, self.width.div_ceil(2)),
            _ => return None,
        };
        Some(Plane {
            data: self.data.get(range)?,
            stride,
        })
    }
}

/// Bytes of the luma plane and of one chroma plane.
fn sizes(width: usize, height: usize) -> (usize, usize) {
    (width * height, width.div_ceil(2) * height.div_ceil(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_when_its_last_user_drops_it() {
        let pool = Pool::new([I420::new(16, 16)]);
        let first: Arc<dyn Picture> = Arc::new(pool.take().unwrap());
        let second = Arc::clone(&first);
        drop(first);
        assert!(pool.take().is_none());
        drop(second);
        assert!(pool.take().is_some());
    }

    #[test]
    fn planes_of_an_odd_size_round_chroma_up() {
        let picture = I420::new(5, 3);
        let sizes: Vec<_> = (0..4)
            .map(|i| picture.plane(i).map(|p| (p.data.len(), p.stride)))
            .collect();
        assert_eq!(sizes, [Some((15, 5)), Some((6, 3)), Some((6, 3)), None]);
    }
}
