//! `org.livehal.Decoder1.Context`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use zbus::{Variant, interface};

use crate::decoder::unit_codec;
use crate::registry::Figures;

/// One context's object.
pub(crate) struct ContextObject(pub(crate) Arc<Figures>);

#[interface(name = "org.livehal.Decoder1.Context", introspection_docs = false)]
impl ContextObject {
    #[zbus(property(emits_changed_signal = "const"))]
    fn codec(&self) -> &'static str {
        unit_codec(self.0.codec).map_or("", |codec| codec.name())
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn user_id(&self) -> u32 {
        self.0.uid
    }

    #[zbus(property)]
    fn width(&self) -> u32 {
        self.0.size().0
    }

    #[zbus(property)]
    fn height(&self) -> u32 {
        self.0.size().1
    }

    #[zbus(out_args("stats"))]
    fn get_stats(&self) -> HashMap<&'static str, Variant<'static>> {
        let now = self.0.now();
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        HashMap::from([
            ("Frames", now.frames.into()),
            ("Errors", now.errors.into()),
            ("WorkersLost", now.losses.into()),
            ("LatencyMs", ms(now.average).into()),
            ("LatencyMaxMs", ms(now.longest).into()),
        ])
    }
}
