//! Members of presence channels, in all shapes that servers send.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{frame::Data, json::string::id_text};
use crate::surrogates;

/// The info of a member without `user_info`.
pub(crate) const NO_INFO: &str = "null";

/// Called for each member of a list, with the id and the JSON text of `user_info`. The caller need not keep the whole
/// list: a short message can name half a million members.
pub(crate) type EachMember<'a> = dyn FnMut(&str, Option<&str>) + 'a;

/// Calls `each` for the members that `subscription_succeeded` lists, if it has a list.
///
/// The members of `hash` come first, with their info, then those of `ids`, without info. An id that is only in `ids` is
/// a member without info. `count` is ignored (P2).
pub(crate) fn list_members(data: Data<'_>, each: &mut EachMember<'_>) {
    #[derive(Deserialize, Default)]
    struct Succeeded {
        presence: Option<PresenceData>,
    }
    #[derive(Deserialize, Default)]
    struct PresenceData {
        #[serde(default)]
        ids: Option<Box<RawValue>>,
        #[serde(default)]
        hash: Option<Box<RawValue>>,
    }
    let listed = data.decode::<Succeeded>().unwrap_or_default().presence.unwrap_or_default();
    for_each_entry(listed.hash, |id, info| each(id, Some(info.get())));
    for_each_entry(listed.ids, |_, id| {
        if let Some(id) = id_of(id) {
            each(&id, None);
        }
    });
}

/// The member of `member_added` or `member_removed`: its id, and the JSON text of its info. `None` without a usable id.
pub(crate) fn member_of(data: Data<'_>) -> Option<(String, String)> {
    let described: MemberData = data.decode()?;
    let info = described.user_info.map_or_else(|| NO_INFO.to_owned(), |info| info.get().to_owned());
    Some((id_of(described.user_id.as_deref()?)?, info))
}

