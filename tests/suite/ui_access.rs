//! Who is answered by the dashboard, and what it says of a store that changes, is locked or gone.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::common::dashboard::{Dashboard, SWEEP, encoded, lab_with_a_sweep};

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
    let told = ui.events("/events", 2, Duration::from_mins(1));
    assert_eq!(told.len(), 2, "{told:?}");
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
