//! A burstlab with a results folder of its own, asked through the program as a user asks it.

pub mod dashboard;
pub mod http;
pub mod load;

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use sysinfo::{ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System, UpdateKind};
use tempfile::TempDir;

/// A valid experiment, for mistakes and overrides to be put into.
pub const VALID: &str = r#"name = "e"
[dataset]
source = "synthetic-burstgpt"
max_rows = 400
[task.next_request]
lookback = 50
horizon = 10
[training]
epochs = 1
[[models]]
[models.persistence]
[[models]]
[models.lstm]
hidden = 4
"#;

/// Nine runs, two of them ensembles, for plans that are divided.
pub const DIVIDED: &str = r#"
max_rows = 1000
[task.next_request]
lookback = 10
[training]
epochs = 2
batch_size = 64
[[models]]
[models.persistence]
[[models]]
[models.dlinear]
kernel = { grid = [3, 5] }
[[models]]
[models.lstm]
hidden = 4
[[models]]
[models.ensemble]
members = ["dlinear", "lstm"]
[search]
seeds = [1, 2]
"#;

/// The program and a folder that ends with the test.
pub struct Lab {
    pub folder: TempDir,
}

/// What a call of the program printed and how it ended.
pub struct Outcome {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// An excerpt of the real Azure conversation trace.
pub fn azure_excerpt() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("dataset/fixtures/azure-conv-excerpt.csv")
}

impl Lab {
    pub fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    pub fn results(&self) -> PathBuf {
        self.folder.path().join("results")
    }

    /// Writes a file and returns its path. Tests that share this folder write the same files again while others read them,
    /// so a file is there whole from its first moment on, and one that already says this is not touched.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        match std::fs::read(&path) {
            Ok(present) if present == text.as_bytes() => {}
            Ok(_) => std::fs::write(&path, text).unwrap(),
            Err(_) => {
                let permissions = std::fs::Permissions::from_mode(0o644);
                let mut whole =
                    tempfile::Builder::new().permissions(permissions).tempfile_in(&self.folder).unwrap();
                whole.write_all(text.as_bytes()).unwrap();
                whole.persist(&path).unwrap();
            }
        }
        path
    }

    /// An experiment on the Azure excerpt: what follows `[dataset]` is given.
    pub fn azure(&self, name: &str, rest: &str) -> PathBuf {
        let source = azure_excerpt();
        self.file(
            &format!("{name}.toml"),
            &format!("name = \"{name}\"\n[dataset]\nsource = \"{}\"\n{rest}", source.display()),
        )
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_burstlab"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("BURSTLAB_RESULTS", self.results())
            .env("BURSTLAB_DATASET", self.folder.path().join("dataset"))
            .env("BURSTLAB_CACHE", self.folder.path().join("cache"))
            .env_remove("NO_COLOR")
            .stdin(Stdio::null());
        command
    }

    pub fn call(&self, arguments: &[&str]) -> Outcome {
        self.command(arguments).output().unwrap().into()
    }

    /// Calls the program with this text on its standard input. It may end before it has read everything.
    pub fn call_with_input(&self, arguments: &[&str], text: &str) -> Outcome {
        let mut command = self.command(arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || drop(input.write_all(text.as_bytes())));
            child.wait_with_output().unwrap().into()
        })
    }

    /// Runs an experiment file and expects it to end well.
    pub fn run(&self, file: &Path, more: &[&str]) -> Outcome {
        let mut arguments = vec!["run", file.to_str().unwrap()];
        arguments.extend(more);
        let outcome = self.call(&arguments);
        assert_eq!(outcome.code, 0, "{}\n{}", outcome.stdout, outcome.stderr);
        outcome
    }

    /// Starts a run in the background.
    pub fn start(&self, file: &Path, more: &[&str]) -> Child {
        let mut arguments = vec!["run", file.to_str().unwrap()];
        arguments.extend(more);
        self.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The rows of a query, as JSON objects.
    pub fn query(&self, sql: &str) -> Vec<Value> {
        let outcome = self.call(&["query", sql, "--format", "json"]);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        serde_json::from_str(&outcome.stdout).unwrap()
    }

    /// The first column of the first row of a query.
    pub fn scalar(&self, sql: &str) -> Value {
        let rows = self.query(sql);
        rows[0].as_object().unwrap().values().next().unwrap().clone()
    }

    /// Changes the store behind burstlab's back.
    pub fn execute(&self, sql: &str) {
        use sqlx::Connection;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let options =
                sqlx::sqlite::SqliteConnectOptions::new().filename(self.results().join("burstlab.db"));
            let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
            sqlx::query(sqlx::AssertSqlSafe(sql.to_string())).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        });
    }

    /// Every metric of an experiment, in a fixed order and bit by bit.
    pub fn metrics(&self, experiment: &str) -> Vec<(String, u64)> {
        let sql = format!(
            "select m.run_id || ' ' || part || ' ' || target || ' ' || unit || ' ' || name as key, value \
             from metrics m join experiment_runs using (run_id) where experiment = '{experiment}' order by 1"
        );
        self.query(&sql)
            .iter()
            .map(|row| (row["key"].as_str().unwrap().to_string(), row["value"].as_f64().unwrap().to_bits()))
            .collect()
    }

    /// Waits until a query gives this value.
    pub fn wait_for(&self, sql: &str, wanted: impl Fn(&Value) -> bool) {
        let started = std::time::Instant::now();
        while started.elapsed().as_secs() < 60 {
            let outcome = self.call(&["query", sql, "--format", "json"]);
            if outcome.code == 0 {
                let rows: Vec<Value> = serde_json::from_str(&outcome.stdout).unwrap();
                if rows
                    .first()
                    .and_then(|row| row.as_object()?.values().next().cloned())
                    .is_some_and(|v| wanted(&v))
                {
                    return;
                }
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        panic!("waited a minute for: {sql}");
    }
}

/// Changes a store behind the program's back.
pub fn sql(store: &Path, statement: &str) {
    use sqlx::{Connection, Executor};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(store);
        let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
        let statement = sqlx::AssertSqlSafe(statement.to_string());
        connection.execute(sqlx::query(sqlx::SqlSafeStr::into_sql_str(statement))).await.unwrap();
    });
}

