//! A request to an auth endpoint (A1). Its credentials are wiped when ureq drops it.

use std::{collections::BTreeMap, fmt, time::Duration};

use ureq::http::{HeaderMap, HeaderName, HeaderValue, Request, header};

use crate::{
    auth::{Pairs, RequestOptions},
    config::{HttpUrl, checked_header},
    io::{auth::failure::Failure, guard::user_code::CallContext},
    protocol::percent::encode_to,
    secret::{Secret, Wiped, wiped_bytes},
};

/// A request to an auth endpoint.
pub(crate) struct Post<'a> {
    pub url: &'a HttpUrl,
    pub options: &'a RequestOptions,
    pub timeout: Duration,
    pub socket_id: &'a str,
    /// The channel to authorise. `None` for a sign-in.
    pub channel: Option<&'a str>,
}

/// Builds the request, with the socket, the channel, and the fields and headers of the options.
pub(crate) fn build(post: &Post<'_>, context: CallContext) -> Result<(Request<()>, Wiped), Failure> {
    let options = post.options;
    let channel = post.channel.map(|channel| (options.channel_field.as_str(), channel));
    let own = || [Some((options.socket_field.as_str(), post.socket_id)), channel].into_iter().flatten();
    let fresh = evaluate(&options.params_with, context, "the closure for the parameters")?;
    let fixed = options.params.iter().chain(&fresh);
    let params = fixed.map(|(name, value)| (name.as_str(), value.expose()));
    // The options cannot replace the client's own fields.
    let fields = own().chain(params.filter(|(name, _)| own().all(|(field, _)| field != *name)));
    let (kind, body) = if options.json {
        ("application/json", json(fields))
    } else {
        ("application/x-www-form-urlencoded", form(fields))
    };
    let mut request =
        Request::post(post.url.uri()).body(()).map_err(|_| Failure::refused("the request cannot be made"))?;
    let headers = request.headers_mut();
    add(headers, header::HOST, &post.url.authority())?;
    add(headers, header::CONTENT_TYPE, kind)?;
    let fresh = evaluate(&options.headers_with, context, "the closure for the headers")?;
    for (name, value) in options.headers.iter().chain(&fresh) {
        let name = checked_header(name, value.expose()).map_err(|reason| Failure::refused(&reason))?;
        add(headers, name, value.expose())?;
    }
    Ok((request, body))
}

/// Any value may be a credential. ureq logs no value that is marked as sensitive.
fn add(headers: &mut HeaderMap, name: HeaderName, value: &str) -> Result<(), Failure> {
    let refused = || Failure::refused("a header cannot be sent");
    let mut value = HeaderValue::from_maybe_shared(wiped_bytes(value)).map_err(|_| refused())?;
    value.set_sensitive(true);
    headers.try_append(name, value).map(drop).map_err(|_| refused())
}

/// The pairs that the program's closure returns for this request.
fn evaluate(closure: &Option<Pairs>, context: CallContext, name: &str) -> Result<Vec<(String, Secret)>, Failure> {
    let Some(closure) = closure else { return Ok(Vec::new()) };
    let pairs = Failure::of_call(context, name, || closure())?;
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

/// If several fields have the same name, the last one counts.
fn json<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> Wiped {
    let object: BTreeMap<_, _> = fields.collect();
    let mut json = Wiped::default();
    serde_json::to_writer(&mut json, &object).expect("strings under string keys always serialise");
    json
}
