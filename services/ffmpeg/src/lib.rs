//! FFmpeg's demuxers and decoders, found and opened at run time.
//!
//! The program is built and started without FFmpeg. [`Library::load`] opens libavutil, libavcodec
//! and libavformat of whichever supported release the machine has, checks that they belong
//! together, and picks the field offsets of that release; the code above them is written once.
//! docs/ffmpeg.md says which releases those are and how another is added.
//!
//! ```no_run
//! use livehal_ffmpeg::{Library, Received};
//!
//! # fn main() -> livehal_ffmpeg::Result<()> {
//! let mut file = Library::load()?.open("clip.mp4".as_ref())?;
//! let video = file.best_video()?;
//! let mut decoder = file.decoder(&video, Default::default())?;
//! loop {
//!     match decoder.receive()? {
//!         Received::Frame(frame) => println!("{:?} {}", frame.pts(), frame.pixel_format()),
//!         Received::End => break,
//!         Received::NeedsPacket => match file.read()? {
//!             Some(packet) if packet.is_of(&video) => decoder.send(Some(&packet))?,
//!             Some(_) => {}
//!             None => decoder.send(None)?,
//!         },
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod api;
mod context;
mod decode;
mod demux;
mod error;
mod frame;
mod loader;
mod packet;
mod rational;
mod release;
mod sys;
mod unit;

use std::path::Path;
use std::sync::Arc;

pub use decode::{Decoder, DecoderOptions, Received};
pub use demux::{Demuxer, VideoStream};
pub use error::{Error, LoadError, Problem, Result};
pub use frame::{Crop, Frame, Plane};
pub use packet::Packet;
pub use rational::Rational;
pub use release::{Version, Versions};
pub use unit::{Unit, UnitCodec, UnitDecoder};

/// A loaded release of FFmpeg.
#[derive(Debug, Clone)]
pub struct Library {
    api: Arc<api::Api>,
}

impl Library {
    /// Opens the newest supported release: in the directory that the environment variable
    /// `LIVEHAL_FFMPEG_DIR` names, or where the system's dynamic linker looks.
    ///
    /// # Errors
    /// [`Error::Load`] names what was found instead and what is supported.
    pub fn load() -> Result<Self> {
        Self::search(&loader::Search::from_env())
    }

    /// Opens the newest supported release in `dir`.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_from(dir: &Path) -> Result<Self> {
        Self::search(&loader::Search::Dir(dir.into()))
    }

    fn search(search: &loader::Search) -> Result<Self> {
        Ok(Self {
            api: Arc::new(loader::load(search)?),
        })
    }

    /// What was loaded.
    pub fn versions(&self) -> Versions {
        self.api.versions
    }

    /// Opens a media file; nothing but a file, whatever its name looks like.
    ///
    /// # Errors
    /// [`Error::Open`] if it cannot be read or is no media file.
    pub fn open(&self, path: &Path) -> Result<Demuxer> {
        Demuxer::open(Arc::clone(&self.api), path)
    }
}
