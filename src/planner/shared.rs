//! How what is shared is written and read: as if it were not. Of a plan for many tenants the steps, what they need and what
//! they change are each held once, however many parts of a run look at them.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A list that is shared as a whole.
pub mod list {
    use super::{Arc, Deserialize, Deserializer, Serialize, Serializer};

    /// Writes it like any other list.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn serialize<T: Serialize, S: Serializer>(list: &Arc<[T]>, serializer: S) -> Result<S::Ok, S::Error> {
        list.as_ref().serialize(serializer)
    }

    /// Reads it like any other list.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<[T]>, D::Error> {
        Vec::deserialize(deserializer).map(Arc::from)
    }
}

/// A list of which each item is shared.
pub mod items {
    use super::{Arc, Deserialize, Deserializer, Serialize, Serializer};

    /// Writes it like any other list.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn serialize<T: Serialize, S: Serializer>(list: &[Arc<T>], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(list.iter().map(AsRef::as_ref))
    }

    /// Reads it like any other list.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Arc<T>>, D::Error> {
        Ok(Vec::deserialize(deserializer)?.into_iter().map(Arc::new).collect())
    }
}
