//! Reads lines from a pipe, or from a file that may grow, be cut short or be replaced.

use std::fs::File;
use std::io::{Read, Seek};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};

/// Bytes of one read.
const CHUNK: usize = 1 << 16;
/// A longer line cannot be a row of a trace.
const LONGEST_LINE: usize = 1 << 20;
/// Time between two polls of a file without new bytes.
const PAUSE: Duration = Duration::from_millis(5);

/// The next event of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineEvent {
    /// A line, whose bytes [`LineReader::text`] returns. A line of a growing file is only complete with its line end.
    Line(Range<usize>),
    /// Everything available has been returned; the next call waits for more.
    CaughtUp,
    /// The file was cut short or replaced by another; it is now read from the beginning.
    Replaced,
    /// The pipe ended.
    End,
}

/// Reads lines as they arrive.
pub struct LineReader {
    source: LineSource,
    buffer: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// How far it was searched for its end.
    searched: usize,
    /// Number of the last returned line, counted from 1.
    line: usize,
    /// Whether [`LineEvent::CaughtUp`] was returned since the last read.
    caught_up: bool,
}

enum LineSource {
    Pipe(Box<dyn Read + Send>),
    Growing { path: PathBuf, file: File },
}

impl LineReader {
    /// Reads standard input or another pipe to its end.
    pub fn of_pipe(pipe: Box<dyn Read + Send>) -> Self {
        Self::new(LineSource::Pipe(pipe))
    }

    /// Reads a file and waits for more at its end.
    ///
    /// # Errors
    /// A file that cannot be opened.
    pub fn of_growing(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        Ok(Self::new(LineSource::Growing { path: path.to_path_buf(), file }))
    }

    fn new(source: LineSource) -> Self {
        Self { source, buffer: Vec::new(), start: 0, searched: 0, line: 0, caught_up: false }
    }

    /// Number of the last returned line, counted from 1.
    pub fn number(&self) -> usize {
        self.line
    }

    /// Number of the line that has begun and lacks its end; it is no row before it has one.
    pub fn unfinished(&self) -> Option<usize> {
        (self.start < self.buffer.len()).then_some(self.line + 1)
    }

    /// The bytes of the line that was just returned, without its line end.
    pub fn text(&self, line: Range<usize>) -> &[u8] {
        &self.buffer[line]
    }

    /// The next event; waits for one after [`LineEvent::CaughtUp`].
    ///
    /// # Errors
    /// Input that cannot be read, or a line without an end.
    pub fn next_event(&mut self) -> anyhow::Result<LineEvent> {
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.buffer[self.searched..]) {
                let line = self.start..self.searched + at;
                (self.start, self.searched) = (line.end + 1, line.end + 1);
                self.line += 1;
                return Ok(LineEvent::Line(line));
            }
            self.searched = self.buffer.len();
            // The next read of a pipe may block for long. A file is only read to its end when a read returns nothing.
            if !self.caught_up && matches!(self.source, LineSource::Pipe(_)) {
                self.caught_up = true;
                return Ok(LineEvent::CaughtUp);
            }
            if self.buffer.len() - self.start > LONGEST_LINE {
                bail!(
                    "line {} has more than {LONGEST_LINE} bytes and no end, so this is not a trace",
                    self.line + 1
                );
            }
            if self.read()? > 0 {
                self.caught_up = false;
                continue;
            }
            if !self.caught_up {
                self.caught_up = true;
                return Ok(LineEvent::CaughtUp);
            }
            match &mut self.source {
                LineSource::Pipe(_) if self.start < self.buffer.len() => {
                    // The last line may lack its line end, as in any file.
                    let line = self.start..self.buffer.len();
                    self.start = line.end;
                    self.line += 1;
                    return Ok(LineEvent::Line(line));
                }
                LineSource::Pipe(_) => return Ok(LineEvent::End),
                LineSource::Growing { path, file } => {
                    if replaced(path, file)? {
                        self.buffer.clear();
                        (self.start, self.searched, self.line, self.caught_up) = (0, 0, 0, false);
                        return Ok(LineEvent::Replaced);
                    }
                    std::thread::sleep(PAUSE);
                }
            }
        }
    }

    /// Reads at most a chunk of what is available; only a pipe blocks.
    fn read(&mut self) -> anyhow::Result<usize> {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        let kept = self.buffer.len();
        self.buffer.resize(kept + CHUNK, 0);
        let read = match &mut self.source {
            LineSource::Pipe(pipe) => pipe.read(&mut self.buffer[kept..]),
            LineSource::Growing { file, .. } => file.read(&mut self.buffer[kept..]),
        };
        let read = match read {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Ok(0),
            read => read,
        };
        self.buffer.truncate(kept + read.as_ref().copied().unwrap_or(0));
        read.context("cannot read the rows of the trace")
    }
}

/// Whether a file was cut short or replaced, in which case it is rewound. A missing file may reappear.
fn replaced(path: &Path, file: &mut File) -> anyhow::Result<bool> {
    let failed = || format!("cannot read {}", path.display());
    let own = file.metadata().with_context(failed)?;
    if own.len() < file.stream_position().with_context(failed)? {
        file.rewind().with_context(failed)?;
        return Ok(true);
    }
    match std::fs::metadata(path) {
        Ok(now) if (now.dev(), now.ino()) != (own.dev(), own.ino()) => {
            *file = File::open(path).with_context(failed)?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// All lines until the reader has caught up.
    fn drained(lines: &mut LineReader) -> Vec<String> {
        let mut found = Vec::new();
        loop {
            match lines.next_event().unwrap() {
                LineEvent::Line(line) => found.push(String::from_utf8(lines.text(line).to_vec()).unwrap()),
                LineEvent::Replaced => found.push("(replaced)".to_string()),
                LineEvent::CaughtUp if found.is_empty() => {}
                LineEvent::CaughtUp | LineEvent::End => return found,
            }
        }
    }

    #[test]
    fn a_line_waits_for_its_end_and_a_file_may_be_cut_short_or_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.csv");
        std::fs::write(&path, "a\nb").unwrap();
        let mut lines = LineReader::of_growing(&path).unwrap();
        assert_eq!(drained(&mut lines), ["a"]);
        File::options().append(true).open(&path).unwrap().write_all(b"c\nd\ne").unwrap();
        assert_eq!(drained(&mut lines), ["bc", "d"]);
        assert_eq!(lines.number(), 3);
        std::fs::write(&path, "f\n").unwrap();
        assert_eq!(drained(&mut lines), ["(replaced)", "f"]);
        assert_eq!(lines.number(), 1);
        std::fs::write(folder.path().join("next"), "a much longer line\n").unwrap();
        std::fs::rename(folder.path().join("next"), &path).unwrap();
        assert_eq!(drained(&mut lines), ["(replaced)", "a much longer line"]);
    }

    #[test]
    fn a_line_longer_than_a_chunk_comes_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.csv");
        let long = "x".repeat(3 * CHUNK + 7);
        std::fs::write(&path, format!("{long}\nb\n")).unwrap();
        let mut lines = LineReader::of_growing(&path).unwrap();
        assert_eq!(drained(&mut lines), [long, "b".to_string()]);
        std::fs::write(&path, vec![b'x'; 2 * LONGEST_LINE]).unwrap();
        let endless = lines.next_event().unwrap_err();
        assert!(endless.to_string().contains("has more than 1048576 bytes and no end"), "{endless}");
    }
}
