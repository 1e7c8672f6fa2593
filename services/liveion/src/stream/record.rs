//! The next access units of a stream, for somebody who wants to look at them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use livehal::EncodedPacket;
use tokio::sync::oneshot;
use tokio::time::{Instant, interval, sleep_until};

use super::hub::{Hub, lock};
use super::{SourceConfig, Stream};
use crate::Error;

/// Most bytes that are kept.
const BYTES_MAX: usize = 16 << 20;
/// How often a key frame is asked for while there was none.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Keeps what goes by.
#[derive(Debug)]
pub(super) struct Recorder {
    wanted: usize,
    units: Vec<Bytes>,
    bytes: usize,
    full: Option<oneshot::Sender<()>>,
}

impl Recorder {
    fn new(wanted: usize) -> (Self, oneshot::Receiver<()>) {
        let (full, is_full) = oneshot::channel();
        let recorder = Self {
            wanted,
            units: Vec::new(),
            bytes: 0,
            full: Some(full),
        };
        (recorder, is_full)
    }

    /// Keeps a unit, if it can be decoded with what is kept already, and there is room.
    pub(super) fn take(&mut self, packet: &EncodedPacket) {
        if self.full.is_none() {
            return;
        }
        if packet.flags.discontinuity {
            // What is kept is not what was sent: from the next key frame on.
            self.units.clear();
            self.bytes = 0;
        }
        if self.units.is_empty() && !packet.flags.key {
            return;
        }
        self.bytes += packet.data.len();
        self.units.push(packet.data.clone());
        if self.units.len() >= self.wanted || self.bytes >= BYTES_MAX {
            // Nobody waits any more: then it is about to be taken away.
            let _ = self.full.take().map(|full| full.send(()));
        }
    }
}

/// Takes the recorder away, however the recording ends.
struct Recording<'a>(&'a Hub);

impl Recording<'_> {
    fn units(&self) -> Vec<Bytes> {
        let recorder = lock(&self.0.recorder).take();
        recorder.map_or(Vec::new(), |recorder| recorder.units)
    }

    fn is_empty(&self) -> bool {
        let recorder = lock(&self.0.recorder);
        recorder.as_ref().is_none_or(|r| r.units.is_empty())
    }
}

impl Drop for Recording<'_> {
    fn drop(&mut self) {
        lock(&self.0.recorder).take();
    }
}

impl Stream {
    /// The next access units from a key frame on, in Annex B form and without a gap: `count` of
    /// them, or as many as there are within `limit`, one at least. An on-demand stream is started
    /// for it, as for a viewer.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a stream that is not encoded here; [`Error::Unavailable`] while it
    /// is stopped or has failed, while somebody else records it, and if there is no key frame in
    /// time.
    pub async fn record(
        self: &Arc<Self>,
        count: usize,
        limit: Duration,
    ) -> Result<Vec<Bytes>, Error> {
        if let SourceConfig::Whip = self.config.source {
            return Err(self.unsupported("it is encoded by its publisher"));
        }
        let (recording, is_full) = self.begin_recording(count)?;
        let recorded = match self.admit_viewer() {
            Ok(()) => self.until_recorded(&recording, is_full, limit).await,
            Err(e) => Err(Error::Unavailable(e.to_string())),
        };
        drop(recording);
        // It may have been started for this alone.
        self.arm_idle_timer();
        recorded
    }

    fn begin_recording(
        &self,
        count: usize,
    ) -> Result<(Recording<'_>, oneshot::Receiver<()>), Error> {
        let mut place = lock(&self.hub.recorder);
        if place.is_some() {
            let name = self.name();
            return Err(Error::Unavailable(format!(
                "stream {name} is being recorded already"
            )));
        }
        let (recorder, is_full) = Recorder::new(count);
        *place = Some(recorder);
        Ok((Recording(&self.hub), is_full))
    }

    async fn until_recorded(
        &self,
        recording: &Recording<'_>,
        mut is_full: oneshot::Receiver<()>,
        limit: Duration,
    ) -> Result<Vec<Bytes>, Error> {
        let end = Instant::now() + limit;
        let mut ask = interval(ASK_AGAIN);
        loop {
            tokio::select! {
                _ = &mut is_full => break,
                () = sleep_until(end) => break,
                _ = ask.tick() => if recording.is_empty() { self.request_keyframe() },
            }
        }
        match recording.units() {
            units if units.is_empty() => Err(Error::Unavailable(format!(
                "stream {} had no key frame within {limit:?}",
                self.name()
            ))),
            units => Ok(units),
        }
    }
}

#[cfg(test)]
mod tests {
    use livehal::{CaptureTime, PacketFlags, PacketTiming, VideoCodec};

    use super::*;

    fn unit(data: &'static [u8], key: bool, discontinuity: bool) -> EncodedPacket {
        EncodedPacket {
            codec: VideoCodec::H264,
            data: Bytes::from_static(data),
            pts: CaptureTime::now(),
            dts: CaptureTime::now(),
            flags: PacketFlags { key, discontinuity },
            timing: PacketTiming::default(),
        }
    }

    #[test]
    fn what_is_kept_begins_with_a_key_frame_and_has_no_gap() {
        let (mut recorder, mut is_full) = Recorder::new(3);
        recorder.take(&unit(b"a", false, false));
        recorder.take(&unit(b"B", true, false));
        recorder.take(&unit(b"c", false, false));
        // Something is missing before these.
        recorder.take(&unit(b"d", false, true));
        recorder.take(&unit(b"e", false, false));
        assert!(recorder.units.is_empty());
        recorder.take(&unit(b"F", true, true));
        recorder.take(&unit(b"g", false, false));
        assert!(is_full.try_recv().is_err());
        recorder.take(&unit(b"h", false, false));
        assert!(is_full.try_recv().is_ok());
        recorder.take(&unit(b"i", false, false));
        recorder.take(&unit(b"j", false, true));
        assert_eq!(recorder.units, [&b"F"[..], b"g", b"h"]);
    }

    #[test]
    fn bytes_are_bounded() {
        static LONG: [u8; BYTES_MAX / 2] = [0; BYTES_MAX / 2];
        let (mut recorder, _is_full) = Recorder::new(100);
        for _ in 0..5 {
            recorder.take(&unit(&LONG, true, false));
        }
        assert_eq!(recorder.units.len(), 2);
    }
}
