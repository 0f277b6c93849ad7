//! State that a client keeps because of the messages of a server, as large as a thousand channels allow (D3).

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use pusher_channels::{ChannelAuth, Config};

use super::{Phase, Scenario, Shows, Step, raw_frames};

const CHANNELS: u32 = 1000;

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![members(), confirmations(), held_events(), permissions()]
}

fn row(name: &str, phase: Phase, script: Vec<Step>, shows: Shows) -> Scenario {
    Scenario::new(format!("memory: {name}"), phase, script, shows)
}

/// 50 members with a kilobyte of info on each channel: 50 MB.
fn members() -> Scenario {
    let script = (0..50).map(|member| {
        let before = r#"{"event":"pusher_internal:member_added","channel":"presence-"#.to_owned();
        let after = format!(r#"","data":{{"user_id":"{member}","user_info":"{}"}}}}"#, "x".repeat(1000));
        Step::Count(before, CHANNELS, after)
    });
    row("members", Phase::Subscribed, script.collect(), Shows::Reports("TooManyMembers"))
        .with_numbered("presence-", CHANNELS)
}

/// A confirmation of 100 KB for each channel: 100 MB.
fn confirmations() -> Scenario {
    let before = r#"{"event":"pusher_internal:subscription_succeeded","channel":"room-"#.to_owned();
    let after = format!(r#"","data":"{}"}}"#, "x".repeat(100_000));
    let script = vec![Step::Count(before, CHANNELS, after)];
    row("data of confirmations", Phase::Requested, script, Shows::Tolerates).with_numbered("room-", CHANNELS)
}

/// 200 KB on each channel that the key does not open, while newer keys do not come: 200 MB.
fn held_events() -> Scenario {
    static REQUESTS: AtomicUsize = AtomicUsize::new(0);
    fn slow(config: Config) -> Config {
        config.authorizer(|_| {
            if REQUESTS.fetch_add(1, Ordering::SeqCst) >= CHANNELS as usize {
                thread::sleep(Duration::from_secs(1));
            }
            Ok(ChannelAuth::new("k:s").shared_secret(STANDARD.encode([0; 32])))
        })
    }
    let before = r#"{"event":"e","channel":"private-encrypted-"#;
    let (nonce, ciphertext) = (STANDARD.encode([0; 24]), STANDARD.encode(vec![0; 75_000]));
    let after = format!(r#"","data":{{"nonce":"{nonce}","ciphertext":"{ciphertext}"}}}}"#);
    let round = Step::Count(before.to_owned(), CHANNELS, after);
    let script = vec![round.clone(), round];
    row("events that wait for keys", Phase::Subscribed, script, Shows::Tolerates)
        .with_numbered("private-encrypted-", CHANNELS)
        .configured(slow)
}

/// A permission of 100 KB for each channel, of which the server confirms none: 100 MB.
fn permissions() -> Scenario {
    fn large(config: Config) -> Config {
        config.authorizer(|_| Ok(ChannelAuth::new("k".repeat(100_000)).channel_data(r#"{"user_id":"me"}"#)))
    }
    let script = vec![Step::Bytes(raw_frames::text(raw_frames::ESTABLISHED))];
    row("permissions", Phase::First, script, Shows::Refuses("AuthMalformed"))
        .with_numbered("presence-", CHANNELS)
        .configured(large)
}
