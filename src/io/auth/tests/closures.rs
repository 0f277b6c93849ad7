//! Closures of the program, and signatures with the app's secret (A2).

use super::*;

#[test]
fn a2_closures_come_before_endpoints_and_a_panic_is_a_refusal() {
    let asking =
        Asking::new(config().auth_endpoint("http://127.0.0.1:1/").authorizer(|request| match request.channel() {
            "private-good" => Ok(ChannelAuth::new(format!("k:{}", request.socket_id()))),
            "private-encrypted-a" => Ok(ChannelAuth::new("k:s").shared_secret("junk")),
            "private-panic" => panic!("canary"),
            _ => Err(AuthError::new("no").status(403)),
        }));
    assert_eq!(asking.channel("private-good").expect("good").signature(), "k:1.2");
    let error = |channel: &str| asking.channel(channel).map(drop).expect_err(channel);
    assert!(matches!(error("private-encrypted-a"), Error::AuthMalformed { .. }));
    assert!(matches!(error("private-b"), Error::AuthRefused { status: Some(403), message, .. } if message == "no"));
    let panicked = error("private-panic");
    assert!(matches!(&panicked, Error::AuthRefused { status: None, .. }) && !panicked.to_string().contains("canary"));
}

#[test]
fn a2_a_batch_is_one_call_and_only_failed_channels_are_asked_again() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let asking = Asking::new(config().batch_authorizer(move |requests: &[AuthRequest]| {
        let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
        let answer = |request: &AuthRequest| match request.channel() {
            "private-b" if first => Err(AuthError::new("busy").status(503)),
            channel => Ok(ChannelAuth::new(format!("k:{}{channel}", requests.len()))),
        };
        requests.iter().map(answer).take(2).collect()
    }));
    asking.ask_for(&["private-a", "private-b", "private-c"]);
    let mut answers: Vec<_> = (0..3).map(|_| asking.next_channel()).collect();
    answers.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(answers[0].1.as_ref().expect("good").signature(), "k:3private-a");
    assert_eq!(answers[1].1.as_ref().expect("good").signature(), "k:1private-b");
    assert!(matches!(answers[2].1, Err(Error::AuthMalformed { .. })), "it was forgotten");
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[test]
fn a2_the_secret_signs_at_once_and_without_a_thread() {
    let user = serde_json::json!({"id": "10", "user_info": {"name": "Bob"}, "watchlist": ["x"]});
    let master = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    let asking = Asking::new(config().secret("7ad3773142a6692b25b8").user_data(user).encryption_master_key(master));
    let presence = asking.channel("presence-a").expect("signed");
    assert_eq!(presence.member(), Some(r#"{"user_id":"10","user_info":{"name":"Bob"}}"#));
    assert!(presence.signature().starts_with("278d425bdf160c739803:"));
    let encrypted = asking.channel("private-encrypted-room").expect("signed");
    assert_eq!(encrypted.key(), Some("L38rkfo40L+fzS0K+KbYNXjQzEkJllc8+TgyPF0gM/4="));
    assert!(asking.user().expect("signed").data().contains(r#""watchlist":["x"]"#));
    assert_eq!(asking.pool.threads(), 0);

    let bare = Asking::new(config().secret("s"));
    for channel in ["presence-a", "private-encrypted-a"] {
        assert!(matches!(bare.channel(channel), Err(Error::AuthRefused { .. })), "{channel}");
    }
    assert!(bare.user().is_err());
    assert!(matches!(Asking::new(config()).channel("private-a"), Err(Error::NoAuthorizer { .. })));
}

#[test]
fn h6_a_closure_that_runs_is_not_waited_for() {
    let (entered, inside) = unbounded();
    let (leave, left) = unbounded::<()>();
    let asking = Asking::new(config().authorizer(move |_| {
        let _ = entered.send(());
        let _ = left.recv();
        Err(AuthError::new("late"))
    }));
    asking.ask_for(&["private-a"]);
    inside.recv_timeout(PATIENCE).expect("it was called");
    let start = Instant::now();
    asking.join();
    assert!(start.elapsed() < Duration::from_millis(200));
    drop(leave);
}
