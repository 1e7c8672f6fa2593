//! Finds devices: by what they can do, or by a name.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::device::{Capabilities, Device};

/// Where the kernel lists V4L2 nodes.
const CLASS: &str = "/sys/class/video4linux";

/// What the nodes said that are there, by number. A camera that is absent is looked for twice a
/// second, and to open a node is no small thing: a USB camera is powered up for it.
static KNOWN: Mutex<BTreeMap<u32, Known>> = Mutex::new(BTreeMap::new());

/// A node that has been asked.
#[derive(Debug, Clone)]
struct Known {
    /// The inode of its directory, which is another one for the next device of this number.
    inode: u64,
    found: Found,
}

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

/// All devices for which `fits` holds, by number. One that cannot be opened is left out, and asked
/// again the next time; the others are opened once as long as they are there.
pub(crate) fn by_capability(fits: impl Fn(Capabilities) -> bool) -> Vec<Found> {
    look(&KNOWN, Path::new(CLASS), ask)
        .into_iter()
        .filter(|found| fits(found.capabilities))
        .collect()
}

/// What a node says that it is.
fn ask(path: &Path) -> Option<Found> {
    let device = Device::open(path).ok()?;
    Some(Found {
        path: device.path().to_owned(),
        driver: device.driver().to_owned(),
        card: device.card().to_owned(),
        capabilities: device.capabilities(),
    })
}

/// The nodes of `class`, by number; those that are not in `known` are asked, and are then.
fn look(
    known: &Mutex<BTreeMap<u32, Known>>,
    class: &Path,
    ask: impl Fn(&Path) -> Option<Found>,
) -> Vec<Found> {
    let lock = || known.lock().unwrap_or_else(PoisonError::into_inner);
    let before = lock().clone();
    // Without the lock, for a driver may hang when it is opened.
    let now: BTreeMap<u32, Known> = nodes(class)
        .into_iter()
        .filter_map(|(number, inode)| {
            let known = before.get(&number).filter(|known| known.inode == inode);
            let found = match known {
                Some(known) => known.found.clone(),
                None => ask(&PathBuf::from(format!("/dev/video{number}")))?,
            };
            Some((number, Known { inode, found }))
        })
        .collect();
    lock().clone_from(&now);
    now.into_values().map(|known| known.found).collect()
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

/// The numbers of the `/dev/videoN` that the kernel lists, and the inodes of their directories.
fn nodes(class: &Path) -> Vec<(u32, u64)> {
    let Ok(entries) = fs::read_dir(class) else {
        return Vec::new();
    };
    let mut nodes: Vec<_> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let number = number(&entry.file_name())?;
            Some((number, fs::metadata(entry.path()).ok()?.ino()))
        })
        .collect();
    nodes.sort_unstable();
    nodes
}

/// The number of a node; sub-devices and radios have other names.
fn number(name: &OsStr) -> Option<u32> {
    name.to_str()?.strip_prefix("video")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn found(path: &Path) -> Found {
        Found {
            path: path.to_owned(),
            driver: "driver".into(),
            card: "card".into(),
            capabilities: Capabilities(0),
        }
    }

    #[test]
    fn nodes_are_listed_by_number_and_others_left_out() {
        let class = tempfile::tempdir().unwrap();
        for name in ["video10", "video2", "v4l-subdev0", "vbi0", "videox"] {
            fs::create_dir(class.path().join(name)).unwrap();
        }
        let known = Mutex::default();
        let look = |class: &Path| look(&known, class, |path| Some(found(path)));
        let paths = ["/dev/video2", "/dev/video10"].map(PathBuf::from);
        assert_eq!(look(class.path()), paths.map(|path| found(&path)));
        assert!(look(&class.path().join("missing")).is_empty());
    }

    #[test]
    fn a_node_is_opened_once_until_another_has_its_number() {
        let class = tempfile::tempdir().unwrap();
        let node = class.path().join("video0");
        fs::create_dir(&node).unwrap();
        let (known, asked) = (Mutex::default(), Cell::new(0));
        let look = |answers: bool| {
            look(&known, class.path(), |path| {
                asked.set(asked.get() + 1);
                answers.then(|| found(path))
            })
        };
        // One that cannot be opened is asked again.
        assert!(look(false).is_empty());
        assert_eq!((look(true).len(), asked.get()), (1, 2));
        assert_eq!((look(true).len(), asked.get()), (1, 2));
        // The old directory stays, so that the new one has another inode for sure.
        fs::rename(&node, class.path().join("gone")).unwrap();
        fs::create_dir(&node).unwrap();
        assert_eq!((look(true).len(), asked.get()), (1, 3));
    }

    #[test]
    fn a_path_is_taken_as_it_is() {
        let link = "/dev/v4l/by-id/usb-046d_Camera-video-index0";
        assert_eq!(by_name(link, |_| true), [PathBuf::from(link)]);
    }
}
