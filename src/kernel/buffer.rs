//! Large buffers that are used again at the next training step: asking the system for them and clearing them would take
//! a third of a large step.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// Most buffers that wait for their next use.
const KEPT: usize = 64;

static WAITING: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());

/// A slice whose first content is whatever an earlier use left behind.
#[derive(Debug, Clone, Default)]
pub struct Buffer(Vec<f32>);

impl Buffer {
    /// A buffer of `len` values, none of which means anything.
    pub fn of(len: usize) -> Self {
        let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
        // One that is far too large is left to whoever needs it.
        let fits = |buffer: &Vec<f32>| (len..=4 * len).contains(&buffer.capacity());
        let mut values =
            waiting.iter().rposition(fits).map(|found| waiting.swap_remove(found)).unwrap_or_default();
        drop(waiting);
        values.resize(len, 0.0);
        Self(values)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() == KEPT {
            waiting.remove(0);
        }
        waiting.push(std::mem::take(&mut self.0));
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}
