//! The bytes of a request (A1). They have credentials in them, and are wiped.

use std::sync::atomic::AtomicBool;

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::super::authorizer::{Failure, user_code};
use crate::{
    config::{Auth, HttpUrl, Pairs, checked_header},
    protocol::percent::encode,
};

/// Where tokens stand in a form or in JSON, they are text that is wiped.
type Wiped = Zeroizing<String>;

/// A POST of these fields, beside what the options add. `inside` is set while closures of the program run.
pub(crate) fn build(
    options: &Auth,
    url: &HttpUrl,
    fields: &[(&str, &str)],
    inside: &AtomicBool,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let fresh = evaluate(&options.params_with, inside, "parameters")?;
    let fresh = fresh.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let params = options.params.iter().map(|(name, value)| (name.as_str(), value.expose())).chain(fresh);
    // Nothing takes the place of the client's own fields.
    let fields = fields.iter().copied().chain(params.filter(|(name, _)| !fields.iter().any(|(own, _)| own == name)));
    let (kind, body) = if options.json {
        ("application/json", json(fields))
    } else {
        ("application/x-www-form-urlencoded", form(fields))
    };
    let mut request = Zeroizing::new(Vec::with_capacity(1024 + body.len()));
    let head = format!("POST {} HTTP/1.1\r\nHost: {}\r\n", url.target, url.authority());
    request.extend_from_slice(Zeroizing::new(head).as_bytes());
    for (name, value) in headers(options, kind, body.len(), inside)?.iter() {
        for part in [name.as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            request.extend_from_slice(part);
        }
    }
    request.extend_from_slice(b"\r\n");
    request.extend_from_slice(body.as_bytes());
    Ok(request)
}

fn headers(options: &Auth, kind: &str, length: usize, inside: &AtomicBool) -> Result<Vec<(String, Wiped)>, Failure> {
    let plain = |name: &str, value: &str| (name.to_owned(), Wiped::new(value.to_owned()));
    let mut headers = vec![plain("content-type", kind), plain("content-length", &length.to_string())];
    let fixed = options.headers.iter().map(|(name, value)| plain(name, value.expose()));
    let fresh = evaluate(&options.headers_with, inside, "headers")?;
    for (name, value) in fixed.chain(fresh) {
        let (name, _) = checked_header(&name, &value).map_err(|reason| Failure::refused(&reason))?;
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
fn evaluate(closure: &Option<Pairs>, inside: &AtomicBool, what: &str) -> Result<Vec<(String, Wiped)>, Failure> {
    let Some(closure) = closure else { return Ok(Vec::new()) };
    let evaluated = user_code(inside, || closure());
    let pairs = evaluated.ok_or_else(|| Failure::refused(&format!("the closure for the {what} panicked")))?;
    Ok(pairs.into_iter().map(|(name, value)| (name, Wiped::new(value))).collect())
}

fn form<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> Wiped {
    let mut form = Wiped::default();
    for (name, value) in fields {
        let separator = if form.is_empty() { "" } else { "&" };
        for part in [separator, &encode(name), "=", &Wiped::new(encode(value))] {
            form.push_str(part);
        }
    }
    form
}

fn json<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> Wiped {
    let object: Map<_, _> = fields.map(|(name, value)| (name.to_owned(), Value::from(value))).collect();
    Wiped::new(Value::Object(object).to_string())
}
