//! The error for a name that the library does not know: of an option, or of a counter.
//!
//! It suggests the nearest name. The unknown text is quoted only if it looks like a name: anything else may be a value in
//! the wrong place, and some values are secrets (X1).

use crate::capi::ffi::results::{self, Failure};

/// Longer than every name, and than most mistyped names.
const LONGEST_NAME: usize = 40;

/// Names that other clients, or other parts of this library, have for the same thing, in the form that [`letters`]
/// returns.
const SYNONYMS: [(&str, &str); 47] = [
    ("activitytimeout", "activity_timeout_ms"),
    ("appkey", "key"),
    ("apikey", "key"),
    ("appsecret", "secret"),
    ("authorizationendpoint", "auth_endpoint"),
    ("authurl", "auth_endpoint"),
    ("basepath", "path_prefix"),
    ("buffersize", "queue_capacity"),
    ("cacert", "root_certificate_pem"),
    ("cafile", "root_certificate_pem"),
    ("channelauthorization", "auth_endpoint"),
    ("channelauthorizationendpoint", "auth_endpoint"),
    ("channels", "channel"),
    ("clientcertificate", "client_identity_pem"),
    ("encrypted", "tls"),
    ("encryption", "tls"),
    ("event", "events"),
    ("forcetls", "tls"),
    ("hostname", "host"),
    ("heartbeatinterval", "activity_timeout_ms"),
    ("httphost", "host"),
    ("httpproxy", "proxy"),
    ("kind", "only"),
    ("kinds", "only"),
    ("masterkey", "encryption_master_key"),
    ("maxattempts", "reconnect_max_attempts"),
    ("maxdelay", "reconnect_max_delay_ms"),
    ("maxreconnectattempts", "reconnect_max_attempts"),
    ("maxreconnectdelay", "reconnect_max_delay_ms"),
    ("mindelay", "reconnect_min_delay_ms"),
    ("path", "path_prefix"),
    ("pinginterval", "activity_timeout_ms"),
    ("queuecapacity", "capacity"),
    ("queuesize", "queue_capacity"),
    ("rootcertificate", "root_certificate_pem"),
    ("servername", "tls_server_name"),
    ("ssl", "tls"),
    ("timeout", "connect_timeout_ms"),
    ("unavailabletimeout", "unavailable_timeout_ms"),
    ("userauthentication", "user_auth_endpoint"),
    ("userauthenticationendpoint", "user_auth_endpoint"),
    ("useragent", "client_name"),
    ("usetls", "tls"),
    ("wshost", "host"),
    ("wspath", "path_prefix"),
    ("wsport", "port"),
    ("wssport", "port"),
];

/// Options that a function of their own sets, in the form that [`letters`] returns.
const FUNCTIONS: [(&str, &str); 6] = [
    ("authorizer", "pusher_config_authorizer"),
    ("batchauthorizer", "pusher_config_batch_authorizer"),
    ("dialer", "pusher_config_dialer"),
    ("encrypteddatadecoder", "pusher_config_encrypted_data_decoder"),
    ("loglevel", "pusher_log"),
    ("userauthenticator", "pusher_config_user_authenticator"),
];

/// The names that may stand in one place.
pub(crate) struct Names {
    /// The noun for the names, such as `option`.
    pub noun: &'static str,
    pub here: Vec<&'static str>,
    /// Names that another function takes, and that function.
    pub elsewhere: (Vec<&'static str>, &'static str),
}

impl Names {
    /// The error for a text that is none of the names. The error does not quote a text that `may_be_secret`.
    pub fn unknown(&self, written: &str, may_be_secret: bool) -> Failure {
        let function = FUNCTIONS.iter().find(|(name, _)| self.noun == "option" && *name == letters(written));
        let (noun, nearest) = (self.noun, self.nearest(written));
        let is_quoted = !may_be_secret && is_name(written, nearest.is_some() || function.is_some());
        let what = if is_quoted { format!("no {noun} {written:?} here") } else { format!("no such {noun}") };
        let suggestion = match nearest {
            _ if function.is_some() => {
                function.map(|(_, function)| format!("; {function} sets it")).unwrap_or_default()
            }
            Some(name) if self.here.contains(&name) => format!("; did you mean {name:?}?"),
            Some(name) if name == written => format!("; {} sets it", self.elsewhere.1),
            Some(name) => format!("; did you mean {name:?}, which {} sets?", self.elsewhere.1),
            None => String::new(),
        };
        Failure::Misuse(results::PUSHER_ERR_OPTION, format!("there is {what}{suggestion}").into())
    }

    fn nearest(&self, written: &str) -> Option<&'static str> {
        let written = Some(letters(written)).filter(|written| (2..=LONGEST_NAME).contains(&written.len()))?;
        let all = || self.here.iter().chain(&self.elsewhere.0).copied();
        let is_known = |name: &&str| all().any(|known| known == *name);
        let synonyms = SYNONYMS.iter().map(|(synonym, name)| ((*synonym).to_owned(), *name));
        let spellings = all().flat_map(spellings).chain(synonyms).filter(|(_, name)| is_known(name));
        let distances = spellings.map(|(spelling, name)| (distance(&written, &spelling), name));
        let (distance, name) = distances.min_by_key(|(distance, _)| *distance)?;
        (distance <= written.len().div_ceil(6)).then_some(name)
    }
}

/// Whether a text looks like a name. A text in another style than that of this library counts only if a name is near,
/// because tokens and passwords look alike.
fn is_name(written: &str, is_near: bool) -> bool {
    let is_of_style = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    let is_of_other_style = |byte: u8| is_near && (byte.is_ascii_uppercase() || byte == b'-');
    written.len() <= LONGEST_NAME && written.bytes().all(|byte| is_of_style(byte) || is_of_other_style(byte))
}

/// The letters that all styles of a name have in common: `auth_endpoint`, `authEndpoint`, `auth-endpoint`,
/// `AUTH_ENDPOINT`.
fn letters(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// The letters of a name, and for a time also the letters without its unit.
fn spellings(name: &'static str) -> impl Iterator<Item = (String, &'static str)> {
    let without_unit = name.strip_suffix("_ms").or_else(|| name.strip_suffix("_us"));
    [Some(name), without_unit].into_iter().flatten().map(move |spelling| (letters(spelling), name))
}

/// The number of letters to add, to remove, to replace, or to exchange with the next one.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let are_exchanged = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                let exchanged = if are_exchanged { rows[i - 2][j - 2] + 1 } else { replaced };
                replaced.min(exchanged).min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1)
            };
        }
    }
    rows[a.len()][b.len()]
}
