//! Requests to endpoints, their answers, and repeated requests (A1, A4, A5).

use super::*;

#[test]
fn a1_a_form_and_its_headers_are_exact() {
    let endpoint = Endpoint::saying(GOOD);
    let count = AtomicUsize::new(0);
    let asking = Asking::new(
        at(&endpoint)
            .auth_header("X-Static", "a")
            .auth_headers_with(move || vec![("X-Fresh".into(), count.fetch_add(1, Ordering::SeqCst).to_string())])
            .auth_param("token", "a&b ż"),
    );
    assert_eq!(asking.channel("private-a=1").expect("good").signature(), "k:s");
    let request = endpoint.next();
    assert!(request.starts_with("POST /auth HTTP/1.1\n"), "{request}");
    assert!(request.ends_with("\n\nsocket_id=1.2&channel_name=private-a%3D1&token=a%26b%20%C5%BC"), "{request}");
    for header in ["content-type: application/x-www-form-urlencoded\n", "x-static: a\n", "x-fresh: 0\n"] {
        assert!(request.to_ascii_lowercase().contains(header), "{request}");
    }
    asking.channel("private-b").expect("good");
    assert!(endpoint.next().to_ascii_lowercase().contains("x-fresh: 1\n"), "evaluated for every request");
}

#[test]
fn a1_json_and_a_sign_in_without_a_channel() {
    let endpoint = Endpoint::saying(GOOD);
    let asking = Asking::new(at(&endpoint).auth_json(true).auth_param("p", "\""));
    asking.channel("private-a").expect("good");
    let request = endpoint.next();
    assert!(
        request.ends_with("\n\n{\"channel_name\":\"private-a\",\"p\":\"\\\"\",\"socket_id\":\"1.2\"}"),
        "{request}"
    );
    assert!(request.to_ascii_lowercase().contains("content-type: application/json\n"), "{request}");

    let body = r#"{"auth":"k:s","user_data":"{\"id\":\"7\"}"}"#;
    let length = body.len();
    let endpoint = Endpoint::saying(format!("HTTP/1.1 201 Created\r\nContent-Length: {length}\r\n\r\n{body}"));
    let asking = Asking::new(at(&endpoint));
    assert_eq!(asking.user().expect("any 2xx").data(), r#"{"id":"7"}"#);
    assert!(endpoint.next().ends_with("\n\nsocket_id=1.2"));
}

#[test]
fn a1_a_redirect_is_a_refusal_and_no_credential_is_sent_on() {
    let elsewhere = Endpoint::saying(GOOD);
    for code in [301, 302, 307, 308] {
        let head = format!("HTTP/1.1 {code} Elsewhere\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", elsewhere.url);
        let endpoint = Endpoint::saying(head);
        let asking = Asking::new(at(&endpoint).auth_header("Authorization", "canary"));
        let error = asking.channel("private-a").map(drop).expect_err("refused");
        assert!(matches!(error, Error::AuthRefused { status: Some(status), .. } if status == code), "{error:?}");
        assert!(endpoint.next().contains("canary"));
    }
    assert!(elsewhere.requests.is_empty());
}

#[test]
fn a5_garbage_is_malformed_and_final() {
    let large = format!("HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n{}", " ".repeat(2_000_000));
    let html = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>";
    let empty = "HTTP/1.1 204 No Content\r\n\r\n";
    for response in ["junk\r\n\r\n", html, empty, &*large] {
        let endpoint = Endpoint::saying(response);
        let asking = Asking::new(at(&endpoint));
        let error = asking.channel("private-a").map(drop).expect_err("malformed");
        assert!(matches!(error, Error::AuthMalformed { .. }), "{error:?}");
        assert_eq!(asking.pool.retries(), 0);
    }
}

#[test]
fn a1_the_deadline_is_absolute_for_an_endpoint_that_drips() {
    let endpoint = Endpoint::new(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        while stream.write_all(b" ").is_ok() {
            thread::sleep(Duration::from_millis(5));
        }
    });
    let asking = Asking::new(at(&endpoint).auth_timeout(Duration::from_millis(100)));
    let error = asking.channel("private-a").map(drop).expect_err("too slow");
    assert!(matches!(error, Error::AuthTimeout { after, .. } if after == Duration::from_millis(100)), "{error:?}");
    assert_eq!(endpoint.requests.len(), 4);
}

