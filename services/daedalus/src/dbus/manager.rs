//! `org.livehal.Decoder1.Manager`.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use livehal_ffmpeg::UnitCodec;
use tokio::sync::{Semaphore, TryAcquireError};
use tokio::task::spawn_blocking;
use zbus::interface;

use super::error::Error;
use crate::decoder::codec_number;
use crate::pool::Pool;
use crate::registry::Registry;
use crate::verify;

/// Decodes streams for whoever asks, one at a time.
#[derive(Debug, Clone)]
pub struct Verifier {
    pool: Arc<Pool>,
    codecs: u32,
    place: Arc<Semaphore>,
}

impl Verifier {
    /// With workers of this pool, for streams of these codecs, bit by bit as the bridge
    /// numbers them.
    pub fn new(pool: Arc<Pool>, codecs: u32) -> Self {
        Self {
            codecs,
            pool,
            place: Arc::new(Semaphore::new(1)),
        }
    }

    async fn verify(&self, stream: OwnedFd) -> Result<verify::Verified, Error> {
        let place = match Arc::clone(&self.place).try_acquire_owned() {
            Ok(place) => place,
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => {
                let text = "another stream is being decoded; one is at a time";
                return Err(Error::Unavailable(text.into()));
            }
        };
        let (pool, codecs) = (Arc::clone(&self.pool), self.codecs);
        let verified = spawn_blocking(move || {
            let verified = verify::verify(&pool, codecs, &stream);
            drop(place);
            verified
        });
        match verified.await {
            Ok(verified) => Ok(verified?),
            Err(e) => Err(Error::Failed(e.to_string())),
        }
    }
}

/// The manager object.
pub(crate) struct Manager {
    pub(crate) registry: Arc<Registry>,
    pub(crate) verifier: Verifier,
}

#[interface(name = "org.livehal.Decoder1.Manager", introspection_docs = false)]
impl Manager {
    #[zbus(property(emits_changed_signal = "const"))]
    fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn module_version(&self) -> &str {
        let module = self.registry.module.as_ref();
        module.map_or("", |module| &module.release)
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn libraries(&self) -> &str {
        &self.registry.libraries
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn codecs(&self) -> Vec<&'static str> {
        UnitCodec::ALL
            .into_iter()
            .filter(|codec| self.registry.codecs & 1 << codec_number(*codec) != 0)
            .map(UnitCodec::name)
            .collect()
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn max_contexts(&self) -> u32 {
        let module = self.registry.module.as_ref();
        module.map_or(0, |module| module.contexts_max)
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn job_timeout_ms(&self) -> u32 {
        let timeout = self.registry.module.as_ref().map(|m| m.job_timeout);
        timeout.map_or(0, |t| u32::try_from(t.as_millis()).unwrap_or(u32::MAX))
    }

    #[zbus(out_args("frames", "digest", "ms"))]
    async fn verify_stream(&self, stream: zbus::OwnedFd) -> Result<(u32, String, f64), Error> {
        let verified = self.verifier.verify(stream.into()).await?;
        let ms = verified.took.as_secs_f64() * 1e3;
        Ok((verified.frames, verified.digest, ms))
    }
}
