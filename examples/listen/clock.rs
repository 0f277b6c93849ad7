//! The time of day and the date in UTC, with the standard library alone.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A moment. Displays as the time of day, `12:00:00.123`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Utc {
    since_epoch: Duration,
}

impl Utc {
    pub(crate) fn now() -> Self {
        // A clock that is set to before 1970 shows 1970.
        Self { since_epoch: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() }
    }

    /// The format of RFC 3339: `2026-11-21T12:00:00.123Z`.
    pub(crate) fn date_and_time(self) -> String {
        let (year, month, day) = civil_from_days(self.since_epoch.as_secs() / 86_400);
        format!("{year:04}-{month:02}-{day:02}T{self}Z")
    }
}

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second = self.since_epoch.as_secs() % 86_400;
        let (hours, minutes, seconds) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{hours:02}:{minutes:02}:{seconds:02}.{:03}", self.since_epoch.subsec_millis())
    }
}

/// Year, month and day of the Gregorian calendar, from the days since 1970-01-01.
///
/// The algorithm is Howard Hinnant's `civil_from_days`. It counts from 0000-03-01, so that a leap day is the last day
/// of a year, in eras of 400 years, which all have the same number of days.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days_have_the_right_dates() {
        let known = [
            (0, (1970, 1, 1)),
            (58, (1970, 2, 28)),
            (59, (1970, 3, 1)),
            (364, (1970, 12, 31)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (20_778, (2026, 11, 21)),
            (47_540, (2100, 2, 28)),
            (47_541, (2100, 3, 1)),
        ];
        for (days, date) in known {
            assert_eq!(civil_from_days(days), date, "day {days}");
        }
    }

    #[test]
    fn every_day_for_500_years_follows_the_day_before() {
        for days in 1..500 * 365 {
            let ((year, month, day), (y, m, d)) = (civil_from_days(days - 1), civil_from_days(days));
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let last = match month {
                2 => 28 + u64::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            let next = match (month, day) {
                (12, 31) => (year + 1, 1, 1),
                _ if day == last => (year, month + 1, 1),
                _ => (year, month, day + 1),
            };
            assert_eq!((y, m, d), next);
        }
    }

    #[test]
    fn a_moment_is_shown_to_the_millisecond() {
        let moment = Utc { since_epoch: Duration::new(20_778 * 86_400 + 43_200, 123_999_999) };
        assert_eq!(moment.to_string(), "12:00:00.123");
        assert_eq!(moment.date_and_time(), "2026-11-21T12:00:00.123Z");
        let last = Utc { since_epoch: Duration::from_millis(86_399_999) };
        assert_eq!(last.date_and_time(), "1970-01-01T23:59:59.999Z");
    }
}
