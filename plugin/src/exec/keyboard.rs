//! Standard input of this process, for a command in a pod.

use std::io::{self, Read};

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

/// Bytes read at once.
const CHUNK: usize = 4096;

/// Passes standard input on until either end is closed.
///
/// A read of standard input cannot be cut short, so it has a thread of its own, which the end of the process ends.
pub(super) fn pass_on(mut to: impl AsyncWrite + Send + Unpin + 'static) {
    let (send, mut receive) = mpsc::channel::<Vec<u8>>(1);
    std::thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        let mut chunk = vec![0; CHUNK];
        while let Ok(read @ 1..) = stdin.read(&mut chunk) {
            if send.blocking_send(chunk[..read].to_vec()).is_err() {
                return;
            }
        }
    });
    tokio::spawn(async move {
        while let Some(bytes) = receive.recv().await {
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
        // The command sees the end of its input.
        let _ = to.shutdown().await;
    });
}
