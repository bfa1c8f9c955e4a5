//! Kubernetes quantities (`500m`, `0.5Gi`, `1e3`) as numbers, since one amount can be written in many ways and the API server
//! rewrites what it stores.

/// A text is not a quantity.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is not a quantity such as 20Gi, 500m or 1.5")]
pub struct QuantityError(String);

/// An amount, in billionths: the API server itself keeps no more digits.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Amount(i128);

const BILLION: i128 = 1_000_000_000;

impl Amount {
    /// The amount, rounded up to a whole number as Kubernetes does.
    pub fn ceil(self) -> i128 {
        let whole = self.0.div_euclid(BILLION);
        if self.0.rem_euclid(BILLION) == 0 {
            whole
        } else {
            whole + 1
        }
    }

    /// Whether it is more than nothing.
    pub fn is_positive(self) -> bool {
        self.0 > 0
    }
}

impl std::str::FromStr for Amount {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let error = || QuantityError(text.to_owned());
        let (sign, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text.strip_prefix('+').unwrap_or(text)),
        };
        let end = unsigned
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return Err(error());
        }
        let digits: i128 = format!("{whole}{fraction}").parse().map_err(|_| error())?;
        let (multiplier, exponent) = scale(suffix).ok_or_else(error)?;
        let shift = exponent + 9 - i32::try_from(fraction.len()).map_err(|_| error())?;
        let scaled = digits.checked_mul(multiplier).ok_or_else(error)?;
        let power = 10_i128.checked_pow(shift.unsigned_abs()).ok_or_else(error)?;
        let billionths = if shift >= 0 {
            scaled.checked_mul(power).ok_or_else(error)?
        } else {
            // Amounts below a billionth are rounded away from zero.
            scaled / power + i128::from(scaled % power != 0)
        };
        Ok(Self(sign * billionths))
    }
}

/// What a suffix multiplies by: a binary factor and a power of ten.
fn scale(suffix: &str) -> Option<(i128, i32)> {
    let binary = |power: u32| Some((1_i128 << (10 * power), 0));
    match suffix {
        "" => Some((1, 0)),
        "n" => Some((1, -9)),
        "u" => Some((1, -6)),
        "m" => Some((1, -3)),
        "k" => Some((1, 3)),
        "M" => Some((1, 6)),
        "G" => Some((1, 9)),
        "T" => Some((1, 12)),
        "P" => Some((1, 15)),
        "E" => Some((1, 18)),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        _ => suffix
            .strip_prefix(['e', 'E'])?
            .parse()
            .ok()
            .map(|exponent| (1, exponent)),
    }
}

/// Whether two quantities are the same amount; what cannot be read is compared as text.
pub fn same_amount(one: &str, other: &str) -> bool {
    match (one.parse::<Amount>(), other.parse::<Amount>()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

/// Whether both texts are quantities, and the first is the smaller one.
pub fn is_less(one: &str, other: &str) -> bool {
    matches!((one.parse::<Amount>(), other.parse::<Amount>()), (Ok(one), Ok(other)) if one < other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_amount_can_be_written_in_many_ways() {
        let table = [
            ("0.5", "500m"),
            ("0.5Gi", "512Mi"),
            ("1e3", "1k"),
            ("1E3", "1000"),
            ("1E", "1000000000000000000"),
            ("1.", "1"),
            (".5", "500m"),
            ("+1", "1"),
            ("0.0000000001", "1n"),
            ("100e-3", "100m"),
        ];
        for (one, other) in table {
            assert!(same_amount(one, other), "{one} {other}");
        }
        assert!(!same_amount("1G", "1Gi"));
        assert!(!same_amount("-1", "1"));
    }

    #[test]
    fn amounts_are_rounded_up_to_whole_numbers() {
        for (text, whole) in [("1500m", 2), ("2Gi", 2_147_483_648), ("-1500m", -1), ("0", 0)] {
            assert_eq!(text.parse::<Amount>().unwrap().ceil(), whole, "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_quantities() {
        for text in ["", "Gi", ".", "1.2.3", "1gi", "1e", "1e99", "ten", "1 Gi"] {
            assert!(text.parse::<Amount>().is_err(), "{text}");
        }
    }
}
