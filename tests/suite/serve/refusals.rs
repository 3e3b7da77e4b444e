//! Questions, rows, strangers and models that are refused.

use super::*;

#[test]
fn rows_of_a_request_are_taken_in_all_or_none() {
    let text = azure();
    let path = trained().file("posted.csv", &lines(&text, 0..302));
    let server = Served::start("next", "-", &[]);
    assert_eq!(server.metric("burstlab_rows_total"), 0.0);
    let unknown = server.get("/v1/forecast");
    assert_eq!((unknown.status, unknown.header("retry-after")), (503, "5"));
    assert_snapshot!(unknown.body, @r#"{"error":"no forecast is known yet: 0 steps came, and 12 more must come before the first","remedy":"add rows to the trace, or send them to /v1/rows","missing_steps":12}"#);
    assert_eq!(server.metric("burstlab_forecast_known"), 0.0);
    assert_eq!(server.metric("burstlab_stale"), 1.0);
    assert!(server.metrics("burstlab_forecast{").is_empty());
    let taken = server.post(&lines(&text, 0..200));
    assert_eq!(
        (taken.status, taken.body.as_str()),
        (200, r#"{"known_steps":198,"missing_steps":0,"rows":199}"#)
    );
    let before = server.json("/v1/forecast");
    let bad = lines(&text, 200..202) + "2023-11-16 18:17:00.0,12,many\n" + &lines(&text, 202..204);
    for (rows, status) in [
        (bad.as_str(), 400),
        (&lines(&text, 150..151), 400),
        ("{\"timestamp\": 1, \"input_length\": 2, \"output_length\": 3}\n", 400),
        ("\n\n", 400),
        (&lines(&text, 0..1), 400),
        ("1,2\n", 400),
    ] {
        let refused = server.post(rows);
        assert_eq!(refused.status, status, "{rows}: {}", refused.body);
    }
    assert_snapshot!(server.post(&bad).body, @r#"{"error":"`many` is not a number","line":3,"column":"GeneratedTokens","remedy":"correct this row and send all rows again: none of them was taken in"}"#);
    assert_snapshot!(server.post("{\"timestamp\": 1}").body, @r#"{"error":"the rows before these came as CSV, but these are JSON lines; send CSV","line":1,"remedy":"correct this row and send all rows again: none of them was taken in"}"#);
    let turned = "ContextTokens,TIMESTAMP,GeneratedTokens\n12,2023-11-16 18:17:30.0,3\n";
    assert_snapshot!(server.post(turned).body, @r#"{"error":"the columns are TIMESTAMP, ContextTokens, GeneratedTokens; send them in this order","line":1,"remedy":"correct this row and send all rows again: none of them was taken in"}"#);
    let after = server.json("/v1/forecast");
    assert_eq!((&after["steps"], &after["known_steps"]), (&before["steps"], &before["known_steps"]));
    // The header may come again, and the last line may lack its end.
    assert_eq!(server.post(&(lines(&text, 0..1) + &lines(&text, 200..300))).status, 200);
    assert_eq!(server.post(lines(&text, 300..302).trim_end()).status, 200);
    assert_same(&server.json("/v1/forecast"), &predicted("next", &path, 2));
    let huge =
        "POST /v1/rows HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: 9000000\r\n\r\n";
    assert_eq!(http::raw(server.port, huge).status, 413);
    assert_eq!(server.get("/v1/rows").status, 405);
}

#[test]
fn a_row_years_ahead_is_refused_with_both_times_and_changes_nothing() {
    let lab = trained();
    let text = azure();
    let path = lab.file("years-ahead.csv", &lines(&text, 0..301));
    let server = Served::start("windows", "-", &[]);
    assert_eq!(server.post(&lines(&text, 0..300)).status, 200);
    let refused = server.post("2093-11-16 18:17:03.9799600,374,44\n");
    assert_eq!(refused.status, 400, "{}", refused.body);
    let fault: Value = serde_json::from_str(&refused.body).unwrap();
    let said = fault["error"].as_str().unwrap();
    let before = text.lines().nth(299).unwrap().split(',').next().unwrap();
    for part in ["`2093-11-16 18:17:03.9799600` is ", before, "at most 2 d 7 h may pass without a row"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!((&fault["line"], &fault["column"]), (&Value::from(1), &Value::from("TIMESTAMP")));
    assert_eq!(server.post(&lines(&text, 300..301)).status, 200);
    assert_same(&server.json("/v1/forecast"), &predicted("windows", &path, 4));
    // In a file it is a malformed row, which is passed over where this is asked for.
    let ahead = lines(&text, 0..300) + "2093-11-16 18:17:03.9799600,374,44\n" + &lines(&text, 300..301);
    let ahead = lab.file("ahead.csv", &ahead);
    let server = Served::start("windows", ahead.to_str().unwrap(), &["--skip-bad-rows"]);
    let served = server.forecast_when(|_| true);
    assert_same(&served, &predicted("windows", &path, 4));
    assert_eq!(server.metric("burstlab_rows_skipped_total"), 1.0);
}

#[test]
fn a_bad_question_names_the_parameter_and_the_remedy() {
    let path = trained().file("asked.csv", &lines(LOAD, 0..401));
    let server = Served::start("rows", path.to_str().unwrap(), &[]);
    server.forecast_when(|_| true);
    let answers: Vec<String> = [
        "/v1/forecast?steps=x",
        "/v1/forecast?steps=0",
        "/v1/forecast?steps=4",
        "/v1/forecast?steps=",
        "/v1/forecast?quantiles=0.3",
        "/v1/forecast?quantiles=0.5,high",
        "/v1/forecast?step=1",
        "/v1/forecast?steps=1&steps=2",
        "/v1/nothing",
    ]
    .iter()
    .map(|path| {
        let answer = server.get(path);
        assert_eq!(answer.header("content-type"), "application/json");
        format!("{path} {} {}", answer.status, answer.body)
    })
    .collect();
    assert_snapshot!(answers.join("\n"), @r#"
    /v1/forecast?steps=x 400 {"error":"steps: `x` is not a number of steps","parameter":"steps","remedy":"give 1 to 3"}
    /v1/forecast?steps=0 400 {"error":"steps: `0` is not a number of steps","parameter":"steps","remedy":"give 1 to 3"}
    /v1/forecast?steps=4 400 {"error":"steps: 4 is more than the 3 that this server forecasts","parameter":"steps","remedy":"give 1 to 3, or start the server with --steps 4"}
    /v1/forecast?steps= 400 {"error":"steps: `` is not a number of steps","parameter":"steps","remedy":"give 1 to 3"}
    /v1/forecast?quantiles=0.3 400 {"error":"quantiles: there is no quantile at `0.3`","parameter":"quantiles","remedy":"give some of 0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975, with commas between"}
    /v1/forecast?quantiles=0.5,high 400 {"error":"quantiles: `high` is not a level between 0 and 1","parameter":"quantiles","remedy":"give some of 0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975, with commas between"}
    /v1/forecast?step=1 400 {"error":"unknown parameter `step`","parameter":"step","remedy":"did you mean `steps`? the parameters are steps and quantiles"}
    /v1/forecast?steps=1&steps=2 400 {"error":"the parameter `steps` is given twice","parameter":"steps","remedy":"give it once"}
    /v1/nothing 404 {"error":"there is nothing at this address","remedy":"ask for /v1/forecast or /metrics, or send rows to /v1/rows"}
    "#);
    assert_eq!(server.post("").status, 409);
    assert_eq!(http::ask(server.port, "DELETE", "/metrics", "", "").status, 405);
    assert_eq!(http::ask(server.port, "HEAD", "/v1/forecast", "", "").status, 200);
    // More steps than the horizon have no quantiles.
    let server = Served::start("rows", path.to_str().unwrap(), &["--steps", "5"]);
    let far = server.forecast_when(|_| true);
    assert!(far["steps"][2]["quantiles"].is_object() && far["steps"][4]["quantiles"].is_null());
    assert_eq!(far["steps"].as_array().unwrap().len(), 5);
    let points = &predicted("rows", &path, 5)["steps"][4];
    assert_eq!(far["steps"][4]["points"]["work_s"], points["work_s"]);
}

#[test]
fn documents_that_are_no_rows_are_refused_with_what_to_send_instead() {
    let server = Served::start("rows", "-", &[]);
    let answer = r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1435781400,"1"]]}]}}"#;
    let pretty = serde_json::to_string_pretty(&serde_json::from_str::<Value>(answer).unwrap()).unwrap();
    let ended =
        r#"{"schema":"dynamo.request.trace.v1","event_type":"request_end","request":{"request_id":"a"}}"#;
    for (document, kind) in [
        (answer, "the answer to a query of Prometheus"),
        (pretty.as_str(), "the answer to a query of Prometheus"),
        (ended, "a request trace of Dynamo"),
    ] {
        let refused = server.post(document);
        assert_eq!(refused.status, 400, "{}", refused.body);
        assert!(
            refused.body.contains(kind) && refused.body.contains("as one JSON object on each line"),
            "{}",
            refused.body
        );
    }
    assert_eq!(server.metric("burstlab_rows_total"), 0.0);
}

#[test]
fn strangers_are_refused() {
    let path = trained().file("guarded.csv", &lines(LOAD, 0..101));
    let path = path.to_str().unwrap();
    let server = Served::start("rows", "-", &[]);
    assert_eq!(
        http::raw(server.port, "GET /metrics HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
            .status,
        403
    );
    for header in ["Origin: http://evil.example\r\n", "Sec-Fetch-Site: cross-site\r\n"] {
        assert_eq!(
            http::ask(server.port, "POST", "/v1/rows", header, &lines(LOAD, 0..3)).status,
            403,
            "{header}"
        );
    }
    assert_eq!(server.metric("burstlab_rows_total"), 0.0);
    let token = "0123456789abcdef";
    let server = Served::start("rows", path, &["--host", "0.0.0.0", "--token", token]);
    for headers in [
        String::new(),
        "Authorization: Bearer 0123456789abcdeF\r\n".to_string(),
        format!("Cookie: burstlab_key_{}=x\r\n", server.port),
    ] {
        let refused = http::ask(server.port, "GET", "/metrics", &headers, "");
        assert_eq!((refused.status, refused.header("www-authenticate")), (401, "Bearer realm=\"burstlab\""));
        assert!(refused.body.contains("Authorization: Bearer TOKEN"), "{}", refused.body);
    }
    assert_eq!(
        server.get(&format!("/metrics?token={token}")).status,
        401,
        "a token is no part of an address"
    );
    let bearer = format!("Authorization: Bearer {token}\r\n");
    assert_eq!(http::ask(server.port, "GET", "/metrics", &bearer, "").status, 200);
    let inside = format!(
        "GET /metrics HTTP/1.1\r\nHost: burstlab.serving.svc:7118\r\nConnection: close\r\n{bearer}\r\n"
    );
    assert_eq!(http::raw(server.port, &inside).status, 200);
    for more in [vec!["--host", "0.0.0.0"], vec!["--token", "short"]] {
        let mut arguments = vec!["serve", "--experiment", "rows", "--trace", path];
        arguments.extend(more);
        assert_eq!(trained().call(&arguments).code, 2);
    }
}

#[test]
fn it_ends_cleanly_on_a_signal_also_with_a_client_that_sends_half_a_request() {
    let path = trained().file("ended.csv", &lines(LOAD, 0..101));
    for signal in ["TERM", "INT"] {
        for trace in [path.to_str().unwrap(), "-"] {
            let server = Served::start("rows", trace, &[]);
            let mut slow = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
            slow.write_all(b"POST /v1/rows HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Le").unwrap();
            assert_eq!(server.get("/metrics").status, 200);
            let asked = Instant::now();
            kill(server.child.id(), signal);
            let (code, said) = server.end();
            assert_eq!(code, 0, "{said}");
            assert!(asked.elapsed() < Duration::from_secs(5));
        }
    }
}

#[test]
fn a_crowd_of_connections_is_answered_or_waits() {
    let path = trained().file("crowded.csv", &lines(LOAD, 0..101));
    let server = Served::start("rows", path.to_str().unwrap(), &[]);
    server.forecast_when(|_| true);
    let crowd: Vec<TcpStream> =
        (0..300).map(|_| TcpStream::connect(("127.0.0.1", server.port)).unwrap()).collect();
    drop(crowd);
    assert_eq!(server.get("/v1/forecast").status, 200);
}

#[test]
fn what_cannot_be_served_says_why() {
    let lab = trained();
    let serve = |experiment: &str, trace: &str, more: &[&str]| {
        let mut arguments = vec!["serve", "--port", "0", "--experiment", experiment, "--trace", trace];
        arguments.extend(more);
        let outcome = lab.call(&arguments);
        (outcome.code, outcome.stderr)
    };
    for (experiment, trace, code, said) in [
        ("rows", "nowhere.csv", 2, "`nowhere.csv` is neither a file"),
        ("rows", "synthetic-burstgpt", 2, "is not a file"),
        ("untimed", "untimed.csv", 2, "give --stale-after"),
    ] {
        let (ended, stderr) = serve(experiment, trace, &[]);
        assert!(ended == code && stderr.contains(said), "{experiment} {trace}: {ended} {stderr}");
    }
    let (code, stderr) = serve("rows", "load.csv", &["--stale-after", "0s"]);
    assert!(code == 2 && stderr.contains("--stale-after must be longer than 0s"), "{code} {stderr}");
    // A whole document is refused before an address is said, though its one line has no end.
    let answer = r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#;
    let record = r#"{"schema":"dynamo.request.trace.v1","event_type":"request_end"}"#;
    for (file, text, kind) in [("answer.json", answer, "Prometheus"), ("dynamo.jsonl", record, "Dynamo")] {
        lab.file(file, text);
        let outcome = lab.call(&["serve", "--port", "0", "--experiment", "rows", "--trace", file]);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (1, ""), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(kind) && outcome.stderr.contains("once with `burstlab predict`"));
    }
    // A trace of another kind, and a malformed row, end the server.
    let (code, stderr) = serve("rows", azure_excerpt().to_str().unwrap(), &[]);
    assert!(code == 1 && stderr.contains("trace of requests"), "{code} {stderr}");
    let bad = lines(LOAD, 0..51) + "2026-01-01 00:00:00,x\n" + &lines(LOAD, 51..61);
    let path = lab.file("bad.csv", &bad);
    let (code, stderr) = serve("rows", path.to_str().unwrap(), &[]);
    assert!(code == 1 && stderr.contains("bad.csv:52"), "{code} {stderr}");
    let server = Served::start("rows", path.to_str().unwrap(), &["--skip-bad-rows"]);
    server.forecast_when(|forecast| forecast["known_steps"] == 60);
    assert_eq!(server.metric("burstlab_rows_skipped_total"), 1.0);
    let server = Served::start("untimed", "untimed.csv", &["--stale-after", "1h"]);
    assert!(server.forecast_when(|_| true)["replicas"].is_null());
}
