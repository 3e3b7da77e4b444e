//! The local web server, which has two faces: the dashboard over the store of a results folder, and the forecast of a saved
//! model that follows a trace.

pub mod dashboard;
pub mod forecast;
mod server;

pub use server::ServerPlace;
