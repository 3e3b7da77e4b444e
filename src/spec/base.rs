//! `base = "other.toml"`: an experiment that takes from another file what it does not say itself.
//!
//! Tables are merged key by key, at any depth. Everything else replaces what the base says, as a whole: a value, a list
//! (`models`, `claims`, `seeds`), an axis. Where a table holds exactly one of several (`task`, `search.pruner`,
//! `training.schedule`), another one replaces the base's. `name` and `description` are each file's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::problem::{ExperimentError, Problem};
use super::source::{BaseText, ExperimentText};
use super::tree::{TomlNode, TomlTable, TomlValue, parse_file};
use crate::text::nearest;

/// Files in a chain, beside the first; more are a mistake.
const MOST_BASES: usize = 8;
/// Keys that a file does not take from its base.
const OWN_KEYS: [&str; 3] = ["base", "name", "description"];
/// Tables that hold exactly one of several.
pub(super) const ONE_OF_SEVERAL: [&[&str]; 3] = [&["task"], &["search", "pruner"], &["training", "schedule"]];

/// Parses the text of a file, reads what it derives from, and merges the trees. The path says where `base` starts.
///
/// # Errors
/// A syntax error in any of the files, a base that cannot be read, or files that derive from each other.
pub(super) fn read(
    path: &str,
    text: String,
    overrides: &[String],
) -> Result<(Arc<ExperimentText>, TomlNode), ExperimentError> {
    let mut source =
        ExperimentText { path: path.to_string(), text, bases: Vec::new(), overrides: overrides.to_vec() };
    let mut layers = Vec::new();
    match read_layers(&mut source, &mut layers) {
        Ok(()) => {
            let merged = layers.into_iter().rev().reduce(derive);
            // There is always the file itself.
            let mut root =
                merged.unwrap_or(TomlNode { value: TomlValue::Table(TomlTable::default()), span: 0..0 });
            if !source.bases.is_empty() {
                settle(&mut root);
            }
            Ok((Arc::new(source), root))
        }
        Err(problem) => Err(problem.within(&Arc::new(source))),
    }
}

/// The tree of the file, that of its base, and so on.
fn read_layers(source: &mut ExperimentText, layers: &mut Vec<TomlNode>) -> Result<(), Problem> {
    let mut path = PathBuf::from(&source.path);
    let mut seen = vec![identity(&path)];
    let mut text = source.text.clone();
    loop {
        let root = parse_file(&text, source.file_offset(layers.len()))?;
        let base = root.child("base").cloned();
        layers.push(root);
        let Some(base) = base else { return Ok(()) };
        let at = |message: String| Problem::at(Some(base.span.clone()), message);
        let Some(name) = base.string() else {
            return Err(at("`base` must be the path of an experiment file".to_string())
                .help("for example base = \"other.toml\", relative to this file"));
        };
        if layers.len() > MOST_BASES {
            return Err(at(format!("more than {MOST_BASES} files derive from each other"))
                .help("derive from one of the first files of the chain"));
        }
        path = path.parent().unwrap_or(Path::new("")).join(name);
        let known = identity(&path);
        if seen.contains(&known) {
            return Err(at(format!("{} would derive from itself", path.display()))
                .label("already in the chain")
                .help("remove `base` from one of the files"));
        }
        seen.push(known);
        text = read_text(&path).map_err(|reason| {
            let problem = at(format!("cannot read the base {}: {reason}", path.display()));
            match neighbour(&path) {
                Some(near) => problem.label(format!("did you mean `{near}`?")),
                None => problem,
            }
            .help("give the path of an experiment file, relative to this file")
        })?;
        source.bases.push(BaseText { path: path.display().to_string(), text: text.clone() });
    }
}

/// One file has many paths.
fn identity(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
}

fn read_text(path: &Path) -> std::io::Result<String> {
    // A pipe or a device might never end.
    if !fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is not a file"));
    }
    fs::read_to_string(path)
}

/// The experiment file of the same folder with the most similar name.
fn neighbour(path: &Path) -> Option<String> {
    let wrong = path.file_name()?.to_str()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let names: Vec<String> = fs::read_dir(folder.unwrap_or(Path::new(".")))
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| Path::new(name).extension().is_some_and(|end| end == "toml") && name != wrong)
        .collect();
    nearest(wrong, names.iter().map(String::as_str)).map(str::to_string)
}

/// A file on top of its base.
fn derive(mut base: TomlNode, file: TomlNode) -> TomlNode {
    if let TomlValue::Table(table) = &mut base.value {
        table.entries.retain(|entry| !OWN_KEYS.contains(&entry.key.as_str()));
    }
    merge(base, file, &mut Vec::new())
}

