//! `org.livehal.Capture1.Manager`.

use liveion::Live;
use zbus::{OwnedObjectPath, interface};

use super::error::Error;
use super::{path, state};

/// The manager object.
pub(crate) struct Manager {
    pub(crate) live: Live,
}

#[interface(name = "org.livehal.Capture1.Manager", introspection_docs = false)]
impl Manager {
    #[zbus(property(emits_changed_signal = "const"))]
    fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    #[zbus(out_args("streams"))]
    fn list_streams(&self) -> Result<Vec<(String, OwnedObjectPath, &'static str)>, Error> {
        let entry = |stream: &std::sync::Arc<liveion::Stream>| {
            let info = stream.info();
            let path = path::of_stream(stream.name())?;
            Ok((info.name, path, state::words(&info.state).0))
        };
        self.live.streams().iter().map(entry).collect()
    }

    #[zbus(out_args("stream"))]
    fn find_stream(&self, name: &str) -> Result<OwnedObjectPath, Error> {
        match self.live.stream(name) {
            Some(stream) => Ok(path::of_stream(stream.name())?),
            None => Err(Error::NotFound(format!("there is no stream {name:?}"))),
        }
    }
}
