//! Names and values from the program, or from its users, are refused or encoded (C1, C2, S7).

use super::{
    bytes::Bytes,
    strict::{Head, Json, form, is_target, percent_decoded},
};
use crate::{
    Config, Error,
    config::Plan,
    io::{
        auth::http::{
            Http,
            scripted::{Scripted, plan_with, sign_in},
        },
        connect::upgrade,
    },
    protocol::{channel_name, frame::Outgoing},
};

/// The number of headers in each upgrade request, and in each request to an auth endpoint.
const OWN_HEADERS: usize = 5;
const AUTH_HEADERS: usize = 5;

/// The option or call that takes the name or the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parameter {
    Key,
    Cluster,
    Host,
    PathPrefix,
    ClientName,
    ClientVersion,
    Url,
    HeaderName,
    HeaderValue,
    Origin,
    Channel,
    AuthEndpoint,
    AuthHeaderName,
    AuthHeaderValue,
    AuthParam,
}

impl Parameter {
    pub(super) const ALL: [Self; 15] = [
        Self::Key,
        Self::Cluster,
        Self::Host,
        Self::PathPrefix,
        Self::ClientName,
        Self::ClientVersion,
        Self::Url,
        Self::HeaderName,
        Self::HeaderValue,
        Self::Origin,
        Self::Channel,
        Self::AuthEndpoint,
        Self::AuthHeaderName,
        Self::AuthHeaderValue,
        Self::AuthParam,
    ];
}

/// The first byte chooses the parameter, the others are its value.
pub fn names(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    let parameter = bytes.pick(&Parameter::ALL);
    is_accepted(parameter, &String::from_utf8_lossy(bytes.rest()));
}

/// False if the value is refused. Panics if the value on the wire is not the encoded value.
pub(super) fn is_accepted(parameter: Parameter, value: &str) -> bool {
    match parameter {
        Parameter::Key => request(Config::host(value, "localhost")).is_some_and(|head| is_key(&head, value)),
        Parameter::Cluster => request(Config::cluster("key", value)).is_some_and(|head| is_cluster(&head, value)),
        Parameter::Host => request(Config::host("key", value)).is_some_and(|head| is_host(&head, value)),
        Parameter::PathPrefix => request(local().path_prefix(value)).is_some_and(|head| is_prefix(&head, value)),
        Parameter::ClientName => {
            request(local().client_name(value, "1")).is_some_and(|head| is_client(&head, value, "1"))
        }
        Parameter::ClientVersion => {
            request(local().client_name("name", value)).is_some_and(|head| is_client(&head, "name", value))
        }
        Parameter::Url => is_accepted_url(value),
        Parameter::HeaderName => request(local().header(value, "v")).is_some_and(|head| has_header(&head, value, "v")),
        Parameter::HeaderValue => {
            request(local().header("X-N", value)).is_some_and(|head| has_header(&head, "X-N", value))
        }
        Parameter::Origin => request(local().origin(value)).is_some_and(|head| has_header(&head, "Origin", value)),
        Parameter::Channel => is_accepted_channel(value),
        Parameter::AuthEndpoint => is_accepted_endpoint(value),
        Parameter::AuthHeaderName => is_accepted_auth_header(value, "v"),
        Parameter::AuthHeaderValue => is_accepted_auth_header("X-N", value),
        Parameter::AuthParam => is_accepted_param(value),
    }
}

fn local() -> Config {
    Config::host("key", "localhost").tls(false)
}

/// The head of the upgrade request. `None` if the configuration is refused.
fn request(config: Config) -> Option<Head> {
    let plan = match config.tls(false).plan() {
        Ok(plan) => plan,
        Err(Error::Config { .. }) => return None,
        Err(other) => panic!("an invalid value is an error of the configuration: {other:?}"),
    };
    let endpoint = plan.endpoint().expect("it has been checked");
    let head = upgrade::request(&endpoint.target, &endpoint.authority(), "dGhlIHNhbXBsZSBub25jZQ==", &plan.headers);
    let head = Head::parse(&head).unwrap_or_else(|| panic!("{:?}", String::from_utf8_lossy(&head)));
    assert!(head.target().is_some(), "{head:?}");
    Some(head)
}

/// The path of the target, and the parameters of its query.
fn target(head: &Head) -> (&str, Vec<(String, String)>) {
    let (path, query) = head.target().and_then(|target| target.split_once('?')).expect("a query");
    (path, form(query).expect("the query has the shape of a form"))
}

/// C1: the client refuses characters that have a meaning in a URL, although it could encode them.
fn has_none_of(name: &str, syntax: &str) -> bool {
    !name.contains(|c: char| c.is_control() || c.is_whitespace() || syntax.contains(c))
}

fn is_key(head: &Head, key: &str) -> bool {
    let encoded = target(head).0.strip_prefix("/app/").expect("the key's place");
    assert!(!encoded.contains('/') && !key.is_empty() && has_none_of(key, "/?#@"));
    assert_eq!(percent_decoded(encoded).as_deref(), Some(key.as_bytes()));
    // Proxies would read these as steps in the path.
    assert!(![".", ".."].contains(&encoded));
    true
}

