//! Identifiers, which servers send as text or as a number.

use serde_json::value::RawValue;

use crate::surrogates;

/// The text of a JSON string, or that of a number as it stands. `None` for anything else.
pub(crate) fn text(raw: &RawValue) -> Option<String> {
    let text = raw.get();
    match text.as_bytes().first()? {
        b'"' => surrogates::from_json(text).ok(),
        b'-' | b'0'..=b'9' => Some(text.to_owned()),
        _ => None,
    }
}
