//! Results that are kept as long as the store does not change, a bounded number of them.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// While a sweep changes the store again and again, a result is computed anew only when it is this many times as old as it
/// took: pages then take a tenth of one core at most.
pub const SHARE: u32 = 10;
/// A result is never older than this.
pub const OLDEST: Duration = Duration::from_secs(30);

/// Results by key, each computed by one thread at a time.
pub struct PageCache<K, S, V> {
    most: usize,
    slots: Mutex<CacheSlots<K, S, V>>,
}

struct CacheSlots<K, S, V> {
    /// Counts the uses, for the slot that was used longest ago.
    uses: u64,
    by_key: HashMap<K, (u64, CacheSlot<S, V>)>,
}

type CacheSlot<S, V> = Arc<Mutex<Option<CachedResult<S, V>>>>;

struct CachedResult<S, V> {
    stamp: S,
    value: Arc<V>,
    computed: Instant,
    took: Duration,
}

/// A result.
pub struct Cached<V> {
    /// The result.
    pub value: Arc<V>,
    /// The store has changed since; when to ask again.
    pub stale: Option<Duration>,
}

impl<K: Eq + Hash + Clone, S: PartialEq, V> PageCache<K, S, V> {
    /// A cache of at most `most` results.
    pub fn new(most: usize) -> Self {
        Self { most, slots: Mutex::new(CacheSlots { uses: 0, by_key: HashMap::new() }) }
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).by_key.clear();
    }

    /// The result of a key under a stamp of what it is computed from.
    ///
    /// # Errors
    /// Whatever computing it comes to; an error is not kept.
    pub fn get<E>(&self, key: &K, stamp: S, compute: impl FnOnce() -> Result<V, E>) -> Result<Cached<V>, E> {
        let slot = self.slot(key);
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = slot.as_ref() {
            let wait = (kept.took * SHARE).min(OLDEST).saturating_sub(kept.computed.elapsed());
            let is_current = kept.stamp == stamp;
            if is_current || !wait.is_zero() {
                return Ok(Cached { value: kept.value.clone(), stale: (!is_current).then_some(wait) });
            }
        }
        let computed = Instant::now();
        let value = Arc::new(compute()?);
        *slot = Some(CachedResult {
            stamp,
            value: value.clone(),
            computed: Instant::now(),
            took: computed.elapsed(),
        });
        Ok(Cached { value, stale: None })
    }

    fn slot(&self, key: &K) -> CacheSlot<S, V> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.uses += 1;
        let uses = slots.uses;
        if !slots.by_key.contains_key(key) && slots.by_key.len() >= self.most {
            let oldest = slots.by_key.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                slots.by_key.remove(&oldest);
            }
        }
        let entry = slots.by_key.entry(key.clone()).or_insert_with(|| (uses, Arc::new(Mutex::new(None))));
        entry.0 = uses;
        entry.1.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(cache: &PageCache<&'static str, u32, u32>, key: &'static str, stamp: u32, value: u32) -> u32 {
        *cache.get(&key, stamp, || Ok::<u32, ()>(value)).unwrap().value
    }

    #[test]
    fn a_result_is_kept_while_its_stamp_stays() {
        let cache = PageCache::new(2);
        assert_eq!(get(&cache, "a", 1, 10), 10);
        assert_eq!(get(&cache, "a", 1, 11), 10);
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(get(&cache, "a", 2, 12), 12);
        cache.clear();
        assert_eq!(get(&cache, "a", 2, 13), 13);
    }

    #[test]
    fn the_result_that_was_used_longest_ago_goes_first() {
        let cache = PageCache::new(2);
        get(&cache, "a", 1, 10);
        get(&cache, "b", 1, 20);
        get(&cache, "a", 1, 11);
        get(&cache, "c", 1, 30);
        assert_eq!((get(&cache, "a", 1, 12), get(&cache, "b", 1, 22)), (10, 22));
    }

    #[test]
    fn what_took_long_is_not_computed_at_every_change() {
        let cache = PageCache::new(1);
        let slow = || {
            std::thread::sleep(Duration::from_millis(50));
            Ok::<u32, ()>(1)
        };
        cache.get(&"a", 1, slow).unwrap();
        let found = cache.get(&"a", 2, || Ok::<u32, ()>(2)).unwrap();
        assert_eq!((*found.value, found.stale.is_some()), (1, true));
    }

    #[test]
    fn an_error_is_not_kept() {
        let cache: PageCache<&str, u32, u32> = PageCache::new(1);
        assert!(cache.get(&"a", 1, || Err("no")).is_err());
        assert_eq!(get(&cache, "a", 1, 5), 5);
    }
}
