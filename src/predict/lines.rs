//! The lines of standard input, or of a file that grows, is cut short or is put in place of another.

use std::fs::File;
use std::io::{Read, Seek, Stdin};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};

/// Bytes that are asked for at once.
const CHUNK: usize = 1 << 16;
/// A line this long is no row of a trace.
const LONGEST_LINE: usize = 1 << 20;
/// Time between two looks at a file that has nothing new.
const PAUSE: Duration = Duration::from_millis(5);

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A line, to be asked of [`Lines::text`]. Of a file that grows a line is only given with its line end.
    Line(Range<usize>),
    /// Everything that is there has been given; the next call waits for more.
    Dry,
    /// The file was cut short, or another one stands in its place, which is read from its beginning.
    Replaced,
    /// Standard input ended.
    End,
}

/// Lines that are read as they come.
pub struct Lines {
    source: Source,
    buffer: Vec<u8>,
    /// Where the next line begins, and how far it was searched for its end.
    start: usize,
    searched: usize,
    /// Number of the last given line, counted from 1.
    line: usize,
    /// Whether [`Event::Dry`] was said of what is there.
    said: bool,
}

enum Source {
    Input(Stdin),
    Growing { path: PathBuf, file: File },
}

impl Lines {
    /// The lines of standard input, to its end.
    pub fn of_input() -> Self {
        Self::new(Source::Input(std::io::stdin()))
    }

    /// The lines of a file, without end.
    ///
    /// # Errors
    /// A file that cannot be opened.
    pub fn of_growing(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        Ok(Self::new(Source::Growing { path: path.to_path_buf(), file }))
    }

    fn new(source: Source) -> Self {
        Self { source, buffer: Vec::new(), start: 0, searched: 0, line: 0, said: false }
    }

    /// Number of the last given line, counted from 1.
    pub fn number(&self) -> usize {
        self.line
    }

    /// The bytes of a line that was just given, without its line end.
    pub fn text(&self, line: Range<usize>) -> &[u8] {
        &self.buffer[line]
    }

    /// The next event; waits for it once [`Event::Dry`] was given.
    ///
    /// # Errors
    /// Input that cannot be read, or a line without end.
    pub fn next_event(&mut self) -> anyhow::Result<Event> {
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.buffer[self.searched..]) {
                let line = self.start..self.searched + at;
                (self.start, self.searched) = (line.end + 1, line.end + 1);
                self.line += 1;
                return Ok(Event::Line(line));
            }
            self.searched = self.buffer.len();
            // Standard input may hold the next read up for long; of a file one has only seen all when nothing more comes.
            if !self.said && matches!(self.source, Source::Input(_)) {
                self.said = true;
                return Ok(Event::Dry);
            }
            if self.buffer.len() - self.start > LONGEST_LINE {
                bail!(
                    "line {} has more than {LONGEST_LINE} bytes and no end: this is no trace",
                    self.line + 1
                );
            }
            if self.read()? > 0 {
                self.said = false;
                continue;
            }
            if !self.said {
                self.said = true;
                return Ok(Event::Dry);
            }
            match &mut self.source {
                Source::Input(_) if self.start < self.buffer.len() => {
                    // The last line of what ends may lack its line end, as in any file.
                    let line = self.start..self.buffer.len();
                    self.start = line.end;
                    self.line += 1;
                    return Ok(Event::Line(line));
                }
                Source::Input(_) => return Ok(Event::End),
                Source::Growing { path, file } => {
                    if replaced(path, file)? {
                        self.buffer.clear();
                        (self.start, self.searched, self.line, self.said) = (0, 0, 0, false);
                        return Ok(Event::Replaced);
                    }
                    std::thread::sleep(PAUSE);
                }
            }
        }
    }

    /// Reads what is there, and no more than a chunk; waits only on standard input.
    fn read(&mut self) -> anyhow::Result<usize> {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        let kept = self.buffer.len();
        self.buffer.resize(kept + CHUNK, 0);
        let read = match &mut self.source {
            Source::Input(input) => input.read(&mut self.buffer[kept..]),
            Source::Growing { file, .. } => file.read(&mut self.buffer[kept..]),
        };
        let read = match read {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Ok(0),
            read => read,
        };
        self.buffer.truncate(kept + read.as_ref().copied().unwrap_or(0));
        read.context("cannot read the rows of the trace")
    }
}

/// Whether a file was cut short or replaced; it then stands at its beginning. One that is gone may come again.
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

    /// All lines up to the next dry spell, and what came before it else.
    fn drained(lines: &mut Lines) -> Vec<String> {
        let mut found = Vec::new();
        loop {
            match lines.next_event().unwrap() {
                Event::Line(line) => found.push(String::from_utf8(lines.text(line).to_vec()).unwrap()),
                Event::Replaced => found.push("(replaced)".to_string()),
                Event::Dry if found.is_empty() => {}
                Event::Dry | Event::End => return found,
            }
        }
    }

    #[test]
    fn a_line_waits_for_its_end_and_a_file_may_be_cut_short_or_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.csv");
        std::fs::write(&path, "a\nb").unwrap();
        let mut lines = Lines::of_growing(&path).unwrap();
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
        let mut lines = Lines::of_growing(&path).unwrap();
        assert_eq!(drained(&mut lines), [long, "b".to_string()]);
        std::fs::write(&path, vec![b'x'; 2 * LONGEST_LINE]).unwrap();
        let endless = lines.next_event().unwrap_err();
        assert!(endless.to_string().contains("has more than 1048576 bytes and no end"), "{endless}");
    }
}
