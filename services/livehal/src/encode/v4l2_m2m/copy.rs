//! Puts pictures into the device's buffers, in the one pass that this takes.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::formats::{Agreed, Layout, Place};
use crate::capture::{Picture, Plane, RawFormat};
use crate::convert::{ConvertError, Converter, PlaneMut, Target};
use crate::{PipelineStats, PixelFormat};

/// Copies pictures.
pub(super) struct Copier {
    layout: Layout,
    way: Way,
}

/// What is done to the pixels on their way.
enum Way {
    /// Nothing: packed formats that the device takes as they are.
    Rows(Arc<PipelineStats>),
    /// They become this planar format, or stay so.
    Planar(Box<Converter>, PixelFormat),
}

impl Copier {
    /// # Errors
    /// Pictures of `format` cannot be made what the device takes.
    pub(super) fn new(
        format: &RawFormat,
        agreed: &Agreed,
        stats: &Arc<PipelineStats>,
    ) -> Result<Self, ConvertError> {
        let way = match agreed.pixel {
            PixelFormat::Nv12 | PixelFormat::Yuv420 => {
                let converter = Converter::new(format)?.counted(stats);
                Way::Planar(Box::new(converter), agreed.pixel)
            }
            _ => Way::Rows(Arc::clone(stats)),
        };
        Ok(Self {
            layout: agreed.layout.clone(),
            way,
        })
    }

    /// Bytes of each plane of a buffer.
    pub(super) fn sizes(&self) -> &[u32] {
        &self.layout.sizes
    }

    /// Writes `picture` into the planes of a buffer.
    ///
    /// # Errors
    /// The picture is damaged, or the buffer shorter than its format.
    pub(super) fn fill<'a>(
        &mut self,
        buffer: impl Iterator<Item = &'a mut [u8]>,
        picture: &dyn Picture,
    ) -> Result<(), ConvertError> {
        let short = || ConvertError::Unfit("a buffer shorter than its format".into());
        let mut planes = planes_of(&self.layout, buffer).ok_or_else(short)?;
        match &mut self.way {
            Way::Rows(stats) => {
                for (n, (to, place)) in planes.iter_mut().zip(&self.layout.planes).enumerate() {
                    let missing = || ConvertError::Damaged(format!("plane {n} is too short"));
                    let from = picture.plane(n).ok_or_else(missing)?;
                    rows(from, to, place).ok_or_else(missing)?;
                }
                stats.frame_copies.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Way::Planar(converter, PixelFormat::Nv12) => {
                let planes = planes.try_into().map_err(|_| short())?;
                converter.convert(picture, Target::Nv12(planes))
            }
            Way::Planar(converter, _) => {
                let planes = planes.try_into().map_err(|_| short())?;
                converter.convert(picture, Target::Yuv420(planes))
            }
        }
    }
}

/// The planes of a picture in the planes of a buffer.
fn planes_of<'a>(
    layout: &Layout,
    buffer: impl Iterator<Item = &'a mut [u8]>,
) -> Option<Vec<PlaneMut<'a>>> {
    let mut rests: Vec<(usize, &'a mut [u8])> = buffer.map(|plane| (0, plane)).collect();
    let mut planes = Vec::with_capacity(layout.planes.len());
    for place in &layout.planes {
        let (passed, rest) = rests.get_mut(place.buffer)?;
        let skip = place.offset.checked_sub(*passed)?;
        let (_, from) = std::mem::take(rest).split_at_mut_checked(skip)?;
        let len = place.rows * place.stride;
        let (data, after) = from.split_at_mut_checked(len)?;
        (*passed, *rest) = (place.offset + len, after);
        planes.push(PlaneMut {
            data,
            stride: place.stride,
        });
    }
    Some(planes)
}

