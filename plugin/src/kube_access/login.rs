//! What goes wrong while a kubeconfig's credential helper (`users[].user.exec`) gets a token. What the helper was given and what
//! it printed as its answer is told nobody: there are secrets in both, and kube puts both into its errors.

use std::error::Error;

use kube::client::AuthError;

use super::Place;

/// The credential helper got no token. Its causes are left out on purpose.
#[derive(Debug, thiserror::Error)]
#[error(
    "user `{user}` of context `{context}` cannot log in: {why}; log in again, or choose another --user or --context"
)]
pub(crate) struct LoginError {
    user: String,
    context: String,
    why: String,
}

impl LoginError {
    /// What an error says of the credential helper, if that is what it is about.
    pub(super) fn of(error: &kube::Error, place: &Place) -> Option<Self> {
        Some(Self {
            user: place.user.clone(),
            context: place.context.clone(),
            why: why(error)?,
        })
    }
}

fn why(error: &kube::Error) -> Option<String> {
    let mut cause: &(dyn Error + 'static) = error;
    let error = loop {
        if let Some(found) = cause.downcast_ref::<AuthError>() {
            break found;
        }
        cause = cause.source()?;
    };
    match error {
        AuthError::AuthExecStart(cause) => Some(format!(
            "the kubeconfig's credential helper cannot be started: {cause}"
        )),
        AuthError::AuthExecRun { out, .. } => {
            let ended = format!("the kubeconfig's credential helper ended with {}", out.status);
            // Standard error is meant for people; an interactive helper has written there itself.
            let complaint = String::from_utf8_lossy(&out.stderr);
            let last = complaint.lines().rfind(|line| !line.trim().is_empty());
            Some(last.map_or(ended.clone(), |line| format!("{ended}: {}", line.trim())))
        }
        AuthError::AuthExecParse(_) => Some(
            "the kubeconfig's credential helper answered with something else than an ExecCredential"
                .to_owned(),
        ),
        _ => None,
    }
}
