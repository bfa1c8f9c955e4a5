//! How much of an operation is done: a bar, and the same in numbers.

use std::fmt::Write as _;

use casskop_types::operation::OperationProgress;

use super::pace::Speed;
use crate::follow::in_words;

/// Signs of a bar.
const SIGNS: usize = 10;

/// `[####------]  40%`.
pub(crate) fn bar(progress: &OperationProgress) -> Option<String> {
    let percent = usize::try_from(progress.percent?).unwrap_or(0).min(100);
    let done = percent * SIGNS / 100;
    Some(format!(
        "[{}{}] {percent:>3}%",
        "#".repeat(done),
        "-".repeat(SIGNS - done)
    ))
}

/// `3.7 GiB of 10.0 GiB, 12.3 MiB/s, about 8m52s left`; without speed, as far as it was said.
pub(crate) fn in_numbers(progress: &OperationProgress, speed: Option<Speed>) -> Option<String> {
    let (completed, total) = (progress.completed?, progress.total?);
    let unit = progress.unit.as_deref().unwrap_or_default();
    let mut text = match unit {
        "bytes" => format!("{} of {}", bytes(completed), bytes(total)),
        "" => format!("{completed} of {total}"),
        unit => format!("{completed} of {total} {unit}"),
    };
    if let Some(Speed { rate, left }) = speed {
        let rate = if unit == "bytes" {
            bytes(rate)
        } else {
            rate.to_string()
        };
        let _ = write!(text, ", {rate}/s, about {} left", in_words(left));
    }
    Some(text)
}

/// With one decimal and a binary unit.
fn bytes(count: i64) -> String {
    let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match units.into_iter().find(|(_, shift)| count >> shift > 0) {
        Some((unit, shift)) => {
            let tenths = (count >> (shift - 10)) * 10 / 1024;
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
        None => format!("{count} B"),
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn progress(completed: i64, total: i64, unit: &str) -> OperationProgress {
        OperationProgress {
            completed: Some(completed),
            total: Some(total),
            unit: Some(unit.to_owned()),
            percent: i32::try_from(completed * 100 / total).ok(),
            ..OperationProgress::default()
        }
    }

    #[test]
    fn a_bar_says_in_numbers_what_it_shows() {
        let bars: Vec<String> = [0, 39, 40, 100]
            .iter()
            .filter_map(|done| bar(&progress(*done, 100, "keys")))
            .collect();
        assert_eq!(
            bars,
            [
                "[----------]   0%",
                "[###-------]  39%",
                "[####------]  40%",
                "[##########] 100%"
            ]
        );
        assert_eq!(bar(&OperationProgress::default()), None);
    }

    #[test]
    fn amounts_have_units_and_a_speed_only_if_there_is_one() {
        let some = progress(3_972_844_748, 10_737_418_240, "bytes");
        assert_eq!(in_numbers(&some, None).unwrap(), "3.6 GiB of 10.0 GiB");
        let speed = Speed {
            rate: 12_897_484,
            left: SignedDuration::from_secs(532),
        };
        assert_eq!(
            in_numbers(&some, Some(speed)).unwrap(),
            "3.6 GiB of 10.0 GiB, 12.2 MiB/s, about 8m52s left"
        );
        assert_eq!(
            in_numbers(&progress(120, 300, "keys"), None).unwrap(),
            "120 of 300 keys"
        );
        assert_eq!(in_numbers(&OperationProgress::default(), None), None);
    }
}
