//! Downloads from servers that misbehave: whatever happens, a file under its final name is the published one.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use burstlab::dataset::{CatalogEntry, Fetched, fetch};
use burstlab::text::hex;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// How the server answers one request.
#[derive(Debug, Clone, Copy)]
enum Answer {
    /// The file, or the part of it that is asked for.
    Whole,
    /// Half of what was promised.
    Cut,
    /// The file from its start, whatever is asked for.
    IgnoreRange,
    /// Another part than the one that is asked for.
    WrongRange,
    /// No such part.
    NoSuchRange,
    /// As many bytes, but others.
    OtherContent,
    /// The file and then some.
    TooMuch,
    /// 404.
    NotFound,
    /// Hang up without a word.
    HangUp,
}

/// A server on this machine that gives one answer after the other.
struct Server {
    url: String,
    /// The `Range` header of each request.
    ranges: Arc<Mutex<Vec<Option<String>>>>,
}

impl Server {
    fn start(answers: &[Answer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/trace.csv", listener.local_addr().unwrap());
        let ranges = Arc::new(Mutex::new(vec![]));
        let (answers, seen) = (answers.to_vec(), ranges.clone());
        std::thread::spawn(move || {
            for answer in answers {
                let (stream, _) = listener.accept().unwrap();
                let range = read_range(&stream);
                seen.lock().unwrap().push(range.clone());
                respond(stream, answer, range.as_deref());
            }
        });
        Self { url, ranges }
    }

    fn ranges(&self) -> Vec<Option<String>> {
        self.ranges.lock().unwrap().clone()
    }
}

fn read_range(stream: &TcpStream) -> Option<String> {
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    headers.iter().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("range").then(|| value.to_string())
    })
}

fn respond(mut stream: TcpStream, answer: Answer, range: Option<&str>) {
    let content = content();
    let start: usize =
        range.map_or(0, |range| range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap());
    let ok = |length: usize| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n");
    let partial = |start: usize| {
        let (end, length) = (content.len() - 1, content.len());
        format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {start}-{end}/{length}\r\nContent-Length: {}\r\n",
            length - start
        )
    };
    let asked = if range.is_some() { partial(start) } else { ok(content.len()) };
    let (head, body) = match answer {
        Answer::Whole => (asked, content[start..].to_vec()),
        Answer::Cut => (asked, content[start..start.midpoint(content.len())].to_vec()),
        Answer::IgnoreRange => (ok(content.len()), content.clone()),
        Answer::WrongRange => (partial(start / 2), content[start / 2..].to_vec()),
        Answer::NoSuchRange => {
            ("HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n".to_string(), vec![])
        }
        Answer::OtherContent => (ok(content.len()), vec![b'x'; content.len()]),
        Answer::TooMuch => (ok(content.len() + 1), [content.clone(), vec![b'x']].concat()),
        Answer::NotFound => ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n".to_string(), vec![]),
        Answer::HangUp => return,
    };
    // A client that has seen enough hangs up, which is none of the server's business.
    let _ = write!(stream, "{head}Connection: close\r\n\r\n").and_then(|()| stream.write_all(&body));
}

fn content() -> Vec<u8> {
    (0..200_000_u32).flat_map(|row| format!("{row}\n").into_bytes()).collect()
}

fn entry() -> CatalogEntry {
    let sha256 = hex(&Sha256::digest(content()));
    CatalogEntry {
        name: "test".to_string(),
        title: "A test".to_string(),
        file: PathBuf::from("below/trace.csv"),
        url: String::new(),
        bytes: Some(content().len() as u64),
        sha256: vec!["0".repeat(64), sha256],
        licence: "CC0".to_string(),
        citation: "nobody".to_string(),
    }
}

/// A dataset folder and a server.
struct Bench {
    folder: TempDir,
    server: Server,
}

