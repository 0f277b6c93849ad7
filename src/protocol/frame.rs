//! Frames: one JSON object per text message.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, DeserializeOwned, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::json::{
    flat::{self, FlatMessage},
    string::{self, DecodeBuffer},
};
use crate::surrogates;

/// Deeper messages are refused, so that later parsers of the same text cannot overflow their stack.
const MAX_DEPTH: usize = 128;

/// A received message, borrowed from its text. Unknown keys are ignored. The last of repeated keys counts.
#[derive(Debug, Clone)]
pub(crate) struct Frame<'a> {
    pub event: Cow<'a, str>,
    pub channel: Option<Cow<'a, str>>,
    pub data: Data<'a>,
    pub user_id: Option<Cow<'a, str>>,
}

impl<'a> Frame<'a> {
    /// Reads a message. The reason for a refusal never quotes the message, because data may be confidential.
    ///
    /// The buffer is for data with escapes.
    pub fn parse(text: &'a str, buffer: &'a mut DecodeBuffer) -> Result<Self, String> {
        match flat::parse(text, buffer) {
            Some(flat) => Ok(flat.into()),
            None => Self::parse_any(text),
        }
    }

    /// Whether both parsers read the same frame, if the parser of flat messages accepts the text.
    #[cfg(any(fuzzing, test))]
    pub fn parsers_agree(text: &'a str) -> bool {
        let mut buffer = DecodeBuffer::default();
        let Some(flat) = flat::parse(text, &mut buffer) else { return true };
        Self::parse_any(text).is_ok_and(|any| any.has_parts_of(&flat.into()))
    }

    #[cfg(any(fuzzing, test))]
    fn has_parts_of(&self, other: &Frame<'_>) -> bool {
        let are_texts_equal = self.event == other.event && self.data.text() == other.data.text();
        are_texts_equal && self.channel == other.channel && self.user_id == other.user_id
    }

    fn parse_any(text: &'a str) -> Result<Self, String> {
        let envelope: Envelope<'a> = serde_json::from_str(text).map_err(|error| describe(&error))?;
        if envelope.depth > MAX_DEPTH {
            return Err(format!("it nests deeper than {MAX_DEPTH} levels"));
        }
        Ok(envelope.frame)
    }
}

impl<'a> From<FlatMessage<'a>> for Frame<'a> {
    fn from(flat: FlatMessage<'a>) -> Self {
        Self {
            event: flat.event.into(),
            channel: flat.channel.map(Cow::Borrowed),
            data: Data { content: flat.data, has_escapes: false },
            user_id: flat.user_id.map(Cow::Borrowed),
        }
    }
}

/// Describes the error and its position, without serde's quotations from the message.
fn describe(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Data => "it is not an object with an event name",
        serde_json::error::Category::Eof => "it ends inside of its JSON",
        _ => "it is not JSON",
    };
    format!("{what} (line {}, column {})", error.line(), error.column())
}

/// The `data` of a message. Empty if there is none.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Data<'a> {
    /// The text of a string, or the JSON text of another value.
    content: &'a str,
    /// Whether the text of the string still has its escapes.
    has_escapes: bool,
}

impl<'a> Data<'a> {
    /// The data in this value, whose escapes are decoded when the text is needed.
    fn any(value: &'a RawValue) -> Self {
        match string_content(value) {
            Some(content) => Self { content, has_escapes: content.contains('\\') },
            None => Self { content: value.get(), has_escapes: false },
        }
    }

