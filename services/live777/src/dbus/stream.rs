//! `org.livehal.Capture1.Stream`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use liveion::Stream;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, Variant, interface};

use super::controls::{self, Controls};
use super::error::Error;
use super::self_test;
use super::state::{self, Shown};

/// One stream's object.
pub(crate) struct StreamObject {
    pub(crate) stream: Arc<Stream>,
    /// What the bus was told last; shared with whoever tells it.
    pub(crate) shown: Arc<Mutex<Shown>>,
}

impl StreamObject {
    fn now(&self) -> Shown {
        Shown::of(self.stream.info())
    }
}

#[interface(name = "org.livehal.Capture1.Stream", introspection_docs = false)]
impl StreamObject {
    #[zbus(property(emits_changed_signal = "const"))]
    fn name(&self) -> &str {
        self.stream.name()
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn source_kind(&self) -> &'static str {
        state::kind(&self.stream.info().source)
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn on_demand(&self) -> bool {
        self.stream.info().on_demand
    }

    #[zbus(property)]
    fn state(&self) -> &'static str {
        self.now().state
    }

    #[zbus(property)]
    fn state_reason(&self) -> String {
        self.now().reason
    }

    #[zbus(property)]
    fn capture_backend(&self) -> String {
        self.now().capture
    }

    #[zbus(property)]
    fn encoder_backend(&self) -> String {
        self.now().encoder
    }

    #[zbus(property)]
    fn codec(&self) -> &'static str {
        self.now().codec
    }

    #[zbus(property)]
    fn width(&self) -> u32 {
        self.now().width
    }

    #[zbus(property)]
    fn height(&self) -> u32 {
        self.now().height
    }

    #[zbus(property)]
    fn frame_rate(&self) -> f64 {
        self.now().frame_rate
    }

    #[zbus(property)]
    fn bitrate_bps(&self) -> u32 {
        self.now().bitrate_bps
    }

    #[zbus(property)]
    fn set_bitrate_bps(&self, bps: u32) -> Result<(), Error> {
        // The change is signalled with the answer: not once more when the stream tells of it.
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        self.stream.set_bitrate(bps)?;
        shown.bitrate_bps = self.now().bitrate_bps;
        Ok(())
    }

    #[zbus(property)]
    fn viewers(&self) -> u32 {
        self.now().viewers
    }

    #[zbus(property)]
    fn last_error(&self) -> String {
        self.now().last_error
    }

    fn start(&self) -> Result<(), Error> {
        Ok(self.stream.start()?)
    }

    fn stop(&self) -> Result<(), Error> {
        Ok(self.stream.stop()?)
    }

    fn request_keyframe(&self) {
        self.stream.request_keyframe();
    }

    #[zbus(out_args("stats"))]
    fn get_stats(&self) -> HashMap<String, Variant<'static>> {
        let info = self.stream.info();
        let mut stats = HashMap::from([
            ("Frames".to_owned(), info.frames.into()),
            ("Keyframes".to_owned(), info.keyframes.into()),
            ("Bytes".to_owned(), info.bytes.into()),
            ("FramesPerSecond".to_owned(), info.fps_measured.into()),
            ("BitsPerSecond".to_owned(), info.bitrate_measured_bps.into()),
            ("KeyframeRequests".to_owned(), info.keyframe_requests.into()),
            (
                "KeyframeRequestsForwarded".to_owned(),
                info.keyframe_requests_forwarded.into(),
            ),
            ("Restarts".to_owned(), info.restarts.into()),
            (
                "Drops".to_owned(),
                info.drops.iter().map(|d| d.count).sum::<u64>().into(),
            ),
        ]);
        stats.extend(
            info.drops
                .iter()
                .map(|d| (format!("Drops{:?}", d.reason), d.count.into())),
        );
        stats
    }

    #[zbus(out_args("controls"))]
    async fn list_controls(&self) -> Result<Controls, Error> {
        let controls = self.stream.controls().await?;
        Ok(controls.into_iter().map(controls::describe).collect())
    }

    #[zbus(out_args("taken"))]
    async fn set_control(&self, name: &str, value: Variant<'_>) -> Result<Variant<'static>, Error> {
        let value = controls::value(&value).map_err(Error::InvalidArgument)?;
        let taken = self.stream.set_control(name, value).await?;
        Ok(controls::variant(taken))
    }

    #[zbus(out_args("sent", "decoded", "digest", "ms"))]
    async fn self_test(
        &self,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(u32, u32, String, f64), Error> {
        self_test::run(connection, &self.stream).await
    }

    #[zbus(signal, name = "StateChanged")]
    pub(crate) async fn announce(
        emitter: &SignalEmitter<'_>,
        state: &str,
        reason: &str,
    ) -> zbus::Result<()>;
}
