//! A recorder of every log record, every panic message and every formatted value.

use std::{
    error::Error,
    fmt, panic,
    sync::{Mutex, OnceLock},
    thread,
};

#[derive(Default)]
pub(super) struct Recorder {
    logged: Mutex<Vec<Record>>,
    formatted: Mutex<String>,
}

/// One record of a log.
#[derive(Clone)]
pub(super) struct Record {
    pub(super) level: log::Level,
    pub(super) target: String,
    pub(super) text: String,
}

impl Record {
    /// Whether a filter of `env_logger` lets the record pass.
    pub(super) fn passes(&self, filter: &env_filter::Filter) -> bool {
        filter.enabled(&log::Metadata::builder().level(self.level).target(&self.target).build())
    }

    pub(super) fn is_ours(&self) -> bool {
        self.target.starts_with("pusher_channels")
    }
}

static RECORDER: OnceLock<Recorder> = OnceLock::new();

impl Recorder {
    /// Starts recording everything in this process.
    pub(super) fn install() -> &'static Self {
        let recorder = RECORDER.get_or_init(Self::default);
        log::set_logger(recorder).expect("no other logger");
        log::set_max_level(log::LevelFilter::Trace);
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            add(&recorder.formatted, &panic.to_string());
            let in_the_client = thread::current().name().is_some_and(|name| name.starts_with("pusher-"));
            if !in_the_client {
                before(panic);
            }
        }));
        recorder
    }

    pub(super) fn format(&self, value: &dyn fmt::Debug) {
        add(&self.formatted, &format!("{value:?}"));
        add(&self.formatted, &format!("{value:#?}"));
    }

    /// The error as a text, with all its sources.
    pub(super) fn format_error(&self, error: &(dyn Error + 'static)) {
        for error in std::iter::successors(Some(error), |&error| error.source()) {
            add(&self.formatted, &error.to_string());
            self.format(&error);
        }
    }

    pub(super) fn logged(&self) -> Vec<Record> {
        self.logged.lock().expect("no panic under it").clone()
    }

    pub(super) fn formatted(&self) -> String {
        self.formatted.lock().expect("no panic under it").clone()
    }
}

fn add(to: &Mutex<String>, text: &str) {
    let mut all = to.lock().expect("no panic under it");
    all.push_str(text);
    all.push('\n');
}

impl log::Log for Recorder {
    /// Every record is kept, whatever this returns. Only ureq calls it, for `trace`, and if it is true ureq logs paths
    /// and
    /// queries at `debug`, too. The filters under test exclude `trace` of ureq.
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        !metadata.target().starts_with("ureq") || metadata.level() <= log::Level::Debug
    }

    fn log(&self, record: &log::Record<'_>) {
        let (level, target, text) = (record.level(), record.target().to_owned(), record.args().to_string());
        self.logged.lock().expect("no panic under it").push(Record { level, target, text });
    }

    fn flush(&self) {}
}
