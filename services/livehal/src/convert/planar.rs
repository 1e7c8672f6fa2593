//! Planes copied, taken apart, put together and halved. The loops are plain enough for the
//! compiler to make vector code of them.

use super::PlaneMut;
use crate::capture::Plane;

/// The first `width` bytes of each of the first `height` rows.
pub(super) fn rows<'a>(
    plane: Plane<'a>,
    (width, height): (usize, usize),
) -> impl Iterator<Item = &'a [u8]> {
    // The last row may lack its padding, so `chunks_exact` would lose it.
    plane
        .data
        .chunks(plane.stride.max(1))
        .take(height)
        .map(move |row| row.get(..width).unwrap_or_default())
}

/// The same of a plane to be written.
pub(super) fn rows_mut<'a>(
    plane: &'a mut PlaneMut<'_>,
    (width, height): (usize, usize),
) -> impl Iterator<Item = &'a mut [u8]> {
    plane
        .data
        .chunks_mut(plane.stride.max(1))
        .take(height)
        .map(move |row| row.get_mut(..width).unwrap_or_default())
}

/// Copies `size` bytes by rows.
pub(super) fn copy(from: Plane<'_>, size: (usize, usize), to: &mut PlaneMut<'_>) {
    for (from, to) in rows(from, size).zip(rows_mut(to, size)) {
        to.copy_from_slice(from);
    }
}

/// Takes `width` by `height` pairs apart.
pub(super) fn split_plane(
    from: Plane<'_>,
    (width, height): (usize, usize),
    first: &mut PlaneMut<'_>,
    second: &mut PlaneMut<'_>,
) {
    let targets = rows_mut(first, (width, height)).zip(rows_mut(second, (width, height)));
    for (pairs, (first, second)) in rows(from, (2 * width, height)).zip(targets) {
        split(pairs, first, second);
    }
}

/// Takes a row of pairs apart.
pub(crate) fn split(pairs: &[u8], first: &mut [u8], second: &mut [u8]) {
    for ((pair, first), second) in pairs.as_chunks::<2>().0.iter().zip(first).zip(second) {
        (*first, *second) = (pair[0], pair[1]);
    }
}

/// Puts `width` by `height` pairs together.
pub(super) fn join_planes(
    first: Plane<'_>,
    second: Plane<'_>,
    (width, height): (usize, usize),
    to: &mut PlaneMut<'_>,
) {
    let sources = rows(first, (width, height)).zip(rows(second, (width, height)));
    for ((first, second), pairs) in sources.zip(rows_mut(to, (2 * width, height))) {
        let pairs = pairs.as_chunks_mut::<2>().0.iter_mut();
        for ((pair, first), second) in pairs.zip(first).zip(second) {
            *pair = [*first, *second];
        }
    }
}

/// The mean of two rows.
pub(super) fn mean_of_rows(above: &[u8], below: &[u8], to: &mut [u8]) {
    for ((above, below), to) in above.iter().zip(below).zip(to) {
        *to = mean(*above, *below);
    }
}

/// The mean of two rows of two components, in pairs.
pub(super) fn mean_of_rows_joined(
    [first_above, first_below]: [&[u8]; 2],
    [second_above, second_below]: [&[u8]; 2],
    to: &mut [u8],
) {
    let first = first_above.iter().zip(first_below);
    let second = second_above.iter().zip(second_below);
    for (pair, (first, second)) in to.as_chunks_mut::<2>().0.iter_mut().zip(first.zip(second)) {
        *pair = [mean(*first.0, *first.1), mean(*second.0, *second.1)];
    }
}

/// The mean of every two neighbours in a row, in place; the first half of the row is the result.
#[cfg(all(feature = "mjpeg", target_os = "linux"))]
pub(super) fn halve_row(row: &mut [u8]) {
    for at in 0..row.len() / 2 {
        if let (Some(a), Some(b)) = (row.get(2 * at).copied(), row.get(2 * at + 1).copied())
            && let Some(to) = row.get_mut(at)
        {
            *to = mean(a, b);
        }
    }
}

fn mean(a: u8, b: u8) -> u8 {
    (u16::from(a) + u16::from(b)).div_ceil(2) as u8
}
