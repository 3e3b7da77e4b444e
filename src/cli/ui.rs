//! `burstlab ui`: serves the dashboard.

use std::time::Duration;

use clap::Args;

use super::console::Console;
use super::serving::PlaceArgs;
use crate::store::results_folder;
use crate::system::exit_code::Exit;
use crate::system::interrupt::{self, Asked};
use crate::web::dashboard::{DashboardServer, Settings};

#[derive(Debug, Args)]
pub(super) struct UiArgs {
    /// The port to listen on; 0 for any that is free
    #[arg(long, default_value_t = 7117)]
    port: u16,
    #[command(flatten)]
    place: PlaceArgs,
    /// How long a query on the SQL page may take
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    query_time: Duration,
}

pub(super) fn ui(args: &UiArgs, console: Console) -> anyhow::Result<Exit> {
    let place = args.place.place(args.port)?;
    interrupt::listen(move || console.finish_lines(), Exit::Ok as u8)?;
    let _held = interrupt::hold();
    let settings = Settings { results: results_folder(), query_time: args.query_time };
    let server = DashboardServer::bind(&place, settings)?;
    console.result(&server.url());
    let closing = "Ctrl-C ends it";
    console.note(&if args.place.has_token() {
        format!("open it once with ?token=TOKEN at the end; {closing}")
    } else {
        closing.to_string()
    });
    server.serve(|| interrupt::asked() != Asked::Nothing)?;
    Ok(Exit::Ok)
}
