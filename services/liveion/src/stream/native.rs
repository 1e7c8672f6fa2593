//! A native pipeline as the source of a stream.

use std::sync::Arc;
use std::thread::JoinHandle;

use livehal::{NativePipeline, NativeSourceParams, PacketReceiver, PipelineState};

use super::Stream;
use super::hub::Hub;
use crate::Error;
use crate::engine::{Command, EngineHandle};

/// A pipeline with the thread that carries its packets to the engine.
#[derive(Debug)]
pub(crate) struct Running {
    /// The pipeline.
    pub pipeline: Arc<NativePipeline>,
    pump: JoinHandle<()>,
}

impl Running {
    /// Starts the pipeline of `stream`.
    pub fn start(stream: &Stream, params: NativeSourceParams) -> Result<Self, Error> {
        let hub = Arc::clone(&stream.hub);
        let (pipeline, packets) = NativePipeline::start(&hub.name, params)?;
        let pipeline = Arc::new(pipeline);
        let mut state = pipeline.state();
        hub.await_key();
        hub.set_state(state.borrow_and_update().clone());
        let pump = {
            let (hub, engine) = (Arc::clone(&hub), stream.engine.clone());
            let pipeline = Arc::downgrade(&pipeline);
            std::thread::Builder::new()
                .name(format!("pump-{}", hub.name))
                .spawn(move || {
                    let request = || {
                        if let Some(p) = pipeline.upgrade() {
                            p.request_keyframe();
                        }
                    };
                    carry(packets, &hub, &engine, request);
                })
                .map_err(|e| Error::Other(format!("no thread for the packets: {e}")))?
        };
        let weak = Arc::downgrade(&pipeline);
        stream.runtime.spawn(async move {
            while state.changed().await.is_ok() {
                // A pipeline that is being stopped has no say any more.
                if weak.strong_count() == 0 {
                    return;
                }
                hub.set_state(state.borrow_and_update().clone());
            }
        });
        Ok(Self { pipeline, pump })
    }

    /// The pipeline gave up: it will not start again by itself.
    pub fn has_failed(&self) -> bool {
        matches!(*self.pipeline.state().borrow(), PipelineState::Failed(_))
    }

    /// Ends the threads and waits for them.
    pub fn end(self) {
        drop(self.pipeline);
        // A pump that panicked has nothing more to end.
        let _ = self.pump.join();
    }
}

/// Carries packets to the engine until the pipeline ends.
fn carry(
    mut packets: PacketReceiver,
    hub: &Hub,
    engine: &EngineHandle,
    request_keyframe: impl Fn(),
) {
    while let Some(packet) = packets.blocking_recv() {
        let Some(frame) = hub.accept(&packet) else {
            if packet.flags.discontinuity {
                request_keyframe();
            }
            continue;
        };
        let frame = Command::Frame(Arc::clone(&hub.name), frame);
        if engine.send(frame).is_err() {
            hub.delivery
                .frames_dropped
                .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            hub.await_key();
            request_keyframe();
        }
    }
}
