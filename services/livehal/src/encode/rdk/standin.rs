//! The library that the tests run against: the stand-in, built here, or the one that
//! `LIVEHAL_RDK_LIBRARY` names (the vendor's, on a board or under emulation).

use std::ffi::{CString, c_char, c_int};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, OnceLock};

use super::library::{Library, PATH_VARIABLE, open_file};

/// The library under test.
pub(super) fn library() -> Arc<Library> {
    static OPENED: OnceLock<Arc<Library>> = OnceLock::new();
    Arc::clone(OPENED.get_or_init(|| Arc::new(open_file(&path()).unwrap())))
}

/// Its path.
pub(super) fn path() -> PathBuf {
    match std::env::var_os(PATH_VARIABLE) {
        Some(path) if !path.is_empty() => path.into(),
        _ => build(),
    }
}

/// Builds the stand-in beside this test.
fn build() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let profile = test.ancestors().nth(2).unwrap();
        let target = profile.parent().unwrap();
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        cargo.args(["build", "-q", "-p", "rdk-standin", "--target-dir"]);
        // A cross build's directory is named after its target, within the target directory.
        match target.file_name().and_then(|name| name.to_str()) {
            Some(triple) if triple.starts_with(&format!("{}-", std::env::consts::ARCH)) => {
                cargo
                    .arg(target.parent().unwrap())
                    .args(["--target", triple]);
            }
            _ => {
                cargo.arg(target);
            }
        }
        cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(
            cargo.status().unwrap().success(),
            "the stand-in does not build"
        );
        profile.join("librdk_standin.so")
    });
    built.clone()
}

/// The stand-in's own functions; `None` for the vendor's library.
pub(super) struct StandIn {
    faults: unsafe extern "C" fn(*const c_char),
    open: unsafe extern "C" fn() -> c_int,
}

impl StandIn {
    /// Of the library under test.
    pub(super) fn get() -> Option<Self> {
        let library = library();
        // SAFETY: only the stand-in has functions of these names, with these signatures.
        unsafe {
            Some(Self {
                faults: *library.object.get(b"standin_faults").ok()?,
                open: *library.object.get(b"standin_open").ok()?,
            })
        }
    }

    /// Orders faults for encoders that this thread opens from now on.
    pub(super) fn faults(&self, list: &str) {
        let list = CString::new(list).unwrap();
        // SAFETY: a string that ends with zero.
        unsafe { (self.faults)(list.as_ptr()) }
    }

    /// Encoders that this thread has open.
    pub(super) fn open(&self) -> c_int {
        // SAFETY: takes nothing.
        unsafe { (self.open)() }
    }
}
