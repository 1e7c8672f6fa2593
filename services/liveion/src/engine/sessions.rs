//! The sessions and the ways to find them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::command::{Entry, Registry};
use crate::rtc::{IceCredentials, Role, Session};
use crate::{SessionInfo, SessionKind, ViewerInfo};

/// One session with its names.
pub(crate) struct Slot {
    /// Id.
    pub id: String,
    /// Stream.
    pub stream: Arc<str>,
    /// The session itself.
    pub session: Session,
}

/// All sessions, by key, id, user name fragment and address.
pub(crate) struct Sessions {
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    ids: HashMap<String, usize>,
    ufrags: HashMap<String, usize>,
    addresses: HashMap<SocketAddr, usize>,
    registry: Arc<Registry>,
}

impl Sessions {
    /// None yet.
    pub fn new(registry: Arc<Registry>) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            ids: HashMap::new(),
            ufrags: HashMap::new(),
            addresses: HashMap::new(),
            registry,
        }
    }

    /// Takes a session; its key is valid until it is removed.
    pub fn insert(&mut self, id: String, stream: Arc<str>, session: Session) -> usize {
        let key = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.ids.insert(id.clone(), key);
        self.ufrags
            .insert(session.transport.ufrag().to_owned(), key);
        if let Some(slot) = self.slots.get_mut(key) {
            *slot = Some(Slot {
                id,
                stream,
                session,
            });
        }
        self.publish_one(key, Instant::now());
        key
    }

    /// Removes a session with all its names.
    pub fn remove(&mut self, key: usize) -> Option<Slot> {
        let slot = self.slots.get_mut(key)?.take()?;
        self.free.push(key);
        self.ids.remove(&slot.id);
        self.ufrags.remove(slot.session.transport.ufrag());
        for a in slot.session.transport.addresses() {
            if self.addresses.get(a) == Some(&key) {
                self.addresses.remove(a);
            }
        }
        self.registry.lock().remove(&slot.id);
        Some(slot)
    }

    /// A session.
    pub fn get(&self, key: usize) -> Option<&Slot> {
        self.slots.get(key)?.as_ref()
    }

    /// A session, to work on.
    pub fn get_mut(&mut self, key: usize) -> Option<&mut Slot> {
        self.slots.get_mut(key)?.as_mut()
    }

    /// By id.
    pub fn key_of(&self, id: &str) -> Option<usize> {
        self.ids.get(id).copied()
    }

    /// By our user name fragment.
    pub fn by_ufrag(&self, ufrag: &str) -> Option<usize> {
        self.ufrags.get(ufrag).copied()
    }

    /// By an address whose checks were right.
    pub fn by_address(&self, address: SocketAddr) -> Option<usize> {
        self.addresses.get(&address).copied()
    }

    /// Datagrams from `address` are this session's from now on.
    pub fn add_address(&mut self, key: usize, address: SocketAddr) {
        self.addresses.insert(address, key);
    }

    /// New credentials of a session.
    pub fn restart(&mut self, key: usize, local: IceCredentials, remote_ufrag: String) {
        let Some(slot) = self.slots.get_mut(key).and_then(Option::as_mut) else {
            return;
        };
        self.ufrags.remove(slot.session.transport.ufrag());
        self.ufrags.insert(local.ufrag.clone(), key);
        slot.session.transport.restart(local, remote_ufrag);
    }

    /// Keys of all.
    pub fn keys(&self) -> Vec<usize> {
        self.iter().map(|(key, _)| key).collect()
    }

    /// Keys of those with something due.
    pub fn due(&self, now: Instant) -> Vec<usize> {
        self.iter()
            .filter(|(_, s)| s.session.poll_timeout() <= now)
            .map(|(key, _)| key)
            .collect()
    }

    /// When each has something due.
    pub fn deadlines(&self) -> impl Iterator<Item = Instant> {
        self.iter().map(|(_, s)| s.session.poll_timeout())
    }

    fn iter(&self) -> impl Iterator<Item = (usize, &Slot)> {
        self.slots
            .iter()
            .enumerate()
            .filter_map(|(key, s)| Some((key, s.as_ref()?)))
    }

    /// Writes what the API shows.
    pub fn publish(&self, now: Instant) {
        for (key, _) in self.iter() {
            self.publish_one(key, now);
        }
    }

    fn publish_one(&self, key: usize, now: Instant) {
        let Some(slot) = self.get(key) else {
            return;
        };
        let transport = &slot.session.transport;
        let (kind, viewer) = match &slot.session.role {
            Role::Publisher(_) => (SessionKind::Publisher, None),
            Role::Viewer(v) => {
                let mut info = ViewerInfo {
                    id: slot.id.clone(),
                    remote: transport
                        .is_connected()
                        .then(|| transport.path().map(|p| p.to.to_string()))
                        .flatten(),
                    age_s: now
                        .saturating_duration_since(transport.created())
                        .as_secs_f64(),
                    packets_sent: 0,
                    bytes_sent: 0,
                    retransmitted: 0,
                    loss: 0.0,
                    rtt_ms: None,
                    estimate_bps: None,
                };
                v.describe(&mut info);
                (SessionKind::Viewer, Some(info))
            }
        };
        let entry = Entry {
            info: SessionInfo {
                id: slot.id.clone(),
                stream: slot.stream.to_string(),
                kind,
            },
            viewer,
        };
        self.registry.lock().insert(slot.id.clone(), entry);
    }
}
