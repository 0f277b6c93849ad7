//! The name and the colour of a player, from the `user_info` that the backend has signed.

use pusher_channels::Member;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Longer names would cover the field.
const MAX_NAME: usize = 16;

/// The colours of players whose backend gives them none.
const PALETTE: [Colour; 8] = [
    Colour([255, 107, 107]),
    Colour([78, 205, 196]),
    Colour([255, 209, 102]),
    Colour([120, 150, 255]),
    Colour([199, 125, 255]),
    Colour([150, 220, 110]),
    Colour([255, 159, 67]),
    Colour([255, 130, 200]),
];

/// The colour of a player who is not connected.
pub(crate) const GREY: Colour = Colour([110, 110, 118]);

/// Red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Colour(pub(crate) [u8; 3]);

impl Colour {
    /// A colour for any number, so that players look different.
    pub(crate) fn of(number: usize) -> Self {
        PALETTE[number % PALETTE.len()]
    }

    /// A darker colour: `part` is the remaining brightness, from 0 to 1.
    pub(crate) fn dimmed(self, part: f32) -> Self {
        Self(self.0.map(|channel| (f32::from(channel) * part) as u8))
    }
}

/// The appearance of a player.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) name: String,
    pub(crate) colour: Colour,
}

/// The `user_info` as it is sent.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Info {
    name: Option<String>,
    colour: Option<Colour>,
}

impl Profile {
    pub(crate) fn new(name: &str, colour: Colour) -> Self {
        Self { name: shown(name), colour }
    }

    /// The profile of a member. Without a name in `user_info`, it is the id.
    pub(crate) fn of(member: &Member) -> Self {
        Self::from_info(member.id(), member.info_as().unwrap_or_default())
    }

    fn from_info(id: &str, info: Info) -> Self {
        let number = id.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        Self::new(info.name.as_deref().unwrap_or(id), info.colour.unwrap_or_else(|| Colour::of(number)))
    }

    /// For [`Config::user_data`](pusher_channels::Config::user_data).
    pub(crate) fn user_data(&self, id: &str) -> Value {
        json!({ "id": id, "user_info": { "name": self.name, "colour": self.colour } })
    }
}

/// A name as it is shown. It must not control the terminal or fill it.
fn shown(name: &str) -> String {
    let is_shown = |c: &char| !c.is_control() && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}');
    let name: String = name.chars().filter(is_shown).take(MAX_NAME).collect();
    if name.is_empty() { "?".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(info: &str) -> Profile {
        Profile::from_info("ann-1", serde_json::from_str(info).unwrap_or_default())
    }

    #[test]
    fn the_backend_gives_name_and_colour() {
        assert_eq!(parsed(r#"{"name":"Ann","colour":[1,2,3]}"#), Profile::new("Ann", Colour([1, 2, 3])));
    }

    #[test]
    fn a_player_without_a_name_has_the_id_and_always_the_same_colour() {
        for info in ["null", "7", "{}", r#"{"name":7}"#, r#"{"colour":"red"}"#] {
            assert_eq!(parsed(info), parsed("{}"), "{info}");
            assert_eq!(parsed(info).name, "ann-1");
        }
    }

    #[test]
    fn a_name_does_not_control_the_terminal() {
        assert_eq!(Profile::new("\x1b[2JA\u{202e}nn\r\n", GREY).name, "[2JAnn");
        assert_eq!(Profile::new("\n", GREY).name, "?");
        assert_eq!(Profile::new(&"ż".repeat(99), GREY).name, "ż".repeat(16));
    }

    #[test]
    fn other_clients_read_the_signed_user_data() {
        let profile = Profile::new("Ann", Colour::of(3));
        let data = profile.user_data("ann-1");
        assert_eq!(data["id"], "ann-1");
        assert_eq!(parsed(&data["user_info"].to_string()), profile);
    }
}
