//! The answers of auth endpoints, as HTTP responses (A1, A5).

use super::bytes::Bytes;
use crate::{
    Config,
    io::auth::{
        failure::Failure,
        http::{
            Http,
            scripted::{Scripted, plan_with, sign_in},
        },
    },
};

/// The first bytes are the positions at which the stream is cut, the others are its content.
pub fn http_answer(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    let cuts = bytes.slice();
    let sent = bytes.rest();
    let whole = outcome(sent, &[]);
    match &whole {
        Outcome::Success(body) => assert!(body.len() <= 1 << 20),
        Outcome::Refusal { status, message, .. } => {
            assert!(
                !(102..300).contains(status) && *status != 100,
                "neither an interim answer nor a success: {status}"
            );
            assert!(message.chars().count() <= 200, "{message}");
        }
        Outcome::Ended | Outcome::Malformed(_) => {}
    }
    let cut = outcome(sent, cuts);
    assert!(cut.is_like(&whole), "the cuts make no difference: {cut:?}, {whole:?}");
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Success(Vec<u8>),
    Refusal { status: u16, message: String, seconds: Option<u64> },
    Ended,
    Malformed(String),
}

impl Outcome {
    /// Equality without the message of a refusal: the message of an incomplete body depends on the cuts.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Refusal { status, seconds, .. }, Self::Refusal { status: other, seconds: others, .. }) => {
                (status, seconds) == (other, others)
            }
            _ => self == other,
        }
    }
}

fn outcome(sent: &[u8], cuts: &[u8]) -> Outcome {
    let http = Http::over(Scripted::new(sent, cuts));
    let plan = plan_with(&Config::host("key", "localhost"), "http://localhost/auth");
    match http.post(&sign_in(&plan), |body| Ok(body.to_vec())) {
        Ok(body) => Outcome::Success(body),
        Err(Failure::Refused { status, message, retry_after }) => {
            let status = status.expect("the endpoint was asked");
            Outcome::Refusal { status, message, seconds: retry_after.map(|time| time.as_secs()) }
        }
        Err(Failure::Network { endpoint, .. }) => {
            assert_eq!(endpoint, "localhost");
            Outcome::Ended
        }
        Err(Failure::Malformed(reason)) => {
            assert!(reason.is_ascii() && reason.len() < 120, "X1: a reason quotes nothing of the answer: {reason}");
            Outcome::Malformed(reason)
        }
        Err(Failure::Timeout) => panic!("the script has no delays"),
        Err(Failure::Temporary(error)) => panic!("there is no closure: {error}"),
    }
}
