//! The bytes of a request (A1). They have credentials in them, and are wiped.

use std::{collections::BTreeMap, fmt};

use super::super::authorizer::{Failure, user_code};
use crate::{
    auth::Secret,
    config::{Auth, HttpUrl, Pairs, checked_header},
    protocol::percent::encode_to,
    sync::atomic::AtomicBool,
    wiped::Wiped,
};

/// A POST of these fields, beside what the options add. `inside` is set while closures of the program run.
pub(crate) fn build(
    options: &Auth,
    url: &HttpUrl,
    fields: &[(&str, &str)],
    inside: &AtomicBool,
) -> Result<Wiped, Failure> {
    let fresh = evaluate(&options.params_with, inside, "parameters")?;
    let fixed = options.params.iter().chain(&fresh);
    let params = fixed.map(|(name, value)| (name.as_str(), value.expose()));
    // Nothing takes the place of the client's own fields.
    let fields = fields.iter().copied().chain(params.filter(|(name, _)| !fields.iter().any(|(own, _)| own == name)));
    let (kind, body) = if options.json {
        ("application/json", json(fields))
    } else {
        ("application/x-www-form-urlencoded", form(fields))
    };
    let mut request = Wiped::with_capacity(1024 + body.len());
    for part in ["POST ", &url.target, " HTTP/1.1\r\nHost: ", &url.authority(), "\r\n"] {
        request.push(part.as_bytes());
    }
    for (name, value) in &headers(options, kind, body.len(), inside)? {
        for part in [name, ": ", value.expose(), "\r\n"] {
            request.push(part.as_bytes());
        }
    }
    request.push(b"\r\n");
    request.push(&body);
    Ok(request)
}

fn headers(options: &Auth, kind: &str, length: usize, inside: &AtomicBool) -> Result<Vec<(String, Secret)>, Failure> {
    let plain = |name: &str, value: &str| (name.to_owned(), Secret::new(value));
    let mut headers = vec![plain("content-type", kind), plain("content-length", &length.to_string())];
    let fresh = evaluate(&options.headers_with, inside, "headers")?;
    for (name, value) in options.headers.iter().cloned().chain(fresh) {
        let name = checked_header(&name, value.expose()).map_err(|reason| Failure::refused(&reason))?;
        headers.push((name.as_str().to_owned(), value));
    }
    // Frameworks that would redirect a browser to a login page answer the first with a status.
    let agent = concat!(env!("CARGO_PKG_NAME"), "-rust/", env!("CARGO_PKG_VERSION"));
    for (name, value) in [("accept", "application/json"), ("user-agent", agent)] {
        if !headers.iter().any(|(given, _)| given == name) {
            headers.push(plain(name, value));
        }
    }
    Ok(headers)
}

/// What the user's closure says for this request.
fn evaluate(closure: &Option<Pairs>, inside: &AtomicBool, what: &str) -> Result<Vec<(String, Secret)>, Failure> {
    let Some(closure) = closure else { return Ok(Vec::new()) };
    let evaluated = user_code(inside, || closure());
    let pairs = evaluated.ok_or_else(|| Failure::refused(&format!("the closure for the {what} panicked")))?;
    Ok(pairs.into_iter().map(|(name, value)| (name, Secret::new(value))).collect())
}

fn form<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> Wiped {
    let mut form = Wiped::default();
    for (name, value) in fields {
        if !form.is_empty() {
            form.push(b"&");
        }
        // Writing to memory does not fail.
        let _ = pair(name, value, &mut form);
    }
    form
}

fn pair(name: &str, value: &str, form: &mut Wiped) -> fmt::Result {
    encode_to(name, form)?;
    form.push(b"=");
    encode_to(value, form)
}

/// Of several fields with one name the last counts.
fn json<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> Wiped {
    let object: BTreeMap<_, _> = fields.collect();
    let mut json = Wiped::default();
    serde_json::to_writer(&mut json, &object).expect("strings under string keys always serialise");
    json
}