/// Worker processes whose supervisor is `parent`.
pub fn workers_of(parent: u32) -> Vec<u32> {
    let is_worker = |process: &Listed| process.parent == parent && process.command.contains("worker");
    processes().into_iter().filter(is_worker).map(|process| process.pid).collect()
}

/// Processes whose parent is `parent`.
pub fn children_of(parent: u32) -> Vec<u32> {
    processes().into_iter().filter(|process| process.parent == parent).map(|process| process.pid).collect()
}

/// Whether a process is there and not only its remains.
pub fn is_alive(pid: u32) -> bool {
    burstlab::system::process::is_alive(pid)
}

/// Living processes that work in a folder, as all that a [`Lab`] starts do.
pub fn processes_in(folder: &Path) -> Vec<u32> {
    let folder = folder.canonicalize().unwrap();
    let works_there = |process: &Listed| process.folder.as_ref() == Some(&folder);
    processes().into_iter().filter(works_there).map(|process| process.pid).collect()
}

/// A living process.
struct Listed {
    pid: u32,
    parent: u32,
    command: String,
    folder: Option<PathBuf>,
}

/// Every living process that this user may look at.
fn processes() -> Vec<Listed> {
    let mut system = System::new();
    let what = ProcessRefreshKind::nothing().without_tasks();
    let what = what.with_cmd(UpdateKind::Always).with_cwd(UpdateKind::Always);
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, what);
    let living = system
        .processes()
        .values()
        .filter(|process| !matches!(process.status(), ProcessStatus::Zombie | ProcessStatus::Dead));
    living
        .map(|process| Listed {
            pid: process.pid().as_u32(),
            parent: process.parent().map_or(0, sysinfo::Pid::as_u32),
            command: process.cmd().join(OsStr::new(" ")).to_string_lossy().into_owned(),
            folder: process.cwd().map(Path::to_path_buf),
        })
        .collect()
}

pub fn kill(pid: u32, signal: &str) {
    let status = Command::new("kill").arg(format!("-{signal}")).arg(pid.to_string()).status().unwrap();
    assert!(status.success());
}