/// A value of the file on top of the base's value at the same path.
fn merge(base: TomlNode, file: TomlNode, path: &mut Vec<String>) -> TomlNode {
    let TomlNode { value: TomlValue::Table(below), .. } = base else { return file };
    let TomlNode { value: TomlValue::Table(above), span } = file else { return file };
    if below.is_axis() || above.is_axis() || is_replaced(&below, &above, path) {
        return TomlNode { value: TomlValue::Table(above), span };
    }
    let inline = above.inline && below.inline;
    let mut given: Vec<_> = above.entries;
    let mut entries = Vec::new();
    for mut entry in below.entries {
        if let Some(index) = given.iter().position(|other| other.key == entry.key) {
            let own = given.remove(index);
            path.push(own.key.clone());
            entry.node = merge(entry.node, own.node, path);
            path.pop();
            entry.key_span = own.key_span;
        }
        entries.push(entry);
    }
    entries.extend(given);
    TomlNode { value: TomlValue::Table(TomlTable { entries, inline }), span }
}

/// Whether two tables name different ones of several things, of which there is exactly one.
fn is_replaced(below: &TomlTable, above: &TomlTable, path: &[String]) -> bool {
    let one_of_several = ONE_OF_SEVERAL.iter().any(|keys| path == *keys);
    one_of_several && !above.entries.iter().any(|entry| below.get(&entry.key).is_some())
}