/// Copies the pixels of every row; `None` if there are too few.
fn rows(from: Plane<'_>, to: &mut PlaneMut<'_>, place: &Place) -> Option<()> {
    for n in 0..place.rows {
        let source = from.data.get(n * from.stride..)?.get(..place.row)?;
        let target = to.data.get_mut(n * to.stride..)?.get_mut(..place.row)?;
        target.copy_from_slice(source);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Color;

    fn copier(layout: Layout) -> (Copier, Arc<PipelineStats>) {
        let format = RawFormat {
            pixel: PixelFormat::Yuv420,
            width: 4,
            height: 2,
            fps: 30.0,
            color: Color::assumed(2),
            stride: 4,
        };
        let agreed = Agreed {
            pixel: PixelFormat::Yuv420,
            converted: false,
            layout,
            coded_planes: 1,
        };
        let stats = Arc::default();
        (Copier::new(&format, &agreed, &stats).unwrap(), stats)
    }

    fn place(buffer: usize, offset: usize, stride: usize, row: usize, rows: usize) -> Place {
        Place {
            buffer,
            offset,
            stride,
            row,
            rows,
        }
    }

    /// 4x2 samples in planar 4:2:0, numbered from 1.
    struct Numbered([u8; 12]);

    impl Picture for Numbered {
        fn plane(&self, index: usize) -> Option<Plane<'_>> {
            let (range, stride) = match index {
                0 => (0..8, 4),
                1 => (8..10, 2),
                2 => (10..12, 2),
                _ => return None,
            };
            let data = &self.0[range];
            Some(Plane { data, stride })
        }
    }

    fn picture() -> Numbered {
        Numbered(std::array::from_fn(|n| n as u8 + 1))
    }

    #[test]
    fn rows_land_where_the_device_reads_them_and_nowhere_else() {
        let (mut copier, stats) = copier(Layout {
            planes: vec![
                place(0, 0, 6, 4, 2),
                place(0, 18, 3, 2, 1),
                place(0, 22, 3, 2, 1),
            ],
            sizes: vec![26],
        });
        let mut buffer = [0; 26];
        copier
            .fill([&mut buffer[..]].into_iter(), &picture())
            .unwrap();
        let expected = [
            1, 2, 3, 4, 0, 0, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, 9, 10, 0, 0, 11, 12, 0, 0,
        ];
        assert_eq!(buffer, expected);
        assert_eq!(stats.frame_copies.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn planes_go_into_buffers_of_their_own() {
        let (mut copier, _) = copier(Layout {
            planes: vec![
                place(0, 0, 4, 4, 2),
                place(1, 0, 2, 2, 1),
                place(2, 0, 2, 2, 1),
            ],
            sizes: vec![8, 2, 2],
        });
        let (mut y, mut u, mut v) = ([0; 8], [0; 2], [0; 2]);
        let buffers = [&mut y[..], &mut u, &mut v];
        copier.fill(buffers.into_iter(), &picture()).unwrap();
        assert_eq!((y, u, v), ([1, 2, 3, 4, 5, 6, 7, 8], [9, 10], [11, 12]));
    }

    /// A picture of which nothing is there.
    struct Missing;

    impl Picture for Missing {
        fn plane(&self, _index: usize) -> Option<Plane<'_>> {
            None
        }
    }

    #[test]
    fn a_short_picture_is_damaged_and_a_short_buffer_unfit() {
        let planes = vec![
            place(0, 0, 4, 4, 2),
            place(0, 8, 2, 2, 1),
            place(0, 10, 2, 2, 1),
        ];
        let sizes = vec![12];
        let (mut copier, stats) = copier(Layout { planes, sizes });
        let mut fill = |len, picture: &dyn Picture| {
            let mut buffer = vec![0; len];
            copier.fill(std::iter::once(&mut buffer[..]), picture)
        };
        assert!(matches!(fill(12, &Missing), Err(ConvertError::Damaged(_))));
        assert!(matches!(fill(11, &picture()), Err(ConvertError::Unfit(_))));
        assert_eq!(stats.frame_copies.load(Ordering::Relaxed), 0);
        assert_eq!(fill(12, &picture()), Ok(()));
    }
}