#[test]
fn a4_a_transient_failure_is_asked_four_times_and_a_refusal_once() {
    for code in [408, 429, 500, 503] {
        let endpoint = Endpoint::saying(status(&code.to_string()));
        let asking = Asking::new(at(&endpoint));
        let error = asking.channel("private-a").map(drop).expect_err("refused");
        assert!(
            matches!(&error, Error::AuthRefused { status: Some(s), message, .. } if *s == code && message == "body"),
            "{error:?}"
        );
        assert_eq!((endpoint.requests.len(), asking.pool.retries()), (4, 3), "{code}");
    }
    for code in [400, 401, 403, 404] {
        let endpoint = Endpoint::saying(status(&code.to_string()));
        let asking = Asking::new(at(&endpoint));
        assert!(asking.channel("private-a").is_err());
        assert_eq!((endpoint.requests.len(), asking.pool.retries()), (1, 0), "{code}");
    }
}

#[test]
fn a4_a_success_after_failures_is_a_success_and_retry_after_is_honoured() {
    let endpoint = Endpoint::new(|number, stream| {
        let response = match number {
            0 => String::new(),
            1 => "HTTP/1.1 429 Later\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n".to_owned(),
            _ => GOOD.to_owned(),
        };
        let _ = stream.write_all(response.as_bytes());
        if response.is_empty() {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    });
    let asking = Asking::new(at(&endpoint));
    let start = Instant::now();
    asking.channel("private-a").expect("the third time");
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert_eq!(endpoint.requests.len(), 3);
}

#[test]
fn a4_an_endpoint_that_does_not_listen_is_a_network_error() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("bound"));
    drop(listener);
    let asking = Asking::new(config().auth_endpoint(url));
    let error = asking.channel("private-a").map(drop).expect_err("a port without a listener");
    assert!(matches!(error, Error::AuthNetwork { .. }), "{error:?}");
    assert_eq!(asking.pool.retries(), 3);
}

#[test]
fn a4_a_job_that_waits_for_its_retry_takes_no_thread() {
    let endpoint = Endpoint::new(|_, stream| {
        let later = "HTTP/1.1 503 Later\r\nRetry-After: 20\r\nContent-Length: 0\r\n\r\n";
        let _ = stream.write_all(later.as_bytes());
    });
    let asking = Asking::new(at(&endpoint));
    let channels: Vec<_> = (0..20).map(|n| format!("private-{n}")).collect();
    asking.ask_for(&channels.iter().map(String::as_str).collect::<Vec<_>>());
    (0..20).for_each(|_| drop(endpoint.next()));
    let deadline = Instant::now() + PATIENCE;
    while asking.pool.threads() > 1 {
        assert!(Instant::now() < deadline, "only one thread waits");
        thread::yield_now();
    }
    let start = Instant::now();
    asking.join();
    assert!(start.elapsed() < Duration::from_secs(1));
    assert!(asking.answers.is_empty());
}

#[test]
fn a4_a_refusal_is_the_answer_where_the_next_request_would_come_too_late() {
    for (after, status) in [(30, 429), (60, 503), (3600, 500)] {
        let endpoint = Endpoint::new(move |_, stream| {
            let later = format!("HTTP/1.1 {status} Later\r\nRetry-After: {after}\r\nContent-Length: 0\r\n\r\n");
            let _ = stream.write_all(later.as_bytes());
        });
        let asking = Asking::new(at(&endpoint));
        let answer = asking.channel("private-a");
        assert!(matches!(answer, Err(Error::AuthRefused { status: Some(found), .. }) if found == status), "{answer:?}");
    }
}
