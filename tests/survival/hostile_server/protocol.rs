//! Correct frames and correct JSON with messages that no Pusher server sends (R3-R5, R7, S6, S8, P2, A8).

use super::{Phase, Scenario, Shows, Step, raw_frames};

use Shows::{Ends, Ignores, Refuses, Reports, Tolerates};

pub(super) fn scenarios() -> Vec<Scenario> {
    [first(), timeouts(), unrequested(), errors(), members(), users()].into_iter().flatten().collect()
}

fn row(name: impl Into<String>, phase: Phase, message: impl AsRef<str>, shows: Shows) -> Scenario {
    let script = vec![Step::Bytes(raw_frames::text(message.as_ref()))];
    Scenario::new(format!("protocol: {}", name.into()), phase, script, shows)
}

fn sends(name: impl Into<String>, message: impl AsRef<str>, shows: Shows) -> Scenario {
    row(name, Phase::Subscribed, message, shows)
}

fn first() -> Vec<Scenario> {
    let sends = |name, message: &str, kind| row(name, Phase::First, message, Ends(kind));
    let wrong = "UnexpectedFirstMessage";
    vec![
        sends("an event first", r#"{"event":"e","channel":"room"}"#, wrong),
        sends("a ping first", r#"{"event":"pusher:ping"}"#, wrong),
        sends("a confirmation first", r#"{"event":"pusher_internal:subscription_succeeded","channel":"room"}"#, wrong),
        sends("a sign-in first", r#"{"event":"pusher:signin_success","data":{}}"#, wrong),
        sends("junk first", "junk", wrong),
        sends("an empty message first", "", wrong),
        sends("an empty socket id", r#"{"event":"pusher:connection_established","data":{"socket_id":""}}"#, wrong),
        sends("an endless socket id", &raw_frames::ESTABLISHED.replace("1.2", &"1".repeat(500_000)), wrong),
        sends(
            "an error first",
            r#"{"event":"pusher:error","data":{"code":4100,"message":"m"}}"#,
            "ConnectionClosed { code: 4100",
        ),
        sends("an error without a code first", r#"{"event":"pusher:error","data":{"message":"m"}}"#, wrong),
        sends(
            "a final error first",
            r#"{"event":"pusher:error","data":{"code":4001}}"#,
            "ConnectionClosed { code: 4001",
        ),
        sends(
            "an error with code 65535 first",
            r#"{"event":"pusher:error","data":{"code":65535}}"#,
            "ConnectionClosed { code: 65535",
        ),
        sends("an error with code 65536 first", r#"{"event":"pusher:error","data":{"code":65536}}"#, wrong),
        Scenario::new(
            "protocol: a binary message first",
            Phase::First,
            vec![Step::Bytes(raw_frames::frame(raw_frames::FIN | raw_frames::BINARY, b"x"))],
            Ends(wrong),
        ),
    ]
}

fn timeouts() -> Vec<Scenario> {
    let values = [
        "-1",
        "0",
        "0.5",
        "-0",
        "1e400",
        "-1e400",
        "1e-400",
        "\"x\"",
        "\"\"",
        "\"30\"",
        "\"NaN\"",
        "\"inf\"",
        "\"-inf\"",
        "null",
        "18446744073709551616",
        "9223372036854775807",
        "0.0000000001",
        "[30]",
        "{\"s\":30}",
        "false",
    ];
    let row = |value: &str| {
        let message = format!(
            r#"{{"event":"pusher:connection_established","data":{{"socket_id":"1.2","activity_timeout":{value}}}}}"#
        );
        row(format!("activity_timeout of {value}"), Phase::First, message, Tolerates)
    };
    values.into_iter().map(row).collect()
}

fn unrequested() -> Vec<Scenario> {
    let succeeded = |channel: &str| {
        format!(r#"{{"event":"pusher_internal:subscription_succeeded","channel":"{channel}","data":"{{}}"}}"#)
    };
    let internal = |event: &str, channel: &str| {
        format!(
            r#"{{"event":"pusher_internal:{event}","channel":"{channel}","data":{{"user_id":"a","subscription_count":1}}}}"#
        )
    };
    let mut rows = vec![
        sends("a confirmation of an unknown channel", succeeded("other"), Ignores),
        sends("a second confirmation", succeeded("room"), Ignores),
        sends("a confirmation of the channel of a user", succeeded("#server-to-user-me"), Ignores),
        sends("a confirmation of an impossible name", succeeded("a b/c?d#e"), Ignores),
        sends("a confirmation of another case", succeeded("ROOM"), Ignores),
        sends("a second connection_established", raw_frames::ESTABLISHED, Ignores),
        sends("an event of another channel", r#"{"event":"e","channel":"other","data":"x"}"#, Ignores),
        sends("an event of no channel", r#"{"event":"e","data":"x"}"#, Tolerates),
        sends("an event of the channel of a user", r##"{"event":"e","channel":"#server-to-user-me"}"##, Ignores),
        sends(
            "a refusal of an unknown channel",
            r#"{"event":"pusher:subscription_error","channel":"other","data":{"status":401}}"#,
            Ignores,
        ),
        sends(
            "a refusal of a subscribed channel",
            r#"{"event":"pusher:subscription_error","channel":"room","data":{"status":401}}"#,
            Ignores,
        ),
        sends(
            "the public form of a confirmation",
            r#"{"event":"pusher:subscription_succeeded","channel":"room","data":"{}"}"#,
            Ignores,
        ),
        sends(
            "the public form of a member",
            r#"{"event":"pusher:member_added","channel":"room","data":{"user_id":"a"}}"#,
            Ignores,
        ),
        sends("an unknown platform event", r#"{"event":"pusher:new","channel":"room"}"#, Ignores),
        sends("an unknown internal event", r#"{"event":"pusher_internal:new","channel":"room"}"#, Ignores),
        sends("pusher: alone", r#"{"event":"pusher:","channel":"room"}"#, Ignores),
        sends("pusher_internal: alone", r#"{"event":"pusher_internal:","channel":"room"}"#, Ignores),
        sends("a platform event of another case", r#"{"event":"Pusher:error","channel":"room"}"#, Tolerates),
        sends("a platform event after a blank", r#"{"event":" pusher:error","channel":"room"}"#, Tolerates),
        sends(
            "a client event with a platform's name",
            r#"{"event":"client-pusher:error","channel":"room","data":{"code":4001}}"#,
            Tolerates,
        ),
        sends(
            "a client event with an internal name",
            r#"{"event":"client-pusher_internal:member_added","channel":"room"}"#,
            Tolerates,
        ),
        sends(
            "a subscription request of a client",
            r#"{"event":"pusher:subscribe","data":{"channel":"other"}}"#,
            Ignores,
        ),
        sends("a sign-in of a client", r#"{"event":"pusher:signin","data":{"auth":"k:s"}}"#, Ignores),
        sends("a member of a public channel", internal("member_added", "room"), Ignores),
        sends("a member of an unknown channel", internal("member_added", "presence-other"), Ignores),
        sends("a member who leaves a public channel", internal("member_removed", "room"), Ignores),
        sends("a count of an unknown channel", internal("subscription_count", "other"), Ignores),
        sends("a cache miss of an unknown channel", r#"{"event":"pusher:cache_miss","channel":"other"}"#, Ignores),
        sends(
            "a cache miss of a channel without a cache",
            r#"{"event":"pusher:cache_miss","channel":"room"}"#,
            Tolerates,
        ),
        sends("a cache miss without a channel", r#"{"event":"pusher:cache_miss"}"#, Ignores),
        sends(
            "clear text on an encrypted channel",
            r#"{"event":"e","channel":"private-encrypted-a","data":"clear"}"#,
            Tolerates,
        )
        .with(&["private-encrypted-a"]),
        row("an event before the confirmation", Phase::Requested, r#"{"event":"e","channel":"target"}"#, Ignores)
            .with(&["target"]),
    ];
    rows.extend(["-1", "-9223372036854775809", "18446744073709551616", "1e30", "0.5", "\"7\"", "null", "[]"].map(|count| {
        sends(format!("a subscription count of {count}"), format!(r#"{{"event":"pusher_internal:subscription_count","channel":"room","data":{{"subscription_count":{count}}}}}"#), Ignores)
    }));
    rows.extend(["0", "18446744073709551615"].map(|count| {
        sends(format!("a subscription count of {count}"), format!(r#"{{"event":"pusher_internal:subscription_count","channel":"room","data":{{"subscription_count":{count}}}}}"#), Tolerates)
    }));
    rows
}

fn errors() -> Vec<Scenario> {
    let codes = [
        "0", "-1", "4001", "4009", "4100", "4200", "4301", "4302", "4999", "65536", "1e9", "\"4001\"", "\"\"", "null",
        "[4001]",
    ];
    let error = |code: &str| format!(r#"{{"event":"pusher:error","data":{{"code":{code},"message":"m"}}}}"#);
    let mut rows: Vec<_> = codes
        .iter()
        .map(|code| sends(format!("error {code} on an open connection"), error(code), Reports("Server")))
        .collect();
    rows.extend([
        sends(
            "an error of a megabyte",
            format!(r#"{{"event":"pusher:error","data":{{"message":"{}"}}}}"#, "ż".repeat(500_000)),
            Reports("Server"),
        ),
        sends(
            "an error of an unknown channel",
            r#"{"event":"pusher:error","channel":"other","data":{"code":4009}}"#,
            Reports("Server"),
        ),
        row("an error with one request pending", Phase::Requested, error("4009"), Refuses("SubscriptionRefused"))
            .with(&["target"]),
        row("an error with two requests pending", Phase::Requested, error("4009"), Reports("Server"))
            .with(&["target", "other"]),
        row("an error about a client event with a request pending", Phase::Requested, error("4301"), Reports("Server"))
            .with(&["target"]),
        row(
            "a refusal under the internal name",
            Phase::Requested,
            r#"{"event":"pusher_internal:subscription_error","channel":"target"}"#,
            Refuses("SubscriptionRefused"),
        )
        .with(&["target"]),
        row(
            "a refusal of a megabyte",
            Phase::Requested,
            format!(
                r#"{{"event":"pusher:subscription_error","channel":"target","data":{{"error":"{}"}}}}"#,
                "x".repeat(1_000_000)
            ),
            Refuses("SubscriptionRefused"),
        )
        .with(&["target"]),
    ]);
    let then = |name: &str, code: &str, end: Vec<Step>, kind| {
        let script = [vec![Step::Bytes(raw_frames::text(&error(code)))], end].concat();
        Scenario::new(format!("protocol: {name}"), Phase::Subscribed, script, Ends(kind))
    };
    rows.extend([
        then("an error and an end", "4200", vec![Step::Close], "ConnectionClosed { code: 4200"),
        then("an error about a message and an end", "4001", vec![Step::Close], "ConnectionLost"),
        then(
            "an error and a close with 1000",
            "4100",
            vec![Step::Bytes(raw_frames::close(1000, b""))],
            "ConnectionClosed { code: 4100",
        ),
        then(
            "an error and a close with another code",
            "4001",
            vec![Step::Bytes(raw_frames::close(4200, b""))],
            "ConnectionClosed { code: 4200",
        ),
        then("an error about a client event and an end", "4301", vec![Step::Close], "ConnectionLost"),
    ]);
    rows
}

const MEMBERS: &str =
    r#"{"event":"pusher_internal:subscription_succeeded","channel":"presence-target","data":{"presence":"#;
const ADDED: &str = r#"{"event":"pusher_internal:member_added","channel":"presence-target","data":{"user_id":"#;

fn members() -> Vec<Scenario> {
    let listed = |name: &str, presence: String, shows| {
        row(name, Phase::Requested, format!("{MEMBERS}{presence}}}}}"), shows).with(&["presence-target"])
    };
    let ids = |end: usize| (0..end).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let many = Reports("TooManyMembers");
    let added = |name: &str, script, shows| {
        Scenario::new(format!("protocol: {name}"), Phase::Subscribed, script, shows).with(&["presence-target"])
    };
    let large = format!(
        r#"{{"event":"pusher_internal:member_added","channel":"presence-target","data":{{"user_id":"a","user_info":"{}"}}}}"#,
        "x".repeat(1_000_000)
    );
    vec![
        listed("a million members", format!(r#"{{"ids":[{}]}}"#, ids(1_000_000)), Ends("MessageTooLarge")),
        listed("150,000 members", format!(r#"{{"ids":[{}]}}"#, ids(150_000)), many),
        listed("500,000 members as a list", format!(r#"{{"hash":[0{}]}}"#, ",0".repeat(500_000)), many),
        listed(
            // As many as can be reported as removed, once the channel is subscribed again without them.
            "9,000 members twice",
            format!(r#"{{"ids":[{}],"hash":[0{}]}}"#, ids(9_000), ",0".repeat(9_000)),
            Tolerates,
        ),
        listed(
            "200 members with 5 KB each",
            {
                let info = format!(r#"{{"x":"{}"}}"#, "x".repeat(5000));
                let members: Vec<_> = (0..200).map(|n| format!(r#""{n}":{info}"#)).collect();
                format!(r#"{{"hash":{{{}}}}}"#, members.join(","))
            },
            Tolerates,
        ),
        listed("the same member 100,000 times", format!(r#"{{"ids":[7{}]}}"#, ",7".repeat(100_000)), Tolerates),
        listed("an empty id", r#"{"ids":["",null],"hash":{"":{}}}"#.to_owned(), Tolerates),
        listed("ids of wrong types", r#"{"ids":[null,true,[],{},1.5]}"#.to_owned(), Tolerates),
        listed("a count that is wrong", r#"{"ids":["a"],"hash":{},"count":-1}"#.to_owned(), Tolerates),
        listed(
            "members nested 100 levels deep",
            format!(r#"{{"hash":{{"a":{}{}}}}}"#, "[".repeat(100), "]".repeat(100)),
            Tolerates,
        ),
        added(
            "a million members, one after another",
            vec![Step::Count(ADDED.to_owned(), 1_000_000, "}}".to_owned())],
            many,
        ),
        added(
            "the same member 300,000 times",
            vec![Step::Repeat(raw_frames::text(&format!("{ADDED}7}}}}")), 300_000)],
            Tolerates,
        ),
        added("one member with 100 large infos", vec![Step::Repeat(raw_frames::text(&large), 100)], Tolerates),
        added(
            "300,000 removals of unknown members",
            vec![Step::Repeat(raw_frames::text(&format!("{}7}}}}", ADDED.replace("added", "removed"))), 300_000)],
            Ignores,
        ),
    ]
}

fn users() -> Vec<Scenario> {
    let watchlist =
        |events: &str| format!(r#"{{"event":"pusher_internal:watchlist_events","data":{{"events":{events}}}}}"#);
    let ids = (0..120_000).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let online = |ids: &str| watchlist(&format!(r#"[{{"name":"online","user_ids":{ids}}}]"#));
    let success = |data: &str| format!(r#"{{"event":"pusher:signin_success","data":{data}}}"#);
    let mut rows = vec![
        sends("an unrequested sign-in", raw_frames::SIGNED_IN, Ignores),
        sends("an unrequested watchlist", online(r#"["a"]"#), Ignores),
        sends("an unrequested bare watchlist", r#"{"event":"online","data":{"user_ids":["a"]}}"#, Ignores),
        sends("a second sign-in", raw_frames::SIGNED_IN, Ignores).signed_in(),
        sends("a sign-in of another user", success(r#"{"user_data":"{\"id\":\"eve\"}"}"#), Ignores).signed_in(),
        sends("a watchlist of a megabyte", online(&format!("[{ids}]")), Ignores).signed_in(),
        sends(
            "a bare watchlist of a megabyte",
            format!(r#"{{"event":"online","data":{{"user_ids":[{ids}]}}}}"#),
            Ignores,
        )
        .signed_in(),
        sends("a watchlist of 500,000 equal ids", online(&format!("[7{}]", ",7".repeat(500_000))), Ignores).signed_in(),
        sends(
            "a watchlist of 9,000 changes",
            watchlist(&format!("[{}]", [r#"{"name":"x","user_ids":[]}"#; 9_000].join(","))),
            Tolerates,
        )
        .signed_in(),
    ];
    for value in ["null", "7", "\"x\"", "[]", "{}", "true", "[null]", "[7]"] {
        rows.push(sends(format!("watchlist events of {value}"), watchlist(value), Ignores).signed_in());
        let ids = if value.starts_with('[') { Tolerates } else { Ignores };
        rows.push(sends(format!("watchlist ids of {value}"), online(value), ids).signed_in());
        rows.push(sends(format!("sign-in data of {value}"), success(value), Ignores).signed_in());
        rows.push(
            sends(format!("sign-in user data of {value}"), success(&format!(r#"{{"user_data":{value}}}"#)), Ignores)
                .signed_in(),
        );
    }
    rows
}
