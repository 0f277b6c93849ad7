//! Hostile servers (C3, C6, R2 to R7, S6, S8, D1 to D3, P2): no message causes a panic, a hang or unbounded memory, and
//! the next good connection works.

use std::{
    panic,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use parking_lot::Mutex;
use pusher_channels::{ChannelAuth, Config, ConnectionState, Error, Pusher, Reconnect, UserAuth};

use crate::{
    allocations::Growth,
    figures,
    hostile_server::{ROOM, Scenario, Server, Shows, scenarios},
    support::run_alone,
};

/// The deadline of a scenario. Each takes less than a fifth of it.
const DEADLINE: Duration = Duration::from_secs(60);

/// The deadline for the reaction of the client after the next good event.
const REACTION: Duration = Duration::from_secs(10);

/// The memory that a client may hold under a hostile server, beside that of an idle client (D3).
const MEMORY: usize = 32 << 20;

/// The panics of all threads, counted by the panic hook.
static PANICS: AtomicUsize = AtomicUsize::new(0);

#[test]
fn d3_a_client_survives_every_hostile_server() {
    run_alone("hostile::every_scenario_alone");
}

/// Runs one scenario after another, because memory is measured for the whole process. The variable `HOSTILE` chooses
/// scenarios by a part of their names.
#[test]
#[ignore = "counts memory and panics, so that it runs in a process of its own"]
fn every_scenario_alone() {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        hook(info);
    }));
    let chosen = std::env::var("HOSTILE").unwrap_or_default();
    let scenarios: Vec<_> = scenarios().into_iter().filter(|scenario| scenario.name.contains(&chosen)).collect();
    let (count, mut largest) = (scenarios.len(), (0, String::new()));
    let mut failures = Vec::new();
    for scenario in scenarios {
        let start = Instant::now();
        let (outcome, peak) = run(&scenario);
        println!("{:>6} KiB {:>6} ms  {}", peak >> 10, start.elapsed().as_millis(), scenario.name);
        if let Err(reason) = outcome {
            failures.push(format!("{}: {reason}", scenario.name));
        }
        largest = largest.max((peak, scenario.name));
    }
    let _ = panic::take_hook();
    assert!(failures.is_empty(), "{} of {count}:\n{}", failures.len(), failures.join("\n"));
    if chosen.is_empty() {
        assert!(count >= 200);
        figures::record("hostile servers", format!("{count} of {count}"), "at least 200 of 200");
        let memory = format!("{} MiB ({})", largest.0.div_ceil(1 << 20), largest.1);
        figures::record("memory under a hostile server", memory, "at most 32 MiB");
    }
}

/// The reports of a client: the beginnings of its errors, up to four of each kind.
#[derive(Default)]
struct Reports {
    causes: Vec<String>,
    errors: Vec<String>,
    refusals: Vec<String>,
}

fn note(notes: &mut Vec<String>, error: &Error) {
    if notes.len() < 4 {
        notes.push(format!("{error:?}").chars().take(200).collect());
    }
}

/// Runs one scenario. Returns the failure, and the peak of the memory.
fn run(scenario: &Scenario) -> (Result<(), String>, usize) {
    let server = Server::start(scenario, !matches!(scenario.shows, Shows::Ends(_)));
    let panics = PANICS.load(Ordering::SeqCst);
    let growth = Growth::since_now();
    let outcome = Client::of(scenario, &server).run(scenario, &server);
    let peak = growth.peak();
    let outcome = outcome.and_then(|()| match PANICS.load(Ordering::SeqCst) - panics {
        _ if peak > MEMORY => Err(format!("{} KiB were held", peak >> 10)),
        0 => Ok(()),
        panics => Err(format!("{panics} panics")),
    });
    (outcome, peak)
}

struct Client {
    pusher: Pusher,
    reports: Arc<Mutex<Reports>>,
    /// The names of the marker events that arrive.
    events: Receiver<&'static str>,
}

