//! Everything but the order of the modules, as one program: linking each file by itself would take minutes. Most of it asks the
//! binary as a user would; golden values, layouts of traces and mutated files go through the library.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "long tests say what they did")]

mod attempts;
mod capacity;
mod capacity_errors;
mod claims;
mod cli;
mod clusters;
mod common;
mod comparison;
mod crowd;
mod data;
mod examples;
mod experiment_errors;
mod fetch;
mod fuzz;
mod gc;
mod golden_capacity;
mod golden_importance;
mod golden_metrics;
mod gpus;
mod hooks;
mod init;
mod intervals;
mod kills;
mod manual;
mod merge;
mod models;
mod names;
mod offsets;
mod operators;
mod output;
mod overrides;
mod packs;
mod predict;
mod querying;
mod recurrent_golden;
mod report_plots;
mod report_search;
mod revisions;
mod search;
mod series_clock;
mod serve;
mod signals;
mod sources;
mod store_faults;
mod summaries;
mod support;
mod sweep;
mod traces;
mod trials;
mod ui;
mod ui_access;
mod watch;
mod window_means;

/// As in the program: half the time of planning a million runs, which `fuzz` does, goes into the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
