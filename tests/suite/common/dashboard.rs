//! The dashboard as a browser sees it: the program on a port of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::Lab;
use super::http::{self, Answer};

/// A small sweep with a search, seeds and a baseline.
pub const SWEEP: &str = "max_rows = 600\n[task.next_request]\nlookback = 8\n[training]\nepochs = 2\n[[models]]\n\
    [models.persistence]\n[[models]]\n[models.lstm]\nhidden = { grid = [2, 4] }\n[search]\nseeds = [1, 2]\n";

/// A name that must never become markup, and its like in an address.
pub const HOSTILE: &str = "<script>alert(1)</script>\"'&";

/// A server that ends with the test.
pub struct Dashboard {
    pub child: Child,
    pub port: u16,
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Dashboard {
    pub fn start(lab: &Lab, more: &[&str]) -> Self {
        let mut arguments = vec!["ui", "--port", "0"];
        arguments.extend(more);
        let mut child = lab.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap();
        Self { child, port }
    }

    /// Sends a request as it stands; `{host}` in it is the server's name.
    pub fn raw(&self, request: &str) -> Answer {
        http::raw(self.port, request)
    }

    pub fn ask(&self, method: &str, path: &str, headers: &str) -> Answer {
        http::ask(self.port, method, path, headers, "")
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "")
    }

    /// A page that must be there.
    pub fn page(&self, path: &str) -> String {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }

    /// A page, loaded again until it holds a text, as its script would.
    pub fn page_with(&self, path: &str, text: &str) -> String {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let page = self.page(path);
            if page.contains(text) || Instant::now() > end {
                return page;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    pub fn post(&self, path: &str, fields: &str, headers: &str) -> Answer {
        let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
        let length = fields.len();
        self.raw(&format!(
            "POST {path} HTTP/1.1\r\nHost: {{host}}\r\nConnection: close\r\n{kind}Content-Length: {length}\r\n{headers}\r\n{fields}"
        ))
    }

    /// A form that a page of the server sends.
    pub fn send(&self, path: &str, fields: &str) -> Answer {
        self.post(path, fields, "Origin: http://{host}\r\n")
    }

    /// The first events of a stream, at most so many and for so long.
    pub fn events(&self, path: &str, most: usize, wait: Duration) -> Vec<serde_json::Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\r\n", self.port);
        stream.write_all(request.as_bytes()).unwrap();
        let end = Instant::now() + wait;
        let (mut text, mut buffer) = (String::new(), [0; 4096]);
        loop {
            let events: Vec<serde_json::Value> = text
                .lines()
                .filter_map(|line| line.strip_prefix("data: "))
                .filter_map(|data| serde_json::from_str(data).ok())
                .collect();
            if events.len() >= most || Instant::now() > end {
                return events;
            }
            if let Ok(read) = stream.read(&mut buffer) {
                text.push_str(&String::from_utf8_lossy(&buffer[..read]));
            }
        }
    }
}

pub fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat()
}

pub fn lab_with_a_sweep() -> Lab {
    let lab = Lab::new();
    lab.run(&lab.azure("sweep", SWEEP), &[]);
    lab
}

/// Any run of a trained model.
pub fn run_of(lab: &Lab) -> String {
    let run = lab
        .scalar("select run_id from runs where model = 'lstm' and status = 'done' order by run_id limit 1");
    run.as_str().unwrap().to_string()
}
