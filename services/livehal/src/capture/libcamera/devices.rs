//! Whether a camera's devices are there. The kernel takes them away the moment a camera is unplugged;
//! libcamera is told by udev, later.

use std::path::{Path, PathBuf};

/// Where the kernel lists character devices by their numbers.
#[cfg(feature = "capture-libcamera")]
pub(super) const NUMBERS: &str = "/sys/dev/char";

/// The devices behind one camera.
pub(super) struct Devices(Vec<PathBuf>);

impl Devices {
    /// Those of these numbers (`dev_t`) that `listed` has now: others say nothing later.
    pub(super) fn new(listed: &Path, numbers: impl IntoIterator<Item = u64>) -> Self {
        let path = |number| {
            let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
            listed.join(format!("{major}:{minor}"))
        };
        let there = numbers.into_iter().map(path).filter(|path| path.exists());
        Self(there.collect())
    }

    /// Whether one is there no more. A camera without devices, such as libcamera's virtual one, is
    /// never gone.
    pub(super) fn gone(&self) -> bool {
        self.0.iter().any(|path| !path.exists())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{create_dir, remove_dir};

    use super::*;

    #[test]
    fn a_device_that_was_there_and_is_not_is_gone() {
        let listed = tempfile::tempdir().unwrap();
        let file = |name: &str| listed.path().join(name);
        create_dir(file("81:3")).unwrap();
        create_dir(file("239:0")).unwrap();
        let number = rustix::fs::makedev;
        let of = |numbers: &[u64]| Devices::new(listed.path(), numbers.iter().copied());
        let (none, unknown) = (of(&[]), of(&[number(81, 9)]));
        let camera = of(&[number(239, 0), number(81, 3)]);
        assert!(!camera.gone());
        remove_dir(file("81:3")).unwrap();
        assert!(camera.gone());
        assert!(!none.gone() && !unknown.gone());
    }
}