/// A member in the form of the data of `member_added` and `member_removed`. `info` is JSON text.
pub(crate) fn describe(id: &str, info: Option<&str>) -> String {
    let id = serde_json::Value::from(id);
    match info {
        Some(info) => format!(r#"{{"user_id":{id},"user_info":{info}}}"#),
        None => format!(r#"{{"user_id":{id}}}"#),
    }
}

/// The member id of the client in this `channel_data`. `None` if there is no id.
pub(crate) fn own_id(channel_data: &str) -> Option<String> {
    let described: MemberData = surrogates::from_json(channel_data).ok()?;
    id_of(described.user_id.as_deref()?)
}

#[derive(Deserialize)]
struct MemberData {
    user_id: Option<Box<RawValue>>,
    user_info: Option<Box<RawValue>>,
}

/// The id as a string. A number is converted to its text, because ids are compared as strings.
fn id_of(raw: &RawValue) -> Option<String> {
    id_text(raw).filter(|id| !id.is_empty())
}

/// Calls `each` for the entries of an object, or of a list: PHP writes an object with the keys 0, 1, 2, ... as a list.
/// Other values have no entries.
fn for_each_entry(raw: Option<Box<RawValue>>, each: impl FnMut(&str, &RawValue)) {
    let Some(raw) = raw else { return };
    // The text is repaired before it is read, because `each` cannot be undone for entries before an error.
    let repaired = surrogates::repaired(raw.get());
    let mut json = serde_json::Deserializer::from_str(repaired.as_deref().map_or(raw.get(), String::as_str));
    // For values other than objects and lists, this is an error without any entries.
    let _ = json.deserialize_any(Entries(each));
}

/// A key, borrowed from the message if it has no escapes.
#[derive(Deserialize)]
struct EntryKey<'a>(#[serde(borrow)] Cow<'a, str>);

/// Calls the closure for the entries while it reads them.
struct Entries<F>(F);

impl<'de, F: FnMut(&str, &RawValue)> Visitor<'de> for Entries<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list")
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((EntryKey(key), value)) = map.next_entry::<EntryKey<'de>, &RawValue>()? {
            (self.0)(&key, value);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        let mut index = 0usize;
        while let Some(value) = list.next_element::<&RawValue>()? {
            (self.0)(&index.to_string(), value);
            index += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::protocol::frame::Frame;

    fn with_data<T>(data: &str, read: impl FnOnce(Data<'_>) -> T) -> T {
        let text = format!(r#"{{"event":"e","data":{data}}}"#);
        read(Frame::parse(&text, Box::leak(Box::default())).expect(&text).data)
    }

    fn members(presence: &str) -> Vec<(String, String)> {
        with_data(&format!(r#"{{"presence":{presence}}}"#), collect).into_iter().collect()
    }

    fn collect(data: Data<'_>) -> BTreeMap<String, String> {
        let mut members = BTreeMap::new();
        list_members(data, &mut |id, info| {
            members.entry(id.to_owned()).or_insert_with(|| info.unwrap_or(NO_INFO).to_owned());
        });
        members
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(id, info)| ((*id).to_owned(), (*info).to_owned())).collect()
    }

    #[test]
    fn p2_every_shape_of_the_list_is_read() {
        let bob = [("7", "null"), ("b", r#"{"name":"Bob"}"#)];
        assert_eq!(members(r#"{"ids":["b",7],"hash":{"b":{"name":"Bob"},"7":null},"count":2}"#), pairs(&bob));
        assert_eq!(members(r#"{"ids":{"0":"b","1":7},"hash":{"b":{"name":"Bob"}},"count":99}"#), pairs(&bob));
        assert_eq!(members(r#"{"ids":["a"],"hash":[]}"#), pairs(&[("a", "null")]));
        assert_eq!(members(r#"{"ids":["a"],"hash":null}"#), pairs(&[("a", "null")]));
        assert_eq!(members(r#"{"ids":["a"]}"#), pairs(&[("a", "null")]));
        assert_eq!(members(r#"{"hash":{"a":[1, 2]}}"#), pairs(&[("a", "[1, 2]")]));
        assert_eq!(members(r#"{"ids":[0,1],"hash":["x",{"y":1}]}"#), pairs(&[("0", "\"x\""), ("1", r#"{"y":1}"#)]));
    }

    #[test]
    fn d1_a_lone_surrogate_in_a_list_is_u_fffd() {
        let list = r#"{"\ud83d":1,"ids":["a\ud83d",7,"b"],"hash":{"a\ud83d":{"n":"\ude00"},"b":null}}"#;
        let listed = pairs(&[("7", "null"), ("a\u{fffd}", r#"{"n":"\ufffd"}"#), ("b", "null")]);
        assert_eq!(members(list), listed);
        let member = with_data(r#"{"user_id":"a\ud83d","user_info":{"n":"\ude00"},"\ud83d":1}"#, member_of);
        assert_eq!(member, Some(("a\u{fffd}".to_owned(), r#"{"n":"\ufffd"}"#.to_owned())));
        assert_eq!(own_id(r#"{"user_id":"a\ud83d"}"#).as_deref(), Some("a\u{fffd}"));
    }

    #[test]
    fn p2_values_other_than_lists_are_an_empty_list() {
        for presence in ["null", "7", "[]", "{}", r#"{"ids":7,"hash":"x"}"#, r#"{"ids":[null,{},""],"hash":null}"#] {
            assert!(members(presence).is_empty(), "{presence}");
        }
        for data in ["null", "\"\"", "\"{}\"", "7", "[]"] {
            assert!(with_data(data, collect).is_empty(), "{data}");
        }
    }

    #[test]
    fn p2_info_may_nest_to_any_depth_inside_the_text_of_data() {
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        let data = format!(r#""{{\"presence\":{{\"hash\":{{\"a\":{deep}}}}}}}""#);
        assert_eq!(with_data(&data, collect).get("a"), Some(&deep));
    }

    #[test]
    fn p3_a_single_member_is_read_in_every_shape() {
        let member = |data: &str| with_data(data, member_of);
        let found = |id: &str, info: &str| Some((id.to_owned(), info.to_owned()));
        assert_eq!(member(r#""{\"user_id\":\"u\",\"user_info\":{\"n\":1}}""#), found("u", r#"{"n":1}"#));
        assert_eq!(member(r#"{"user_id":7}"#), found("7", "null"));
        assert_eq!(member(r#"{"user_id":"u","user_info":null}"#), found("u", "null"));
        for bad in ["null", "{}", r#"{"user_id":null}"#, r#"{"user_id":""}"#, r#"{"user_id":[1]}"#, "\"x\""] {
            assert_eq!(member(bad), None, "{bad}");
        }
        assert_eq!(own_id(r#"{"user_id":7,"user_info":{}}"#).as_deref(), Some("7"));
        assert_eq!(own_id("junk"), None);
    }
}
