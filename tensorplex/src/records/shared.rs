//! Numbers in memory of whatever kind.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// Numbers of a record, always the same ones. They are let go of when it is encoded: memory in an `Arc` can be used again then.
///
/// ```
/// use std::sync::Arc;
/// use tensorplex::records::Shared;
///
/// let weights = Arc::new(vec![0.5_f32; 1000]);
/// let shared = Shared::from(weights.clone());
/// assert_eq!(shared[999], 0.5);
/// drop(shared);
/// assert!(Arc::into_inner(weights).is_some());
/// ```
pub struct Shared<T>(Arc<dyn AsRef<[T]> + Send + Sync>);

impl<T: Send + Sync + 'static> From<Vec<T>> for Shared<T> {
    fn from(numbers: Vec<T>) -> Self {
        Self(Arc::new(numbers))
    }
}

impl<T, M: AsRef<[T]> + Send + Sync + 'static> From<Arc<M>> for Shared<T> {
    fn from(memory: Arc<M>) -> Self {
        Self(memory)
    }
}

impl<T> Deref for Shared<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        (*self.0).as_ref()
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: PartialEq> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