    /// The text as the publisher sent it: a string is decoded once, any other value stays JSON text. A lone surrogate
    /// in a string becomes U+FFFD. In other values its escape stays (D1).
    pub fn text(self) -> Cow<'a, str> {
        if !self.has_escapes {
            return Cow::Borrowed(self.content);
        }
        let mut text = String::with_capacity(self.content.len());
        string::decode(self.content, &mut text);
        Cow::Owned(text)
    }

    /// An upper bound for the length of the text.
    pub fn max_len(self) -> usize {
        self.content.len()
    }

    /// Appends the [`text`](Self::text).
    pub fn append_to(self, out: &mut String) {
        if self.has_escapes {
            out.reserve(self.content.len());
            string::decode(self.content, out);
        } else {
            out.push_str(self.content);
        }
    }

    /// The value of a platform event, which may be an object or a string that contains one.
    pub fn decode<T: DeserializeOwned>(self) -> Option<T> {
        surrogates::from_json(&self.text()).ok()
    }
}

/// The part between the quotation marks, if this is a string.
fn string_content(value: &RawValue) -> Option<&str> {
    value.get().strip_prefix('"')?.strip_suffix('"')
}

/// A user id: a non-empty string, or a number as its text. `None` for other values.
fn id(value: &RawValue) -> Option<Cow<'_, str>> {
    let is_id = value.get().starts_with(|c: char| c == '"' || c == '-' || c.is_ascii_digit());
    is_id.then(|| Data::any(value).text()).filter(|id| !id.is_empty())
}

/// A string, decoded like data: serde_json would refuse a lone surrogate.
fn text<E: de::Error>(raw: &RawValue) -> Result<Cow<'_, str>, E> {
    match string_content(raw) {
        Some(_) => Ok(Data::any(raw).text()),
        None => Err(E::custom("not a string")),
    }
}

/// A frame, and the depth of its JSON.
struct Envelope<'a> {
    frame: Frame<'a>,
    depth: usize,
}

impl<'de: 'a, 'a> Deserialize<'de> for Envelope<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EnvelopeVisitor(PhantomData))
    }
}

struct EnvelopeVisitor<'a>(PhantomData<&'a str>);

impl<'de: 'a, 'a> Visitor<'de> for EnvelopeVisitor<'a> {
    type Value = Envelope<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with an event name")
    }

    /// Values that may nest are read as raw text. serde_json does this without recursion, at any depth.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope<'a>, A::Error> {
        let (mut event, mut channel, mut user_id) = (None, None, None);
        let mut data = Data::default();
        let mut depth = 1;
        let mut raw = |value: &'a RawValue| {
            depth = depth.max(1 + nesting(value.get()));
            value
        };
        while let Some(key) = map.next_key()? {
            match key {
                Key::Event => event = Some(text(map.next_value::<&'a RawValue>()?)?),
                Key::Channel => channel = map.next_value::<Option<&'a RawValue>>()?.map(text).transpose()?,
                Key::Data => data = Data::any(raw(map.next_value()?)),
                Key::UserId => user_id = id(raw(map.next_value()?)),
                Key::Other => _ = raw(map.next_value()?),
            }
        }
        let event = event.ok_or_else(|| de::Error::missing_field("event"))?;
        Ok(Envelope { frame: Frame { event, channel, data, user_id }, depth })
    }
}

/// The keys of a frame.
enum Key {
    Event,
    Channel,
    Data,
    UserId,
    Other,
}

impl<'de> Deserialize<'de> for Key {
    /// Reads a key as bytes: serde_json would refuse the text of an unknown key with a lone surrogate.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(KeyVisitor)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_bytes<E: de::Error>(self, key: &[u8]) -> Result<Key, E> {
        Ok(match key {
            b"event" => Key::Event,
            b"channel" => Key::Channel,
            b"data" => Key::Data,
            b"user_id" => Key::UserId,
            _ => Key::Other,
        })
    }
}

