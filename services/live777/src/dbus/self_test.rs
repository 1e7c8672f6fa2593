//! `SelfTest`: what a stream has just encoded is decoded by `org.livehal.Decoder1`.

use std::sync::Arc;
use std::time::Duration;

use liveion::Stream;
use zbus::Connection;

use super::error::Error;
use decoder::verify;

/// Frames of a test.
const FRAMES: usize = 30;
/// For them to come.
const PATIENCE: Duration = Duration::from_secs(6);

/// Frames encoded and decoded, digest of the pictures, milliseconds of decoding.
type Passed = (u32, u32, String, f64);

/// Tests a stream by the decoder on the same bus.
pub(crate) async fn run(connection: &Connection, stream: &Arc<Stream>) -> Result<Passed, Error> {
    let units = stream.record(FRAMES, PATIENCE).await?;
    let (decoded, digest, ms) = verify(connection, &units).await?;
    let sent = u32::try_from(units.len()).unwrap_or(u32::MAX);
    if decoded == sent {
        Ok((sent, decoded, digest, ms))
    } else {
        Err(Error::Failed(format!(
            "{sent} frames were encoded, and {decoded} decoded"
        )))
    }
}

#[cfg(target_os = "linux")]
mod decoder {
    use std::fs::File;
    use std::io::{self, Write as _};
    use std::os::fd::OwnedFd;

    use bytes::Bytes;
    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
    use zbus::Connection;

    use crate::dbus::error::Error;

    const DECODER: &str = "org.livehal.Decoder1";

    /// Frames, digest, milliseconds.
    pub(super) async fn verify(
        connection: &Connection,
        units: &[Bytes],
    ) -> Result<(u32, String, f64), Error> {
        let file = in_memory(units).map_err(|e| Error::Failed(format!("no memory file: {e}")))?;
        let reply = connection
            .call_method(
                Some(DECODER),
                "/org/livehal/Decoder1",
                Some("org.livehal.Decoder1.Manager"),
                "VerifyStream",
                &(zbus::Fd::from(file),),
            )
            .await;
        match reply {
            Ok(reply) => Ok(reply.body().deserialize()?),
            Err(e) => Err(refused(e)),
        }
    }

    /// A file that nobody can change any more.
    fn in_memory(units: &[Bytes]) -> io::Result<OwnedFd> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let mut file = File::from(memfd_create(c"livehal-self-test", flags)?);
        for unit in units {
            file.write_all(unit)?;
        }
        let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
        fcntl_add_seals(&file, seals)?;
        Ok(file.into())
    }

    /// What a refusal says about the stream.
    fn refused(error: zbus::Error) -> Error {
        let refused = match &error {
            zbus::Error::MethodError(name, text, _) => name
                .strip_prefix("org.livehal.Error.")
                .map(|kind| (kind, text.as_deref().unwrap_or_default())),
            _ => None,
        };
        match refused {
            Some(("Unavailable", text)) => Error::Unavailable(format!("{DECODER}: {text}")),
            Some(("NotSupported", text)) => Error::NotSupported(format!("{DECODER}: {text}")),
            Some((_, text)) => Error::Failed(format!("what was encoded does not decode: {text}")),
            None => Error::Unavailable(format!("there is no decoder: {error}")),
        }
    }
}

/// The decoder is Linux's.
#[cfg(not(target_os = "linux"))]
mod decoder {
    use bytes::Bytes;
    use zbus::Connection;

    use crate::dbus::error::Error;

    pub(super) async fn verify(
        _connection: &Connection,
        _units: &[Bytes],
    ) -> Result<(u32, String, f64), Error> {
        Err(Error::NotSupported("the decoder runs on Linux only".into()))
    }
}
