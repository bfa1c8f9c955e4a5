//! When a schedule is due: cron's five fields, the names that stand for them, and intervals, in a time zone.
//!
//! Time zones are those of the tables built into the program: an image without them runs a schedule at the same times.

use cronexpr::{Crontab, FallbackTimezoneOption, MakeTimestamp, ParseOptions, parse_crontab_with};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};

/// When something is due.
#[derive(Debug)]
pub(super) struct Schedule {
    when: When,
    zone: TimeZone,
}

/// Whether a schedule can be read, in a time zone.
///
/// # Errors
/// What is wrong with it, and how it may be written.
pub fn check(text: &str, zone: Option<&str>) -> Result<(), String> {
    Schedule::parse(text, zone).map(drop)
}

#[derive(Debug)]
enum When {
    Cron(Box<Crontab>),
    /// A fixed time after the last one.
    Every(SignedDuration),
}

impl Schedule {
    /// Reads a schedule, in the time zone that stands before it or else in the one given, or else in UTC.
    pub(super) fn parse(text: &str, zone: Option<&str>) -> Result<Self, String> {
        let text = text.trim();
        let (zone, fields) = match text.strip_prefix("CRON_TZ=").or_else(|| text.strip_prefix("TZ=")) {
            Some(zoned) => {
                let (zone, fields) = zoned.split_once(char::is_whitespace).unwrap_or((zoned, ""));
                (Some(zone), fields.trim())
            }
            None => (zone.filter(|zone| !zone.is_empty()), text),
        };
        let zone = match zone {
            None => TimeZone::UTC,
            Some(name) => TimeZoneDatabase::bundled()
                .get(name)
                .map_err(|_| format!("`{name}` is not a time zone; write it as in Europe/Paris"))?,
        };
        Ok(Self {
            when: parse(fields)?,
            zone,
        })
    }

    /// The first time it is due after another; `None` if it never is.
    pub(super) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let crontab = match &self.when {
            When::Every(interval) => return after.saturating_add(*interval).ok(),
            When::Cron(crontab) => crontab,
        };
        // The expression knows only UTC: it is given the time that clocks of the zone show, and its answer is read as one.
        let mut shown = self.zone.to_datetime(after);
        loop {
            let as_utc = shown.to_zoned(TimeZone::UTC).ok()?.timestamp();
            let next = crontab.find_next(MakeTimestamp(as_utc)).ok()?;
            shown = next.datetime();
            // A time that is skipped in spring is the one as long after the last.
            let next = self.zone.to_timestamp(shown).ok()?;
            // One that is shown twice in autumn counts once.
            if next > after {
                return Some(next);
            }
        }
    }
}

fn parse(fields: &str) -> Result<When, String> {
    if let Some(interval) = fields.strip_prefix("@every") {
        let interval: Option<SignedDuration> = interval.trim().parse().ok();
        return match interval.filter(|interval| *interval >= SignedDuration::from_secs(1)) {
            Some(interval) => Ok(When::Every(interval)),
            None => Err(format!("`{fields}` names no interval; write it as in @every 12h")),
        };
    }
    let expression = match fields {
        "@yearly" | "@annually" => "0 0 1 1 *".to_owned(),
        "@monthly" => "0 0 1 * *".to_owned(),
        "@weekly" => "0 0 * * 0".to_owned(),
        "@daily" | "@midnight" => "0 0 * * *".to_owned(),
        "@hourly" => "0 * * * *".to_owned(),
        _ => five_fields(fields)?,
    };
    let mut options = ParseOptions::default();
    options.fallback_timezone_option = FallbackTimezoneOption::UTC;
    let crontab = parse_crontab_with(&expression, options);
    crontab
        .map(|crontab| When::Cron(Box::new(crontab)))
        .map_err(|_| format!("`{fields}` is no schedule; write five fields as of cron, as in 0 3 * * 1"))
}

