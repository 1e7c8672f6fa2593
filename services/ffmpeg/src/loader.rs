//! Finding the libraries and opening them.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::api::Api;
use crate::error::{LoadError, Problem};
use crate::release::{Release, SUPPORTED, Version, Versions};
use crate::sys::{AvCodec, AvFormat, AvUtil};

/// Environment variable that names the directory to look in, instead of the system's.
pub(crate) const DIR_VARIABLE: &str = "LIVEHAL_FFMPEG_DIR";

/// libavcodec majors looked for only to name them in an error: FFmpeg 3 and what may come.
const MAJORS_TO_NAME: std::ops::RangeInclusive<u32> = 57..=80;

/// Where to look.
pub(crate) enum Search {
    /// The system's dynamic linker knows.
    System,
    /// One directory and no other.
    Dir(PathBuf),
}

impl Search {
    pub(crate) fn from_env() -> Self {
        match std::env::var_os(DIR_VARIABLE) {
            Some(dir) if !dir.is_empty() => Self::Dir(dir.into()),
            _ => Self::System,
        }
    }

    /// What to give the dynamic linker for a file name.
    fn file(&self, soname: &str) -> OsString {
        match self {
            Self::System => soname.into(),
            Self::Dir(dir) => dir.join(soname).into(),
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::System => "the system's library directories".into(),
            Self::Dir(dir) => dir.display().to_string(),
        }
    }
}

/// A library that could not be opened.
struct NotOpened {
    /// There is no such file, as opposed to one that is broken or lacks what it needs.
    absent: bool,
    reason: String,
}

/// Opens the newest supported release there is.
pub(crate) fn load(search: &Search) -> Result<Api, LoadError> {
    let mut problems = Vec::new();
    for release in &SUPPORTED {
        match open_release(search, release) {
            Ok(Some(api)) => return Ok(api),
            Ok(None) => {}
            Err(problem) => problems.push(problem),
        }
    }
    problems.extend(unsupported(search));
    Err(LoadError {
        searched: search.describe(),
        problems,
    })
}

/// Opens one release; `None` if nothing of it is there.
fn open_release(search: &Search, release: &'static Release) -> Result<Option<Api>, Problem> {
    let names = [
        soname("avutil", release.avutil),
        soname("avcodec", release.avcodec),
        soname("avformat", release.avformat),
    ];
    // In this order each finds the one it needs already there, wherever that came from.
    let opened = names.each_ref().map(|name| open(search, name));
    if opened
        .iter()
        .all(|o| matches!(o, Err(NotOpened { absent: true, .. })))
    {
        return Ok(None);
    }
    let [avutil, avcodec, avformat] = opened;
    let [avutil_name, avcodec_name, avformat_name] = names;
    let avutil = present(avutil, &avutil_name)?;
    let avcodec = present(avcodec, &avcodec_name)?;
    let avformat = present(avformat, &avformat_name)?;

    let versions = Versions {
        ffmpeg: release.ffmpeg,
        avutil: expect(&avutil, "avutil", &avutil_name, release.avutil)?,
        avcodec: expect(&avcodec, "avcodec", &avcodec_name, release.avcodec)?,
        avformat: expect(&avformat, "avformat", &avformat_name, release.avformat)?,
    };

    // SAFETY: each library is the one its table was generated for, as its version function said;
    // the signatures are the same in every minor version of these majors.
    let (util, codec, format) = unsafe {
        (
            AvUtil::resolve(avutil).map_err(|e| incomplete(avutil_name, &e))?,
            AvCodec::resolve(avcodec).map_err(|e| incomplete(avcodec_name, &e))?,
            AvFormat::resolve(avformat).map_err(|e| incomplete(avformat_name, &e))?,
        )
    };
    Ok(Some(Api::new(
        util,
        codec,
        format,
        release.layout,
        versions,
    )))
}

/// The libavcodecs that are there and not supported.
fn unsupported(search: &Search) -> Vec<Problem> {
    MAJORS_TO_NAME
        .filter(|major| SUPPORTED.iter().all(|r| r.avcodec != *major))
        .filter_map(|major| {
            let library = soname("avcodec", major);
            let opened = open(search, &library).ok()?;
            let found = version(&opened, "avcodec")?;
            Some(Problem::Unsupported { library, found })
        })
        .collect()
}

fn soname(library: &str, major: u32) -> String {
    format!("lib{library}.so.{major}")
}

fn open(search: &Search, name: &str) -> Result<libloading::Library, NotOpened> {
    let file = search.file(name);
    open_file(&file).map_err(|e| {
        let reason = reason(&e);
        NotOpened {
            absent: match search {
                Search::System => reason.starts_with(&format!("{name}: cannot open shared object")),
                Search::Dir(_) => !Path::new(&file).exists(),
            },
            reason,
        }
    })
}

/// With every symbol resolved at once, so that a library that lacks something does not open.
#[cfg(unix)]
fn open_file(file: &OsStr) -> Result<libloading::Library, libloading::Error> {
    use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
    // SAFETY: runs the initialisers of a library the operator installed under FFmpeg's name;
    // FFmpeg's own have none that matter.
    unsafe { Library::open(Some(file), RTLD_NOW | RTLD_LOCAL) }.map(Into::into)
}

/// Elsewhere that is the rule. The names looked for are those of Linux, so only a directory finds them.
#[cfg(not(unix))]
fn open_file(file: &OsStr) -> Result<libloading::Library, libloading::Error> {
    // SAFETY: as on Unix.
    unsafe { libloading::Library::new(file) }
}

fn present(
    opened: Result<libloading::Library, NotOpened>,
    name: &str,
) -> Result<libloading::Library, Problem> {
    opened.map_err(|e| Problem::Missing {
        library: name.into(),
        reason: e.reason,
    })
}

fn expect(
    library: &libloading::Library,
    short: &str,
    name: &str,
    expected: u32,
) -> Result<Version, Problem> {
    match version(library, short) {
        Some(v) if v.major == expected => Ok(v),
        Some(found) => Err(Problem::Version {
            library: name.into(),
            found,
            expected,
        }),
        None => Err(Problem::Incomplete {
            library: name.into(),
            reason: format!("{short}_version is missing"),
        }),
    }
}

/// What the library says its version is.
fn version(library: &libloading::Library, short: &str) -> Option<Version> {
    // SAFETY: `unsigned <library>_version(void)` has been in every release of FFmpeg.
    unsafe {
        let function = library
            .get::<unsafe extern "C" fn() -> u32>(format!("{short}_version"))
            .ok()?;
        Some(Version::unpack(function()))
    }
}

fn incomplete(library: String, error: &libloading::Error) -> Problem {
    Problem::Incomplete {
        library,
        reason: reason(error),
    }
}

/// The dynamic linker's own words, which libloading puts one level down.
fn reason(error: &libloading::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}
