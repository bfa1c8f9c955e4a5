//! The format of times in labels.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

/// `YYYYMMDDThhmmss`: what a label value may hold of RFC 3339 (no colon, no zone).
const LABEL_TIME: &str = "%Y%m%dT%H%M%S";

/// A text that should be a time of a label is none.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{text}` is not a time of the form 20261121T080102")]
pub struct LabelTimeError {
    /// The text.
    pub text: String,
}

/// The time as a label value, in UTC. CassKop wrote the local time of its container, which is UTC in its image.
pub fn label_time(time: Timestamp) -> String {
    TimeZone::UTC.to_datetime(time).strftime(LABEL_TIME).to_string()
}

/// The time a label value stands for, read as UTC.
pub fn parse_label_time(text: &str) -> Result<Timestamp, LabelTimeError> {
    let error = || LabelTimeError {
        text: text.to_owned(),
    };
    let time: DateTime = strtime::parse(LABEL_TIME, text)
        .and_then(|parts| parts.to_datetime())
        .map_err(|_| error())?;
    TimeZone::UTC.to_timestamp(time).map_err(|_| error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_times_lose_only_what_is_below_a_second() {
        let time: Timestamp = "2026-11-21T08:01:02.987Z".parse().unwrap();
        let label = label_time(time);
        assert_eq!(label, "20261121T080102");
        assert_eq!(
            parse_label_time(&label).unwrap().to_string(),
            "2026-11-21T08:01:02Z"
        );
    }

    #[test]
    fn other_texts_are_no_times() {
        for text in [
            "",
            "20261121",
            "2026-11-21T08:01:02Z",
            "20261121T080102Z",
            "20261321T080102",
        ] {
            assert_eq!(
                parse_label_time(text),
                Err(LabelTimeError {
                    text: text.to_owned()
                })
            );
        }
    }
}