fn is_cluster(head: &Head, cluster: &str) -> bool {
    let host = head.only("host").expect("one host");
    assert_eq!(host.strip_prefix("ws-").and_then(|host| host.strip_suffix(".pusher.com")), Some(cluster));
    assert!(!cluster.is_empty() && cluster.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'));
    true
}

fn is_host(head: &Head, host: &str) -> bool {
    let named = head.only("host").expect("one host");
    match named.strip_prefix('[').and_then(|named| named.strip_suffix(']')) {
        Some(address) => {
            let given = host.trim_start_matches('[').trim_end_matches(']');
            let (given, zone) = given.split_once('%').unwrap_or((given, "lo"));
            assert_eq!(address, given);
            assert!(address.parse::<std::net::Ipv6Addr>().is_ok());
            let is_of_zone = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
            assert!(!zone.is_empty() && zone.chars().all(is_of_zone), "{host:?}");
        }
        None => {
            let is_name = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
            let mut labels = named.strip_suffix('.').unwrap_or(named).split('.');
            assert!(named == host && labels.all(|label| !label.is_empty() && label.chars().all(is_name)), "{named:?}");
        }
    }
    true
}

fn is_prefix(head: &Head, prefix: &str) -> bool {
    let path = target(head).0.strip_suffix("/app/key").expect("the prefix's place");
    assert!(has_none_of(prefix, "?#@\\"));
    let given: Vec<_> = prefix.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    let decoded = |part| String::from_utf8(percent_decoded(part).expect("a strict target")).expect("UTF-8");
    assert_eq!(path.split('/').skip(1).map(decoded).collect::<Vec<_>>(), given);
    assert!(!given.iter().any(|part| [".", ".."].contains(&part.as_str())));
    true
}

fn is_client(head: &Head, name: &str, version: &str) -> bool {
    assert!(has_none_of(name, "/?#@") && has_none_of(version, "/?#@"));
    let expected = [("protocol", "7"), ("client", name), ("version", version)];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(target(head).1, expected);
    true
}

fn has_header(head: &Head, name: &str, value: &str) -> bool {
    assert_eq!(head.headers.len(), OWN_HEADERS + 1, "no header is injected: {head:?}");
    // White space around a value is not part of it in HTTP.
    assert_eq!(head.only(name), Some(value.trim_matches([' ', '\t'])));
    true
}

/// A complete URL keeps its escapes, and the rest is encoded.
fn is_accepted_url(url: &str) -> bool {
    let Some(plan) = accepted(&Config::url(url), "url") else { return false };
    let endpoint = plan.endpoint().expect("it has been checked");
    assert!(!endpoint.host.is_empty() && endpoint.port != 0);
    is_target_of(&endpoint.target, url)
}

fn is_accepted_endpoint(url: &str) -> bool {
    let config = local().auth_endpoint(url).allow_insecure_auth();
    let Some(plan) = accepted(&config, "auth_endpoint") else { return false };
    let parsed = &plan.auth.endpoint.expect("it is set").url;
    assert!(!parsed.host.is_empty() && parsed.port != 0);
    is_target_of(parsed.uri().path_and_query().expect("a path").as_str(), url)
}

fn is_target_of(target: &str, url: &str) -> bool {
    assert!(is_target(target), "{url:?} -> {target:?}");
    let (_, rest) = url.split_once("://").expect("a scheme");
    assert!(!rest.split(['/', '?']).next().unwrap_or_default().contains('@'), "{url:?}");
    let given = rest.find(['/', '?']).map_or("", |start| &rest[start..]);
    let given = if given.starts_with('/') { given.to_owned() } else { format!("/{given}") };
    let sent = percent_decoded(target).expect("a strict target");
    assert!(sent.starts_with(&leniently_decoded(&given)), "{url:?} -> {target:?}");
    true
}

/// Decodes a text in which `%` may stand outside of escapes.
fn leniently_decoded(text: &str) -> Vec<u8> {
    let pieces = text.split('%').enumerate().map(|(number, piece)| match (number, piece.get(..2)) {
        (0, _) => piece.as_bytes().to_vec(),
        (_, Some(digits)) if digits.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
            [percent_decoded(&format!("%{digits}")).unwrap_or_default(), piece.as_bytes()[2..].to_vec()].concat()
        }
        _ => [b"%", piece.as_bytes()].concat(),
    });
    pieces.collect::<Vec<_>>().concat()
}

/// The plan, if the configuration is accepted. A refusal must name this option.
fn accepted(config: &Config, option: &str) -> Option<Plan> {
    match config.plan() {
        Ok(plan) => Some(plan),
        Err(Error::Config { option: refused, .. }) => {
            // A URL may require TLS, which may be missing in this build.
            assert!(refused == option || refused == "tls", "{refused}");
            None
        }
        Err(other) => panic!("{other:?}"),
    }
}

