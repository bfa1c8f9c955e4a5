//! Durations as kubectl takes them.

use std::time::Duration;

/// `0`, `90`, `30s`, `5m`, `1h30m`. A bare number is seconds, as in kubectl's `--request-timeout`; `0` means no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit(Option<Duration>);

impl Limit {
    /// The limit, if there is one.
    pub(crate) const fn get(self) -> Option<Duration> {
        self.0
    }
}

/// Reads a [`Limit`].
pub(crate) fn limit(text: &str) -> Result<Limit, String> {
    let seconds = text.parse::<u64>().ok().map(Duration::from_secs);
    let duration = match seconds {
        Some(duration) => duration,
        None => text
            .parse::<jiff::SignedDuration>()
            .ok()
            .and_then(|duration| Duration::try_from(duration).ok())
            .ok_or_else(|| {
                format!("not a duration: write for example 30s, 5m or 1h30m, or 0 for no limit, not `{text}`")
            })?,
    };
    Ok(Limit(Some(duration).filter(|duration| !duration.is_zero())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubectl_spellings_are_read() {
        for (text, seconds) in [
            ("90", Some(90)),
            ("30s", Some(30)),
            ("5m", Some(300)),
            ("1h30m", Some(5400)),
            ("0", None),
            ("0s", None),
        ] {
            assert_eq!(
                limit(text).unwrap().get(),
                seconds.map(Duration::from_secs),
                "{text}"
            );
        }
        for text in ["", "soon", "-5s", "5 parsecs"] {
            assert!(limit(text).is_err(), "{text}");
        }
    }
}
