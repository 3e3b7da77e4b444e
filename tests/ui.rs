//! The dashboard as a browser sees it: the program on a port of its own, over a store of a real sweep.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use common::Lab;

/// A small sweep with a search, seeds and a baseline.
const SWEEP: &str = "max_rows = 600\n[task.next_request]\nlookback = 8\n[training]\nepochs = 2\n[[models]]\n\
    [models.persistence]\n[[models]]\n[models.lstm]\nhidden = { grid = [2, 4] }\n[search]\nseeds = [1, 2]\n";

/// A name that must never become markup, and its like in an address.
const HOSTILE: &str = "<script>alert(1)</script>\"'&";

/// A server that ends with the test.
struct Dashboard {
    child: Child,
    port: u16,
}

/// An answer.
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Dashboard {
    fn start(lab: &Lab, more: &[&str]) -> Self {
        let mut arguments = vec!["ui", "--port", "0"];
        arguments.extend(more);
        let mut child = lab.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap();
        Self { child, port }
    }

    /// Sends a request as it stands; `{host}` in it is the server's name.
    fn raw(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        let request = request.replace("{host}", &format!("127.0.0.1:{}", self.port));
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let header = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_lowercase(), value.to_string())
        };
        Answer { status, headers: lines.map(header).collect(), body: body.to_string() }
    }

    fn ask(&self, method: &str, path: &str, headers: &str) -> Answer {
        self.raw(&format!("{method} {path} HTTP/1.1\r\nHost: {{host}}\r\nConnection: close\r\n{headers}\r\n"))
    }

    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "")
    }

    /// A page that must be there.
    fn page(&self, path: &str) -> String {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }

    /// A page, loaded again until it holds a text, as its script would.
    fn page_with(&self, path: &str, text: &str) -> String {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let page = self.page(path);
            if page.contains(text) || Instant::now() > end {
                return page;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn post(&self, path: &str, fields: &str, headers: &str) -> Answer {
        let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
        let length = fields.len();
        self.raw(&format!(
            "POST {path} HTTP/1.1\r\nHost: {{host}}\r\nConnection: close\r\n{kind}Content-Length: {length}\r\n{headers}\r\n{fields}"
        ))
    }

    /// A form that a page of the server sends.
    fn send(&self, path: &str, fields: &str) -> Answer {
        self.post(path, fields, "Origin: http://{host}\r\n")
    }

    /// The first events of a stream, at most so many and for so long.
    fn events(&self, path: &str, most: usize, wait: Duration) -> Vec<serde_json::Value> {
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

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat()
}

fn lab_with_a_sweep() -> Lab {
    let lab = Lab::new();
    lab.run(&lab.azure("sweep", SWEEP), &[]);
    lab
}

/// Any run of a trained model.
fn run_of(lab: &Lab) -> String {
    let run = lab
        .scalar("select run_id from runs where model = 'lstm' and status = 'done' order by run_id limit 1");
    run.as_str().unwrap().to_string()
}

#[test]
fn every_page_answers() {
    let lab = lab_with_a_sweep();
    let run = run_of(&lab);
    let ui = Dashboard::start(&lab, &[]);
    let overview = ui.page_with("/", "class=\"spark\"");
    assert!(
        overview.contains("sweep@1") && overview.contains("finished") && overview.contains("class=\"spark\"")
    );
    let experiment = ui.page("/experiments/sweep@1");
    assert!(experiment.contains("Leaderboard") && experiment.contains("<svg"));
    assert!(ui.page("/experiments/sweep").contains("/trials/sweep%401"));
    assert!(ui.page("/experiments/sweep@1/file").starts_with("name = \"sweep\""));
    let runs = ui.page("/runs");
    assert!(runs.contains("1 to 5 of 5 runs") && runs.contains(&run));
    assert!(ui.page("/runs?model=lstm&where=hidden%3D2").contains("1 to 2 of 2 runs"));
    assert!(ui.page("/runs?experiment=sweep&status=failed").contains("No run passes"));
    assert!(ui.page("/runs?sort=test.mae&column=run_id&column=learning_rate").contains("test.mae"));
    assert!(
        ui.page("/trials/sweep?sort=hidden&order=descending&where=hidden%3E2").contains("1 to 1 of 1 trial")
    );
    let page = ui.page(&format!("/runs/{run}"));
    for part in [
        "Learning curves",
        "observed and forecast",
        "Configuration",
        "Attempts",
        "burstlab rerun",
        "run.toml",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(ui.page(&format!("/runs/{run}/files/run.toml")).contains("run_id"));
    assert!(ui.page("/compare").contains("value=\"sweep@1\""));
    let compared = ui.page(&format!("/compare?of={run}&of=sweep%3Apersistence&x=seed&y=test.mae"));
    assert!(compared.contains("Settings that differ") && compared.contains("class=\"scatter\""));
    assert!(
        ui.page("/compare?of=sweep%40all").contains("over its revisions")
            || ui.page("/compare?of=sweep%40all").contains("Test error by revision")
    );
    assert!(
        ui.page("/data").contains("azure-conv-excerpt.csv")
            && ui.page("/data").contains("synthetic-burstgpt")
    );
    let source = encoded(&common::azure_excerpt().display().to_string());
    assert!(ui.page(&format!("/data/inspect?source={source}")).contains("Quantities"));
    assert!(ui.page("/sql").contains("Which experiments are in the store?"));
    let styled = ui.page("/runs");
    for (at, _) in styled.match_indices("/static/") {
        let address = styled[at..].split('"').next().unwrap();
        let file = ui.get(address);
        assert_eq!((file.status, file.header("cache-control")), (200, "public, max-age=31536000, immutable"));
        let tag = format!("If-None-Match: {}\r\n", file.header("etag"));
        assert_eq!(ui.ask("GET", address, &tag).status, 304);
        assert_eq!(ui.ask("GET", address, "Accept-Encoding: gzip\r\n").header("content-encoding"), "gzip");
    }
}

#[test]
fn the_page_of_a_run_tells_what_acting_on_its_forecasts_costs() {
    let lab = Lab::new();
    let service = "[task.window_load]\nwindow = \"5s\"\nlookback = 4\nhorizon = 2\n[capacity]\nprefill_tokens_per_s = 2000\n\
                   decode_tokens_per_s = 500\ncold_start = \"5s\"\nplan_for = [\"mean\", 0.8, 0.9]\n[[models]]\n[models.ewma]\n";
    lab.run(&lab.azure("acted", service), &[]);
    let run = lab.scalar("select run_id from runs where status = 'done'");
    let ui = Dashboard::start(&lab, &[]);
    let page = ui.page(&format!("/runs/{}", run.as_str().unwrap()));
    for part in [
        "Capacity",
        "its mean",
        "its 80 % quantile",
        "(chosen)",
        "reactive_with_headroom (×",
        "late_work_share",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn addresses_that_lead_nowhere_say_so() {
    let lab = lab_with_a_sweep();
    let ui = Dashboard::start(&lab, &[]);
    for path in [
        "/nosuch",
        "/experiments/nosuch",
        "/runs/zzzz",
        "/trials/sweep@9",
        "/compare?of=nosuch",
        "/static/nosuch",
    ] {
        assert_eq!(ui.get(path).status, 404, "{path}");
    }
    for path in [
        "/runs?status=odd",
        "/runs?where=hidden",
        "/runs?where=nosuch%3D1",
        "/runs?sort=nosuch",
        "/runs?model=x",
        "/?since=soon",
        "/trials/sweep?where=seed%3D1",
    ] {
        assert_eq!(ui.get(path).status, 400, "{path}");
    }
    assert!(ui.get("/experiments/sweeb").body.contains("did you mean `sweep`?"));
    assert!(ui.get("/runs?where=hiden%3D2").body.contains("did you mean"));
    assert_eq!(ui.ask("HEAD", "/runs", "").status, 200);
    assert!(ui.ask("HEAD", "/runs", "").body.is_empty());
    assert_eq!(ui.send("/runs", "").status, 405);
    assert_eq!(ui.get("/tags").status, 405);
    assert_eq!(ui.get("/runs/%FF%FE").status, 400);
}

#[test]
fn hostile_names_stay_text() {
    let lab = lab_with_a_sweep();
    let run = run_of(&lab);
    let quoted = HOSTILE.replace('\'', "''");
    let long = "long".repeat(2_000);
    lab.execute(&format!(
        "update revisions set description = '{quoted}', note = '{quoted}', outcome = '{quoted}', command = '{quoted}'; \
         update run_records set note = '{quoted}'; update attempts set error = '{quoted}', device = '{quoted}'; \
         insert into run_tags values ('{run}', '{quoted}'); \
         insert into events (at, experiment, run_id, kind, detail) values ('', 'sweep', '{run}', '{quoted}', '{quoted}'); \
         insert into revisions select '{quoted}', revision, description, path, text, given, overrides, axes, objective, report, \
         unproposed, command, git_commit, git_dirty, host, device, started_at, updated_at, finished_at, outcome, note, archived \
         from revisions where experiment = 'sweep'; \
         insert into revision_runs select '{quoted}', run_id, revision, position from revision_runs where experiment = 'sweep'; \
         insert into revisions select '{long}', revision, description, path, text, given, overrides, axes, objective, report, \
         unproposed, command, git_commit, git_dirty, host, device, started_at, updated_at, finished_at, outcome, note, archived \
         from revisions where experiment = 'sweep'"
    ));
    let ui = Dashboard::start(&lab, &[]);
    let name = encoded(&format!("{HOSTILE}@1"));
    std::thread::sleep(Duration::from_millis(500));
    for path in [
        "/".to_string(),
        format!("/experiments/{name}"),
        format!("/trials/{name}"),
        format!("/runs?experiment={name}"),
        "/runs?column=note&column=tags&column=device&column=experiment".to_string(),
        format!("/runs/{run}"),
        format!("/compare?of={name}&of=sweep"),
        "/data".to_string(),
        format!(
            "/sql?q={}",
            encoded(&format!("select '{quoted}' as \"<script>\", 1 as n union select 'b', 2"))
        ),
        format!("/sql?q={}", encoded("select <script>alert(1)</script>")),
        format!("/experiments/{}", encoded(HOSTILE).repeat(20)),
        format!("/runs?where={}", encoded(HOSTILE)),
        format!("/{}", encoded(HOSTILE)),
    ] {
        let answer = ui.get(&path);
        assert!(answer.status < 500, "{path}: {}", answer.body);
        assert!(!answer.body.contains("<script>"), "{path}: {}", answer.body);
        assert!(!answer.body.contains("style="), "{path} has a style of its own");
    }
    let file = ui.get(&format!("/experiments/{name}/file"));
    assert!(!file.header("content-disposition").contains('<'), "{}", file.header("content-disposition"));
}

#[test]
fn requests_from_elsewhere_are_refused() {
    let lab = lab_with_a_sweep();
    let ui = Dashboard::start(&lab, &[]);
    let port = ui.port;
    let with_host =
        |host: &str| ui.raw(&format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).status;
    for host in [
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        format!("[::1]:{port}"),
        format!("LOCALHOST:{port}"),
    ] {
        assert_eq!(with_host(&host), 200, "{host}");
    }
    for host in [
        "evil.example".to_string(),
        format!("evil.example:{port}"),
        "127.0.0.1".to_string(),
        "127.0.0.1:1".to_string(),
        String::new(),
    ] {
        assert_eq!(with_host(&host), 403, "{host}");
    }
    let twice = "GET / HTTP/1.1\r\nHost: {host}\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    assert_eq!(ui.raw(twice).status, 403);
    let absolute = "GET http://evil.example/ HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n";
    assert_eq!(ui.raw(absolute).status, 403);
    let fields = "of=sweep&tags=x&back=/";
    for headers in [
        "",
        "Origin: http://evil.example\r\n",
        "Origin: null\r\n",
        "Origin: http://127.0.0.1:1\r\n",
        "Origin: https://{host}\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "Origin: http://evil.example\r\nSec-Fetch-Site: same-origin\r\n",
    ] {
        assert_eq!(ui.post("/tags", fields, headers).status, 403, "{headers}");
    }
    for headers in
        ["Origin: http://{host}\r\n", "Sec-Fetch-Site: same-origin\r\n", "Sec-Fetch-Site: none\r\n"]
    {
        assert_eq!(ui.post("/tags", fields, headers).status, 303, "{headers}");
    }
    let embedded = "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image\r\n";
    assert_eq!(ui.ask("GET", "/", embedded).status, 403);
    let linked = "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n";
    assert_eq!(ui.ask("GET", "/", linked).status, 200);
    let policy = ui.get("/nosuch");
    assert!(
        policy
            .header("content-security-policy")
            .starts_with("default-src 'none'; script-src 'self'; style-src 'self';")
    );
    assert_eq!(
        (policy.header("x-content-type-options"), policy.header("referrer-policy")),
        ("nosniff", "same-origin")
    );
}

#[test]
fn no_path_leaves_the_folder_of_a_run() {
    let lab = lab_with_a_sweep();
    let run = run_of(&lab);
    let secret = lab.folder.path().join("secret");
    std::fs::write(&secret, "a secret").unwrap();
    let folder = lab.results().join("runs").join(&run);
    std::os::unix::fs::symlink(&secret, folder.join("link")).unwrap();
    std::os::unix::fs::symlink(lab.folder.path(), folder.join("way")).unwrap();
    let ui = Dashboard::start(&lab, &[]);
    let absolute = encoded(secret.to_str().unwrap());
    for path in [
        format!("/runs/{run}/files/../../../secret"),
        format!("/runs/{run}/files/%2e%2e/%2e%2e/%2e%2e/secret"),
        format!("/runs/{run}/files/..%2F..%2F..%2Fsecret"),
        format!("/runs/{run}/files/{absolute}"),
        format!("/runs/{run}/files//{absolute}"),
        format!("/runs/{run}/files/link"),
        format!("/runs/{run}/files/way/secret"),
        format!("/runs/{run}/files/run.toml%00"),
        "/static/..%2F..%2Fsecret".to_string(),
        "/runs/..%2F..%2Fsecret".to_string(),
        format!("/data/inspect?source={absolute}"),
        "/data/inspect?source=..%2Fsecret".to_string(),
    ] {
        let answer = ui.get(&path);
        assert!((400..500).contains(&answer.status), "{path}: {}", answer.status);
        assert!(!answer.body.contains("a secret"), "{path}");
    }
    assert!(!ui.page(&format!("/runs/{run}")).contains("files/link"));
}

#[test]
fn sql_reads_within_its_limits_and_nothing_else() {
    let lab = lab_with_a_sweep();
    let ui = Dashboard::start(&lab, &["--query-time", "500ms"]);
    let sql = |text: &str| ui.get(&format!("/sql?q={}", encoded(text)));
    let chart = sql("select model, count(*) as runs from runs group by model");
    assert!(chart.body.contains("data-chart") && chart.body.contains("persistence"));
    for text in [
        "insert into events (at, kind, detail) values ('', '', '')",
        "delete from runs",
        "attach 'x.db' as x",
        "pragma query_only = off",
        "pragma journal_mode = delete",
        "with x as (select 1) delete from run_records",
        "select 1; delete from runs",
        "vacuum into 'x.db'",
    ] {
        assert_eq!(sql(text).status, 400, "{text}");
        assert_eq!(ui.get(&format!("/sql?format=csv&q={}", encoded(text))).status, 400, "{text}");
    }
    let endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n";
    let started = Instant::now();
    let stopped = sql(endless);
    assert!(stopped.status == 400 && stopped.body.contains("took longer than 500 ms"), "{}", stopped.body);
    assert!(started.elapsed() < Duration::from_secs(10));
    let many = sql(
        "with recursive n(i) as (select 1 union all select i + 1 from n limit 6000) select i, i * i as square from n",
    );
    assert!(many.body.contains("and more, which are left out"));
    let long = sql("select printf('%070000d', 1) as digits");
    assert!(long.status == 200 && long.body.contains("Longer texts are cut") && long.body.len() < 90_000);
    let linked = "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n";
    let brought = ui.ask("GET", "/sql?format=csv&q=select+6*7+as+answer", linked);
    assert!(
        brought.body.contains("select 6*7 as answer") && !brought.body.contains("<h2>Result</h2>"),
        "{}",
        brought.body
    );
    let csv = ui.get(&format!("/sql?format=csv&q={}", encoded("select 1 as a, 'x,y' as b")));
    assert_eq!(
        (csv.body.as_str(), csv.header("content-type")),
        ("a,b\n1,\"x,y\"\n", "text/csv; charset=utf-8")
    );
    let json = ui.get(&format!("/sql?format=json&q={}", encoded("select 1 as a, null as b")));
    assert_eq!(json.body, "[{\"a\":1,\"b\":null}]");
    for number in 0..10 {
        let questions = ui.page("/sql");
        let links: Vec<&str> = questions.split("<li><a href=\"").skip(1).collect();
        let address = links[number].split('"').next().unwrap().replace("&amp;", "&");
        assert_eq!(ui.get(&address).status, 200, "{address}");
    }
}

#[test]
fn tags_and_notes_are_written_and_nothing_else() {
    let lab = lab_with_a_sweep();
    let run = run_of(&lab);
    let ui = Dashboard::start(&lab, &[]);
    ui.page("/");
    assert_eq!(
        ui.send("/tags", &format!("of={run}&tags=paper+best&back=/runs/{run}")).header("location"),
        format!("/runs/{run}")
    );
    assert!(lab.call(&["runs", "--tag", "best"]).stdout.contains(&run));
    assert!(ui.page("/runs?tag=best").contains("1 to 1 of 1 run"));
    ui.send("/tags", &format!("of={run}&tags=paper&back=/"));
    assert!(!lab.call(&["runs", "--tag", "best"]).stdout.contains(&run));
    // Another page took `paper` away and gave `new` since this form was shown.
    ui.send("/tags", &format!("of={run}&tags=new&back=/"));
    ui.send("/tags", &format!("of={run}&shown=paper&tags=paper+mine&back=/"));
    let tags = lab.scalar("select group_concat(tag, ' ') from (select tag from run_tags order by tag)");
    assert_eq!(tags, "mine new");
    ui.send("/tags", "of=sweep@1&tags=shown&back=/");
    assert!(ui.page("/?tag=shown").contains("sweep@1"));
    let note = "two\r\nlines <b>";
    assert_eq!(ui.send("/note", &format!("of=sweep@1&note={}&back=/", encoded(note))).status, 303);
    assert_eq!(lab.scalar("select note from revisions"), "two\nlines <b>");
    assert!(ui.page("/experiments/sweep@1").contains("lines &lt;b&gt;"));
    ui.send("/note", "of=sweep@1&note=&back=/");
    assert!(lab.scalar("select note from revisions").is_null());
    for back in ["//evil.example", "https://evil.example", "/%5Cevil.example", "javascript:alert(1)"] {
        assert_eq!(
            ui.send("/tags", &format!("of={run}&tags=&back={back}")).header("location"),
            "/",
            "{back}"
        );
    }
    assert_eq!(ui.send("/tags", "of=nosuch&tags=x&back=/").status, 404);
    let huge = "x".repeat(100_000);
    assert_eq!(ui.send("/note", &format!("of={run}&note={huge}&back=/")).status, 413);
}

#[test]
fn a_store_that_is_gone_locked_or_of_another_version_is_told_of() {
    let lab = lab_with_a_sweep();
    let store = lab.results().join("burstlab.db");
    let ui = Dashboard::start(&lab, &[]);
    assert!(ui.page("/").contains("sweep@1"));
    let aside = lab.folder.path().join("aside.db");
    lab.execute("pragma wal_checkpoint(truncate)");
    std::fs::rename(&store, &aside).unwrap();
    for path in ["/", "/experiments/sweep", "/runs", "/sql?q=select+1", "/compare?of=sweep", "/data"] {
        let answer = ui.get(path);
        assert_eq!(answer.status, 503, "{path}");
        assert!(answer.body.contains("there is no store at"), "{path}");
    }
    assert_eq!(ui.send("/tags", "of=sweep&tags=x&back=/").status, 503);
    assert!(!store.exists(), "a page makes no store");
    std::fs::write(&store, "this is not a database, whatever its name says").unwrap();
    assert_eq!(ui.get("/runs").status, 503);
    std::fs::copy(&aside, &store).unwrap();
    assert_eq!(ui.get("/runs").status, 200);
    lab.execute("insert into _sqlx_migrations values (99, 'newer', '', 1, x'', 0)");
    assert!(ui.get("/runs").body.contains("newer version of burstlab"));
    lab.execute("delete from _sqlx_migrations where version = 99");
    lab.execute("create table kept as select * from _sqlx_migrations where version = 7; delete from _sqlx_migrations where version = 7");
    let older = ui.get("/runs");
    assert!(older.status == 503 && older.body.contains("older version of burstlab"));
    lab.execute("insert into _sqlx_migrations select * from kept; drop table kept");
    assert_eq!(ui.get("/runs").status, 200);
}

#[test]
fn a_store_that_another_program_keeps_locked_is_told_of() {
    use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
    let lab = lab_with_a_sweep();
    let ui = Dashboard::start(&lab, &[]);
    ui.page("/runs");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = SqliteConnectOptions::new()
            .filename(lab.results().join("burstlab.db"))
            .pragma("locking_mode", "exclusive");
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::query("pragma journal_mode = delete").execute(&mut connection).await.unwrap();
        sqlx::query("begin exclusive").execute(&mut connection).await.unwrap();
        let locked = ui.get("/runs?status=done");
        assert!(locked.status == 503 && locked.body.contains("locked"), "{}: {}", locked.status, locked.body);
        assert_eq!(locked.header("retry-after"), "2");
        sqlx::query("rollback").execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    });
    assert_eq!(ui.get("/runs?status=done").status, 200);
}

#[test]
fn events_tell_of_a_sweep_of_another_process() {
    let lab = lab_with_a_sweep();
    let ui = Dashboard::start(&lab, &[]);
    let quiet = ui.events("/events?experiment=sweep", 1, Duration::from_secs(5));
    assert_eq!((&quiet[0]["done"], &quiet[0]["total"]), (&5.into(), &5.into()));
    let longer = SWEEP.replace("epochs = 2", "epochs = 40").replace("[1, 2]", "[1, 2, 3, 4]");
    let mut sweep = lab.start(&lab.azure("live", &longer), &[]);
    let told = ui.events("/events", 3, Duration::from_mins(1));
    assert!(told.len() >= 2, "{told:?}");
    assert_ne!(told[0]["version"], told[1]["version"]);
    assert!(sweep.wait().unwrap().success());
    let end = ui.events("/events?experiment=live", 1, Duration::from_secs(5));
    assert_eq!((&end[0]["done"], &end[0]["running"], &end[0]["total"]), (&9.into(), &0.into(), &9.into()));
    assert!(ui.page("/").contains("live@1"));
    assert_eq!(ui.get("/events?experiment=nosuch").status, 404);
}

#[test]
fn with_a_token_only_those_who_know_it_are_answered() {
    let lab = lab_with_a_sweep();
    let token = "0123456789abcdef";
    let ui = Dashboard::start(&lab, &["--token", token]);
    assert_eq!(ui.get("/").status, 401);
    assert_eq!(ui.get("/?token=0123456789abcdee").status, 401);
    assert_eq!(ui.get("/static/app.css").status, 401);
    assert_eq!(ui.get("/events").status, 401);
    assert_eq!(ui.ask("GET", "/", &format!("Authorization: Bearer {token}\r\n")).status, 200);
    assert_eq!(ui.ask("GET", "/", "Authorization: Bearer wrong\r\n").status, 401);
    let welcome = ui.get(&format!("/runs?status=done&token={token}"));
    assert_eq!(welcome.header("refresh"), "0; url=/runs?status=done");
    let cookie = welcome.header("set-cookie");
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && !cookie.contains(token),
        "{cookie}"
    );
    let cookie = format!("Cookie: other=1; {}\r\n", cookie.split(';').next().unwrap());
    assert_eq!(ui.ask("GET", "/", &cookie).status, 200);
    assert!(cookie.contains(&format!("_{}=", ui.port)));
    let again = ui.ask("GET", &format!("/runs?token={token}"), &cookie);
    assert_eq!(again.header("refresh"), "0; url=/runs", "the token does not stay in the address");
    assert_eq!(ui.post("/tags", "of=sweep&tags=x&back=/", &cookie).status, 403);
    let refused = |arguments: &[&str]| {
        let outcome = lab.call(arguments);
        assert_eq!(outcome.code, 2, "{arguments:?}: {}", outcome.stderr);
        outcome.stderr
    };
    assert!(refused(&["ui", "--host", "0.0.0.0"]).contains("a token is needed"));
    assert!(refused(&["ui", "--host", "0.0.0.0", "--token", "short"]).contains("at least 16"));
}

#[test]
fn more_requests_than_can_be_answered_are_sent_away() {
    let lab = lab_with_a_sweep();
    let ui = Dashboard::start(&lab, &["--query-time", "3s"]);
    let endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n";
    let path = format!("/sql?q={}", encoded(endless));
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..40).map(|_| scope.spawn(|| ui.get(&path).status)).collect();
        asked.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let away = statuses.iter().filter(|status| **status == 503).count();
    assert_eq!((away, statuses.iter().filter(|status| **status == 400).count()), (8, 32), "{statuses:?}");
    assert_eq!(ui.get("/runs").status, 200);
}

#[test]
fn a_port_that_is_taken_is_named_and_a_signal_ends_the_server() {
    let lab = lab_with_a_sweep();
    let mut ui = Dashboard::start(&lab, &[]);
    let outcome = lab.call(&["ui", "--port", &ui.port.to_string()]);
    assert_eq!(outcome.code, 1);
    assert!(outcome.stderr.contains("is taken") && outcome.stderr.contains("--port 0"), "{}", outcome.stderr);
    let stream = TcpStream::connect(("127.0.0.1", ui.port)).unwrap();
    let pid = rustix::process::Pid::from_child(&ui.child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let started = Instant::now();
    assert!(ui.child.wait().unwrap().success());
    assert!(started.elapsed() < Duration::from_secs(5));
    drop(stream);
}
