//! `[scheduler.kubernetes]`: what an API server would refuse is refused before.

use super::Check;
use super::scheduler::MOST_PARTS;
use crate::spec::file::KubernetesSpec;

/// Pods are started again up to this often; more hides a part that cannot run.
const MOST_RETRIES: usize = 100;
/// Longest name of a namespace or a label's value.
const LABEL: usize = 63;
/// Longest name of other objects.
const NAME: usize = 253;
/// What both must look like.
const NAME_FORM: &str = "use lower-case letters, digits and `-`, with a letter or a digit at both ends";

impl Check {
    pub(super) fn kubernetes(&mut self, kubernetes: &KubernetesSpec) {
        let place = |key: &str| format!("scheduler.kubernetes.{key}");
        self.positive(&place("parts"), kubernetes.parts);
        self.require(
            kubernetes.parts <= MOST_PARTS,
            &place("parts"),
            format!("parts must be at most {MOST_PARTS}, got {}", kubernetes.parts),
            "each part is an index of the job",
        );
        self.positive(&place("cpus"), kubernetes.cpus);
        if let Some(parallelism) = kubernetes.parallelism {
            self.positive(&place("parallelism"), parallelism);
        }
        self.require(
            kubernetes.retries <= MOST_RETRIES,
            &place("retries"),
            format!("retries must be at most {MOST_RETRIES}, got {}", kubernetes.retries),
            "a part that fails this often does not fail by chance",
        );
        for (key, bytes) in [("memory", kubernetes.memory), ("volume_size", kubernetes.volume_size)] {
            self.require(
                bytes.is_none_or(|bytes| bytes.0 > 0),
                &place(key),
                format!("{key} must be positive"),
                "for example \"8GiB\"",
            );
        }
        if let Some(image) = &kubernetes.image {
            let plain = !image.is_empty() && !image.chars().any(|c| c.is_whitespace() || c.is_control());
            self.require(
                plain,
                &place("image"),
                format!("`{}` is not the name of an image", image.escape_debug()),
                "for example \"registry.example.org/burstlab:0.1\"",
            );
        }
        self.require(
            kubernetes.volume_size.is_none() || kubernetes.volume.is_some(),
            &place("volume_size"),
            "volume_size is given, but the claim has no name",
            "name it with scheduler.kubernetes.volume",
        );
        for (key, name, longest, dots) in [
            ("namespace", &kubernetes.namespace, LABEL, false),
            ("volume", &kubernetes.volume, NAME, true),
            ("queue", &kubernetes.queue, LABEL, false),
        ] {
            if let Some(name) = name {
                self.require(
                    is_object_name(name, longest, dots),
                    &place(key),
                    format!("`{}` cannot be the name of a {key}", name.escape_debug()),
                    NAME_FORM,
                );
            }
        }
        for (label, value) in &kubernetes.labels {
            self.require(
                is_label_key(label) && (value.is_empty() || is_label(value)),
                &place("labels"),
                format!("`{} = {}` cannot be a label", label.escape_debug(), value.escape_debug()),
                "use at most 63 letters, digits, `-`, `_` and `.` for each, with a letter or a digit at both ends; a key may \
                 follow a domain and `/`",
            );
            let ours = label.starts_with("app.kubernetes.io/") || label.starts_with("kueue.x-k8s.io/");
            self.require(
                !ours,
                &place("labels"),
                format!("the label `{}` is set by burstlab", label.escape_debug()),
                "name a queue with scheduler.kubernetes.queue, and choose other names for labels",
            );
        }
    }
}

/// Whether this can name an object: a label of RFC 1123, or several with dots between them.
fn is_object_name(name: &str, longest: usize, dots: bool) -> bool {
    let is_part = |part: &str| {
        let at_ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        part.starts_with(at_ends) && part.ends_with(at_ends) && part.chars().all(|c| at_ends(c) || c == '-')
    };
    name.len() <= longest && (dots || !name.contains('.')) && name.split('.').all(is_part)
}

/// Whether this can be the value of a label, or the name of its key.
fn is_label(text: &str) -> bool {
    let at_ends = |c: char| c.is_ascii_alphanumeric();
    text.len() <= LABEL
        && text.starts_with(at_ends)
        && text.ends_with(at_ends)
        && text.chars().all(|c| at_ends(c) || "-_.".contains(c))
}

fn is_label_key(key: &str) -> bool {
    match key.split_once('/') {
        Some((domain, name)) => is_object_name(domain, NAME, true) && is_label(name),
        None => is_label(key),
    }
}