/// The depth of arrays and objects in a JSON value. Strings are skipped.
fn nesting(value: &str) -> usize {
    if !value.starts_with(['{', '[']) {
        return 0;
    }
    let (mut depth, mut deepest) = (0usize, 0);
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => skip_string(&mut bytes),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

fn skip_string(bytes: &mut impl Iterator<Item = u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
}

/// The messages that a client sends. Their `data` is an object, not a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outgoing<'a> {
    Ping,
    Pong,
    /// `channel_data` is sent byte for byte as it was signed (A6).
    Subscribe {
        channel: &'a str,
        auth: Option<&'a str>,
        channel_data: Option<&'a str>,
    },
    Unsubscribe {
        channel: &'a str,
    },
    SignIn {
        auth: &'a str,
        user_data: &'a str,
    },
}

impl Outgoing<'_> {
    /// The exact text of the message.
    pub fn to_text(self) -> String {
        #[derive(Serialize)]
        struct PlatformMessage<'a> {
            event: &'a str,
            data: Payload<'a>,
        }
        #[derive(Serialize, Default)]
        struct Payload<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            channel: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            auth: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            channel_data: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            user_data: Option<&'a str>,
        }
        let (event, data) = match self {
            Self::Ping => ("pusher:ping", Payload::default()),
            Self::Pong => ("pusher:pong", Payload::default()),
            Self::Subscribe { channel, auth, channel_data } => {
                ("pusher:subscribe", Payload { channel: Some(channel), auth, channel_data, ..Payload::default() })
            }
            Self::Unsubscribe { channel } => {
                ("pusher:unsubscribe", Payload { channel: Some(channel), ..Payload::default() })
            }
            Self::SignIn { auth, user_data } => {
                ("pusher:signin", Payload { auth: Some(auth), user_data: Some(user_data), ..Payload::default() })
            }
        };
        let lengths = [data.channel, data.auth, data.channel_data, data.user_data].into_iter().flatten().map(str::len);
        // The capacity suffices even if each character is escaped. A growing buffer would leave signatures behind in
        // memory (X1).
        let mut text = Vec::with_capacity(128 + 2 * lengths.sum::<usize>());
        serde_json::to_writer(&mut text, &PlatformMessage { event, data })
            .expect("strings under string keys always serialise");
        String::from_utf8(text).expect("JSON is UTF-8")
    }
}

