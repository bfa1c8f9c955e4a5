//! What goes wrong on the way to an API server and back, in words that say what to do next.

use std::path::PathBuf;
use std::time::Duration;

use kube::config::KubeconfigError;

use super::LoginError;

/// There is no way to an API server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccessError {
    /// No kubeconfig.
    #[error("cannot read the kubeconfig {path}: {cause}; name one with --kubeconfig or in KUBECONFIG", path = path.display())]
    Kubeconfig {
        path: PathBuf,
        #[source]
        cause: std::io::Error,
    },
    /// The kubeconfig has no such context.
    #[error("the kubeconfig has no context `{context}`; it has {known}")]
    Context { context: String, known: String },
    /// No context is chosen.
    #[error("no context is chosen; choose one with --context or `kubectl config use-context`: {known}")]
    NoContext { known: String },
    /// The kubeconfig cannot be used.
    #[error("cannot use the kubeconfig: {cause}; check it with `kubectl config view --minify`")]
    Config {
        #[source]
        cause: KubeconfigError,
    },
    /// Its credential helper does not help.
    #[error(transparent)]
    Login(LoginError),
    /// No client can be made of it.
    #[error("cannot prepare requests to API server {server} of context `{context}`: {cause}")]
    Client {
        server: String,
        context: String,
        #[source]
        cause: kube::Error,
    },
}

/// The API server did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// It cannot be reached.
    #[error(
        "cannot reach API server {server} of context `{context}`: {reason}; \
         check the server and the network with `kubectl cluster-info --context {context}`"
    )]
    Unreachable {
        server: String,
        context: String,
        reason: String,
        #[source]
        cause: kube::Error,
    },
    /// It does not answer in time.
    #[error(
        "API server {server} of context `{context}` did not answer within {}; try again, or give it longer with --request-timeout",
        crate::failure::seconds(*after)
    )]
    Late {
        server: String,
        context: String,
        after: Duration,
    },
    /// There is no token to ask it with.
    #[error(transparent)]
    Login(LoginError),
    /// It does not know the user.
    #[error(
        "API server {server} does not accept the credentials of user `{user}` of context `{context}`; log in again, or choose another --user or --context"
    )]
    Unauthorized {
        server: String,
        context: String,
        user: String,
    },
    /// The user may not.
    #[error(
        "user `{user}` must not {verb} {resource} in namespace `{namespace}`; \
         ask for a Role with verb `{verb}` on resource `{resource}`, and check with `kubectl auth can-i {verb} {resource} --namespace {namespace}`"
    )]
    Forbidden {
        user: String,
        verb: &'static str,
        resource: &'static str,
        namespace: String,
    },
    /// The user may not look into all namespaces.
    #[error(
        "user `{user}` must not {verb} {resource} in all namespaces; ask for a ClusterRole with verb `{verb}` on resource \
         `{resource}`, or look into one namespace with --namespace"
    )]
    ForbiddenEverywhere {
        user: String,
        verb: &'static str,
        resource: &'static str,
    },
    /// The user may not run commands in pods. Kubernetes asks for `get` before 1.35, for both from then on.
    #[error(
        "user `{user}` must not run commands in pods of namespace `{namespace}`; \
         ask for a Role with verbs `get` and `create` on resource `pods/exec`"
    )]
    ForbiddenExec { user: String, namespace: String },
    /// The CRD is not installed.
    #[error(
        "API server {server} of context `{context}` does not know {resource}: their CustomResourceDefinition is not installed; \
         install it with `kubectl apply --server-side -f crds/`"
    )]
    NoSuchResource {
        server: String,
        context: String,
        resource: &'static str,
    },
    /// The object is gone.
    #[error("{object} not found in namespace `{namespace}`")]
    NotFound { object: String, namespace: String },
    /// There is an object of the name.
    #[error("{object} is there already")]
    Exists { object: String },
    /// The object is not as the request supposed.
    #[error("{object} was changed by somebody else meanwhile; try again")]
    Changed { object: String },
    /// Anything else.
    #[error("cannot {verb} {object} in namespace `{namespace}`: {reason}")]
    Other {
        verb: &'static str,
        object: String,
        namespace: String,
        reason: String,
        #[source]
        cause: kube::Error,
    },
}
