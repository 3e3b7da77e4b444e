//! The catalog of traces, and the folder that its files lie in.

use std::path::PathBuf;

use anyhow::Context;
use serde::Deserialize;

/// The built-in synthetic trace.
pub const SYNTHETIC: &str = "synthetic-burstgpt";

/// One trace of the catalog.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogEntry {
    /// Name that an experiment file uses.
    pub name: String,
    /// What it is.
    pub title: String,
    /// Path below the dataset folder.
    pub file: PathBuf,
    /// Where it is published; empty for a trace that comes with burstlab.
    #[serde(default)]
    pub url: String,
    /// Size of the file, where it is known.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// Every SHA-256 in circulation; empty where none is pinned, so that a download cannot be verified.
    pub sha256: Vec<String>,
    /// Licence of the data.
    pub licence: String,
    /// What to cite.
    pub citation: String,
}

/// The traces that come with burstlab, compiled in.
const COMPILED_IN: [(&str, &[u8]); 1] =
    [("servegen-m-large-load", include_bytes!("../../dataset/servegen/servegen-m-large-load.csv"))];

impl CatalogEntry {
    /// The file itself, of a trace that comes with burstlab.
    pub fn compiled_in(&self) -> Option<&'static [u8]> {
        COMPILED_IN.iter().find(|(name, _)| *name == self.name).map(|(_, bytes)| *bytes)
    }
}

#[derive(Deserialize)]
struct CatalogFile {
    trace: Vec<CatalogEntry>,
}

/// All traces of the catalog.
///
/// # Errors
/// Never for a released binary: the catalog is compiled in, and a test reads it.
pub fn catalog() -> anyhow::Result<Vec<CatalogEntry>> {
    let file: CatalogFile = toml::from_str(include_str!("../../dataset/catalog.toml"))
        .context("the compiled-in catalog is damaged")?;
    Ok(file.trace)
}

/// The folder that catalog files are looked for in: `BURSTLAB_DATASET`, or `dataset`.
pub fn dataset_folder() -> PathBuf {
    std::env::var_os("BURSTLAB_DATASET").map_or_else(|| PathBuf::from("dataset"), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::text::hex;

    #[test]
    fn every_catalog_entry_has_a_name_of_its_own_and_full_hashes() {
        let entries = catalog().unwrap();
        for (index, entry) in entries.iter().enumerate() {
            assert!(entries[..index].iter().all(|other| other.name != entry.name), "{}", entry.name);
            assert!(entry.sha256.iter().all(|hash| hash.len() == 64), "{}", entry.name);
        }
        assert!(entries.iter().any(|entry| entry.name == "azure-conv"));
    }

    #[test]
    fn what_is_published_nowhere_comes_along_with_its_hash() {
        for entry in catalog().unwrap() {
            assert_eq!(entry.url.is_empty(), entry.compiled_in().is_some(), "{}", entry.name);
            if let Some(bytes) = entry.compiled_in() {
                assert_eq!(entry.bytes, Some(bytes.len() as u64));
                assert_eq!(entry.sha256, [hex(&Sha256::digest(bytes))]);
            }
        }
    }
}
