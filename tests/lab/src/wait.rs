//! Waiting for a condition of another process: asked again and again until it holds, with a deadline, never for a
//! fixed time.

use std::fmt::Display;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Time between two questions.
const INTERVAL: Duration = Duration::from_millis(50);

/// What the answer to one question means.
#[derive(Debug)]
pub enum Answer<T> {
    /// The condition holds.
    Yes(T),
    /// Not yet, and why: the last reason is told when the time is up.
    NotYet(String),
}

impl<T> Answer<T> {
    /// An error that may pass, as "not yet".
    pub fn not_yet(reason: impl Display) -> Self {
        Self::NotYet(reason.to_string())
    }
}

/// Asks until the answer is yes. Errors end the waiting at once: they are for what can never come true.
pub async fn until<T>(
    what: &str,
    patience: Duration,
    mut ask: impl AsyncFnMut() -> Result<Answer<T>>,
) -> Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        match ask().await? {
            Answer::Yes(value) => return Ok(value),
            Answer::NotYet(reason) if Instant::now() >= deadline => {
                bail!("{what}: not after {} s ({reason})", patience.as_secs())
            }
            Answer::NotYet(_) => tokio::time::sleep(INTERVAL).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_asks_until_the_answer_is_yes() {
        let mut left = 3;
        let got = until("countdown", Duration::from_mins(1), async || {
            left -= 1;
            Ok(if left == 0 {
                Answer::Yes("done")
            } else {
                Answer::not_yet(left)
            })
        });
        assert_eq!(got.await.unwrap(), "done");
    }

    #[tokio::test]
    async fn out_of_time_it_tells_the_last_reason() {
        let error = until::<()>("etcd answers", Duration::ZERO, async || {
            Ok(Answer::not_yet("refused"))
        })
        .await;
        assert_eq!(
            error.unwrap_err().to_string(),
            "etcd answers: not after 0 s (refused)"
        );
    }
}
