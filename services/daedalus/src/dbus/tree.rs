//! The objects on one connection, kept like the contexts.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use livehal_bus::Objects;
use zbus::object_server::{Interface, SignalEmitter};
use zbus::{Connection, OwnedObjectPath, Variant};

use super::ROOT;
use super::context::ContextObject;
use crate::registry::{Figures, Registry};

/// All contexts' objects of one connection.
pub(crate) struct Tree {
    connection: Connection,
    registry: Arc<Registry>,
    objects: BTreeMap<u32, Object>,
}

/// One context's object and the size that the bus knows of it.
struct Object {
    figures: Arc<Figures>,
    shown: (u32, u32),
}

fn path(id: u32) -> zbus::Result<OwnedObjectPath> {
    OwnedObjectPath::try_from(format!("{ROOT}/context/{id}"))
}

impl Tree {
    pub(crate) async fn new(
        connection: &Connection,
        registry: &Arc<Registry>,
    ) -> zbus::Result<Self> {
        let mut tree = Self {
            connection: connection.clone(),
            registry: Arc::clone(registry),
            objects: BTreeMap::new(),
        };
        tree.sync().await?;
        Ok(tree)
    }

    /// Adds and removes objects, and tells which have another size.
    async fn sync(&mut self) -> zbus::Result<()> {
        let contexts = self.registry.contexts();
        let is_gone = |(id, object): (&u32, &Object)| {
            let same = contexts
                .get(id)
                .is_some_and(|f| Arc::ptr_eq(f, &object.figures));
            (!same).then_some(*id)
        };
        let gone: Vec<u32> = self.objects.iter().filter_map(is_gone).collect();
        for id in gone {
            self.objects.remove(&id);
            let server = self.connection.object_server();
            server.remove::<ContextObject, _>(path(id)?).await?;
        }
        for (id, figures) in contexts {
            match self.objects.get_mut(&id) {
                Some(object) => object.tell(&self.connection, id).await?,
                None => self.add(id, figures).await?,
            }
        }
        Ok(())
    }

    async fn add(&mut self, id: u32, figures: Arc<Figures>) -> zbus::Result<()> {
        let object = Object {
            shown: figures.size(),
            figures: Arc::clone(&figures),
        };
        let server = self.connection.object_server();
        server.at(path(id)?, ContextObject(figures)).await?;
        self.objects.insert(id, object);
        Ok(())
    }
}

impl Object {
    async fn tell(&mut self, connection: &Connection, id: u32) -> zbus::Result<()> {
        let now = self.figures.size();
        if now == self.shown {
            return Ok(());
        }
        self.shown = now;
        let emitter = SignalEmitter::new(connection, path(id)?)?;
        let changed = HashMap::from([
            ("Width", Variant::from(now.0)),
            ("Height", Variant::from(now.1)),
        ]);
        let interface = <ContextObject as Interface>::name();
        zbus::fdo::Properties::properties_changed(&emitter, interface, changed, Cow::Borrowed(&[]))
            .await
    }
}

impl Objects for Tree {
    /// Follows the contexts until the connection is lost.
    async fn keep(&mut self) -> zbus::Result<()> {
        let connection = self.connection.clone();
        let registry = Arc::clone(&self.registry);
        loop {
            tokio::select! {
                () = connection.closed() => return Ok(()),
                () = registry.changed() => self.sync().await?,
            }
        }
    }
}
