//! What signals ask of the program. Ctrl-C (SIGINT) once: finish what runs. Ctrl-C twice, SIGTERM or SIGHUP: stop now.
//!
//! Slurm and systemd send SIGTERM and, some time later, SIGKILL; a terminal or a connection that closes sends SIGHUP.
//! Nobody is there then to ask a second time, so the first one counts.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Pause between two looks at what was asked.
const LOOK: Duration = Duration::from_millis(10);

/// Set by the thread that takes the signals; one of the codes of [`Asked`].
static ASKED: AtomicU8 = AtomicU8::new(0);
/// Whether signals are counted; until then they end the program at once.
static HELD: AtomicBool = AtomicBool::new(false);
/// Whether a thread takes the signals.
static LISTENING: AtomicBool = AtomicBool::new(false);
/// Milliseconds that the program has to stop.
static GRACE_MS: AtomicU64 = AtomicU64::new(10_000);

/// What was asked of the program so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Nothing.
    Nothing,
    /// To finish what runs, and to start nothing new.
    Finish,
    /// To stop now.
    Stop(StopSignal),
}

/// What asked the program to stop now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopSignal {
    /// Ctrl-C for the second time.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGHUP.
    HangUp,
}

impl fmt::Display for StopSignal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            StopSignal::Interrupt => "the user",
            StopSignal::Terminate => "SIGTERM",
            StopSignal::HangUp => "SIGHUP",
        })
    }
}

impl Asked {
    fn of(code: u8) -> Self {
        match code {
            0 => Asked::Nothing,
            1 => Asked::Finish,
            2 => Asked::Stop(StopSignal::Interrupt),
            3 => Asked::Stop(StopSignal::Terminate),
            _ => Asked::Stop(StopSignal::HangUp),
        }
    }

    /// What is asked when this signal comes; what was asked to stop first stays.
    fn after(code: u8, signal: i32) -> u8 {
        match (code, signal) {
            (2.., _) => code,
            (_, SIGTERM) => 3,
            (_, SIGHUP) => 4,
            _ => code + 1,
        }
    }
}

/// Listens for Ctrl-C, SIGTERM and SIGHUP. Each ends the program at once, after `finish` and with this exit code, until
/// [`hold`] is called.
///
/// A SIGHUP that is ignored from the start stays ignored: that is what `nohup` is for.
///
/// # Errors
/// A system that takes no handler or no thread.
pub fn listen(finish: impl Fn() + Send + Sync + 'static, exit_code: u8) -> anyhow::Result<()> {
    // A program that calls the command line twice listens still.
    if LISTENING.swap(true, Ordering::SeqCst) {
        return Ok(());
    }
    let signals_taken =
        [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|&signal| signal != SIGHUP || !is_ignored(signal));
    let mut signals = Signals::new(signals_taken).context("cannot listen for signals")?;
    let end = Arc::new(move || {
        finish();
        std::process::exit(i32::from(exit_code));
    });
    let take = move || {
        for signal in signals.forever() {
            if !HELD.load(Ordering::SeqCst) {
                end();
            }
            let before = ASKED.load(Ordering::SeqCst);
            let after = Asked::after(before, signal);
            ASKED.store(after, Ordering::SeqCst);
            if after >= 2 && before < 2 {
                let end = end.clone();
                // Whatever the program is at: who asked it to stop kills it when its time is over. What the store has not
                // committed by then is not there, as after any other end.
                let watch = move || {
                    std::thread::sleep(Duration::from_millis(GRACE_MS.load(Ordering::SeqCst)));
                    if HELD.load(Ordering::SeqCst) {
                        end();
                    }
                };
                // Without this thread the program still stops, but nobody ends it when its time is over.
                let _ = std::thread::Builder::new().name("grace".to_string()).spawn(watch);
            }
        }
    };
    std::thread::Builder::new()
        .name("signals".to_string())
        .spawn(take)
        .context("cannot listen for signals")?;
    Ok(())
}

/// As long as this is there, signals do not end the program: [`asked`] tells of them.
#[must_use]
pub struct HeldSignals(());

/// From now on signals no longer end the program at once. One that is asked to stop now has [`set_grace`] for it.
pub fn hold() -> HeldSignals {
    HELD.store(true, Ordering::SeqCst);
    HeldSignals(())
}

impl Drop for HeldSignals {
    fn drop(&mut self) {
        HELD.store(false, Ordering::SeqCst);
        ASKED.store(0, Ordering::SeqCst);
    }
}

/// How long the program may take to stop.
pub fn set_grace(grace: Duration) {
    GRACE_MS.store(u64::try_from(grace.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
}

/// What was asked so far.
pub fn asked() -> Asked {
    Asked::of(ASKED.load(Ordering::SeqCst))
}

/// Waits until the program is asked to stop now, but not longer than this; tells whether it was.
pub fn is_stopped_within(longest: Duration) -> bool {
    let started = Instant::now();
    loop {
        if matches!(asked(), Asked::Stop(_)) {
            return true;
        }
        if started.elapsed() >= longest {
            return false;
        }
        std::thread::sleep(LOOK);
    }
}

/// Takes no notice of Ctrl-C, in a process that another one ends.
///
/// # Errors
/// A system that takes no handler.
pub fn ignore_interrupts() -> anyhow::Result<()> {
    let noticed = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGINT, noticed).context("cannot listen for signals")?;
    Ok(())
}

/// Whether a signal that asks a process to end is sent to whole groups of processes: by systemd to a unit, by Slurm to a
/// job. Whoever dies of it may have been one of many.
pub fn is_sent_to_groups(signal: i32) -> bool {
    [SIGTERM, SIGHUP].contains(&signal)
}

/// Whether this process was started with a signal ignored. Only Linux tells without unsafe code.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignores(&status, signal)
}

/// Whether the text of `/proc/self/status` says that a signal is ignored.
fn ignores(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    (mask >> (signal - 1)) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked_after(signals: &[i32]) -> Asked {
        Asked::of(signals.iter().fold(0, |code, &signal| Asked::after(code, signal)))
    }

    #[test]
    fn ctrl_c_stops_the_second_time_and_the_other_signals_the_first_time() {
        assert_eq!(asked_after(&[]), Asked::Nothing);
        assert_eq!(asked_after(&[SIGINT]), Asked::Finish);
        assert_eq!(asked_after(&[SIGINT, SIGINT]), Asked::Stop(StopSignal::Interrupt));
        assert_eq!(asked_after(&[SIGTERM]), Asked::Stop(StopSignal::Terminate));
        assert_eq!(asked_after(&[SIGINT, SIGHUP, SIGINT]), Asked::Stop(StopSignal::HangUp));
        assert_eq!(asked_after(&[SIGINT, SIGINT, SIGTERM]), Asked::Stop(StopSignal::Interrupt));
    }

    #[test]
    fn signals_that_nohup_ignores_are_told_by_their_bit() {
        assert!(ignores("Name:\tx\nSigIgn:\t0000000000000001\n", SIGHUP));
        assert!(!ignores("Name:\tx\nSigIgn:\t0000000000000001\n", SIGINT));
        assert!(ignores("SigIgn:\t0000000000001002\n", SIGINT));
        assert!(!ignores("", SIGHUP));
    }
}
