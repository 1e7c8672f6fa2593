//! The engine's loop.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use livehal::CaptureTime;
use mio::{Events, Poll, Token, Waker};

use super::command::{Command, EngineHandle, NewSession, Registry, Restarted};
use super::sessions::Sessions;
use super::socket::{Origin, Udp};
use super::stats::EngineStats;
use super::stream::EngineStream;
use crate::rtc::{Batch, Check, Identity, Refused, Role, SessionEvent, new_credentials};
use crate::rtp::RtpFrame;

const SOCKET: Token = Token(0);
const WAKER: Token = Token(1);

/// Commands that can wait: half a second of frames of eight streams at 60 fps.
const QUEUE: usize = 256;
/// The loop looks around at least this often.
const IDLE: Duration = Duration::from_secs(1);
/// Receive batches taken before frames are looked at again.
const RECEIVE_BURST: usize = 16;
/// Bytes collected before they are given to the kernel.
const FLUSH_AT: usize = 64 * 1024;

/// The engine; lives on its own thread.
pub(crate) struct Engine {
    poll: Poll,
    udp: Udp,
    identity: Identity,
    commands: Receiver<Command>,
    stats: Arc<EngineStats>,
    sessions: Sessions,
    streams: HashMap<Arc<str>, EngineStream>,
    batch: Batch,
    deadline: Instant,
    report_due: Instant,
    done: Option<tokio::sync::oneshot::Sender<()>>,
}

impl Engine {
    /// Binds `listen` and starts the thread.
    pub fn spawn(listen: SocketAddr, identity: Identity) -> io::Result<EngineHandle> {
        let mut udp = Udp::bind(listen)?;
        let addr = udp.local_addr()?;
        let poll = Poll::new()?;
        udp.register(poll.registry(), SOCKET)?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let (tx, rx) = sync_channel(QUEUE);
        let stats = Arc::new(EngineStats::default());
        let registry = Arc::new(Registry::default());
        let now = Instant::now();
        let engine = Self {
            poll,
            udp,
            identity,
            commands: rx,
            stats: Arc::clone(&stats),
            sessions: Sessions::new(Arc::clone(&registry)),
            streams: HashMap::new(),
            batch: Batch::default(),
            deadline: now,
            report_due: now,
            done: None,
        };
        std::thread::Builder::new()
            .name("webrtc".into())
            .spawn(move || engine.run())?;
        Ok(EngineHandle {
            commands: tx,
            waker,
            stats,
            registry,
            addr,
        })
    }

