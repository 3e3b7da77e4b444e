//! `burstlab ui`: serves the dashboard.

use std::time::Duration;

use clap::Args;

use super::console::Console;
use super::exit_code::Exit;
use super::usage;
use crate::store::results_folder;
use crate::system::interrupt::{self, Asked};
use crate::web::{Server, Settings};

/// A token that is shorter can be guessed.
const SHORTEST_TOKEN: usize = 16;

#[derive(Debug, Args)]
pub(super) struct UiArgs {
    /// The port to listen on; 0 for any that is free
    #[arg(long, default_value_t = 7117)]
    port: u16,
    /// Listen on this address or name, so that other machines can ask; needs a token
    #[arg(long, value_name = "ADDRESS")]
    host: Option<String>,
    /// What a browser must know: at least 16 characters, given once as ?token=TOKEN
    #[arg(long, env = "BURSTLAB_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// How long a query on the SQL page may take
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    query_time: Duration,
}

pub(super) fn ui(args: &UiArgs, console: Console) -> anyhow::Result<Exit> {
    let remedy = "give one with --token or in BURSTLAB_TOKEN, for example from `openssl rand -hex 16`";
    match &args.token {
        Some(token) if token.len() < SHORTEST_TOKEN || !token.bytes().all(|byte| byte.is_ascii_graphic()) => {
            return Err(usage(format!(
                "a token has at least {SHORTEST_TOKEN} characters without spaces; {remedy}"
            )));
        }
        None if args.host.as_deref().is_some_and(|host| !is_loopback(host)) => {
            return Err(usage(format!("with --host other machines can ask, so a token is needed; {remedy}")));
        }
        _ => {}
    }
    interrupt::listen(move || console.finish_lines(), Exit::Ok as u8)?;
    let _held = interrupt::hold();
    let server = Server::bind(Settings {
        host: args.host.clone(),
        port: args.port,
        token: args.token.clone(),
        results: results_folder(),
        query_time: args.query_time,
    })?;
    console.result(&server.url());
    let closing = "Ctrl-C ends it";
    console.note(&match &args.token {
        Some(_) => format!("open it once with ?token=TOKEN at the end; {closing}"),
        None => closing.to_string(),
    });
    server.serve(|| interrupt::asked() != Asked::Nothing)?;
    Ok(Exit::Ok)
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}
