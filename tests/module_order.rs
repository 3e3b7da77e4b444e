//! The order of the modules, and the module that each heavy library is kept in: what `DESIGN.md` draws.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The modules in their order, lowest first: each imports only modules that stand before it.
const ORDER: [&str; 21] = [
    "text", "system", "files", "stats", "kernel", "search", "capacity", "spec", "dataset", "train", "model",
    "plan", "store", "engine", "compare", "listing", "predict", "report", "web", "cli", "main",
];

/// Heavy libraries, and the modules that may name them.
const LIBRARIES: [(&str, &[&str]); 23] = [
    ("annotate_snippets", &["spec"]),
    ("axum", &["web"]),
    ("burn", &["train", "model"]),
    ("burn_optim", &["train"]),
    ("clap", &["cli"]),
    ("comfy_table", &["text"]),
    ("faer", &["model"]),
    ("forust_ml", &["model"]),
    ("futures_util", &["store", "web"]),
    ("indicatif", &["cli"]),
    ("jiff", &["dataset", "store"]),
    ("maud", &["report", "web"]),
    ("plotters", &["report"]),
    ("polars_arrow", &["dataset"]),
    ("polars_core", &["dataset"]),
    ("polars_io", &["dataset"]),
    ("polars_parquet", &["dataset"]),
    ("schemars", &["spec", "search", "capacity"]),
    ("signal_hook", &["system"]),
    ("sqlx", &["store"]),
    ("statrs", &["stats"]),
    ("sysinfo", &["system"]),
    ("ureq", &["dataset"]),
];

