//! Hears all that is logged, all that panics say, and all that is formatted.

use std::{
    error::Error,
    fmt, panic,
    sync::{Mutex, OnceLock},
    thread,
};

#[derive(Default)]
pub(super) struct Ear {
    logged: Mutex<Vec<Heard>>,
    shown: Mutex<String>,
}

/// One record of a log.
#[derive(Clone)]
pub(super) struct Heard {
    pub(super) level: log::Level,
    pub(super) target: String,
    pub(super) text: String,
}

impl Heard {
    /// Whether a filter of `env_logger` lets it pass.
    pub(super) fn passes(&self, filter: &env_filter::Filter) -> bool {
        filter.enabled(&log::Metadata::builder().level(self.level).target(&self.target).build())
    }

    pub(super) fn is_ours(&self) -> bool {
        self.target.starts_with("pusher_channels")
    }
}

static EAR: OnceLock<Ear> = OnceLock::new();

impl Ear {
    /// From here on it hears this process.
    pub(super) fn install() -> &'static Self {
        let ear = EAR.get_or_init(Self::default);
        log::set_logger(ear).expect("no other logger");
        log::set_max_level(log::LevelFilter::Trace);
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            add(&ear.shown, &panic.to_string());
            let in_the_client = thread::current().name().is_some_and(|name| name.starts_with("pusher-"));
            if !in_the_client {
                before(panic);
            }
        }));
        ear
    }

    pub(super) fn show(&self, value: &dyn fmt::Debug) {
        add(&self.shown, &format!("{value:?}"));
        add(&self.shown, &format!("{value:#?}"));
    }

    /// In words, with all its sources.
    pub(super) fn show_error(&self, error: &(dyn Error + 'static)) {
        for error in std::iter::successors(Some(error), |&error| error.source()) {
            add(&self.shown, &error.to_string());
            self.show(&error);
        }
    }

    pub(super) fn logged(&self) -> Vec<Heard> {
        self.logged.lock().expect("no panic under it").clone()
    }

    pub(super) fn shown(&self) -> String {
        self.shown.lock().expect("no panic under it").clone()
    }
}

fn add(to: &Mutex<String>, text: &str) {
    let mut all = to.lock().expect("no panic under it");
    all.push_str(text);
    all.push('\n');
}

impl log::Log for Ear {
    /// Every record is kept, whatever this returns. Only ureq asks it, for `trace`, and then shows paths and queries at
    /// `debug`, too. The filters under test leave `trace` of ureq out.
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        !metadata.target().starts_with("ureq") || metadata.level() <= log::Level::Debug
    }

    fn log(&self, record: &log::Record<'_>) {
        let (level, target, text) = (record.level(), record.target().to_owned(), record.args().to_string());
        self.logged.lock().expect("no panic under it").push(Heard { level, target, text });
    }

    fn flush(&self) {}
}
