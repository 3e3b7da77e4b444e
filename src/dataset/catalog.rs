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
    /// Where it is published.
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
    use super::*;

    #[test]
    fn every_catalog_entry_has_a_name_of_its_own_and_full_hashes() {
        let entries = catalog().unwrap();
        for (index, entry) in entries.iter().enumerate() {
            assert!(entries[..index].iter().all(|other| other.name != entry.name), "{}", entry.name);
            assert!(entry.sha256.iter().all(|hash| hash.len() == 64), "{}", entry.name);
        }
        assert!(entries.iter().any(|entry| entry.name == "azure-conv"));
    }
}
