//! Mutated experiment files, trace files and Parquet files: none may cause a panic or a hang, whatever it says.
//!
//! `BURSTLAB_FUZZ=100000 cargo test --release --test suite -- fuzz:: --nocapture` is the whole check; by default there are few.
//! Every case follows from its number alone: `BURSTLAB_FUZZ_CASE=experiment:1234` tries one again and prints it. Files
//! that find something stay in `tests/fixtures/fuzz/`, beside others that are made to, and are tried each time.

mod mutate;
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use targets::{Target, experiment, parquet, trace};

/// A case that takes longer hangs. The slowest plan a million runs: in ten seconds or so alone, in a minute beside sixteen other
/// tests on two cores.
const HANG: Duration = Duration::from_mins(5);

#[test]
fn mutated_experiment_files_cause_no_panic_and_no_hang() {
    fuzz(&experiment());
}

#[test]
fn mutated_trace_files_cause_no_panic_and_no_hang() {
    fuzz(&trace());
}

#[test]
fn mutated_parquet_files_cause_no_panic_and_no_abort() {
    fuzz(&parquet());
}

#[test]
fn files_that_are_made_to_cause_a_panic_or_a_hang_are_refused_or_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/fuzz");
    let mut tried = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let started = Instant::now();
        match path.extension().and_then(|end| end.to_str()) {
            Some("toml") => (experiment().try_out)(&bytes),
            Some("csv" | "parquet") => (trace().try_out)(&bytes),
            _ => continue,
        }
        assert!(started.elapsed() < HANG, "{} took {:?}", path.display(), started.elapsed());
        tried += 1;
    }
    assert!(tried > 0, "there is no such file");
}

fn fuzz(target: &Target) {
    let only = std::env::var("BURSTLAB_FUZZ_CASE").ok();
    if let Some(number) = only.as_ref().and_then(|only| only.strip_prefix(target.name)?.strip_prefix(':')) {
        let bytes = target.case(number.parse().unwrap());
        eprintln!("{}", String::from_utf8_lossy(&bytes));
        (target.try_out)(&bytes);
        return;
    }
    if only.is_some() {
        return;
    }
    for seed in &target.corpus {
        assert!((target.accepts)(seed), "a seed is refused: {}", String::from_utf8_lossy(seed));
    }
    let cases = std::env::var("BURSTLAB_FUZZ").map_or(1_500, |cases| cases.parse().unwrap());
    let shared = Arc::new(Shared {
        target: target.clone(),
        cases,
        next: AtomicUsize::new(0),
        accepted: AtomicUsize::new(0),
        slowest: Mutex::new((Duration::ZERO, 0)),
        faults: Mutex::new(Vec::new()),
    });
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let at: Vec<Arc<At>> = (0..threads).map(|_| Arc::default()).collect();
    let started = Instant::now();
    let workers: Vec<_> = at
        .iter()
        .map(|at| {
            let (shared, at) = (shared.clone(), at.clone());
            std::thread::spawn(move || shared.work(&at))
        })
        .collect();
    // A hang cannot be caught from within: it is seen from here.
    while workers.iter().any(|worker| !worker.is_finished()) {
        std::thread::sleep(Duration::from_millis(20));
        for at in &at {
            if let Some((number, since)) = *at.lock().unwrap()
                && since.elapsed() > HANG
            {
                eprintln!("{}", String::from_utf8_lossy(&target.case(number)));
                panic!("case {}:{number} hangs", target.name);
            }
        }
    }
    let faults = shared.faults.lock().unwrap();
    let (slowest, number) = *shared.slowest.lock().unwrap();
    println!(
        "{cases} mutated {} files in {:.1?}: {} accepted, the slowest ({number}) in {slowest:.1?}, {} faults",
        target.name,
        started.elapsed(),
        shared.accepted.load(Ordering::SeqCst),
        faults.len()
    );
    assert!(faults.is_empty(), "panics: {faults:?}");
    let accepted = shared.accepted.load(Ordering::SeqCst);
    assert!(accepted * 20 > cases, "only {accepted} of {cases} cases got past the first checks");
    assert!(accepted < cases, "no case was refused");
}

/// The case that a thread is at, and since when.
type At = Mutex<Option<(usize, Instant)>>;

struct Shared {
    target: Target,
    cases: usize,
    next: AtomicUsize,
    accepted: AtomicUsize,
    slowest: Mutex<(Duration, usize)>,
    faults: Mutex<Vec<String>>,
}

impl Shared {
    fn work(&self, at: &At) {
        loop {
            let number = self.next.fetch_add(1, Ordering::SeqCst);
            if number >= self.cases {
                return;
            }
            let bytes = self.target.case(number);
            let started = Instant::now();
            *at.lock().unwrap() = Some((number, started));
            match catch_unwind(AssertUnwindSafe(|| (self.target.accepts)(&bytes))) {
                Ok(accepted) => {
                    self.accepted.fetch_add(usize::from(accepted), Ordering::SeqCst);
                }
                Err(_) => self.faults.lock().unwrap().push(format!("{}:{number}", self.target.name)),
            }
            *at.lock().unwrap() = None;
            let mut slowest = self.slowest.lock().unwrap();
            *slowest = (*slowest).max((started.elapsed(), number));
        }
    }
}
