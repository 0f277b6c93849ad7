//! The log callback.
//!
//! Each process has its own callback. A forked child neither calls nor waits for anything of the parent, because a lock
//! may have been held by a thread that the child does not have (H7).

use std::{
    cell::Cell,
    ffi::{c_char, c_void},
    process, ptr,
    sync::{
        Arc,
        atomic::{AtomicPtr, Ordering},
    },
};

use ::log::{LevelFilter, Log, Metadata, Record};
use parking_lot::RwLock;

use crate::capi::ffi::{
    callback::{OptionalFunction, UserData, callbacks},
    results::{self, Failure},
    text::Terminated,
};

callbacks! {
    /// Gets the records of the library.
    type pusher_log_callback = fn(*mut c_void, i32, *const c_char, *const c_char);
}

/// The callback for records, up to a level.
pub(crate) struct Sink {
    level: LevelFilter,
    function: pusher_log_callback,
    user_data: UserData,
}

impl Sink {
    pub fn new(level: LevelFilter, function: pusher_log_callback, user_data: UserData) -> Self {
        Self { level, function, user_data }
    }

    fn write(&self, record: &Record<'_>) {
        let target = Terminated::new(record.target());
        let message = Terminated::new(&record.args().to_string());
        let (target, message) = (target.as_str().as_ptr().cast(), message.as_str().as_ptr().cast());
        // SAFETY: the header lets the callback run on any thread with its `user_data`, and both texts outlive the call.
        self.user_data.call(|user_data| unsafe { (self.function)(user_data, record.level() as i32, target, message) });
    }
}

/// The sink of a process.
pub(crate) struct ProcessSink {
    process: u32,
    sink: RwLock<Option<Arc<Sink>>>,
}

impl ProcessSink {
    /// The sink of this process; `None` until `own` has made it.
    fn current() -> Option<&'static Self> {
        // SAFETY: `own` leaked the sink.
        let process_sink = unsafe { LOGGER.process_sink.load(Ordering::Acquire).as_ref() };
        process_sink.filter(|process_sink| process_sink.process == process::id())
    }

    /// The sink of this process, made on the first call. The parent's sink stays unchanged.
    pub fn own() -> &'static Self {
        loop {
            let before = LOGGER.process_sink.load(Ordering::Acquire);
            if let Some(process_sink) = Self::current() {
                return process_sink;
            }
            let process_sink = Box::into_raw(Box::new(Self { process: process::id(), sink: RwLock::default() }));
            let placed =
                LOGGER.process_sink.compare_exchange(before, process_sink, Ordering::AcqRel, Ordering::Acquire);
            if placed.is_err() {
                // SAFETY: it was made above, and no other thread has seen it.
                drop(unsafe { Box::from_raw(process_sink) });
            }
        }
    }

    /// Puts another sink in place, and returns the one before, whose destructor is the program's own code.
    pub fn replace(&self, sink: Option<Arc<Sink>>) -> Option<Arc<Sink>> {
        let mut place = self.sink.write();
        // Under the lock, so that the last of several callers sets both.
        ::log::set_max_level(sink.as_ref().map_or(LevelFilter::Off, |sink| sink.level));
        std::mem::replace(&mut *place, sink)
    }
}

/// The logger of the process, if this library is the one that has set it.
pub(crate) struct Logger {
    process_sink: AtomicPtr<ProcessSink>,
}

pub(crate) static LOGGER: Logger = Logger { process_sink: AtomicPtr::new(ptr::null_mut()) };

impl Logger {
    /// Whether the `log` crate uses this logger, which its address tells.
    fn is_set() -> bool {
        ptr::addr_eq(::log::logger(), &raw const LOGGER)
    }

    fn set() -> Result<(), Failure> {
        let another = || Failure::Misuse(results::PUSHER_ERR_LOGGER, "the process has another logger".into());
        // It fails from the second time on.
        let _ = ::log::set_logger(&LOGGER);
        Self::is_set().then_some(()).ok_or_else(another)
    }

    /// Without a lock held, so that the callback may call every function.
    fn sink(metadata: &Metadata<'_>) -> Option<Arc<Sink>> {
        let sink = if is_ours(metadata.target()) { ProcessSink::current()?.sink.read().clone()? } else { return None };
        (metadata.level() <= sink.level).then_some(sink)
    }
}

/// In a Rust program other crates log, too, and their records may contain secrets.
pub(crate) fn is_ours(target: &str) -> bool {
    let rest = target.strip_prefix(env!("CARGO_CRATE_NAME"));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

thread_local! {
    /// Whether the callback runs on this thread.
    static IS_WRITING: Cell<bool> = const { Cell::new(false) };
}

/// A thread's run of the callback. Its drop ends the run, also when formatting a message panics.
struct Writing;

impl Writing {
    /// `None` on a thread that runs the callback already, or is about to end.
    fn begin() -> Option<Self> {
        (IS_WRITING.try_with(|writing| writing.replace(true)) == Ok(false)).then_some(Self)
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let _ = IS_WRITING.try_with(|writing| writing.set(false));
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        Self::sink(metadata).is_some()
    }

    /// Records that a callback causes are not logged, and neither are those of a thread that is about to end.
    fn log(&self, record: &Record<'_>) {
        let Some(sink) = Self::sink(record.metadata()) else { return };
        let Some(_writing) = Writing::begin() else { return };
        sink.write(record);
        // If the callback was replaced meanwhile, its destructor runs here, and counts as the callback.
        drop(sink);
    }

    fn flush(&self) {}
}

pub(crate) fn level(number: i32) -> Result<LevelFilter, Failure> {
    let level = usize::try_from(number).ok().and_then(|number| LevelFilter::iter().nth(number));
    level.ok_or_else(|| Failure::value(format!("there is no level {number}")))
}

exports! {
    fn pusher_log(level_number: i32, callback: OptionalFunction<pusher_log_callback>; user_data;) {
        let level = level(level_number)?;
        let before = match callback {
            Some(function) => {
                Logger::set()?;
                ProcessSink::own().replace(Some(Arc::new(Sink::new(level, function, user_data))))
            }
            None if Logger::is_set() => ProcessSink::own().replace(None),
            None => None,
        };
        drop(before);
        Ok(())
    }
}
