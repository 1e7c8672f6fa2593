//! Finding `libmultimedia.so.1`, opening it, and its functions.

use std::ffi::{OsString, c_int};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use libloading::os::unix as dl;

use super::abi::{Buffer, Context, OutputInfo, RateControl, Startup};

/// The library's name.
const SONAME: &str = "libmultimedia.so.1";
/// Where the RDK X5's system keeps it.
const HOME: &str = "/usr/hobot/lib";
/// What it needs from the same directory, in this order.
const NEEDED: [&str; 2] = ["libalog.so.1", "libhbmem.so.1"];
/// Environment variable with the path of the library, instead of the places above.
pub(super) const PATH_VARIABLE: &str = "LIVEHAL_RDK_LIBRARY";

type Simple = unsafe extern "C" fn(*mut Context) -> c_int;
type Queue = unsafe extern "C" fn(*mut Context, *mut Buffer, c_int) -> c_int;

/// The functions of an encoder.
pub(super) struct Library {
    pub(super) get_default_context: unsafe extern "C" fn(c_int, c_int, *mut Context) -> c_int,
    pub(super) initialize: Simple,
    pub(super) configure: Simple,
    pub(super) start: unsafe extern "C" fn(*mut Context, *const Startup) -> c_int,
    pub(super) stop: Simple,
    pub(super) release: Simple,
    pub(super) request_idr: Simple,
    pub(super) set_rate: unsafe extern "C" fn(*mut Context, *const RateControl) -> c_int,
    pub(super) dequeue_input: Queue,
    pub(super) queue_input: Queue,
    pub(super) dequeue_output:
        unsafe extern "C" fn(*mut Context, *mut Buffer, *mut OutputInfo, c_int) -> c_int,
    pub(super) queue_output: Queue,
    /// What the functions above are in. Last, and never closed while they are used.
    #[cfg_attr(not(test), expect(dead_code, reason = "kept open"))]
    pub(super) object: dl::Library,
}

/// Why there is no library to be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum LoadError {
    /// It is nowhere.
    #[error(
        "{SONAME} not found in {searched}; it comes with the RDK X5's system (package hobot-multimedia), or {PATH_VARIABLE} names it"
    )]
    Missing {
        /// Where was looked.
        searched: String,
    },
    /// It is there and does not load.
    #[error("{file} does not load: {reason}")]
    Broken {
        /// The file.
        file: String,
        /// The dynamic linker's words.
        reason: String,
    },
    /// It lacks a function.
    #[error("{file} is not the RDK X5's: it has no {function}")]
    Incomplete {
        /// The file.
        file: String,
        /// The function.
        function: &'static str,
    },
}

/// The library of this process, opened once; a failure is tried again.
pub(super) fn load() -> Result<Arc<Library>, LoadError> {
    static OPENED: Mutex<Option<Arc<Library>>> = Mutex::new(None);
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(library) = &*opened {
        return Ok(Arc::clone(library));
    }
    let library = Arc::new(match std::env::var_os(PATH_VARIABLE) {
        Some(path) if !path.is_empty() => open_file(Path::new(&path))?,
        _ => open_system(SONAME, Path::new(HOME))?,
    });
    *opened = Some(Arc::clone(&library));
    Ok(library)
}

/// The system's library: where the dynamic linker looks, then in `home`.
pub(super) fn open_system(name: &str, home: &Path) -> Result<Library, LoadError> {
    match open(name.into(), name) {
        Err(LoadError::Broken { reason, .. })
            if reason.starts_with(&format!("{name}: cannot open shared object")) =>
        {
            let file = home.join(name);
            if !file.exists() {
                return Err(LoadError::Missing {
                    searched: format!("the system's library directories and {}", home.display()),
                });
            }
            open_file(&file)
        }
        other => other,
    }
}

/// The library at a path of its own.
pub(super) fn open_file(file: &Path) -> Result<Library, LoadError> {
    let shown = file.display().to_string();
    if !file.exists() {
        return Err(LoadError::Missing { searched: shown });
    }
    // The linker does not look beside it for what it needs, but takes what is open already.
    let beside: Vec<dl::Library> = NEEDED
        .iter()
        .filter_map(|name| open_object(file.with_file_name(name).into()).ok())
        .collect();
    let library = open(file.into(), &shown);
    if library.is_ok() {
        // The library uses them to the end of the process.
        beside.into_iter().for_each(std::mem::forget);
    }
    library
}

fn open(file: OsString, shown: &str) -> Result<Library, LoadError> {
    let object = open_object(file).map_err(|e| LoadError::Broken {
        file: shown.into(),
        reason: reason(&e),
    })?;
    // SAFETY: the signatures are those of `hb_media_codec.h`, which the library's name stands for.
    unsafe { Library::resolve(object) }.map_err(|function| LoadError::Incomplete {
        file: shown.into(),
        function,
    })
}

fn open_object(file: OsString) -> Result<dl::Library, libloading::Error> {
    // SAFETY: runs the initialisers of a library that the operator installed under this name; they
    // set up its log.
    unsafe { dl::Library::open(Some(&file), dl::RTLD_NOW | dl::RTLD_LOCAL) }
}

impl Library {
    /// # Safety
    /// The functions in `object` must have these signatures.
    unsafe fn resolve(object: dl::Library) -> Result<Self, &'static str> {
        macro_rules! function {
            ($name:literal) => {
                // SAFETY: passed on to the caller.
                *unsafe { object.get($name.as_bytes()) }.map_err(|_| $name)?
            };
        }
        Ok(Self {
            get_default_context: function!("hb_mm_mc_get_default_context"),
            initialize: function!("hb_mm_mc_initialize"),
            configure: function!("hb_mm_mc_configure"),
            start: function!("hb_mm_mc_start"),
            stop: function!("hb_mm_mc_stop"),
            release: function!("hb_mm_mc_release"),
            request_idr: function!("hb_mm_mc_request_idr_frame"),
            set_rate: function!("hb_mm_mc_set_rate_control_config"),
            dequeue_input: function!("hb_mm_mc_dequeue_input_buffer"),
            queue_input: function!("hb_mm_mc_queue_input_buffer"),
            dequeue_output: function!("hb_mm_mc_dequeue_output_buffer"),
            queue_output: function!("hb_mm_mc_queue_output_buffer"),
            object,
        })
    }
}

/// The dynamic linker's own words, which libloading puts one level down.
fn reason(error: &libloading::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}