/// The text of a client event. `data` is JSON text and is sent unchanged (T2).
pub(crate) fn client_event(event: &str, channel: &str, data: &RawValue) -> String {
    #[derive(Serialize)]
    struct ClientEvent<'a> {
        event: &'a str,
        channel: &'a str,
        data: &'a RawValue,
    }
    serde_json::to_string(&ClientEvent { event, channel, data }).expect("strings under string keys always serialise")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Frame<'_>, String> {
        Frame::parse(text, Box::leak(Box::default()))
    }

    fn is_flat(text: &str) -> bool {
        flat::parse(text, &mut DecodeBuffer::default()).is_some()
    }

    fn data_of(text: &str) -> String {
        parse(text).expect(text).data.text().into_owned()
    }

    #[test]
    fn d1_data_is_the_text_that_the_publisher_sent() {
        let cases = [
            (r#"{"event":"e"}"#, ""),
            (r#"{"event":"e","data":null}"#, "null"),
            (r#"{"event":"e","data":"plain text"}"#, "plain text"),
            (r#"{"event":"e","data":"{\"a\":1,\"s\":\"ż ☃ 𝄞\"}"}"#, r#"{"a":1,"s":"ż ☃ 𝄞"}"#),
            (r#"{"event":"e","data":"\u00fc\ud834\udd1e"}"#, "ü𝄞"),
            (r#"{"event":"e","data":{"a": [1, 2]}}"#, r#"{"a": [1, 2]}"#),
            (r#"{"event":"e","data":[1,2]}"#, "[1,2]"),
            (r#"{"event":"e","data":-1.50e3}"#, "-1.50e3"),
            (r#"{"event":"e","data":true}"#, "true"),
            (r#"{"event":"e","data":"12"}"#, "12"),
            (r#"{"event":"e","data":"\"x\""}"#, r#""x""#),
        ];
        for (text, expected) in cases {
            assert_eq!(data_of(text), expected, "{text}");
        }
    }

    #[test]
    fn d1_a_lone_surrogate_is_u_fffd_everywhere_in_a_message() {
        let text = r#"{"\ud83d":{"\ude00":1},"event":"e\ud83d","channel":"c\ude00","data":"d\ud83d\ud83d\ude00","user_id":"\uD83D\u0041"}"#;
        let frame = parse(text).expect("valid");
        assert_eq!((&*frame.event, frame.channel.as_deref()), ("e\u{fffd}", Some("c\u{fffd}")));
        assert_eq!((&*frame.data.text(), frame.user_id.as_deref()), ("d\u{fffd}😀", Some("\u{fffd}A")));
        let object = r#"{"a":"\ud83d"}"#;
        assert_eq!(data_of(&format!(r#"{{"event":"e","data":{object}}}"#)), object, "JSON stays as it was sent");
        let frame = parse(r#"{"event":"e","data":{"a":"\ud83d","\ude00":1}}"#).expect("valid");
        let decoded: serde_json::Value = frame.data.decode().expect("it is JSON");
        assert_eq!(decoded, serde_json::json!({ "a": "\u{fffd}", "\u{fffd}": 1 }));
    }

    #[test]
    fn d1_an_escaped_key_of_a_frame_is_that_key() {
        let frame = parse(r#"{"\u0065vent":"e","ch\u0061nnel":"c"}"#).expect("valid");
        assert_eq!((&*frame.event, frame.channel.as_deref()), ("e", Some("c")));
    }

    #[test]
    fn d2_lone_surrogates_do_not_make_a_message_nest_deeper() {
        let nested = |levels: usize| {
            let (open, close) = ("[".repeat(levels - 2), "]".repeat(levels - 2));
            format!(r#"{{"event":"\ud83d","\ude00":["\ud83d",{open}{close}]}}"#)
        };
        assert!(parse(&nested(128)).is_ok());
        assert!(parse(&nested(129)).is_err());
        assert!(parse(&nested(100_000)).is_err());
    }

    #[test]
    fn d1_only_strings_and_numbers_are_user_ids() {
        let id = |text| parse(text).expect("valid").user_id.map(Cow::into_owned);
        assert_eq!(id(r#"{"event":"e","user_id":"u"}"#).as_deref(), Some("u"));
        assert_eq!(id(r#"{"event":"e","user_id":7}"#).as_deref(), Some("7"));
        assert_eq!(id(r#"{"event":"e","user_id":null}"#), None);
        assert_eq!(id(r#"{"event":"e","user_id":{"a":1}}"#), None);
        assert_eq!(id(r#"{"event":"e"}"#), None);
        assert_eq!(id(r#"{"event":"e","user_id":""}"#), None);
        assert_eq!(id(r#"{"event":"e","user_id": ""}"#), None);
    }

    #[test]
    fn d2_texts_other_than_an_object_with_an_event_are_refused() {
        let bad = [
            "",
            " ",
            "null",
            "[1]",
            "12",
            "\"x\"",
            "{",
            "{}",
            r#"{"event":null}"#,
            r#"{"event":7}"#,
            r#"{"event":"e""#,
            r#"{"event":"e"}x"#,
            r#"{"event":"e","channel":5}"#,
            r#"{"event":"e","data":}"#,
        ];
        for text in bad {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn d2_a_message_may_nest_up_to_128_levels() {
        let nested =
            |levels: usize| format!(r#"{{"event":"e","data":{}{}}}"#, "[".repeat(levels - 1), "]".repeat(levels - 1));
        assert!(parse(&nested(128)).is_ok());
        assert!(parse(&nested(129)).is_err());
        assert!(parse(&nested(100_000)).is_err());
        let unknown_key = format!(r#"{{"event":"e","x":{}{}}}"#, "[".repeat(500), "]".repeat(500));
        assert!(parse(&unknown_key).is_err());
    }

    #[test]
    fn d2_json_inside_the_text_of_data_is_not_parsed() {
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        assert_eq!(data_of(&format!(r#"{{"event":"e","data":"{deep}"}}"#)), deep);
        let quoted = r#"\"\\\"["#.repeat(300);
        assert!(parse(&format!(r#"{{"event":"e","data":"{quoted}"}}"#)).is_ok());
    }

    #[test]
    fn unknown_keys_are_ignored_and_the_last_of_a_repeated_key_counts() {
        let frame = parse(r#"{"x":{"y":[1]},"event":"a","event":"b","channel":null,"tags":{}}"#).expect("valid");
        assert_eq!(frame.event, "b");
        assert_eq!(frame.channel, None);
    }

    #[test]
    fn d2_a_flat_message_means_the_same_to_both_parsers() {
        const FIELDS: [&str; 14] = [
            r#""event":"e""#,
            r#""event":"\u0065""#,
            r#""channel":"c""#,
            r#""user_id":"u""#,
            r#""user_id":7"#,
            r#""data":"{\"a\":\"\u00e9\ud83d\\\"}""#,
            r#""data":"plain""#,
            r#""data":"\x""#,
            r#""data":"\u12"#,
            "\"data\":\"\n\"",
            r#""data":[1]"#,
            r#""d\u0061ta":"d""#,
            r#""x":"y""#,
            "",
        ];
        let mut compared = 0;
        for number in 0..FIELDS.len().pow(4) {
            let fields: [&str; 4] =
                std::array::from_fn(|place| FIELDS[number / FIELDS.len().pow(place as u32) % FIELDS.len()]);
            for [separator, end] in [[",", "}"], [",", "} "], [", ", "}"], ["", "}"], [",", ""]] {
                let text = format!("{{{}{end}", fields.join(separator));
                assert!(Frame::parsers_agree(&text), "{text}");
                compared += usize::from(is_flat(&text));
            }
        }
        assert!(compared > 100, "{compared}");
        let whole = r#"{"event":"e","channel":"c","data":"\u00e9\\","user_id":"u"}"#;
        assert!(is_flat(whole));
        for end in 0..whole.len() {
            assert!(parse(&whole[..end]).is_err() && !is_flat(&whole[..end]));
        }
    }

    #[test]
    fn x1_a_refusal_does_not_quote_the_message() {
        for text in [r#"{"event":"e","channel":"canary"#, r#"{"event":{"canary":1}}"#, r#"{"event":"e","canary"}"#] {
            assert!(!parse(text).expect_err(text).contains("canary"));
        }
    }

    #[test]
    fn outgoing_messages_carry_an_object_as_data() {
        assert_eq!(Outgoing::Ping.to_text(), r#"{"event":"pusher:ping","data":{}}"#);
        assert_eq!(Outgoing::Pong.to_text(), r#"{"event":"pusher:pong","data":{}}"#);
        assert_eq!(
            Outgoing::Subscribe { channel: "room", auth: None, channel_data: None }.to_text(),
            r#"{"event":"pusher:subscribe","data":{"channel":"room"}}"#
        );
        assert_eq!(
            Outgoing::Subscribe { channel: "presence-a", auth: Some("k:s"), channel_data: Some(r#"{"user_id": 7}"#) }
                .to_text(),
            r#"{"event":"pusher:subscribe","data":{"channel":"presence-a","auth":"k:s","channel_data":"{\"user_id\": 7}"}}"#
        );
        assert_eq!(
            Outgoing::SignIn { auth: "k:s", user_data: "{}" }.to_text(),
            r#"{"event":"pusher:signin","data":{"auth":"k:s","user_data":"{}"}}"#
        );
        assert_eq!(
            Outgoing::Unsubscribe { channel: "room" }.to_text(),
            r#"{"event":"pusher:unsubscribe","data":{"channel":"room"}}"#
        );
    }
}
