//! The pages of the dashboard, over a store of a real sweep: they answer, and what is hostile in them stays text.

use std::time::{Duration, Instant};

use crate::common::Lab;
use crate::common::dashboard::{Dashboard, HOSTILE, encoded, lab_with_a_sweep, run_of};

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
    let compared = ui.page(&format!("/compare?of={run}&of=sweep&x=seed&y=test.mae"));
    assert!(compared.contains("Settings that differ") && compared.contains("class=\"scatter\""));
    // Two points show no course.
    let two = ui.page(&format!("/compare?of={run}&of=sweep%3Apersistence"));
    assert!(two.contains("Settings that differ") && !two.contains("class=\"scatter\""));
    assert!(
        ui.page("/compare?of=sweep%40all").contains("over its revisions")
            || ui.page("/compare?of=sweep%40all").contains("Test error by revision")
    );
    assert!(
        ui.page("/data").contains("azure-conv-excerpt.csv")
            && ui.page("/data").contains("synthetic-burstgpt")
    );
    let source = encoded(&crate::common::azure_excerpt().display().to_string());
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
fn a_run_that_failed_is_shown_beside_another_one() {
    let lab = lab_with_a_sweep();
    let run = run_of(&lab);
    let failed = lab.scalar(&format!(
        "select run_id from runs where model = 'lstm' and run_id <> '{run}' order by run_id limit 1"
    ));
    let failed = failed.as_str().unwrap();
    lab.execute(&format!("update run_records set status = 'failed' where run_id = '{failed}'"));
    let ui = Dashboard::start(&lab, &[]);
    let page = ui.page(&format!("/compare?of={run}&of={failed}"));
    assert!(page.contains(&format!("run {failed} is failed, so it has no metrics to compare")), "{page}");
    assert!(page.contains("Configurations"), "{page}");
    assert!(
        ui.page("/compare?of=sweep&of=sweep%3Anosuch").contains("has no finished run of `nosuch`; it has")
    );
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