/// The fields as K8ssandra's operator reads them: `?` is any day, and every second day or so does not narrow the other field
/// of days as `*` does.
fn five_fields(text: &str) -> Result<String, String> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields.as_slice() else {
        return Err(format!(
            "`{text}` has {} fields; a schedule has five, as in 0 3 * * 1",
            fields.len()
        ));
    };
    let days = |field: &str, all: &str| match field.strip_prefix("*/") {
        Some(step) => format!("{all}/{step}"),
        None => field.replace('?', "*"),
    };
    Ok(format!(
        "{minute} {hour} {} {month} {}",
        days(day, "1-31"),
        days(weekday, "0-6")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(text: &str, zone: Option<&str>, after: &str, count: usize) -> Vec<String> {
        let schedule = Schedule::parse(text, zone).unwrap();
        let mut at: Timestamp = after.parse().unwrap();
        let mut found = Vec::new();
        for _ in 0..count {
            at = schedule.next(at).unwrap();
            found.push(at.to_string());
        }
        found
    }

    #[test]
    fn a_schedule_is_due_when_its_fields_say() {
        let after = "2026-11-22T01:02:03Z";
        for (text, next) in [
            ("0 3 * * *", "2026-11-22T03:00:00Z"),
            ("*/15 * * * *", "2026-11-22T01:15:00Z"),
            ("0 3 ? * MON", "2026-11-23T03:00:00Z"),
            ("0 3 1 * 1", "2026-11-23T03:00:00Z"),
            ("@hourly", "2026-11-22T02:00:00Z"),
            ("@daily", "2026-11-23T00:00:00Z"),
            ("@weekly", "2026-11-29T00:00:00Z"),
            ("@monthly", "2026-12-01T00:00:00Z"),
            ("@yearly", "2027-01-01T00:00:00Z"),
            ("@every 1h30m", "2026-11-22T02:32:03Z"),
        ] {
            assert_eq!(times(text, None, after, 1), [next], "{text}");
        }
        // Every second day, and every Monday besides.
        let found = times("0 3 */2 * 1", None, "2026-11-22T04:00:00Z", 3);
        assert_eq!(
            found,
            [
                "2026-11-23T03:00:00Z",
                "2026-11-25T03:00:00Z",
                "2026-11-27T03:00:00Z"
            ]
        );
    }

    #[test]
    fn a_time_zone_is_named_in_the_schedule_or_beside_it() {
        let after = "2026-11-22T01:02:03Z";
        for (text, zone) in [
            ("CRON_TZ=Europe/Paris 0 3 * * *", None),
            ("TZ=Europe/Paris 0 3 * * *", Some("Asia/Tokyo")),
            ("0 3 * * *", Some("Europe/Paris")),
        ] {
            assert_eq!(times(text, zone, after, 1), ["2026-11-22T02:00:00Z"]);
        }
    }

    #[test]
    fn a_run_is_neither_lost_nor_doubled_when_clocks_change() {
        // In Paris 02:30 is not shown on 28 March 2027, and twice on 31 October 2027.
        let spring = times("30 2 * * *", Some("Europe/Paris"), "2027-03-27T00:00:00Z", 3);
        assert_eq!(
            spring,
            [
                "2027-03-27T01:30:00Z",
                "2027-03-28T01:30:00Z",
                "2027-03-29T00:30:00Z"
            ]
        );
        let autumn = times("30 2 * * *", Some("Europe/Paris"), "2027-10-30T00:00:00Z", 3);
        assert_eq!(
            autumn,
            [
                "2027-10-30T00:30:00Z",
                "2027-10-31T00:30:00Z",
                "2027-11-01T01:30:00Z"
            ]
        );
    }

    #[test]
    fn what_is_no_schedule_says_what_would_be() {
        for (text, zone, why) in [
            (
                "0 3 * *",
                None,
                "`0 3 * *` has 4 fields; a schedule has five, as in 0 3 * * 1",
            ),
            (
                "0 0 3 * * *",
                None,
                "`0 0 3 * * *` has 6 fields; a schedule has five, as in 0 3 * * 1",
            ),
            (
                "0 25 * * *",
                None,
                "`0 25 * * *` is no schedule; write five fields as of cron, as in 0 3 * * 1",
            ),
            (
                "@every",
                None,
                "`@every` names no interval; write it as in @every 12h",
            ),
            (
                "@every 0s",
                None,
                "`@every 0s` names no interval; write it as in @every 12h",
            ),
            (
                "@never",
                None,
                "`@never` has 1 fields; a schedule has five, as in 0 3 * * 1",
            ),
            (
                "@daily",
                Some("Paris"),
                "`Paris` is not a time zone; write it as in Europe/Paris",
            ),
        ] {
            assert_eq!(Schedule::parse(text, zone).unwrap_err(), why);
        }
    }
}