    fn run(mut self) {
        let mut events = Events::with_capacity(8);
        let mut readable = true;
        while self.done.is_none() {
            let wait = if readable {
                Duration::ZERO
            } else {
                self.deadline
                    .saturating_duration_since(Instant::now())
                    .min(IDLE)
            };
            if let Err(e) = self.poll.poll(&mut events, Some(wait))
                && e.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!("webrtc: poll: {e}");
                break;
            }
            readable |= events.iter().any(|e| e.token() == SOCKET);
            self.take_commands();
            if readable {
                readable = self.receive();
            }
            self.handle_timeouts();
            self.flush();
        }
        self.close_all();
        if let Some(done) = self.done.take() {
            // Nobody waits any more if this fails.
            let _ = done.send(());
        }
    }

    fn take_commands(&mut self) {
        while let Ok(command) = self.commands.try_recv() {
            let now = Instant::now();
            match command {
                Command::Frame(stream, frame) => self.on_frame(now, &stream, &frame),
                Command::AddStream { name, sink, stats } => {
                    self.streams
                        .insert(name.into(), EngineStream::new(sink, stats));
                }
                Command::Discontinuity(stream) => self.on_discontinuity(&stream),
                Command::KeyFrame(stream) => self.want_keyframe(now, &stream),
                Command::AddSession(new) => self.add_session(now, *new),
                Command::Close(id, reply) => {
                    let found = self.sessions.key_of(&id);
                    if let Some(key) = found {
                        self.end_session(now, key, "closed here");
                    }
                    let _ = reply.send(found.is_some());
                }
                Command::Restart(id, ufrag, reply) => {
                    let _ = reply.send(self.restart(&id, ufrag));
                }
                Command::Shutdown(reply) => {
                    self.done = Some(reply);
                    return;
                }
            }
        }
    }

    fn receive(&mut self) -> bool {
        for _ in 0..RECEIVE_BURST {
            // The socket is lent out while sessions answer into the batch.
            let mut datagrams = 0;
            let now = Instant::now();
            let Self {
                udp,
                sessions,
                streams,
                batch,
                stats,
                deadline,
                ..
            } = self;
            let mut events = Vec::new();
            let more = udp.receive(|origin, datagram| {
                datagrams += 1;
                let taken = dispatch(now, origin, datagram, sessions, streams, batch, stats);
                match taken {
                    Some((key, Some(event))) => events.push((key, event)),
                    // What was taken in silence may be due for an answer: a gap, for a NACK.
                    Some((key, None)) => {
                        if let Some(s) = sessions.get(key) {
                            *deadline = (*deadline).min(s.session.poll_timeout());
                        }
                    }
                    None => {}
                }
            });
            stats
                .datagrams_received
                .fetch_add(datagrams, Ordering::Relaxed);
            for (key, event) in events {
                self.on_session_event(now, key, event);
            }
            if self.batch.len() > FLUSH_AT {
                self.flush();
            }
            match more {
                Ok(true) => {}
                Ok(false) => return false,
                Err(e) => {
                    tracing::warn!("webrtc: receive: {e}");
                    return false;
                }
            }
        }
        true
    }

    fn on_session_event(&mut self, now: Instant, key: usize, event: SessionEvent) {
        let Some(stream) = self.sessions.get(key).map(|s| Arc::clone(&s.stream)) else {
            return;
        };
        match event {
            SessionEvent::Address(addr) => self.sessions.add_address(key, addr),
            SessionEvent::Connected => {
                let empty = self
                    .streams
                    .get(&stream)
                    .is_none_or(|s| s.cache.span().is_none());
                if empty {
                    self.want_keyframe(now, &stream);
                }
            }
            SessionEvent::KeyFrame => self.want_keyframe(now, &stream),
            SessionEvent::Estimate => self.update_target(now, &stream),
            SessionEvent::Units(units) => {
                for unit in units {
                    let frame = self.streams.get(&stream).and_then(|s| s.sink.unit(unit));
                    if let Some(frame) = frame {
                        self.on_frame(now, &stream, &frame);
                    }
                }
            }
            SessionEvent::Closed(why) => self.end_session(now, key, &why),
        }
        self.note_deadline(key);
    }

    /// Delivers a frame to every viewer of its stream.
    fn on_frame(&mut self, now: Instant, name: &Arc<str>, frame: &Arc<RtpFrame>) {
        let Some(stream) = self.streams.get_mut(name) else {
            return;
        };
        stream.on_frame(now, frame);
        let mut sent = false;
        for i in 0..stream.viewers.len() {
            let Some(&key) = stream.viewers.get(i) else {
                break;
            };
            if let Some(s) = self.sessions.get_mut(key) {
                sent |= s.session.on_frame(now, frame, &mut self.batch);
            }
            if self.batch.len() > FLUSH_AT {
                flush(&self.udp, &mut self.batch, &self.stats);
            }
        }
        flush(&self.udp, &mut self.batch, &self.stats);
        if sent {
            let t = CaptureTime::now();
            stream
                .stats
                .encode_to_sent
                .observe(t.since(frame.timing.encode_end));
            stream
                .stats
                .capture_to_sent
                .observe(t.since(frame.captured));
        }
    }

    fn on_discontinuity(&mut self, name: &Arc<str>) {
        let Some(stream) = self.streams.get_mut(name) else {
            return;
        };
        stream.cache.clear();
        for &key in &stream.viewers {
            if let Some(s) = self.sessions.get_mut(key)
                && let Role::Viewer(v) = &mut s.session.role
            {
                v.await_keyframe();
            }
        }
    }

    fn want_keyframe(&mut self, now: Instant, name: &Arc<str>) {
        let Some(stream) = self.streams.get_mut(name) else {
            return;
        };
        let ask = stream.want_keyframe(now);
        if let Some(t) = stream.poll_timeout() {
            self.deadline = self.deadline.min(t);
        }
        let publisher = stream.publisher;
        if let (true, Some(key)) = (ask, publisher) {
            self.ask_publisher(now, key);
        }
    }

    fn ask_publisher(&mut self, now: Instant, key: usize) {
        if let Some(s) = self.sessions.get_mut(key)
            && let Role::Publisher(p) = &mut s.session.role
        {
            p.request_keyframe(now, &mut s.session.transport, &mut self.batch);
        }
    }

    fn update_target(&mut self, now: Instant, name: &Arc<str>) {
        let Some(stream) = self.streams.get_mut(name) else {
            return;
        };
        if !stream.target_is_due(now) {
            return;
        }
        let slowest = stream
            .viewers
            .iter()
            .filter_map(|&key| match &self.sessions.get(key)?.session.role {
                Role::Viewer(v) => v.target(),
                Role::Publisher(_) => None,
            })
            .min();
        stream.set_target(now, slowest);
    }

    fn add_session(&mut self, now: Instant, new: NewSession) {
        let Some(stream) = self.streams.get_mut(new.stream.as_str()) else {
            return;
        };
        let name: Arc<str> = new.stream.as_str().into();
        self.stats.sessions_total.fetch_add(1, Ordering::Relaxed);
        let viewer = matches!(new.session.role, Role::Viewer(_));
        let key = self.sessions.insert(new.id, name, new.session);
        let mut replaced = None;
        if viewer {
            stream.viewers.push(key);
            stream.sink.viewers_changed(stream.viewers.len());
        } else {
            replaced = stream.publisher.replace(key);
            stream.sink.publisher_changed(true);
        }
        if let Some(old) = replaced {
            self.end_session(now, old, "another publisher took its place");
        }
        self.note_deadline(key);
    }

    fn end_session(&mut self, now: Instant, key: usize, why: &str) {
        let Some(mut ended) = self.sessions.remove(key) else {
            return;
        };
        tracing::info!(session = %ended.id, stream = %ended.stream, "session ended: {why}");
        ended.session.close(now, &mut self.batch);
        let Some(stream) = self.streams.get_mut(&ended.stream) else {
            return;
        };
        match ended.session.role {
            Role::Viewer(_) => {
                stream.viewers.retain(|&v| v != key);
                stream.sink.viewers_changed(stream.viewers.len());
                let name = Arc::clone(&ended.stream);
                self.update_target(now, &name);
            }
            Role::Publisher(_) => {
                if stream.publisher == Some(key) {
                    stream.publisher = None;
                    stream.sink.publisher_changed(false);
                    let name = Arc::clone(&ended.stream);
                    self.on_discontinuity(&name);
                }
            }
        }
    }

    fn restart(&mut self, id: &str, ufrag: String) -> Restarted {
        let key = self.sessions.key_of(id)?;
        if self.sessions.get(key)?.session.transport.remote_ufrag() == ufrag {
            return Some(None);
        }
        let local = new_credentials(&self.identity).ok()?;
        self.sessions.restart(key, local.clone(), ufrag);
        Some(Some(local))
    }

    fn note_deadline(&mut self, key: usize) {
        if let Some(s) = self.sessions.get(key) {
            self.deadline = self.deadline.min(s.session.poll_timeout());
        }
    }

    fn handle_timeouts(&mut self) {
        let now = Instant::now();
        if now >= self.report_due {
            self.report_due = now + IDLE;
            self.sessions.publish(now);
        }
        if now < self.deadline {
            return;
        }
        for key in self.sessions.due(now) {
            let Some(s) = self.sessions.get_mut(key) else {
                continue;
            };
            let Some(stream) = self.streams.get(&s.stream) else {
                continue;
            };
            match s
                .session
                .handle_timeout(now, &stream.cache, &mut self.batch)
            {
                Ok(None) => {}
                Ok(Some(event)) => self.on_session_event(now, key, event),
                Err(why) => self.end_session(now, key, &why),
            }
            if self.batch.len() > FLUSH_AT {
                flush(&self.udp, &mut self.batch, &self.stats);
            }
        }
        let asks: Vec<usize> = self
            .streams
            .values_mut()
            .filter_map(|s| s.handle_timeout(now).then_some(s.publisher).flatten())
            .collect();
        for key in asks {
            self.ask_publisher(now, key);
        }
        let gates = self.streams.values().filter_map(EngineStream::poll_timeout);
        self.deadline = self
            .sessions
            .deadlines()
            .chain(gates)
            .min()
            .unwrap_or(now + IDLE);
    }

    fn flush(&mut self) {
        flush(&self.udp, &mut self.batch, &self.stats);
    }

    fn close_all(&mut self) {
        let now = Instant::now();
        for key in self.sessions.keys() {
            self.end_session(now, key, "the server stops");
        }
        self.flush();
    }
}

