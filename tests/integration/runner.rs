//! `cargo run -p local` as a process (specification, section 6): its start, its end, and the data that outlives it.

use http::Method;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tests::system::{
    Answer, Directory, Random, System, WEBHOOK_SECRET, all, eventually, id, link, now, order, paid, phone, workspace,
};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

/// A running process of the program.
struct Runner {
    child: Child,
    output: BufReader<ChildStdout>,
    base: String,
}

fn command(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runner"));
    // Many tests send more requests than a person does.
    command.args(arguments).env_clear().env("AGENT_REQUESTS_PER_MINUTE", "0").envs(variables.iter().copied());
    command.kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Runner {
    async fn start(data_dir: Option<&Path>, variables: &[(&str, &str)]) -> Self {
        let mut arguments = vec!["--port", "0"];
        arguments.extend(data_dir.map(|path| ["--data-dir", path.to_str().unwrap()]).into_iter().flatten());
        Self::with(&arguments, variables).await
    }

    async fn with(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::of(command(arguments, variables)).await
    }

    /// Starts the program by a command that becomes it.
    async fn of(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut log = child.stderr.take().unwrap();
        // The log is read all the time; otherwise a full pipe would block the program.
        let log = tokio::spawn(async move {
            let mut text = String::new();
            drop(log.read_to_string(&mut text).await);
            text
        });
        let mut line = String::new();
        output.read_line(&mut line).await.unwrap();
        let Some(base) = line.strip_prefix("ready ").and_then(|rest| rest.strip_suffix('\n')) else {
            drop(child.start_kill());
            panic!("not ready but {line:?}: {}", log.await.unwrap());
        };
        let base = base.to_owned();
        Self { child, output, base }
    }

    fn system(&self) -> System {
        System::at(self.base.clone())
    }

    fn port(&self) -> u16 {
        self.base.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// Sends the signal with this name.
    async fn signal(&self, name: &str) {
        let process = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-s", name, &process]).status().await.unwrap();
        assert!(sent.success());
    }

    /// Waits until the process ends, and returns its exit status and its output after the first line.
    async fn ended(mut self) -> (ExitStatus, String) {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).await.unwrap();
        (self.child.wait().await.unwrap(), rest)
    }

    /// Kills the process, whatever it is doing.
    async fn kill(mut self) {
        self.child.start_kill().unwrap();
        self.child.wait().await.unwrap();
    }
}

#[tokio::test]
async fn it_prints_one_line_once_every_route_answers_and_ends_cleanly_on_either_signal() {
    for signal in ["TERM", "INT"] {
        let runner = Runner::start(None, &[]).await;
        assert_eq!(runner.base, format!("http://127.0.0.1:{}", runner.port()));
        let system = runner.system();
        for (method, path, status) in [
            (Method::POST, "/payment-requests", 401),
            (Method::GET, "/payment-requests", 401),
            (Method::GET, "/payment-requests/x", 401),
            (Method::POST, "/payment-requests/x/cancel", 401),
            (Method::GET, "/p/x", 404),
            (Method::HEAD, "/p/x", 404),
            (Method::POST, "/p/x", 404),
            (Method::POST, "/webhooks/sandbox", 401),
            (Method::GET, "/local/messages", 200),
            (Method::GET, "/local/events", 200),
            (Method::GET, "/sandbox/checkouts/x", 404),
        ] {
            let answer = Answer::of(system.request(method.clone(), path)).await;
            assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        }
        // The signal comes while work is in progress.
        let alice = system.alice().await;
        let sent = alice.sent().await;
        system.settle(&system.click(link(&sent)).await, "succeeded").await;
        runner.signal(signal).await;
        let (status, rest) = runner.ended().await;
        assert_eq!((status.code(), rest.as_str()), (Some(0), ""), "{signal}");
    }
}

/// With few open files, many more clients than there are places are all answered, and what happens in the background
/// goes on.
#[tokio::test(flavor = "multi_thread")]
async fn with_few_open_files_clients_wait_and_nothing_fails() {
    const CLIENTS: usize = 200;
    let limited = format!("ulimit -n 256 && exec '{}' --port 0", env!("CARGO_BIN_EXE_runner"));
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", &limited]).env_clear().env("LINK_TTL_SECONDS", "3").env("AGENT_REQUESTS_PER_MINUTE", "0");
    let runner = Runner::of(shell).await;
    let (base, workspace) = (runner.base.clone(), workspace());
    let token = runner.system().user(&workspace, "alice", "agent").await.token;
    // Each client has connections of its own, and keeps them as long as it may.
    let clients: Vec<System> = (0..CLIENTS).map(|_| System::at(base.clone())).collect();
    let expected: BTreeSet<String> = all(clients.iter().map(|system| async {
        let created = system.bearer(&token, "").create(&order(&phone())).await;
        assert_eq!(created.status, 201, "{created:?}");
        let page = system.page(Method::GET, link(&created.json())).await;
        assert!([200, 410].contains(&page.status), "{page:?}");
        let id = id(&created.json()).to_owned();
        [format!("{id}#1"), format!("{id}#2")]
    }))
    .await
    .into_iter()
    .flatten()
    .collect();
    let system = runner.system();
    eventually("the expiry of every link", async || {
        let events = system.events().await;
        let found: BTreeSet<&str> = events.iter().map(|event| event["detail"]["event_id"].as_str().unwrap()).collect();
        let missing = expected.iter().filter(|id| !found.contains(id.as_str())).count();
        if missing == 0 { Ok(()) } else { Err(format!("{missing} of {} are missing", expected.len())) }
    })
    .await;
    let stored = system.bearer(&token, &workspace).everything().await;
    assert_eq!(stored.iter().filter(|request| request["status"] == "expired").count(), CLIENTS);
    runner.signal("TERM").await;
    assert_eq!(runner.ended().await.0.code(), Some(0));
}

#[tokio::test]
async fn it_listens_on_the_configured_port() {
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let runner = Runner::with(&["--port", &free.to_string()], &[]).await;
    assert_eq!(runner.base, format!("http://127.0.0.1:{free}"));
    // No second process can use the same port.
    let second = command(&["--port", &free.to_string()], &[]).output().await.unwrap();
    assert!(!second.status.success() && second.stdout.is_empty());
    assert!(
        String::from_utf8_lossy(&second.stderr).contains(&free.to_string()),
        "the error names the port: {second:?}"
    );
    runner.signal("TERM").await;
    assert!(runner.ended().await.0.success());
}

#[tokio::test]
async fn it_names_the_reason_for_a_failed_start_and_prints_no_ready_line() {
    for (name, value) in [
        ("LINK_TTL_SECONDS", "soon"),
        ("LINK_TTL_SECONDS", "0"),
        ("CHECKOUT_TTL_SECONDS", "-1"),
        ("RETENTION_DAYS", "1.5"),
        ("SANDBOX_WEBHOOK_SECRET", "not-a-secret"),
        ("PUBLIC_BASE_URL", "pay.example.com"),
        ("PAYMENT_PROVIDER", "strype"),
        ("ALLOWED_ORIGINS", "https://desk.example.com/path"),
    ] {
        let ended = command(&["--port", "0"], &[(name, value)]).output().await.unwrap();
        assert!(!ended.status.success() && ended.stdout.is_empty(), "{name}={value}: {ended:?}");
        let log = String::from_utf8_lossy(&ended.stderr);
        assert!(log.contains(name), "{name}={value}: {log}");
        assert!(name != "SANDBOX_WEBHOOK_SECRET" || !log.contains(value), "{log}");
    }
    let directory = Directory::new();
    let path = directory.path().to_str().unwrap();
    let runner = Runner::start(Some(directory.path()), &[]).await;
    let second = command(&["--port", "0", "--data-dir", path], &[]).output().await.unwrap();
    assert!(
        !second.status.success() && second.stdout.is_empty(),
        "a second runner cannot use the same directory: {second:?}"
    );
    runner.kill().await;
}

#[tokio::test]
async fn without_a_configured_secret_nobody_can_sign_as_the_provider() {
    let runner = Runner::start(None, &[]).await;
    let system = runner.system();
    let alice = system.alice().await;
    let sent = alice.sent().await;
    system.webhook(&paid(&sent, "pay_1", now())).await.problem(401, "unauthenticated");
    assert_eq!(alice.read(id(&sent)).await, sent);
    runner.kill().await;
}

/// Returns the sockets that a process listens on, read from `/proc`.
#[cfg(target_os = "linux")]
fn listening(process: u32) -> Vec<String> {
    let sockets: BTreeSet<String> = std::fs::read_dir(format!("/proc/{process}/fd"))
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
        .filter_map(|target| {
            let target = target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned();
            Some(target)
        })
        .collect();
    let mut addresses = Vec::new();
    for table in ["tcp", "tcp6"] {
        let text = std::fs::read_to_string(format!("/proc/{process}/net/{table}")).unwrap();
        for line in text.lines().skip(1) {
            let columns: Vec<&str> = line.split_whitespace().collect();
            // The columns of proc(5): the local address is second, the state fourth (0A is LISTEN), the inode tenth.
            if columns[3] == "0A" && sockets.contains(columns[9]) {
                addresses.push(columns[1].to_owned());
            }
        }
    }
    addresses
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn it_listens_on_the_loopback_address_only() {
    let runner = Runner::start(None, &[]).await;
    let addresses = listening(runner.child.id().unwrap());
    let own = format!("0100007F:{:04X}", runner.port());
    assert!(addresses.contains(&own), "{own} not in {addresses:?}");
    assert!(addresses.iter().all(|address| address.starts_with("0100007F:")), "{addresses:?}");
    runner.kill().await;
}

#[tokio::test]
async fn a_data_directory_keeps_all_data_over_a_clean_restart() {
    let directory = Directory::new();
    let variables = [("SANDBOX_WEBHOOK_SECRET", WEBHOOK_SECRET), ("PUBLIC_BASE_URL", "https://pay.example.com")];
    let (workspace, phone) = (workspace(), phone());
    let runner = Runner::start(Some(directory.path()), &variables).await;
    let system = runner.system();
    let alice = system.user(&workspace, "alice", "agent").await;
    let sent = alice.create_with_key(&order(&phone), "key-1").await.json();
    let token = link(&sent).strip_prefix("https://pay.example.com").unwrap();
    let texts = system.wait_for_texts(&phone, 1).await;
    let checkout = system.press(token).await.header("location").to_owned();
    let events = system.wait_for_events(id(&sent), 2).await;
    let (before, bearer) = (alice.read(id(&sent)).await, alice.token.clone());
    runner.signal("TERM").await;
    assert!(runner.ended().await.0.success());

    let runner = Runner::start(Some(directory.path()), &variables).await;
    let system = runner.system();
    let alice = system.bearer(&bearer, &workspace);
    assert_eq!(alice.read(id(&sent)).await, before);
    assert_eq!(system.texts(&phone).await, texts);
    assert_eq!(system.events_of(id(&sent)).await, events);
    let again = alice.create_with_key(&order(&phone), "key-1").await;
    assert_eq!((again.json(), again.header("idempotency-replayed")), (before, "true"));
    let same = system.press(token).await;
    assert_eq!(same.header("location"), checkout);
    system.settle(checkout.strip_prefix("https://pay.example.com").unwrap(), "succeeded").await;
    alice.wait_for(id(&sent), "paid").await;
    assert_eq!(system.wait_for_texts(&phone, 2).await.len(), 2);
    runner.kill().await;
}

#[tokio::test]
async fn without_a_data_directory_nothing_is_kept() {
    let runner = Runner::start(None, &[]).await;
    let system = runner.system();
    let alice = system.alice().await;
    alice.sent().await;
    let (bearer, workspace) = (alice.token.clone(), alice.workspace.clone());
    runner.kill().await;
    let runner = Runner::start(None, &[]).await;
    let system = runner.system();
    system.bearer(&bearer, &workspace).list(&[]).await.gateway(401);
    assert!(system.events().await.is_empty());
    runner.kill().await;
}

/// The answers that the clients of the killed runner received.
#[derive(Default)]
struct Acknowledged {
    /// The acknowledged statuses of each request.
    statuses: BTreeMap<String, Vec<&'static str>>,
    /// The idempotency keys of all create calls with the phones of the orders, whether or not the calls were answered.
    keys: Vec<(String, String)>,
}

/// Runs one client until the server is gone: creates requests, and then cancels, clicks, pays or leaves each one.
async fn work(
    system: &System,
    bearer: &str,
    name: &str,
    acknowledged: &Mutex<Acknowledged>,
    done: &AtomicUsize,
) -> Result<(), reqwest::Error> {
    let alice = system.bearer(bearer, "");
    for round in 0_usize.. {
        let (key, phone) = (format!("{name}-{round}"), phone());
        acknowledged.lock().unwrap().keys.push((key.clone(), phone.clone()));
        let create =
            alice.request(Method::POST, "/payment-requests").header("Idempotency-Key", &key).json(&order(&phone));
        let created = Answer::try_of(create).await?;
        assert_eq!(created.status, 201, "{created:?}");
        done.fetch_add(1, Ordering::Relaxed);
        let sent = created.json();
        let id = id(&sent).to_owned();
        let acknowledge = |status| {
            acknowledged.lock().unwrap().statuses.entry(id.clone()).or_default().push(status);
            done.fetch_add(1, Ordering::Relaxed);
        };
        acknowledge("sent");
        let page = format!("/p/{}", link(&sent).rsplit('/').next().unwrap());
        match round % 4 {
            0 => {}
            1 => {
                let cancel = alice.request(Method::POST, &format!("/payment-requests/{id}/cancel"));
                let canceled = Answer::try_of(cancel).await?;
                assert_eq!(canceled.status, 200, "{canceled:?}");
                acknowledge("canceled");
            }
            pays => {
                let pressed = Answer::try_of(system.request(Method::POST, &page)).await?;
                // The provider may have been stopped during the call.
                assert!([303, 503].contains(&pressed.status), "{pressed:?}");
                acknowledge("clicked");
                if pays == 3 && pressed.status == 303 {
                    let checkout = pressed.header("location").rsplit('/').next().unwrap();
                    let pay = system.request(Method::POST, &format!("/sandbox/checkouts/{checkout}/pay"));
                    let settled = Answer::try_of(pay.form(&[("outcome", "succeeded")])).await?;
                    assert_eq!(settled.status, 303, "{settled:?}");
                    // The provider has the money and will report it.
                    acknowledge("paid");
                }
            }
        }
    }
    Ok(())
}

/// Returns whether the history contains the acknowledged statuses, in their order.
fn contains_in_order(history: &[&str], acknowledged: &[&str]) -> bool {
    let mut rest = history.iter();
    acknowledged.iter().all(|status| rest.any(|found| found == status))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_any_time_loses_nothing_that_was_acknowledged() {
    const KILLS: usize = 6;
    let directory = Directory::new();
    let variables = [
        ("LINK_TTL_SECONDS", "5"),
        ("CHECKOUT_TTL_SECONDS", "5"),
        // The port changes with every start, but the links must not.
        ("PUBLIC_BASE_URL", "https://pay.example.com"),
        ("SANDBOX_WEBHOOK_SECRET", WEBHOOK_SECRET),
    ];
    let (workspace, acknowledged, mut random) =
        (workspace(), Mutex::new(Acknowledged::default()), Random::new(0x5EED_0009));
    let mut bearer = None;
    for kill in 0..KILLS {
        let runner = Runner::start(Some(directory.path()), &variables).await;
        let system = runner.system();
        if bearer.is_none() {
            bearer = Some(system.user(&workspace, "alice", "agent").await.token);
        }
        let (bearer, done) = (bearer.as_deref().unwrap(), AtomicUsize::new(0));
        let names: Vec<String> = (0..4).map(|client| format!("{kill}-{client}")).collect();
        let clients = all(names.iter().map(|name| work(&system, bearer, name, &acknowledged, &done)));
        let (enough, pause) = (random.below(60), Duration::from_micros(random.number() % 20_000));
        let killer = async {
            while done.load(Ordering::Relaxed) < enough {
                tokio::task::yield_now().await;
            }
            tokio::time::sleep(pause).await;
            runner.kill().await;
        };
        let (ends, ()) = tokio::join!(clients, killer);
        assert!(ends.iter().all(Result::is_err), "every client lost its connection");
    }

    let runner = Runner::start(Some(directory.path()), &variables).await;
    let system = runner.system();
    let alice = system.bearer(bearer.as_deref().unwrap(), &workspace);
    let acknowledged = acknowledged.into_inner().unwrap();
    assert!(
        acknowledged.statuses.len() > KILLS,
        "too few requests were acknowledged to prove the rule: {:?}",
        acknowledged.statuses
    );

    // Acknowledged requests exist, and a create call without an answer can be repeated without creating a second
    // request.
    let mut ids = BTreeSet::new();
    for (key, phone) in &acknowledged.keys {
        let again = alice.create_with_key(&order(phone), key).await;
        assert_eq!(again.status, 201, "{again:?}");
        assert!(ids.insert(id(&again.json()).to_owned()), "{again:?}");
    }
    assert!(acknowledged.statuses.keys().all(|id| ids.contains(id)));
    let listed: BTreeSet<String> = alice.everything().await.iter().map(|request| id(request).to_owned()).collect();
    assert_eq!(listed, ids);

    // Due requests expire, payments at the provider are recorded, and all changes are published.
    let open = ["sent", "clicked"];
    let requests = eventually("the last status of every request", async || {
        let requests = alice.everything().await;
        let unfinished: Vec<&Value> = requests
            .iter()
            .filter(|request| {
                let history = statuses(request);
                let owed = acknowledged
                    .statuses
                    .get(id(request))
                    .is_some_and(|acknowledged| !contains_in_order(&history, acknowledged));
                open.contains(history.last().unwrap()) || owed
            })
            .collect();
        if unfinished.is_empty() { Ok(requests.clone()) } else { Err(json!(unfinished).to_string()) }
    })
    .await;
    for request in &requests {
        let versions = request["history"].as_array().unwrap().len();
        let events = system.wait_for_events(id(request), versions).await;
        // Delivery is at least once: if the process is killed after the bus accepted an event but before that is
        // recorded, the event is published again.
        let mut seen = Vec::new();
        for event in &events {
            let version = usize::try_from(event["detail"]["version"].as_u64().unwrap()).unwrap();
            if !seen.contains(&version) {
                seen.push(version);
            }
        }
        assert_eq!(seen, (1..=versions).collect::<Vec<_>>(), "events are in order and without gaps: {events:#?}");
        let times: Vec<&str> =
            request["history"].as_array().unwrap().iter().map(|entry| entry["at"].as_str().unwrap()).collect();
        assert!(times.is_sorted(), "{request}");
    }
    for (_, phone) in &acknowledged.keys {
        let texts = system.texts(phone).await;
        let distinct: BTreeSet<&String> = texts.iter().collect();
        assert_eq!(distinct.len(), texts.len(), "no text is sent twice: {texts:?}");
    }
    runner.signal("TERM").await;
    assert!(runner.ended().await.0.success());
}

fn statuses(request: &Value) -> Vec<&str> {
    request["history"].as_array().unwrap().iter().map(|entry| entry["status"].as_str().unwrap()).collect()
}