fn is_accepted_channel(channel: &str) -> bool {
    if let Err(error) = channel_name::check(channel) {
        assert!(matches!(error, Error::ChannelName { .. }));
        return false;
    }
    let body = channel.strip_prefix("#server-to-user-").unwrap_or(channel);
    assert!(!body.is_empty() && channel.len() <= 200);
    assert!(body.chars().all(|c| c.is_ascii_alphanumeric() || "_-=@,.;".contains(c)), "{channel:?}");
    let subscribe = Outgoing::Subscribe { channel, auth: Some(channel), channel_data: None }.to_text();
    for text in [subscribe, Outgoing::Unsubscribe { channel }.to_text()] {
        let message = Json::parse(&text).expect("JSON");
        let data = message.member("data").expect("one data");
        assert_eq!(data.member("channel").and_then(Json::text), Some(channel));
    }
    true
}

fn is_accepted_auth_header(name: &str, value: &str) -> bool {
    let Some((head, _)) = auth_request(local().auth_header(name, value)) else { return false };
    let replaces = ["accept", "user-agent"].iter().any(|own| name.eq_ignore_ascii_case(own));
    let own = AUTH_HEADERS - usize::from(replaces);
    assert_eq!(head.headers.len(), own + 1, "no header is injected: {head:?}");
    assert_eq!(head.only(name), Some(value.trim_matches([' ', '\t'])));
    true
}

/// Every name and every value can be encoded, so only the names of the client's own parameters are refused.
fn is_accepted_param(text: &str) -> bool {
    let Some((_, body)) = auth_request(local().auth_param(text, text)) else {
        assert!(["socket_id", "channel_name"].contains(&text));
        return false;
    };
    let expected = [("socket_id", "1.2"), (text, text)].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(form(&body).as_deref(), Some(expected.as_slice()), "{body}");
    let (_, body) = auth_request(local().auth_param(text, text).auth_json(true)).expect("it was accepted before");
    let sent = Json::parse(&body).unwrap_or_else(|| panic!("{body}"));
    assert_eq!(sent.member(text).and_then(Json::text), Some(text), "{body}");
    assert_eq!(sent.member("socket_id").and_then(Json::text), Some("1.2"), "{body}");
    true
}

/// The head and the body of a request to an auth endpoint. `None` if the configuration is refused.
fn auth_request(config: Config) -> Option<(Head, String)> {
    let endpoint = "http://localhost/auth";
    if let Err(error) = config.clone().auth_endpoint(endpoint).plan() {
        assert!(matches!(error, Error::Config { option: "auth_header" | "auth_param", .. }), "{error:?}");
        return None;
    }
    let script = Scripted::new(b"HTTP/1.1 200 OK\r\n\r\n", &[]);
    let http = Http::over(script.clone());
    assert!(http.post(&sign_in(&plan_with(&config, endpoint)), |_| Ok(())).is_ok(), "it has been checked");
    let sent = script.sent();
    let end = sent.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head") + 4;
    let head = Head::parse(&sent[..end]).unwrap_or_else(|| panic!("{:?}", String::from_utf8_lossy(&sent)));
    let body = String::from_utf8(sent[end..].to_vec()).expect("UTF-8");
    assert_eq!(head.only("content-length"), Some(&*body.len().to_string()));
    Some((head, body))
}

#[cfg(test)]
mod tests {
    use super::{super::evil::Evil, *};
    use crate::testability::figures;

    const CASES: usize = 1_000_000;
    const SEED: u64 = 4;

    #[test]
    #[ignore = "takes long: tests/run survival"]
    fn survival_c1_hostile_names_are_refused_or_encoded() {
        let (mut evil, mut accepted) = (Evil::new(SEED), [0; Parameter::ALL.len()]);
        for case in 0..CASES {
            let parameter = case % Parameter::ALL.len();
            let value = value(Parameter::ALL[parameter], &mut evil);
            accepted[parameter] += usize::from(is_accepted(Parameter::ALL[parameter], &value));
        }
        println!("seed {SEED}, accepted: {:?}", Parameter::ALL.iter().zip(accepted).collect::<Vec<_>>());
        // Both results occur for every parameter, so that the test covers both.
        assert!(accepted.iter().all(|accepted| *accepted > 100), "{accepted:?}");
        figures::record("hostile names raw on the wire", format_args!("0 of {CASES}"), "0 of 1000000");
    }

    /// URLs have a valid beginning: otherwise nearly all would fail at the first check.
    fn value(parameter: Parameter, evil: &mut Evil) -> String {
        let beginnings: &[&str] = match parameter {
            Parameter::Url => &["ws://localhost/app/", "ws://", "wss://h/", ""],
            Parameter::AuthEndpoint => &["http://localhost/", "https://", "http://127.0.0.1:80", ""],
            _ => &[""],
        };
        beginnings[evil.below(beginnings.len())].to_owned() + &evil.text()
    }
}
