//! `burstlab completions` and `burstlab man`: the command line told to shells and to `man`.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;

use super::console::Console;
use crate::files::{Existing, OutputFile, begins_with};
use crate::system::exit_code::Exit;

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// Write a page for the program and one for each command into this folder, instead of printing the first
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
}

/// Prints the script that completes this command line in a shell.
pub(super) fn completions(args: &CompletionsArgs, mut command: Command, console: Console) -> Exit {
    let name = command.get_name().to_string();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    console.lines(&script);
    Exit::Ok
}

/// Prints the manual page of the program, or writes all pages.
pub(super) fn man(args: &ManArgs, mut command: Command, console: Console) -> anyhow::Result<Exit> {
    command.build();
    let Some(folder) = &args.output else {
        let mut page = Vec::new();
        Man::new(command).render(&mut page)?;
        console.lines(&page);
        return Ok(Exit::Ok);
    };
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let mut pages = Vec::new();
    add_pages(&command, &mut pages)?;
    for (name, page) in &pages {
        let older = Existing::ReplaceIf(|path| begins_with(path, ".ie"));
        OutputFile::new(&folder.join(name), &[], older)?.write_bytes(page)?;
    }
    console.note(&format!(
        "wrote {} pages to {}; `man -l {}` shows the first",
        pages.len(),
        folder.display(),
        folder.join("burstlab.1").display()
    ));
    Ok(Exit::Ok)
}

/// The page of a command, and those of its own commands.
fn add_pages(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) -> anyhow::Result<()> {
    // `burstlab dataset list` has the page burstlab-dataset-list.
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_string();
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    pages.push((format!("{name}.1"), page));
    let shown = |command: &&Command| !command.is_hide_set() && command.get_name() != "help";
    command.get_subcommands().filter(shown).try_for_each(|command| add_pages(command, pages))
}
