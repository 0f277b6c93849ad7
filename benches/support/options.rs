//! The command line of a bench.

use super::source::Result;

/// The options of a run.
pub(crate) struct Options {
    rounds: Option<usize>,
    events: Option<u64>,
    /// `cargo bench` adds `--bench`. Without it, as in `cargo test --benches`, a bench does a short run that shows that
    /// it works.
    in_full: bool,
}

impl Options {
    /// Parses `--rounds N` and `--events N`.
    pub(crate) fn parse(arguments: &[&str]) -> Result<Self> {
        let mut options = Self { rounds: None, events: None, in_full: false };
        let mut arguments = arguments.iter();
        while let Some(&argument) = arguments.next() {
            let mut number = || match arguments.next().and_then(|value| value.parse().ok()) {
                Some(number) if number > 0 => Ok(number),
                _ => Err(format!("{argument} needs a number above 0")),
            };
            match argument {
                "--bench" => options.in_full = true,
                "--rounds" => options.rounds = Some(usize::try_from(number()?)?),
                "--events" => options.events = Some(number()?),
                other => {
                    return Err(format!("unknown option {other}; the options are --rounds N and --events N").into());
                }
            }
        }
        Ok(options)
    }

    pub(crate) fn rounds(&self, default: usize) -> usize {
        self.rounds.unwrap_or(if self.in_full { default } else { 1 })
    }

    pub(crate) fn events(&self, default: u64) -> u64 {
        self.events.unwrap_or(if self.in_full { default } else { default / 1_000 })
    }
}
