//! The secrets that the test looks for, and every form in which they could appear.

use base64::{Engine, engine::general_purpose::STANDARD};

/// One secret. Its core consists of letters and digits, which no escaping changes. The secret contains its core several
/// times, so that a hex dump in rows contains at least one in one piece.
pub(super) struct Canary {
    pub(super) core: &'static str,
}

/// A text of an auth endpoint for people.
pub(super) const ENDPOINT_TEXT: &str = "Wq4hYz9T";

impl Canary {
    pub(super) const APP_SECRET: Self = Self { core: "Ap7kXw2Q" };
    pub(super) const BEARER: Self = Self { core: "Be9rTq4M" };
    pub(super) const COOKIE: Self = Self { core: "Co3kVz8J" };
    pub(super) const SIGNATURE: Self = Self { core: "Si5gHn7P" };
    pub(super) const SHARED_SECRET: Self = Self { core: "Sh8dLc3R" };
    pub(super) const USER_DATA: Self = Self { core: "Us4rFb6K" };
    pub(super) const PROXY_PASSWORD: Self = Self { core: "Pr6xGm9D" };
    pub(super) const MASTER_KEY: Self = Self { core: "Ma2sYj5V" };

    pub(super) const ALL: [Self; 8] = [
        Self::APP_SECRET,
        Self::BEARER,
        Self::COOKIE,
        Self::SIGNATURE,
        Self::SHARED_SECRET,
        Self::USER_DATA,
        Self::PROXY_PASSWORD,
        Self::MASTER_KEY,
    ];

    /// The secret, with characters between the cores that each kind of escaping changes.
    pub(super) fn text(&self) -> String {
        format!("{0}/{0}+{0}%20{0}", self.core)
    }

    /// 32 bytes in base64.
    pub(super) fn key(&self) -> String {
        STANDARD.encode(self.core.repeat(4))
    }
}

/// Every line in which one of these appears in any form: as it is, in base64, in hexadecimal digits with anything
/// between
/// them, or as a list of numbers.
pub(super) fn found<'a>(cores: impl IntoIterator<Item = &'a str>, text: &str) -> Vec<String> {
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect::<String>().to_ascii_lowercase();
    let mut hits = Vec::new();
    for core in cores {
        let hex: String = core.bytes().map(|byte| format!("{byte:02x}")).collect();
        let list = core.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ");
        let forms = in_base64(core).into_iter().chain([core.to_owned(), list]);
        for form in forms {
            hits.extend(text.lines().filter(|line| line.contains(&form)).map(|line| format!("{core}: {line}")));
        }
        if digits.contains(&hex) {
            hits.push(format!("{core}: in hexadecimal digits"));
        }
    }
    hits.truncate(20);
    hits
}

/// The characters of base64 that encode only the core, for each position in a group of three bytes.
fn in_base64(core: &str) -> [String; 3] {
    [0, 1, 2].map(|before| {
        let text = format!("{}{core}", "x".repeat(before));
        let encoded = STANDARD.encode(&text);
        encoded[(before * 8).div_ceil(6)..text.len() * 8 / 6].to_owned()
    })
}

#[test]
fn every_form_of_a_canary_is_found() {
    let canary = Canary::APP_SECRET;
    let rows = |text: &str| {
        let row = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02X} ")).collect::<String>();
        text.as_bytes().chunks(16).map(row).collect::<Vec<_>>().join("\n")
    };
    let forms = [
        canary.text(),
        canary.text().replace('/', "%2F"),
        serde_json::json!({"x": canary.text()}).to_string(),
        format!("{:?}", canary.text().as_bytes()),
        STANDARD.encode(canary.text()),
        STANDARD.encode(format!("x{}", canary.text())),
        STANDARD.encode(format!("xy{}", canary.text())),
        canary.key(),
        rows(&canary.text()),
    ];
    for form in forms {
        assert!(!found([canary.core], &format!("before {form} after")).is_empty(), "{form}");
        assert_eq!(found([Canary::BEARER.core], &form), [] as [&str; 0]);
    }
}
