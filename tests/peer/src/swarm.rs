//! Many peers on one thread.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};

use crate::http::Client;
use crate::net::{BadNetwork, Datagram, Impairment, Socket};
use crate::publisher::{self, Publisher, PublisherOptions, PublisherRole};
use crate::session::{Event, Session};
use crate::viewer::{self, Viewer, ViewerOptions, ViewerRole};

const WAKE: Token = Token(usize::MAX);

/// What a viewer and a publisher do differently.
pub(crate) trait Role: Send {
    /// What a test may tell it.
    type Command: Send + 'static;

    fn event(&mut self, now: Instant, datagram_ns: u64, event: Event);
    fn command(&mut self, command: Self::Command, session: &mut Session) -> Result<()>;
    fn tick(&mut self, now: Instant, session: &mut Session) -> Result<()>;
    fn next_timeout(&self) -> Option<Instant>;
    fn failed(&mut self, why: String);
}

/// What any peer may be told.
enum Order<C> {
    Role(C),
    Reading(bool),
    Vanish,
    Impair(Option<Impairment>),
}

struct Member<R: Role> {
    session: Session,
    socket: Socket,
    network: Option<BadNetwork>,
    role: R,
    orders: mpsc::Receiver<Order<R::Command>>,
    reading: bool,
    vanished: bool,
    failed: bool,
}

/// A member whatever its role.
trait Turn: Send {
    fn fd(&self) -> i32;
    fn turn(&mut self, now: Instant, readable: bool);
    fn next_timeout(&self) -> Option<Instant>;
    fn close(&mut self, now: Instant);
}

impl<R: Role> Member<R> {
    fn read(&mut self, now: Instant) -> Result<()> {
        while self.reading {
            let Some(datagram) = self.socket.receive() else {
                break;
            };
            // A handshake is not what impairment is about.
            match &mut self.network {
                Some(network) if self.session.secured() => network.push(now, datagram),
                _ => self.take(now, &datagram)?,
            }
        }
        Ok(())
    }

    fn take(&mut self, now: Instant, datagram: &Datagram) -> Result<()> {
        if let Some(event) = self.session.handle(now, &datagram.data)? {
            self.role.event(now, datagram.arrived_ns, event);
        }
        Ok(())
    }

    fn orders(&mut self) -> Result<bool> {
        let mut resumed = false;
        while let Ok(order) = self.orders.try_recv() {
            match order {
                Order::Role(command) => self.role.command(command, &mut self.session)?,
                Order::Reading(on) => {
                    resumed |= on && !self.reading;
                    self.reading = on;
                }
                Order::Vanish => self.vanished = true,
                Order::Impair(config) => self.network = config.map(BadNetwork::new),
            }
        }
        Ok(resumed)
    }

    fn work(&mut self, now: Instant, readable: bool) -> Result<()> {
        let resumed = self.orders()?;
        if self.vanished {
            return Ok(());
        }
        if readable || resumed {
            self.read(now)?;
        }
        while let Some(due) = self.network.as_mut().and_then(|n| n.pop(now)) {
            self.take(now, &due)?;
        }
        if self.session.next_timeout().is_some_and(|t| t <= now) {
            self.session.handle_timeout(now)?;
        }
        self.role.tick(now, &mut self.session)?;
        self.flush();
        Ok(())
    }

    fn flush(&mut self) {
        while let Some(datagram) = self.session.poll_transmit() {
            self.socket.send(&datagram);
        }
    }
}

impl<R: Role> Turn for Member<R> {
    fn fd(&self) -> i32 {
        self.socket.raw_fd()
    }

    fn turn(&mut self, now: Instant, readable: bool) {
        if self.failed {
            return;
        }
        if let Err(e) = self.work(now, readable) {
            self.failed = true;
            self.role.failed(format!("{e:#}"));
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        if self.failed || self.vanished {
            return None;
        }
        let network = self.network.as_ref().and_then(BadNetwork::next_timeout);
        [
            self.session.next_timeout(),
            self.role.next_timeout(),
            network,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn close(&mut self, now: Instant) {
        if !self.vanished {
            self.session.close(now);
            self.flush();
        }
    }
}

enum Control {
    Add(Token, Box<dyn Turn>),
    Nudge(Token),
    Remove(Token),
    Stop,
}

#[derive(Debug, Clone)]
struct Line {
    control: mpsc::Sender<Control>,
    waker: Arc<Waker>,
}

impl Line {
    fn send(&self, control: Control) {
        // A swarm that has stopped takes no more orders.
        if self.control.send(control).is_ok() {
            let _ = self.waker.wake();
        }
    }
}

/// The far end of one member; dropping it closes the connection.
pub(crate) struct Handle<C> {
    line: Line,
    token: Token,
    orders: mpsc::Sender<Order<C>>,
}

impl<C> std::fmt::Debug for Handle<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Handle({:?})", self.token)
    }
}

impl<C> Handle<C> {
    fn order(&self, order: Order<C>) {
        if self.orders.send(order).is_ok() {
            self.line.send(Control::Nudge(self.token));
        }
    }

    pub(crate) fn command(&self, command: C) {
        self.order(Order::Role(command));
    }

