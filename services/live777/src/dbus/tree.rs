//! The objects on one connection, kept like the streams.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use livehal::PipelineState;
use livehal_bus::Objects;
use liveion::{Event, Live, Stream};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{MissedTickBehavior, interval};
use zbus::Connection;
use zbus::connection::Builder;
use zbus::object_server::SignalEmitter;

use super::manager::Manager;
use super::path;
use super::state::{Shown, words};
use super::stream::{StreamObject, StreamObjectSignals as _};

/// How often the properties are looked at that change without an event of their own.
const LOOK: Duration = Duration::from_secs(1);

/// All objects of one connection.
pub(crate) struct Tree {
    connection: Connection,
    live: Live,
    events: Receiver<Event>,
    objects: HashMap<String, Object>,
}

/// One stream's object and what the bus knows of it.
struct Object {
    stream: Arc<Stream>,
    shown: Arc<Mutex<Shown>>,
    emitter: SignalEmitter<'static>,
}

/// Has the connection come up with the objects that are always there.
pub(crate) fn roots<'a>(builder: Builder<'a>, live: &Live) -> Builder<'a> {
    let manager = Manager { live: live.clone() };
    builder
        .serve_at("/", zbus::fdo::ObjectManager)
        .serve_at(path::ROOT, manager)
}

impl Tree {
    /// Adds an object for every stream to a connection that has the [`roots`].
    pub(crate) async fn new(connection: &Connection, live: &Live) -> zbus::Result<Self> {
        let mut tree = Self {
            connection: connection.clone(),
            live: live.clone(),
            // Listening begins before looking: what happens in between is not lost.
            events: live.events(),
            objects: HashMap::new(),
        };
        tree.sync().await?;
        Ok(tree)
    }

    async fn follow(&mut self, event: Event) -> zbus::Result<()> {
        match event {
            Event::StateChanged(name, state) => self.tell(&name, Some(&state)).await,
            Event::ViewersChanged(name, _) | Event::BitrateChanged(name, _) => {
                self.tell(&name, None).await
            }
            _ => self.sync().await,
        }
    }

    /// Adds and removes objects, and tells what changed of the others.
    async fn sync(&mut self) -> zbus::Result<()> {
        let streams = self.live.streams();
        let gone = self.objects.iter().filter(|(_, object)| {
            // A stream that was taken away and came back under its name is another one.
            !streams.iter().any(|s| Arc::ptr_eq(s, &object.stream))
        });
        let gone: Vec<String> = gone.map(|(name, _)| name.clone()).collect();
        for name in gone {
            self.remove(&name).await?;
        }
        for stream in streams {
            if self.objects.contains_key(stream.name()) {
                self.tell(stream.name(), None).await?;
            } else {
                self.add(stream).await?;
            }
        }
        Ok(())
    }

    /// Other streams from now on.
    #[cfg(test)]
    pub(crate) async fn replace(&mut self, live: &Live) -> zbus::Result<()> {
        self.live = live.clone();
        self.events = live.events();
        self.sync().await
    }

    async fn add(&mut self, stream: Arc<Stream>) -> zbus::Result<()> {
        let path = path::of_stream(stream.name())?;
        let shown = Arc::new(Mutex::new(Shown::of(stream.info())));
        let object = StreamObject {
            stream: Arc::clone(&stream),
            shown: Arc::clone(&shown),
        };
        self.connection.object_server().at(&path, object).await?;
        let emitter = SignalEmitter::new(&self.connection, path)?.into_owned();
        let name = stream.name().to_owned();
        self.objects.insert(
            name,
            Object {
                stream,
                shown,
                emitter,
            },
        );
        Ok(())
    }

    async fn remove(&mut self, name: &str) -> zbus::Result<()> {
        self.objects.remove(name);
        let server = self.connection.object_server();
        server
            .remove::<StreamObject, _>(path::of_stream(name)?)
            .await?;
        Ok(())
    }

    /// Signals what changed of a stream. `state` is the state to tell where it is that of an event:
    /// the stream may be in the next one already, and none is left out.
    async fn tell(&self, name: &str, state: Option<&PipelineState>) -> zbus::Result<()> {
        let Some(object) = self.objects.get(name) else {
            return Ok(());
        };
        let (before, now) = object.look(state);
        let changed = now.since(&before);
        if changed.is_empty() {
            return Ok(());
        }
        if changed.contains_key("State") || changed.contains_key("StateReason") {
            object.emitter.announce(now.state, &now.reason).await?;
        }
        let interface = <StreamObject as zbus::object_server::Interface>::name();
        zbus::fdo::Properties::properties_changed(
            &object.emitter,
            interface,
            changed,
            std::borrow::Cow::Borrowed(&[]),
        )
        .await
    }
}

impl Objects for Tree {
    /// Follows the streams until the connection is lost or the server has ended.
    async fn keep(&mut self) -> zbus::Result<()> {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let connection = self.connection.clone();
        loop {
            let event = tokio::select! {
                () = connection.closed() => return Ok(()),
                _ = look.tick() => Err(RecvError::Lagged(0)),
                event = self.events.recv() => event,
            };
            match event {
                Ok(event) => self.follow(event).await?,
                // What was missed shows in the present state.
                Err(RecvError::Lagged(_)) => self.sync().await?,
                Err(RecvError::Closed) => return Ok(()),
            }
        }
    }
}

impl Object {
    /// What was shown before, and what is shown from now on.
    fn look(&self, state: Option<&PipelineState>) -> (Shown, Shown) {
        // Held while looking, so that nobody shows something newer in between.
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let mut now = Shown::of(self.stream.info());
        if let Some((state, reason)) = state.map(words) {
            now.state = state;
            now.reason = reason.to_owned();
        }
        (std::mem::replace(&mut shown, now.clone()), now)
    }
}
