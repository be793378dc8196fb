//! Locks.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, even after another thread panicked with the lock. Every change under these locks is complete before anything
/// can panic, so a poisoned lock guards sound data.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