    pub(crate) fn set_reading(&self, reading: bool) {
        self.order(Order::Reading(reading));
    }

    pub(crate) fn vanish(&self) {
        self.order(Order::Vanish);
    }

    pub(crate) fn set_impairment(&self, impairment: Option<Impairment>) {
        self.order(Order::Impair(impairment));
    }
}

impl<C> Drop for Handle<C> {
    fn drop(&mut self) {
        self.line.send(Control::Remove(self.token));
    }
}

/// A thread full of peers.
#[derive(Debug)]
pub struct Swarm {
    line: Line,
    next: std::sync::atomic::AtomicUsize,
    thread: Option<JoinHandle<()>>,
}

impl Swarm {
    /// Starts the thread, on one processor if `cpu` names one.
    ///
    /// # Errors
    /// The system's.
    pub fn start(cpu: Option<usize>) -> Result<Self> {
        let poll = Poll::new().context("epoll")?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        let (control, orders) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("peers".into())
            .spawn(move || {
                if let Some(cpu) = cpu {
                    crate::process::pin_thread(cpu);
                }
                run(poll, &orders);
            })?;
        Ok(Self {
            line: Line { control, waker },
            next: std::sync::atomic::AtomicUsize::new(0),
            thread: Some(thread),
        })
    }

    /// Joins `stream` as a viewer.
    ///
    /// # Errors
    /// When the server refuses the offer.
    pub fn view(&self, client: &Client, stream: &str, options: ViewerOptions) -> Result<Viewer> {
        let prepared = viewer::prepare(client, stream, &options)?;
        let now = Instant::now();
        let (role, units) = ViewerRole::new(&prepared, &options, now);
        let socket = Socket::connect(prepared.answer.remote()?)?;
        let mut session = Session::new(
            &prepared.identity,
            &prepared.answer,
            socket.local()?,
            options.protection,
            now,
        )?;
        session.skip_decryption = options.skip_decryption;
        let handle = self.add(session, socket, options.impairment, role);
        Ok(Viewer::new(prepared, client.clone(), handle, units))
    }

    /// Publishes to `stream`.
    ///
    /// # Errors
    /// When the server refuses the offer.
    pub fn publish(
        &self,
        client: &Client,
        stream: &str,
        options: PublisherOptions,
    ) -> Result<Publisher> {
        let prepared = publisher::prepare(client, stream, &options)?;
        let socket = Socket::connect(prepared.answer.remote()?)?;
        let session = Session::new(
            &prepared.identity,
            &prepared.answer,
            socket.local()?,
            options.protection,
            Instant::now(),
        )?;
        let role = PublisherRole::new(&prepared);
        let handle = self.add(session, socket, None, role);
        Ok(Publisher::new(prepared, client.clone(), handle))
    }

    fn add<R: Role + 'static>(
        &self,
        session: Session,
        socket: Socket,
        impairment: Option<Impairment>,
        role: R,
    ) -> Handle<R::Command> {
        let token = Token(self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        let (orders, receive) = mpsc::channel();
        let member = Member {
            session,
            socket,
            network: impairment.map(BadNetwork::new),
            role,
            orders: receive,
            reading: true,
            vanished: false,
            failed: false,
        };
        self.line.send(Control::Add(token, Box::new(member)));
        Handle {
            line: self.line.clone(),
            token,
            orders,
        }
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        self.line.send(Control::Stop);
        if let Some(thread) = self.thread.take() {
            // Its panic was printed already.
            let _ = thread.join();
        }
    }
}

fn run(mut poll: Poll, control: &mpsc::Receiver<Control>) {
    let mut members: HashMap<Token, Box<dyn Turn>> = HashMap::new();
    let mut events = Events::with_capacity(1024);
    loop {
        let next = members.values().filter_map(|m| m.next_timeout()).min();
        // Timers are rounded up to whole milliseconds by the poll.
        let timeout = next.map_or(Duration::from_secs(1), |t| {
            t.saturating_duration_since(Instant::now())
        });
        if let Err(e) = poll.poll(&mut events, Some(timeout))
            && e.kind() != std::io::ErrorKind::Interrupted
        {
            return;
        }
        let now = Instant::now();
        for event in &events {
            if let Some(member) = members.get_mut(&event.token()) {
                member.turn(now, true);
            }
        }
        while let Ok(order) = control.try_recv() {
            match order {
                Control::Add(token, mut member) => {
                    let fd = member.fd();
                    let mut source = SourceFd(&fd);
                    if poll
                        .registry()
                        .register(&mut source, token, Interest::READABLE)
                        .is_ok()
                    {
                        member.turn(now, true);
                        members.insert(token, member);
                    }
                }
                Control::Nudge(token) => {
                    if let Some(member) = members.get_mut(&token) {
                        member.turn(now, false);
                    }
                }
                Control::Remove(token) => {
                    if let Some(mut member) = members.remove(&token) {
                        member.close(now);
                        let fd = member.fd();
                        // The descriptor closes with the member in any case.
                        let _ = poll.registry().deregister(&mut SourceFd(&fd));
                    }
                }
                Control::Stop => return,
            }
        }
        for member in members.values_mut() {
            if member.next_timeout().is_some_and(|t| t <= now) {
                member.turn(now, false);
            }
        }
    }
}