/// Puts what has a header of its own after what has none, so that the tree has the order of its text: the order of the
/// axes is part of a search.
fn settle(node: &mut TomlNode) {
    match &mut node.value {
        TomlValue::Table(table) => {
            table.entries.sort_by_key(|entry| entry.node.is_section());
            table.entries.iter_mut().for_each(|entry| settle(&mut entry.node));
        }
        TomlValue::Array(items) => items.iter_mut().for_each(settle),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;
    use crate::spec::{Candidates, DataIdentity, Experiment};

    const WHOLE: &str = r#"name = "whole"
[dataset]
source = "azure-conv"
[task.next_request]
lookback = { grid = [4, 8] }
[training]
learning_rate = { log_uniform = [1e-4, 1e-2] }
schedule = { halve = { from_epoch = 3 } }
[[models]]
[models.persistence]
[[models]]
[models.lstm]
hidden = { int = [4, 16] }
[search]
strategy = "random"
seeds = [1, 2]
[search.pruner.asha]
min_epochs = 2
"#;

    fn write(folder: &TempDir, name: &str, text: &str) -> PathBuf {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn load(path: &Path) -> Experiment {
        Experiment::load(path, &[]).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The identities of an experiment's trials, in order.
    fn identities(experiment: &Experiment) -> Vec<String> {
        let data = DataIdentity { sha256: "0".into(), device_class: "cpu".into(), calendar: None };
        let id = |seed: u64, trial: &crate::spec::Trial| {
            trial.spec.identity().run_id(Some(seed), 0, &data, &Candidates::default())
        };
        let seeds = &experiment.spec.search.seeds;
        experiment.trials.iter().flat_map(|trial| seeds.iter().map(move |seed| id(*seed, trial))).collect()
    }

    /// What a file derived from [`WHOLE`] says, beside its name.
    fn derived(folder: &TempDir, text: &str) -> Experiment {
        write(folder, "base.toml", WHOLE);
        load(&write(folder, "derived.toml", &format!("base = \"base.toml\"\nname = \"derived\"\n{text}")))
    }

    #[test]
    fn a_file_that_says_nothing_has_the_runs_of_its_base() {
        let folder = TempDir::new().unwrap();
        let experiment = derived(&folder, "");
        assert_eq!(identities(&experiment), identities(&load(&folder.path().join("base.toml"))));
        assert_eq!(experiment.spec.name, "derived");
        assert_eq!(experiment.spec.description, None);
    }

    #[test]
    fn tables_are_merged_and_everything_else_is_replaced() {
        let folder = TempDir::new().unwrap();
        let experiment = derived(
            &folder,
            "claims = []\n[dataset]\nmax_rows = 500\n[task.next_request]\nhorizon = 2\n\
             [training]\nlearning_rate = 0.01\nepochs = { grid = [4, 8] }\n[[models]]\n[models.gru]\n[search]\nseeds = [7]\n",
        );
        let spec = &experiment.spec;
        assert_eq!((spec.dataset.source.as_str(), spec.dataset.max_rows), ("azure-conv", Some(500)));
        assert_eq!((spec.task.lookback(), spec.task.horizon()), (4, 2));
        assert_eq!(spec.training.learning_rate.to_bits(), 0.01_f64.to_bits());
        assert_eq!(spec.models.iter().map(crate::spec::ModelSpec::kind).collect::<Vec<_>>(), ["gru"]);
        assert_eq!(spec.search.seeds, [7]);
        assert_eq!(experiment.axes, ["task.lookback", "training.epochs"]);
    }

    #[test]
    fn one_of_several_tables_replaces_another() {
        let folder = TempDir::new().unwrap();
        let experiment = derived(
            &folder,
            "[task.window_load]\nwindow = \"10s\"\nlookback = 4\n[training.schedule.cosine]\n\
             [search.pruner.median]\nwarmup_epochs = 2\n",
        );
        assert_eq!(experiment.spec.task.kind(), "window_load");
        assert_eq!(experiment.spec.search.pruner.map(|pruner| pruner.name()), Some("median"));
        let cosine = crate::spec::Schedule::Cosine { min_learning_rate: 0.0 };
        assert_eq!(experiment.spec.training.schedule, cosine);
        let same = derived(&folder, "[training.schedule.halve]\nfrom_epoch = 4\n");
        assert_eq!(same.spec.training.schedule, crate::spec::Schedule::Halve { from_epoch: 4 });
    }

    #[test]
    fn a_chain_takes_from_each_of_its_files() {
        let folder = TempDir::new().unwrap();
        write(&folder, "a/first.toml", WHOLE);
        write(
            &folder,
            "b/second.toml",
            "base = \"../a/first.toml\"\nname = \"second\"\ndescription = \"d\"\n[training]\nepochs = 4\n",
        );
        let third = write(
            &folder,
            "third.toml",
            "base = \"b/second.toml\"\nname = \"third\"\n[search]\nseeds = [3]\n",
        );
        let experiment = load(&third);
        let spec = &experiment.spec;
        assert_eq!((spec.name.as_str(), spec.description.as_deref()), ("third", None));
        assert_eq!((spec.training.epochs, spec.search.seeds.as_slice()), (4, &[3][..]));
        assert_eq!(experiment.source.bases.len(), 2);
        assert!(
            experiment.text.starts_with("# third.toml with what it takes from second.toml and first.toml.\n")
        );
    }

    #[test]
    fn an_override_replaces_what_the_base_says() {
        let folder = TempDir::new().unwrap();
        derived(&folder, "[dataset]\nmax_rows = 500\n");
        let path = folder.path().join("derived.toml");
        let sets = ["training.epochs=3", "models.lstm.hidden=8"].map(str::to_string);
        let changed = Experiment::load(&path, &sets).unwrap();
        assert_eq!(
            (changed.spec.training.epochs, changed.axes.contains(&"model.hidden".to_string())),
            (3, false)
        );
        assert_eq!(changed.text, load(&path).text, "the text is that of the files");
        let error = Experiment::load(&path, &["training.epoch=3".to_string()]).unwrap_err().to_string();
        assert!(error.contains("--set:1:10") && error.contains("did you mean `epochs`?"), "{error}");
    }

    /// Lines of a table that a file gives, its base gives, or both give with another value in the base.
    fn table() -> impl Strategy<Value = (String, String, String)> {
        let keys = [
            ("epochs", "7", "{ grid = [5, 6] }"),
            ("batch_size", "{ grid = [16, 32] }", "64"),
            ("learning_rate", "{ log_uniform = [1e-4, 1e-2] }", "{ grid = [0.1] }"),
            ("weight_decay", "0.125", "1e-3"),
            ("schedule", "{ cosine = { min_learning_rate = 1e-5 } }", "{ halve = { from_epoch = 3 } }"),
            ("optimizer", "\"adamw\"", "\"adam\""),
            ("target_weights", "{ gap_s = 2, request_tokens = 1 }", "{ gap_s = 3 }"),
        ];
        prop::collection::vec(0..4_u8, keys.len()).prop_map(move |where_given| {
            let (mut whole, mut own, mut base) = (String::new(), String::new(), String::new());
            for ((key, value, other), place) in keys.into_iter().zip(where_given) {
                let line = format!("{key} = {value}\n");
                match place {
                    0 => continue,
                    1 => own += &line,
                    2 => base += &line,
                    _ => {
                        own += &line;
                        let _ = writeln!(base, "{key} = {other}");
                    }
                }
                whole += &line;
            }
            (whole, own, base)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

        #[test]
        fn a_derived_file_has_the_runs_of_the_one_that_is_written_out((whole, own, base) in table()) {
            let folder = TempDir::new().unwrap();
            let grid = WHOLE.replace("learning_rate = { log_uniform = [1e-4, 1e-2] }\nschedule = { halve = { from_epoch = 3 } }\n", "");
            let file = |training: &str| grid.replace("[training]\n", &format!("[training]\n{training}"));
            write(&folder, "base.toml", &file(&base));
            let text = format!("base = \"base.toml\"\nname = \"derived\"\n[training]\n{own}");
            let derived = load(&write(&folder, "derived.toml", &text));
            let whole = load(&write(&folder, "whole.toml", &file(&whole)));
            // Draws follow the order of the axes, which is that of the base: only a grid is the same in any order.
            let sorted = |experiment: &Experiment| {
                let sets = ["search.strategy=grid", "models.lstm.hidden=4", "training.learning_rate=0.001"];
                let path = folder.path().join(format!("{}.toml", experiment.spec.name));
                let grid = Experiment::load(&path, &sets.map(str::to_string)).unwrap_or_else(|error| panic!("{error}"));
                let mut ids = identities(&grid);
                ids.sort();
                ids
            };
            prop_assert_eq!(sorted(&derived), sorted(&whole));
            // The text that the store keeps needs no base, and gives the same runs in the same order.
            let kept = TempDir::new().unwrap();
            let again = load(&write(&kept, "kept.toml", &derived.text));
            prop_assert_eq!(identities(&again), identities(&derived));
            prop_assert_eq!(&again.axes, &derived.axes);
            prop_assert_eq!(&again.text, &derived.text);
        }
    }
}
