//! Finds devices: by what they can do, or by a name.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::device::{Capabilities, Device};

/// Where the kernel lists V4L2 nodes.
const CLASS: &str = "/sys/class/video4linux";

/// A device that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) driver: String,
    pub(crate) card: String,
    pub(crate) capabilities: Capabilities,
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (path, card) = (self.path.display(), &self.card);
        write!(f, "{path} ({card}, driver {})", self.driver)
    }
}

/// All devices for which `fits` holds, by number. One that cannot be opened is left out.
pub(crate) fn by_capability(fits: impl Fn(Capabilities) -> bool) -> Vec<Found> {
    nodes(Path::new(CLASS))
        .into_iter()
        .filter_map(|path| Device::open(&path).ok())
        .filter(|device| fits(device.capabilities()))
        .map(|device| Found {
            path: device.path().to_owned(),
            driver: device.driver().to_owned(),
            card: device.card().to_owned(),
            capabilities: device.capabilities(),
        })
        .collect()
}

/// The devices that a name means: the path of a node or of a link to one, as in
/// `/dev/v4l/by-id`, or else a card's name, of those for which `fits` holds. A path is believed
/// without looking: what is wrong with it, opening it will say.
pub(crate) fn by_name(name: &str, fits: impl Fn(Capabilities) -> bool) -> Vec<PathBuf> {
    if name.starts_with('/') {
        return vec![PathBuf::from(name)];
    }
    by_capability(fits)
        .into_iter()
        .filter(|found| found.card == name)
        .map(|found| found.path)
        .collect()
}

/// The `/dev/videoN` that the kernel lists, by number.
fn nodes(class: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(class) else {
        return Vec::new();
    };
    let mut numbers: Vec<u32> = entries
        .filter_map(|entry| number(&entry.ok()?.file_name()))
        .collect();
    numbers.sort_unstable();
    let path = |number| PathBuf::from(format!("/dev/video{number}"));
    numbers.into_iter().map(path).collect()
}

/// The number of a node; sub-devices and radios have other names.
fn number(name: &OsStr) -> Option<u32> {
    name.to_str()?.strip_prefix("video")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_listed_by_number_and_others_left_out() {
        let class = tempfile::tempdir().unwrap();
        for name in ["video10", "video2", "v4l-subdev0", "vbi0", "videox"] {
            fs::create_dir(class.path().join(name)).unwrap();
        }
        let paths = ["/dev/video2", "/dev/video10"].map(PathBuf::from);
        assert_eq!(nodes(class.path()), paths);
        assert!(nodes(&class.path().join("missing")).is_empty());
    }

    #[test]
    fn a_path_is_taken_as_it_is() {
        let link = "/dev/v4l/by-id/usb-046d_Camera-video-index0";
        assert_eq!(by_name(link, |_| true), [PathBuf::from(link)]);
    }
}
