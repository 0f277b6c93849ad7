//! The reaction to the code of a close frame, or of a `pusher:error` in place of one.

/// The next step after the end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Advice {
    /// 4000: connect over TLS, or not at all.
    UseTls,
    /// 4001-4099: the server would refuse the same connection again.
    GiveUp,
    /// 4100-4199: the server is over capacity. Wait at least a second.
    WaitLonger,
    /// 4200-4299: connect again at once.
    AtOnce,
    /// Any other code, or none: connect again with back-off.
    BackOff,
}

impl Advice {
    /// The ranges of the protocol documentation, "Error Codes".
    pub fn for_code(code: Option<u16>) -> Self {
        match code {
            Some(4000) => Self::UseTls,
            Some(4001..=4099) => Self::GiveUp,
            Some(4100..=4199) => Self::WaitLonger,
            Some(4200..=4299) => Self::AtOnce,
            _ => Self::BackOff,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r2_every_code_has_the_advice_of_its_range() {
        for code in 0..=u16::MAX {
            let expected = match code {
                4000 => Advice::UseTls,
                _ if (4001..4100).contains(&code) => Advice::GiveUp,
                _ if (4100..4200).contains(&code) => Advice::WaitLonger,
                _ if (4200..4300).contains(&code) => Advice::AtOnce,
                _ => Advice::BackOff,
            };
            assert_eq!(Advice::for_code(Some(code)), expected, "{code}");
        }
        assert_eq!(Advice::for_code(None), Advice::BackOff);
    }
}
