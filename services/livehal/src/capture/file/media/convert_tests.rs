use super::*;

fn source(data: &[u8], stride: usize, row_bytes: usize) -> Source<'_> {
    Source {
        data,
        stride,
        row_bytes,
        rows: data.len().div_ceil(stride),
    }
}

fn planar(across: u32, down: u32, depth: u32) -> Layout {
    Layout {
        chroma: Chroma::Planar { across, down },
        depth,
    }
}

fn converted(layout: Layout, size: (usize, usize), sources: &[Source<'_>]) -> [Vec<u8>; 3] {
    let mut picture = I420::new(size.0 as u32, size.1 as u32);
    let mut sums = vec![0; size.0];
    fill(layout, size, sources, picture.planes_mut(), &mut sums).unwrap();
    [0, 1, 2].map(|i| picture.plane(i).unwrap().data.to_vec())
}

#[test]
fn layouts_are_read_from_their_names() {
    for (name, layout) in [
        ("yuv420p", Some(planar(1, 1, 8))),
        ("yuvj422p", Some(planar(1, 0, 8))),
        ("yuva444p", Some(planar(0, 0, 8))),
        ("yuv440p", Some(planar(0, 1, 8))),
        ("yuv420p10le", Some(planar(1, 1, 10))),
        ("yuv444p16le", Some(planar(0, 0, 16))),
        ("yuv420p10be", None),
        ("yuv420p17le", None),
        ("yuv420p8le", None),
        ("yuv410p", None),
        ("yuv", None),
        ("yuyv422", None),
        ("gbrp", None),
        ("rgb24", None),
        ("grayf32le", None),
        ("vaapi", None),
    ] {
        assert_eq!(Layout::of(name), layout, "{name}");
    }
    let gray = Layout::of("gray12le").unwrap();
    assert_eq!((gray.chroma, gray.depth), (Chroma::Gray, 12));
}

#[test]
fn chroma_of_444_becomes_the_mean_of_four_and_padding_is_left_out() {
    let luma = [1, 2, 99, 3, 4, 99];
    let u = [10, 20, 99, 31, 41, 99];
    let v = [0, 0, 99, 0, 1, 99];
    let sources = [source(&luma, 3, 2), source(&u, 3, 2), source(&v, 3, 2)];
    let planes = converted(planar(0, 0, 8), (2, 2), &sources);
    // 25.5 and 0.25, rounded.
    assert_eq!(planes, [vec![1, 2, 3, 4], vec![26], vec![0]]);
}

#[test]
fn chroma_of_422_becomes_the_mean_of_two_rows() {
    let luma = [0; 8];
    let u = [10, 20, 30, 41];
    let sources = [source(&luma, 4, 4), source(&u, 2, 2), source(&u, 2, 2)];
    let [_, u, v] = converted(planar(1, 0, 8), (4, 2), &sources);
    assert_eq!((u, v), (vec![20, 31], vec![20, 31]));
}

#[test]
fn deep_samples_are_rounded_and_full_ones_stay_white() {
    let words = |values: &[u16]| -> Vec<u8> {
        values
            .iter()
            .flat_map(|value| value.to_ne_bytes())
            .collect()
    };
    let luma = words(&[0, 1, 2, 1023]);
    let chroma = words(&[512]);
    let sources = [
        source(&luma, 4, 4),
        source(&chroma, 2, 2),
        source(&chroma, 2, 2),
    ];
    let planes = converted(planar(1, 1, 10), (2, 2), &sources);
    assert_eq!(planes, [vec![0, 0, 1, 255], vec![128], vec![128]]);

    let four = words(&[1023, 1023, 1020, 1023]);
    let sources = [
        source(&luma, 4, 4),
        source(&four, 4, 4),
        source(&four, 4, 4),
    ];
    let [_, u, _] = converted(planar(0, 0, 10), (2, 2), &sources);
    assert_eq!(u, [255]);
}

#[test]
fn pairs_are_taken_apart_in_their_order() {
    let luma = [0; 8];
    let pairs = [1, 2, 3, 4];
    for (u_second, expected) in [(false, [[1, 3], [2, 4]]), (true, [[2, 4], [1, 3]])] {
        let layout = Layout {
            chroma: Chroma::Pairs { u_second },
            depth: 8,
        };
        let [_, u, v] = converted(layout, (4, 2), &[source(&luma, 4, 4), source(&pairs, 4, 4)]);
        assert_eq!([u, v], expected);
    }
}

#[test]
fn gray_has_no_colour() {
    let luma = [7; 4];
    let layout = Layout {
        chroma: Chroma::Gray,
        depth: 8,
    };
    let planes = converted(layout, (2, 2), &[source(&luma, 2, 2)]);
    assert_eq!(planes, [vec![7; 4], vec![128], vec![128]]);
}

#[test]
fn a_frame_smaller_than_said_is_not_read_beyond() {
    let luma = [0; 7];
    let mut picture = I420::new(4, 2);
    let sources = [source(&luma, 4, 4)];
    let filled = fill(
        planar(1, 1, 8),
        (4, 2),
        &sources,
        picture.planes_mut(),
        &mut [0; 4],
    );
    assert_eq!(filled, None);
}

#[test]
fn planes_are_turned_clockwise() {
    // 1 2 3
    // 4 5 6
    let from = [1, 2, 3, 4, 5, 6];
    for (turn, expected) in [
        (Turn::None, [1, 2, 3, 4, 5, 6]),
        (Turn::Quarter, [4, 1, 5, 2, 6, 3]),
        (Turn::Half, [6, 5, 4, 3, 2, 1]),
        (Turn::ThreeQuarters, [3, 6, 2, 5, 1, 4]),
    ] {
        let mut to = [0; 6];
        turn_plane(&from, (3, 2), turn, &mut to);
        assert_eq!(to, expected, "{turn:?}");
    }
}

#[test]
fn four_quarter_turns_of_many_tiles_are_none() {
    let (width, height) = (2 * TILE + 3, TILE + 5);
    let original: Vec<u8> = (0..width * height).map(|i| (i * 31 % 251) as u8).collect();
    let mut picture = original.clone();
    let mut size = (width, height);
    for _ in 0..4 {
        let mut turned = vec![0; picture.len()];
        turn_plane(&picture, size, Turn::Quarter, &mut turned);
        picture = turned;
        size = (size.1, size.0);
    }
    assert_eq!(picture, original);
}

#[test]
fn odd_angles_go_to_the_nearest_quarter() {
    let turns = [0, 44, 46, 90, 180, 270, 314, 316].map(Turn::from_degrees);
    use Turn::{Half, None, Quarter, ThreeQuarters};
    assert_eq!(
        turns,
        [
            None,
            None,
            Quarter,
            Quarter,
            Half,
            ThreeQuarters,
            ThreeQuarters,
            None
        ]
    );
}