impl Client {
    fn of(scenario: &Scenario, server: &Server) -> Self {
        let pusher = Pusher::new((scenario.options)(config(server)));
        let reports = Arc::new(Mutex::new(Reports::default()));
        let (sender, events) = channel();
        for name in ["stays", "good"] {
            let sender = sender.clone();
            pusher.bind(name, move |_| sender.send(name).unwrap_or_default());
        }
        let notes = Arc::clone(&reports);
        pusher.on_connection_state_change(move |change| {
            change.cause.iter().for_each(|cause| note(&mut notes.lock().causes, cause));
        });
        let notes = Arc::clone(&reports);
        pusher.on_error(move |error| note(&mut notes.lock().errors, error));
        let notes = Arc::clone(&reports);
        pusher.on_subscription_error(move |failed| note(&mut notes.lock().refusals, &failed.error));
        if scenario.signs_in {
            pusher.sign_in().expect("there is an authenticator");
        }
        for channel in scenario.channels.iter().map(String::as_str).chain([ROOM]) {
            pusher.subscribe(channel).expect("a valid name");
        }
        Self { pusher, reports, events }
    }

    /// Waits until the client has reacted to the hostile server, and then connects it to a good one.
    fn run(&self, scenario: &Scenario, server: &Server) -> Result<(), String> {
        let deadline = Instant::now() + DEADLINE;
        self.pusher.connect_background().map_err(|error| error.to_string())?;
        let stays = !matches!(scenario.shows, Shows::Ends(_));
        if stays {
            self.await_event("stays", deadline)?;
            self.await_reaction(scenario)?;
            server.end_first();
        }
        self.await_event("good", deadline)?;
        self.await_reaction(scenario)?;
        let accepted = server.accepted();
        if stays && accepted != 2 { Err(format!("{accepted} connections instead of 2")) } else { Ok(()) }
    }

    fn await_event(&self, wanted: &str, deadline: Instant) -> Result<(), String> {
        loop {
            match self.events.recv_timeout(Duration::from_millis(5)) {
                Ok(name) if name == wanted => return Ok(()),
                Ok(_) | Err(RecvTimeoutError::Timeout) if Instant::now() < deadline => {}
                _ => return Err(format!("no event {wanted:?}, but {}", self.description())),
            }
            // After a final refusal, the program connects again.
            if self.pusher.state() == ConnectionState::Failed {
                self.pusher.connect_background().map_err(|error| error.to_string())?;
            }
        }
    }

    fn await_reaction(&self, scenario: &Scenario) -> Result<(), String> {
        let deadline = Instant::now() + REACTION;
        while !self.shows(scenario.shows) {
            if Instant::now() > deadline || matches!(scenario.shows, Shows::Tolerates) {
                return Err(format!("{:?} is not shown, but {}", scenario.shows, self.description()));
            }
            std::thread::yield_now();
        }
        Ok(())
    }

    fn shows(&self, shows: Shows) -> bool {
        let Reports { causes, errors, refusals } = &*self.reports.lock();
        let has = |notes: &[String], kind: &str| notes.iter().any(|note| note.starts_with(kind));
        match shows {
            Shows::Ends(kind) => has(causes, kind),
            Shows::Reports(kind) => has(errors, kind),
            Shows::Refuses(kind) => has(refusals, kind) && errors.is_empty(),
            Shows::Ignores => self.pusher.stats().ignored > 0 && errors.is_empty(),
            Shows::Tolerates => errors.is_empty() && refusals.is_empty(),
        }
    }

    fn description(&self) -> String {
        let Reports { causes, errors, refusals } = &*self.reports.lock();
        format!("causes {causes:?}, errors {errors:?}, refusals {refusals:?}, {:?}", self.pusher.stats())
    }
}

fn config(server: &Server) -> Config {
    let address = server.address();
    Config::host("key", address.ip().to_string())
        .port(address.port())
        .tls(false)
        .connect_timeout(Duration::from_secs(10))
        .reconnect(Reconnect::default().max_delay(Duration::from_millis(10)))
        // A short queue, because its memory belongs to the program.
        .queue_capacity(16)
        .authorizer(|request| {
            let auth = ChannelAuth::new("k:s").channel_data(r#"{"user_id":"me"}"#);
            let encrypted = request.channel().starts_with("private-encrypted-");
            Ok(if encrypted { auth.shared_secret(STANDARD.encode([0; 32])) } else { auth })
        })
        .user_authenticator(|_| Ok(UserAuth::new("k:s", r#"{"id":"me"}"#)))
}
