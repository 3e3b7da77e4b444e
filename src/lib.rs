//! burstlab: batch experiments that forecast LLM-serving workload.
//!
//! An experiment file ([`spec`]) names a slice of a trace ([`dataset`]), a task and [`model`]s. It is expanded into a
//! [`plan`] of runs, which an [`engine`] executes: each run is trained ([`train`]) and scored ([`stats`]). The [`store`]
//! remembers everything, [`compare`] computes one comparison of it, and the [`report`] writes that down.
//!
//! The modules stand in one order, and each uses only those above it here; `tests/module_order.rs` holds them to it.

// 1. What the machine and the disk say, and numbers as text.
pub mod files;
pub mod system;
pub mod text;

// 2. Pure functions on slices.
pub mod capacity;
pub mod kernel;
pub mod search;
pub mod stats;

// 3. The experiment file.
pub mod spec;

// 4. Traces, series and windows (polars).
pub mod dataset;

// 5. The training loop, and the models (burn).
pub mod model;
pub mod train;

// 6. The list of runs.
pub mod plan;

// 7. What is remembered (sqlx).
pub mod store;

// 8. How a plan is executed.
pub mod engine;

// 9. One comparison of what is remembered.
pub mod compare;

// 10. Lists of runs.
pub mod listing;

// 11. Saved models asked about traces.
pub mod predict;

// 12. The comparison as text, pages and plots (plotters).
pub mod report;

// 13. The dashboard, and forecasts over HTTP (axum).
pub mod web;

// 14. The commands (clap), and the only place that prints.
pub mod cli;