impl Bench {
    fn new(answers: &[Answer]) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), server: Server::start(answers) }
    }

    fn fetch(&self) -> anyhow::Result<Fetched> {
        fetch(&entry(), &self.server.url, self.folder.path(), &mut |_, _| {})
    }

    /// The message of a fetch that fails, without what differs from run to run.
    fn error(&self) -> String {
        let message = self.fetch().unwrap_err().to_string();
        message.replace(&self.server.url, "URL").replace(&self.folder.path().display().to_string(), "FOLDER")
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("below/trace.csv")
    }

    fn part(&self) -> PathBuf {
        self.folder.path().join("below/trace.csv.part")
    }

    fn assert_fetched(&self) {
        assert_eq!(self.fetch().unwrap(), Fetched::Downloaded(self.file()));
        assert!(std::fs::read(self.file()).unwrap() == content());
        assert!(!self.part().exists());
    }
}

fn put(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_file_that_comes_whole_gets_its_name_and_is_not_fetched_again() {
    let bench = Bench::new(&[Answer::Whole]);
    bench.assert_fetched();
    assert_eq!(bench.fetch().unwrap(), Fetched::AlreadyHere(bench.file()));
    assert_eq!(bench.server.ranges(), [None]);
}

#[test]
fn progress_ends_at_the_size_of_the_file() {
    let bench = Bench::new(&[Answer::Whole]);
    let mut seen = vec![];
    fetch(&entry(), &bench.server.url, bench.folder.path(), &mut |bytes, _| seen.push(bytes)).unwrap();
    assert!(seen.is_sorted());
    assert_eq!((seen.first(), seen.last()), (Some(&0), entry().bytes.as_ref()));
}

#[test]
fn a_cut_download_is_kept_and_resumed_where_it_broke_off() {
    let bench = Bench::new(&[Answer::Cut, Answer::Whole]);
    let message = bench.error();
    insta::assert_snapshot!(message, @"the connection broke after 644445 of 1288890 bytes (Peer disconnected); run the same command again to go on from there");
    assert!(!bench.file().exists());
    let half = content().len() / 2;
    assert_eq!(std::fs::metadata(bench.part()).unwrap().len(), half as u64);
    bench.assert_fetched();
    assert_eq!(bench.server.ranges(), [None, Some(format!("bytes={half}-"))]);
}

#[test]
fn a_server_that_ignores_ranges_sends_the_file_anew() {
    let bench = Bench::new(&[Answer::Cut, Answer::IgnoreRange]);
    bench.fetch().unwrap_err();
    bench.assert_fetched();
}

#[test]
fn a_server_that_sends_another_range_is_asked_for_the_whole_file() {
    for answer in [Answer::WrongRange, Answer::NoSuchRange] {
        let bench = Bench::new(&[Answer::Cut, answer, Answer::Whole]);
        bench.fetch().unwrap_err();
        bench.assert_fetched();
        assert_eq!(bench.server.ranges()[2], None);
    }
}

#[test]
fn a_part_that_is_whole_already_is_checked_without_a_download() {
    let bench = Bench::new(&[]);
    put(&bench.part(), &content());
    bench.assert_fetched();
}

#[test]
fn other_content_is_deleted() {
    let bench = Bench::new(&[Answer::OtherContent]);
    insta::assert_snapshot!(bench.error(), @"the 1288890 bytes that came are not the published file (SHA-256 b64cac2d1f5d0e2b4c5cf4a7ea8eac9ec6b157069e34fcae9f53408dd7bad16d, expected 0000000000000000000000000000000000000000000000000000000000000000 or 6f90caf91bd7362f38cdd423e205c1738dd29f3ff95e6db3cc2b0eafc806547a) and were deleted; fetch again, and if that does not help the publisher has changed the file");
    assert!(!bench.file().exists() && !bench.part().exists());
}

#[test]
fn a_resumed_download_of_other_content_is_deleted() {
    let bench = Bench::new(&[Answer::Whole, Answer::Whole]);
    put(&bench.part(), b"not how the file starts");
    bench.fetch().unwrap_err();
    assert!(!bench.file().exists() && !bench.part().exists());
    bench.assert_fetched();
}

#[test]
fn a_server_that_does_not_stop_is_stopped() {
    let bench = Bench::new(&[Answer::TooMuch]);
    insta::assert_snapshot!(bench.error(), @"URL sends more than the 1288890 bytes of the published file, and what came was deleted; try again later, or download the file by hand to FOLDER/below/trace.csv and fetch again to check it");
    assert!(!bench.file().exists() && !bench.part().exists());
}

#[test]
fn a_file_that_is_not_found_leaves_nothing_behind() {
    let bench = Bench::new(&[Answer::NotFound]);
    insta::assert_snapshot!(bench.error(), @"URL answers 404 Not Found; the file may have moved: try again later, or download the file by hand to FOLDER/below/trace.csv and fetch again to check it");
    assert!(!bench.file().exists() && !bench.part().exists());
}

#[test]
fn a_server_that_hangs_up_is_an_error_that_names_the_remedy() {
    let bench = Bench::new(&[Answer::HangUp]);
    let message = bench.error();
    assert!(message.starts_with("cannot download URL: "), "{message}");
    assert!(message.contains("check the network and try again"), "{message}");
}

#[test]
fn a_file_of_that_name_with_other_content_is_left_alone() {
    let bench = Bench::new(&[]);
    put(&bench.file(), b"mine");
    insta::assert_snapshot!(bench.error(), @"FOLDER/below/trace.csv is there but is not the published file (its SHA-256 is 3fd30542fe3f61b14bd4a4b2dc0b6fb30fa6f63ebce52dd1778aaa8c4dc02cff); move it away, then fetch again");
    assert_eq!(std::fs::read(bench.file()).unwrap(), b"mine");
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_that_names_the_remedy() {
    let bench = Bench::new(&[]);
    std::fs::write(bench.folder.path().join("below"), "a file").unwrap();
    insta::assert_snapshot!(bench.error(), @"cannot write FOLDER/below/trace.csv.part: File exists (os error 17); make the folder writable, or choose another with BURSTLAB_DATASET");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_that_names_the_remedy() {
    let bench = Bench::new(&[Answer::Whole]);
    std::fs::create_dir(bench.folder.path().join("below")).unwrap();
    std::os::unix::fs::symlink("/dev/full", bench.part()).unwrap();
    insta::assert_snapshot!(bench.error(), @"cannot write FOLDER/below/trace.csv.part: No space left on device (os error 28); free some space, or choose a folder on another disk with BURSTLAB_DATASET");
    assert!(!bench.file().exists());
}

#[test]
fn two_downloads_of_one_file_do_not_mix() {
    let bench = Bench::new(&[]);
    put(&bench.part(), b"half");
    let part = std::fs::File::open(bench.part()).unwrap();
    part.lock().unwrap();
    insta::assert_snapshot!(bench.error(), @"FOLDER/below/trace.csv.part is being downloaded by another process; wait for it");
    assert_eq!(std::fs::read(bench.part()).unwrap(), b"half");
}

/// Fetches an entry that says less about the file.
fn fetch_unknown(bench: &Bench, entry: &CatalogEntry) -> anyhow::Result<(Fetched, Option<u64>)> {
    let mut told = None;
    let fetched = fetch(entry, &bench.server.url, bench.folder.path(), &mut |_, total| told = total)?;
    Ok((fetched, told))
}

#[test]
fn a_file_of_unknown_size_is_resumed_and_verified_by_its_hash() {
    let entry = CatalogEntry { bytes: None, ..entry() };
    let bench = Bench::new(&[Answer::Cut, Answer::Whole]);
    let message = fetch_unknown(&bench, &entry).unwrap_err().to_string();
    insta::assert_snapshot!(message, @"the connection broke after 644445 of 1288890 bytes (Peer disconnected); run the same command again to go on from there");
    let (fetched, total) = fetch_unknown(&bench, &entry).unwrap();
    assert_eq!(fetched, Fetched::Downloaded(bench.file()));
    assert_eq!(total, Some(content().len() as u64), "the server says how much it sends");
    let bench = Bench::new(&[]);
    put(&bench.part(), &content());
    assert_eq!(fetch_unknown(&bench, &entry).unwrap().0, Fetched::Downloaded(bench.file()));
    let bench = Bench::new(&[Answer::OtherContent]);
    fetch_unknown(&bench, &entry).unwrap_err();
    assert!(!bench.file().exists() && !bench.part().exists());
}

#[test]
fn a_file_without_a_known_hash_is_kept_and_said_to_be_unverified() {
    let entry = CatalogEntry { bytes: None, sha256: vec![], ..entry() };
    let bench = Bench::new(&[Answer::Cut, Answer::Whole]);
    fetch_unknown(&bench, &entry).unwrap_err();
    assert!(!bench.file().exists(), "a cut file never gets its name");
    let unverified = Fetched::Unverified(bench.file(), hex(&Sha256::digest(content())));
    assert_eq!(fetch_unknown(&bench, &entry).unwrap().0, unverified);
    assert_eq!(fetch_unknown(&bench, &entry).unwrap().0, unverified, "the second time, too");
    let bench = Bench::new(&[Answer::Whole]);
    let arguments = ["dataset", "fetch", "mooncake-toolagent", "--url", &bench.server.url];
    let (code, message) = burstlab(&arguments, bench.folder.path());
    assert_eq!(code, Some(0), "{message}");
    let message = message.replace(&bench.folder.path().display().to_string(), "FOLDER");
    insta::assert_snapshot!(message, @"
    warning: unverified: the catalog has no hash of mooncake-toolagent; FOLDER/mooncake/toolagent_trace.jsonl has the SHA-256 6f90caf91bd7362f38cdd423e205c1738dd29f3ff95e6db3cc2b0eafc806547a: compare it with a copy that you trust
    licence: Apache-2.0
    cite: Qin et al., Mooncake: Trading More Storage for Less Computation, FAST 2025
    ");
}

fn burstlab(arguments: &[&str], folder: &Path) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_burstlab"))
        .args(arguments)
        .env("BURSTLAB_DATASET", folder)
        .output()
        .unwrap();
    assert!(output.stdout.is_empty());
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn the_command_checks_what_it_fetches_against_the_catalog() {
    let bench = Bench::new(&[Answer::NotFound, Answer::OtherContent]);
    let arguments = ["dataset", "fetch", "azure-conv", "--url", &bench.server.url];
    let (code, message) = burstlab(&arguments, bench.folder.path());
    assert!(code == Some(1) && message.contains("answers 404 Not Found"), "{message}");
    let (code, message) = burstlab(&arguments, bench.folder.path());
    assert!(code == Some(1) && message.contains("more than the 719188 bytes"), "{message}");
    let left = std::fs::read_dir(bench.folder.path().join("azure")).unwrap();
    assert_eq!(left.count(), 0);
}

#[test]
fn a_name_that_the_catalog_does_not_have_is_a_usage_error() {
    let folder = tempfile::tempdir().unwrap();
    let (code, message) = burstlab(&["dataset", "fetch", "azure-con"], folder.path());
    assert_eq!(code, Some(2));
    insta::assert_snapshot!(message, @"error: there is no dataset `azure-con` in the catalog; did you mean `azure-conv`? the catalog has: azure-conv, azure-code, azure-2024-conv, azure-2024-code, etth1, etth2, ettm1, ettm2, burstgpt-1, burstgpt-1-without-fails, burstgpt-2, burstgpt-2-without-fails, burstgpt-3, burstgpt-3-without-fails, mooncake-conversation, mooncake-toolagent, mooncake-synthetic, mooncake-arxiv, servegen-m-large, servegen-m-large-load, servegen-m-mid, servegen-m-small, servegen-deepseek-r1, servegen-mm-image");
    let (code, message) = burstlab(&["dataset", "fetch", "synthetic-burstgpt"], folder.path());
    assert_eq!(code, Some(2));
    insta::assert_snapshot!(message, @"error: `synthetic-burstgpt` is built in; there is nothing to fetch");
}
