//! The log callback. One test sets it, because a process has only one.

use std::{
    ffi::{CStr, c_char, c_void},
    fmt,
};

use ::log::{Level, LevelFilter, Log, Record};

use super::c::Counted;
use crate::capi::library::log::{LOGGER, ProcessSink, Sink, is_ours, level};

fn log_record(level: Level, target: &str) {
    LOGGER.log(&Record::builder().level(level).target(target).args(format_args!("a message")).build());
}

struct PanickingText;

impl fmt::Display for PanickingText {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("it cannot be printed")
    }
}

unsafe extern "C" fn check_record(user_data: *mut c_void, level: i32, target: *const c_char, message: *const c_char) {
    // SAFETY: both texts end with a NUL, and the test keeps its counter.
    let (target, message) = unsafe {
        Counted::called(user_data);
        (CStr::from_ptr(target), CStr::from_ptr(message))
    };
    assert_eq!((level, target, message), (3, c"pusher_channels::io", c"a message"));
    // Would call this function for ever.
    log_record(Level::Info, "pusher_channels::io");
    // The callback is replaced while it runs, and its `user_data` stays.
    drop(ProcessSink::own().replace(None));
}

#[test]
fn a_callback_gets_records_of_its_level_and_none_of_its_own() {
    let counted = Counted::default();
    let sink = || Some(std::sync::Arc::new(Sink::new(LevelFilter::Info, check_record, counted.user_data())));
    drop(ProcessSink::own().replace(sink()));
    log_record(Level::Debug, "pusher_channels::io");
    log_record(Level::Error, "somebody_else");
    assert_eq!((counted.calls(), counted.destroyed()), (0, 0));
    log_record(Level::Info, "pusher_channels::io");
    assert_eq!((counted.calls(), counted.destroyed()), (1, 1));
    log_record(Level::Info, "pusher_channels::io");
    assert_eq!(counted.calls(), 1);
    drop(ProcessSink::own().replace(sink()));
    log_record(Level::Info, "pusher_channels::io");
    assert_eq!((counted.calls(), counted.destroyed()), (2, 2));
    drop(ProcessSink::own().replace(sink()));
    let logged = std::panic::catch_unwind(|| {
        let record = &mut Record::builder();
        LOGGER.log(
            &record.level(Level::Info).target("pusher_channels::io").args(format_args!("{PanickingText}")).build(),
        );
    });
    assert!(logged.is_err(), "the message panics");
    log_record(Level::Info, "pusher_channels::io");
    assert_eq!((counted.calls(), counted.destroyed()), (3, 3));
}

#[test]
fn records_of_other_crates_are_not_ours() {
    assert!(is_ours("pusher_channels") && is_ours("pusher_channels::io::reader"));
    assert!(!is_ours("pusher_channels_extra") && !is_ours("tungstenite::protocol") && !is_ours(""));
}

#[test]
fn levels_are_numbers() {
    let levels: Vec<_> = (0..=5).filter_map(|number| level(number).ok()).collect();
    assert_eq!(levels, LevelFilter::iter().collect::<Vec<_>>());
    assert!([-1, 6].into_iter().all(|number| level(number).is_err()));
}
