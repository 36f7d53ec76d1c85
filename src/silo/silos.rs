use std::sync::Arc;

use parking_lot::RwLock;

use super::Silo;

/// All silos, in the order of the configuration. Whoever asks gets those there are at that moment.
#[derive(Clone)]
pub struct Silos(Arc<RwLock<Arc<[Arc<Silo>]>>>);

impl Silos {
    /// Those there are now.
    #[must_use]
    pub fn all(&self) -> Arc<[Arc<Silo>]> {
        self.0.read().clone()
    }

    /// The one of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<Arc<Silo>> {
        self.0.read().iter().find(|silo| &*silo.name == name).cloned()
    }

    /// From here on there are these.
    pub fn replace(&self, silos: Vec<Arc<Silo>>) {
        *self.0.write() = silos.into();
    }
}

impl From<Vec<Arc<Silo>>> for Silos {
    fn from(silos: Vec<Arc<Silo>>) -> Self {
        Self(Arc::new(RwLock::new(silos.into())))
    }
}
