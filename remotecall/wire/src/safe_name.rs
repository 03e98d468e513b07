//! Safe names: any text as a relative path that is safe as a client id.
//!
//! A name that is a valid client id stays as it is. In any other name the characters that an id
//! cannot hold become `_`, long parts are cut, and a hash of the original part follows, so that two
//! names never share an id:
//!
//! ```text
//! runs/lr=0.1       runs/lr=0.1
//! runs/实验一        runs/实验一
//! my run            my_run-2d4b6f1e0a93          12 hexadecimal digits of FNV-1a, 64 bits
//! ```

use crate::client_id::{ClientId, ClientIdError, MAX_CLIENT_ID, MAX_PART, is_allowed};

/// Bytes of `-` and the digits of a hash.
const SUFFIX: usize = 13;
/// Low bits of the hash that become digits: 48.
const MASK: u64 = (1 << 48) - 1;

impl ClientId {
    /// Makes an id of any text, such as a path or a run's name. Different texts give different ids,
    /// except that empty parts and parts `.` are left out, as in a path.
    ///
    /// # Errors
    /// [`ClientIdError::EmptyPart`] when no part is left.
    ///
    /// ```
    /// use remotecall_wire::ClientId;
    ///
    /// assert_eq!(ClientId::from_name("runs/lr=0.1").unwrap().as_str(), "runs/lr=0.1");
    /// let spaced = ClientId::from_name("my run").unwrap();
    /// assert_ne!(spaced, ClientId::from_name("my_run").unwrap());
    /// assert!(spaced.as_str().starts_with("my_run-"));
    /// ```
    pub fn from_name(name: &str) -> Result<Self, ClientIdError> {
        let parts = name.split('/').filter(|part| !matches!(*part, "" | "."));
        let mut id = parts.map(safe_part).collect::<Vec<_>>().join("/");
        if id.len() > MAX_CLIENT_ID {
            let kept = cut(&id, MAX_CLIENT_ID - SUFFIX).trim_end_matches('/');
            id = format!("{kept}-{}", name_hash(name));
        }
        Self::new(&id)
    }
}

/// One part of a path, without `/`, as a part of a client id.
pub fn safe_part(part: &str) -> String {
    let mut safe: String = part
        .chars()
        .map(|c| if is_allowed(c) { c } else { '_' })
        .collect();
    if safe.starts_with('.') {
        safe.replace_range(..1, "_");
    }
    if safe == part && safe.len() <= MAX_PART {
        return safe;
    }
    format!("{}-{}", cut(&safe, MAX_PART - SUFFIX), name_hash(part))
}

/// The longest prefix of at most `length` bytes.
fn cut(text: &str, length: usize) -> &str {
    let end = (0..=length.min(text.len()))
        .rev()
        .find(|&at| text.is_char_boundary(at));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// Hash of a name (FNV-1a, 64 bits), as 12 hexadecimal digits. It follows a name that was changed, so that two names never
/// become one.
pub fn name_hash(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{:012x}", (hash ^ hash >> 48) & MASK)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn id(name: &str) -> String {
        ClientId::from_name(name).unwrap().as_str().to_owned()
    }

    #[test]
    fn names_that_are_ids_stay_as_they_are() {
        for name in [
            "agent/17",
            "lr=0.1,batch+2",
            "runs/实验一",
            "Größe",
            "v1.0-rc",
            "a.",
        ] {
            assert_eq!(id(name), name);
        }
        assert_eq!(id("/tmp//a/./b/"), "tmp/a/b");
        assert!(ClientId::from_name("//./").is_err());
    }

    #[test]
    fn names_that_differ_get_ids_that_differ() {
        let long = "x".repeat(300);
        let names = [
            "实验一",
            "实验二",
            "a b",
            "a_b",
            "a  b",
            "a\u{301}",
            "\u{e1}",
            "á ",
            "A",
            "a",
            "a.",
            "a. ",
            ".a",
            "_a",
            "..",
            "__",
            "🦀",
            "🦞",
            "a\nb",
            &long,
            &format!("{long}x"),
            &format!("{}/{long}", "y".repeat(400)),
            &format!("{}/{long}x", "y".repeat(400)),
        ];
        let mut seen = HashMap::new();
        for name in names {
            let id = id(name);
            assert!(ClientId::new(&id).is_ok(), "{id:?}");
            assert_eq!(seen.insert(id.clone(), name), None, "{id:?} for {name:?}");
        }
    }

    proptest! {
        #[test]
        fn every_text_with_a_part_has_an_id(name in "\\PC{1,300}") {
            if let Ok(id) = ClientId::from_name(&name) {
                prop_assert!(ClientId::new(id.as_str()).is_ok());
                prop_assert_eq!(ClientId::from_name(id.as_str()).unwrap(), id);
            }
        }

        #[test]
        fn two_texts_have_two_ids(one in "[a-c_ é.]{1,4}", other in "[a-c_ é.]{1,4}") {
            let ids = (ClientId::from_name(&one), ClientId::from_name(&other));
            if let (Ok(first), Ok(second)) = ids {
                prop_assert_eq!(first == second, one == other);
            }
        }
    }
}
