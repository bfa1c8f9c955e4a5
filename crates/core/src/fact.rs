//! What is known, and what is not.

/// A fact about the world at the moment it was observed.
///
/// A fact that could not be read stays `Unknown` with the reason, so that a decision has to say what it does
/// without it. Destructive decisions require `Known`: an unreachable node is not a node that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact<T> {
    /// Read in this pass.
    Known(T),
    /// Not read; the reason is a lowercase fragment that names the object.
    Unknown(String),
}

impl<T> Fact<T> {
    /// The value, if it is known.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown(_) => None,
        }
    }

    /// Applies `f` to a known value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Fact<U> {
        match self {
            Self::Known(value) => Fact::Known(f(value)),
            Self::Unknown(why) => Fact::Unknown(why),
        }
    }

    /// True if the value is known and `test` holds for it.
    pub fn is_known_and(&self, test: impl FnOnce(&T) -> bool) -> bool {
        self.known().is_some_and(test)
    }
}

impl<T> Default for Fact<T> {
    fn default() -> Self {
        Self::Unknown("not asked in this pass".to_owned())
    }
}
