//! Several scalars in one call.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Tags and their values, in the order in which they were given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scalars(Vec<(String, f64)>);

/// Entries for which memory is taken before they are read.
const EXPECTED: usize = 64;

impl Scalars {
    /// The tags and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(tag, value)| (tag.as_str(), *value))
    }
}

impl<T: Into<String>> FromIterator<(T, f64)> for Scalars {
    fn from_iter<I: IntoIterator<Item = (T, f64)>>(entries: I) -> Self {
        Self(
            entries
                .into_iter()
                .map(|(tag, value)| (tag.into(), value))
                .collect(),
        )
    }
}

impl<T: Into<String>, const N: usize> From<[(T, f64); N]> for Scalars {
    fn from(entries: [(T, f64); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl Serialize for Scalars {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Scalars {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Scalars;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map from tag to number")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalars, A::Error> {
        let mut entries = Vec::with_capacity(map.size_hint().unwrap_or(0).min(EXPECTED));
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Scalars(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remotecall::rmp_serde;

    #[test]
    fn the_order_survives_the_journey() {
        let scalars = Scalars::from([("z", 1.0), ("a", 2.0), ("m", f64::INFINITY)]);
        let bytes = rmp_serde::to_vec(&scalars).unwrap();
        assert_eq!(rmp_serde::from_slice::<Scalars>(&bytes).unwrap(), scalars);
        assert!(rmp_serde::from_slice::<Scalars>(&[0x91, 1]).is_err());
    }
}
