//! How many operations may run at once in a rack.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

/// How many operations may run at once in the rack, the one that starts with it included. At least 1.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Parallelism(NonZeroU16);

/// A text is not a [`Parallelism`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is not a number from 1 to {max}", max = u16::MAX)]
pub struct ParallelismError(String);

impl Parallelism {
    /// One after the other.
    pub const ONE: Self = Self(NonZeroU16::MIN);

    /// The number.
    pub fn get(self) -> usize {
        usize::from(self.0.get())
    }

    /// The number as a record keeps it; what can be none counts as 1.
    pub fn from_record(number: Option<i32>) -> Self {
        let number = number.and_then(|number| u16::try_from(number).ok());
        number.and_then(NonZeroU16::new).map_or(Self::ONE, Self)
    }

    /// The number as a record keeps it.
    pub fn to_record(self) -> i32 {
        i32::from(self.0.get())
    }
}

impl From<NonZeroU16> for Parallelism {
    fn from(number: NonZeroU16) -> Self {
        Self(number)
    }
}

impl Default for Parallelism {
    fn default() -> Self {
        Self::ONE
    }
}

impl fmt::Display for Parallelism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for Parallelism {
    type Err = ParallelismError;

    fn from_str(text: &str) -> Result<Self, ParallelismError> {
        let number = text.trim().parse();
        number.map(Self).map_err(|_| ParallelismError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_number_from_one() {
        for (text, number) in [("1", 1), (" 3 ", 3), ("65535", 65_535)] {
            assert_eq!(text.parse::<Parallelism>().unwrap().get(), number);
        }
        for text in ["", "0", "-1", "1.5", "all", "65536"] {
            let error = text.parse::<Parallelism>().unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("`{text}` is not a number from 1 to 65535")
            );
        }
    }

    #[test]
    fn a_record_keeps_it() {
        let three: Parallelism = "3".parse().unwrap();
        assert_eq!(Parallelism::from_record(Some(three.to_record())), three);
        for nothing in [None, Some(0), Some(-2), Some(i32::MAX)] {
            assert_eq!(Parallelism::from_record(nothing), Parallelism::ONE);
        }
    }
}