/// Finds a datagram's session and lets it take it.
fn dispatch(
    now: Instant,
    origin: Origin,
    datagram: &[u8],
    sessions: &mut Sessions,
    streams: &HashMap<Arc<str>, EngineStream>,
    batch: &mut Batch,
    stats: &EngineStats,
) -> Option<(usize, Option<SessionEvent>)> {
    let refuse = |why| {
        stats.refuse(why);
        None
    };
    if matches!(datagram, [0..=3, ..]) {
        let Ok(check) = Check::parse(datagram) else {
            return refuse(Refused::Check);
        };
        let Some(key) = sessions.by_ufrag(check.local_ufrag()) else {
            return refuse(Refused::Check);
        };
        let session = &mut sessions.get_mut(key)?.session;
        return match session.on_check(now, origin.from, origin.at, check, batch) {
            Ok(event) => Some((key, event)),
            Err(_) => refuse(Refused::Check),
        };
    }
    let Some(key) = sessions.by_address(origin.from) else {
        stats.stranger();
        return None;
    };
    let s = sessions.get_mut(key)?;
    let cache = &streams.get(&s.stream)?.cache;
    match s.session.on_datagram(now, datagram, cache, batch) {
        Ok(event) => Some((key, event)),
        Err(why) => refuse(why),
    }
}

fn flush(udp: &Udp, batch: &mut Batch, stats: &EngineStats) {
    if batch.len() == 0 {
        return;
    }
    let flushed = udp.flush(batch);
    for (counter, n) in [
        (&stats.datagrams_sent, flushed.datagrams),
        (&stats.datagrams_dropped, flushed.full),
        (&stats.datagrams_failed, flushed.failed),
    ] {
        if n > 0 {
            counter.fetch_add(n, Ordering::Relaxed);
        }
    }
}
