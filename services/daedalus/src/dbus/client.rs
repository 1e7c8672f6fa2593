//! The other end: asking a daemon that runs. busctl and its like send no descriptors.

use std::os::fd::OwnedFd;
use std::time::Duration;

use livehal_bus::Bus;
use tokio::runtime;
use zbus::connection::Builder;

use super::ROOT;
use crate::verify::{TIME_MAX, Verified};

/// Why a daemon has not answered as it should.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// It has refused, in its words.
    #[error("{0}")]
    Refused(String),
    /// There is none, or no bus.
    #[error("org.livehal.Decoder1: {0}")]
    Bus(#[from] zbus::Error),
    /// No thread or memory for a call.
    #[error("{0}")]
    System(#[from] std::io::Error),
}

/// Calls VerifyStream.
///
/// # Errors
/// See [`ClientError`].
pub fn verify(bus: Bus, stream: OwnedFd) -> Result<Verified, ClientError> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (frames, digest, ms) = runtime.block_on(call(bus, stream)).map_err(|e| match e {
        zbus::Error::MethodError(name, Some(text), _) if name.starts_with("org.livehal.") => {
            ClientError::Refused(text)
        }
        other => other.into(),
    })?;
    Ok(Verified {
        frames,
        digest,
        took: Duration::try_from_secs_f64(ms / 1e3).unwrap_or(TIME_MAX),
    })
}

async fn call(bus: Bus, stream: OwnedFd) -> zbus::Result<(u32, String, f64)> {
    let builder = match bus {
        Bus::System => Builder::system(),
        Bus::Session => Builder::session(),
    };
    let connection = builder.method_timeout(2 * TIME_MAX).build().await?;
    let reply = connection
        .call_method(
            Some("org.livehal.Decoder1"),
            ROOT,
            Some("org.livehal.Decoder1.Manager"),
            "VerifyStream",
            &(zbus::Fd::from(stream),),
        )
        .await?;
    reply.body().deserialize()
}
