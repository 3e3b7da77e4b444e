//! The memory and the GPUs that a token load needs.

use crate::spec::ResourcesSpec;

/// GiB of KV cache for a load of tokens in windows of `window_s` seconds. By Little's law, the cache holds the tokens that
/// arrive in a second times `seconds_in_cache`, each of `kv_bytes_per_token`.
pub fn cache_gib(tokens: f64, window_s: f64, resources: &ResourcesSpec) -> f64 {
    tokens / window_s * resources.seconds_in_cache * resources.kv_bytes_per_token / f64::from(1 << 30)
}

/// GPUs for a load of tokens in windows of `window_s` seconds: as many whole replicas as the cache needs beside the weights
/// and as the tokens of a second need.
pub fn gpus(tokens: f64, window_s: f64, resources: &ResourcesSpec) -> f64 {
    if tokens.is_nan() {
        return tokens;
    }
    let per_replica = resources.gpus_per_replica as f64;
    let room_gib = per_replica * resources.gpu_memory_gib * resources.usable_memory - resources.weights_gib;
    let for_cache = (cache_gib(tokens, window_s, resources) / room_gib).ceil();
    let for_speed = (tokens / window_s / resources.tokens_per_second).ceil();
    per_replica * for_cache.max(for_speed).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpus_come_in_whole_replicas_for_memory_and_for_speed() {
        let resources = ResourcesSpec { kv_bytes_per_token: f64::from(1 << 20), ..ResourcesSpec::default() };
        // 6,144 tokens in 60 s are 102.4 a second, of which 1,024 are in the cache at a time.
        assert!((cache_gib(6_144.0, 60.0, &resources) - 1.0).abs() < 1e-9);
        assert_eq!(gpus(6_144.0, 60.0, &resources), 4.0);
        // 158 GiB are free in a replica; 200 GiB need two.
        assert_eq!(gpus(200.0 * 6_144.0, 60.0, &resources), 16.0, "speed asks for four replicas");
        let fast = ResourcesSpec { tokens_per_second: 1e9, ..resources };
        assert_eq!(gpus(200.0 * 6_144.0, 60.0, &fast), 8.0);
        assert!(gpus(f64::NAN, 60.0, &fast).is_nan());
    }
}