/// A file of `src`: its top module and its code without comments.
struct Source {
    path: PathBuf,
    module: String,
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    for entry in walkdir::WalkDir::new(&root) {
        let path = entry.unwrap().into_path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let below = path.strip_prefix(&root).unwrap();
        let module = below.components().next().unwrap().as_os_str().to_str().unwrap();
        let module = module.trim_end_matches(".rs").to_string();
        if module == "lib" {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        sources.push(Source { code: code.collect::<Vec<_>>().join("\n"), module, path });
    }
    sources
}

/// The words that follow `prefix` in some code, one after each occurrence, or several after a brace.
fn words_after(code: &str, prefix: &str) -> BTreeSet<String> {
    let word = |text: &str| -> String {
        text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
    };
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices(prefix) {
        let is_whole = !code[..at].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_');
        let rest = &code[at + prefix.len()..];
        if !is_whole {
            continue;
        }
        match rest.strip_prefix('{') {
            Some(list) => {
                let mut depth = 1;
                let mut item = String::new();
                for letter in list.chars() {
                    depth += i32::from(letter == '{') - i32::from(letter == '}');
                    if depth == 0 || (depth == 1 && letter == ',') {
                        found.insert(word(item.trim_start()));
                        item.clear();
                    } else {
                        item.push(letter);
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
            None => {
                found.insert(word(rest));
            }
        }
    }
    found.remove("");
    found
}

/// Modules and what each of them imports, with a file that does.
fn imports(sources: &[Source]) -> BTreeMap<(String, String), PathBuf> {
    let mut imports = BTreeMap::new();
    for source in sources {
        let prefix = if source.module == "main" { "burstlab::" } else { "crate::" };
        for used in words_after(&source.code, prefix) {
            if used != source.module {
                imports.insert((source.module.clone(), used), source.path.clone());
            }
        }
    }
    imports
}

fn place(module: &str) -> Option<usize> {
    ORDER.iter().position(|known| *known == module)
}

#[test]
fn every_module_imports_only_modules_before_it() {
    let sources = sources();
    for source in &sources {
        assert!(place(&source.module).is_some(), "{} is in no place of ORDER", source.path.display());
    }
    let imports = imports(&sources);
    // A reader of imports that finds none would find no fault either.
    for known in [("dataset", "spec"), ("store", "plan"), ("cli", "report"), ("main", "cli")] {
        assert!(imports.contains_key(&(known.0.to_string(), known.1.to_string())), "{known:?} is not seen");
    }
    let upward: Vec<String> = imports
        .iter()
        .filter(|((module, used), _)| place(used).is_none_or(|used| Some(used) >= place(module)))
        .map(|((module, used), path)| format!("{module} imports {used}: {}", path.display()))
        .collect();
    assert!(upward.is_empty(), "against the order of the modules:\n{}", upward.join("\n"));
}

#[test]
fn every_heavy_library_stays_in_its_modules() {
    let sources = sources();
    let mut named = BTreeSet::new();
    let mut astray = Vec::new();
    for source in &sources {
        for (library, modules) in LIBRARIES {
            let code = source.code.contains(library) && {
                let used = [format!("{library}::"), format!("use {library};")];
                used.iter().any(|used| {
                    source.code.match_indices(used.as_str()).any(|(at, _)| {
                        !source.code[..at].ends_with(|letter: char| {
                            letter.is_alphanumeric() || letter == '_' || letter == ':'
                        })
                    })
                })
            };
            if code {
                named.insert(library);
                if !modules.contains(&source.module.as_str()) {
                    astray.push(format!("{library} in {}", source.path.display()));
                }
            }
        }
    }
    assert!(astray.is_empty(), "outside their modules:\n{}", astray.join("\n"));
    for (library, _) in LIBRARIES {
        assert!(
            named.contains(library),
            "nobody names {library}: take it off the list, or out of Cargo.toml"
        );
    }
}

#[test]
fn no_name_of_a_type_is_defined_twice() {
    let mut defined: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in sources() {
        let code = source.code.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        // What is indented is local to a function, or associated with a trait that gives it its name.
        for line in code.lines() {
            let line = line.strip_prefix("pub ").unwrap_or(line);
            let line = match line.strip_prefix("pub(") {
                Some(rest) => rest.split_once(") ").map_or(rest, |(_, rest)| rest),
                None => line,
            };
            for kind in ["struct ", "enum ", "trait ", "type "] {
                let Some(rest) = line.strip_prefix(kind) else { continue };
                let is_of_name = |letter: &char| letter.is_alphanumeric() || *letter == '_';
                let name: String = rest.chars().take_while(is_of_name).collect();
                defined.entry(name).or_default().push(source.path.display().to_string());
            }
        }
    }
    assert!(defined.len() > 300, "only {} types are seen", defined.len());
    let twice: Vec<String> = defined
        .iter()
        .filter(|(_, paths)| paths.len() > 1)
        .map(|(name, paths)| format!("{name}: {}", paths.join(", ")))
        .collect();
    assert!(twice.is_empty(), "names with two meanings:\n{}", twice.join("\n"));
}

/// The files and folders of a folder that each of them imports, by what stands before the tests. What the folder's own
/// module gives on belongs to where it comes from.
fn imports_within(folder: &Path, sources: &[Source]) -> BTreeMap<String, BTreeSet<String>> {
    let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_string();
    // A folder, and every file in it, counts as one.
    let child = |source: &Source| {
        let below = source.path.strip_prefix(folder).ok()?;
        Some(name(below.components().next()?.as_ref())).filter(|name| name != "mod")
    };
    let names: BTreeSet<String> = sources.iter().filter_map(child).collect();
    let given_on = sources.iter().find(|source| source.path == folder.join("mod.rs"));
    let given_on = given_on.map_or("", |module| module.code.as_str());
    let mut homes: BTreeMap<String, &String> = names.iter().map(|name| (name.clone(), name)).collect();
    for home in &names {
        // `crate::name::` is another module of that name.
        let own = given_on.replace(&format!("::{home}::"), "::");
        homes.extend(words_after(&own, &format!("{home}::")).into_iter().map(|item| (item, home)));
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let below = folder.strip_prefix(root).unwrap().to_str().unwrap().replace('/', "::");
    let prefix = if below.is_empty() { "crate::".to_string() } else { format!("crate::{below}::") };
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources {
        let Some(own) = child(source) else { continue };
        let code = source.code.split("#[cfg(test)]\nmod tests").next().unwrap();
        let mut words = words_after(code, &prefix);
        // `super` of a folder's own module is what the folder lies in.
        let depth = source.path.strip_prefix(folder).unwrap().components().count();
        let depth = depth - usize::from(source.path.ends_with("mod.rs"));
        words.extend(words_after(code, &"super::".repeat(depth)));
        let used = words.iter().filter_map(|word| homes.get(word).copied().cloned());
        let used: Vec<String> = used.filter(|used| *used != own).collect();
        imports.entry(own).or_default().extend(used);
    }
    imports
}

#[test]
fn no_two_files_or_folders_of_a_folder_import_each_other_even_by_way_of_others() {
    let sources = sources();
    let folders: BTreeSet<&Path> = sources.iter().filter_map(|source| source.path.parent()).collect();
    let mut tied = Vec::new();
    for folder in folders {
        let mut imports = imports_within(folder, &sources);
        // A file that imports none of those that are left is in no circle.
        while let Some(free) = imports
            .iter()
            .find(|(_, used)| used.iter().all(|used| !imports.contains_key(used)))
            .map(|(name, _)| name.clone())
        {
            imports.remove(&free);
        }
        tied.extend(imports.keys().map(|name| folder.join(name).display().to_string()));
    }
    assert!(tied.is_empty(), "these import each other in a circle, or need one that does: {tied:#?}");
    let store = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    let within = imports_within(&store, &sources);
    // Both the direct way and the way through the module are seen.
    for (file, used) in [("write", "attempt"), ("plan", "event"), ("live", "status")] {
        assert!(within[file].contains(used), "{file} imports {used}");
    }
    // So are folders.
    let spec = imports_within(&store.with_file_name("spec"), &sources);
    assert!(spec["file"].contains("model") && spec["model"].contains("task"), "{spec:?}");
}
