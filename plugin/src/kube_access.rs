//! The API server: which one, as whom, and what it means when it does not do what it is asked.

mod call;
mod error;
mod login;
mod patience;

use std::future::Future;
use std::time::Duration;

use casskop_types::CassandraCluster;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ApiResource, DynamicObject};
use kube::client::{ClientBuilder, UpgradeConnectionError};
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::core::{NamespaceResourceScope, Status};
use kube::{Api, Client, Config, Resource};
use tower::buffer::BufferLayer;
use tower::retry::RetryLayer;

use crate::cli::GlobalFlags;
pub(crate) use call::{Call, Kind};
pub(crate) use error::{AccessError, CallError};
use login::LoginError;
use patience::Patience;

/// Recorded by the API server as the writer of what the plugin writes.
pub(crate) const FIELD_MANAGER: &str = "kubectl-casskop";

/// Requests that wait to be handed on, which takes no time: what is tried again needs a service that can be cloned. As deep as
/// kube's own.
const QUEUE: usize = 1024;

/// A way to one namespace of one API server.
pub(crate) struct Access {
    client: Client,
    place: Place,
    reach: Reach,
    request_timeout: Option<Duration>,
}

/// Of which namespaces objects are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// The one of [`Place`].
    Namespace,
    /// All.
    Everywhere,
}

/// Where requests go, in the words of messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The namespace.
    pub(crate) namespace: String,
    /// Address of the API server.
    pub(crate) server: String,
    /// The context of the kubeconfig.
    pub(crate) context: String,
    /// The user, as the kubeconfig or `--as` names it.
    pub(crate) user: String,
}

impl Access {
    /// The way the flags and the kubeconfig say.
    pub(crate) async fn open(flags: &GlobalFlags) -> Result<Self, AccessError> {
        let kubeconfig = kubeconfig(flags)?;
        let context = context(&kubeconfig, flags)?;
        let user = flags
            .impersonate
            .clone()
            .or_else(|| flags.user.clone())
            .or_else(|| user(&kubeconfig, &context))
            .unwrap_or_default();
        let options = KubeConfigOptions {
            context: Some(context.clone()),
            cluster: flags.cluster.clone(),
            user: flags.user.clone(),
        };
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .map_err(|cause| AccessError::Config { cause })?;
        config.auth_info.impersonate = flags.impersonate.clone().or(config.auth_info.impersonate);
        if !flags.impersonate_groups.is_empty() {
            config.auth_info.impersonate_groups = Some(flags.impersonate_groups.clone());
        }
        // Of kube's own, up to fifteen times and up to a quarter of an hour apart: far longer than a person waits.
        config.default_retry = false;
        if let Ok(agent) = user_agent().parse() {
            config.headers.push((http::header::USER_AGENT, agent));
        }
        let place = Place {
            namespace: flags
                .namespace
                .clone()
                .unwrap_or_else(|| config.default_namespace.clone()),
            server: config.cluster_url.to_string().trim_end_matches('/').to_owned(),
            context,
            user,
        };
        let builder =
            ClientBuilder::try_from(config).map_err(|cause| match LoginError::of(&cause, &place) {
                Some(error) => AccessError::Login(error),
                None => AccessError::Client {
                    server: place.server.clone(),
                    context: place.context.clone(),
                    cause,
                },
            })?;
        let builder = builder
            .with_layer(&BufferLayer::new(QUEUE))
            .with_layer(&RetryLayer::new(Patience::within(flags.request_timeout())));
        Ok(Self {
            client: builder.build(),
            place,
            reach: Reach::Namespace,
            request_timeout: flags.request_timeout(),
        })
    }

    /// The same way, to the objects of all namespaces.
    pub(crate) fn in_all_namespaces(&self) -> Self {
        Self {
            client: self.client.clone(),
            place: self.place.clone(),
            reach: Reach::Everywhere,
            request_timeout: self.request_timeout,
        }
    }

    /// Where requests go.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// The clusters of the namespace.
    pub(crate) fn clusters(&self) -> Api<CassandraCluster> {
        self.api()
    }

    /// The pods of the namespace.
    pub(crate) fn pods(&self) -> Api<Pod> {
        self.api()
    }

    /// Objects of a kind in the namespace.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        match self.reach {
            Reach::Namespace => Api::namespaced(self.client.clone(), &self.place.namespace),
            Reach::Everywhere => Api::all(self.client.clone()),
        }
    }

    /// Objects of a kind in another namespace.
    pub(crate) fn within<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Objects of a kind in all namespaces, or of a kind that is in none.
    pub(crate) fn everywhere<K: Resource<DynamicType = ()>>(&self) -> Api<K> {
        Api::all(self.client.clone())
    }

    /// Objects of a kind that only the request knows, in a namespace or in none.
    pub(crate) fn dynamic(&self, resource: &ApiResource, namespace: Option<&str>) -> Api<DynamicObject> {
        match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, resource),
            None => Api::all_with(self.client.clone(), resource),
        }
    }

    /// Version of the API server, for example `v1.34.4`.
    pub(crate) async fn server_version(&self) -> Result<String, CallError> {
        let call = Call {
            verb: "get",
            resource: Kind::ServerVersion,
            name: None,
        };
        let version = self.call(&call, self.client.apiserver_version()).await?;
        Ok(version.git_version)
    }

    /// Makes one request, and explains what goes wrong.
    pub(crate) async fn call<T>(
        &self,
        call: &Call,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, CallError> {
        let answered = match self.request_timeout {
            Some(limit) => tokio::time::timeout(limit, request)
                .await
                .map_err(|_| CallError::Late {
                    server: self.place.server.clone(),
                    context: self.place.context.clone(),
                    after: limit,
                })?,
            None => request.await,
        };
        answered.map_err(|error| self.explain(call, error))
    }

    /// What an error of a request means to who asked for it.
    pub(crate) fn explain(&self, call: &Call, error: kube::Error) -> CallError {
        let place = self.place.clone();
        if let Some(error) = LoginError::of(&error, &place) {
            return CallError::Login(error);
        }
        let object = match &call.name {
            Some(name) => format!("{} `{name}`", call.resource.resource()),
            None => call.resource.resource().to_owned(),
        };
        match error {
            kube::Error::Api(status) if status.code == 401 => CallError::Unauthorized {
                server: place.server,
                context: place.context,
                user: place.user,
            },
            kube::Error::Api(status) if status.is_forbidden() && self.reach == Reach::Everywhere => {
                CallError::ForbiddenEverywhere {
                    user: forbidden_user(&status).unwrap_or(place.user),
                    verb: call.verb,
                    resource: call.resource.resource(),
                }
            }
            kube::Error::Api(status) if status.is_forbidden() => CallError::Forbidden {
                user: forbidden_user(&status).unwrap_or(place.user),
                verb: call.verb,
                resource: call.resource.resource(),
                namespace: place.namespace,
            },
            kube::Error::Api(status) if status.code == 404 => match call.resource {
                // A missing object is named in the details; a missing resource is a path the server does not know.
                Kind::Clusters | Kind::TasksOfClusters | Kind::TasksOfDatacenters | Kind::Schedules
                    if status
                        .details
                        .as_ref()
                        .is_none_or(|details| details.name.is_empty()) =>
                {
                    CallError::NoSuchResource {
                        server: place.server,
                        context: place.context,
                        resource: call.resource.name(),
                    }
                }
                _ => CallError::NotFound {
                    object,
                    namespace: place.namespace,
                },
            },
            kube::Error::Api(status) if status.is_already_exists() => CallError::Exists { object },
            kube::Error::Api(status) if status.is_conflict() || is_failed_test(&status) => {
                CallError::Changed { object }
            }
            kube::Error::Api(status) => CallError::Other {
                verb: call.verb,
                object,
                namespace: place.namespace,
                reason: status.message.clone(),
                cause: kube::Error::Api(status),
            },
            cause @ (kube::Error::HyperError(_) | kube::Error::Service(_) | kube::Error::ReadEvents(_)) => {
                CallError::Unreachable {
                    server: place.server,
                    context: place.context,
                    reason: deepest(&cause),
                    cause,
                }
            }
            kube::Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(code)) if code == 403 => {
                CallError::ForbiddenExec {
                    user: place.user,
                    namespace: place.namespace,
                }
            }
            kube::Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(code)) if code == 404 => {
                CallError::NotFound {
                    object: format!("pod `{}`", call.name.as_deref().unwrap_or_default()),
                    namespace: place.namespace,
                }
            }
            cause => CallError::Other {
                verb: call.verb,
                object,
                namespace: place.namespace,
                reason: deepest(&cause),
                cause,
            },
        }
    }
}

/// The API server answers a JSON patch whose `test` fails with 422 and a text of its own, an object that its schema refuses
/// with 422 and a text that names the object (apimachinery, `errors.NewGenericServerResponse`).
fn is_failed_test(status: &Status) -> bool {
    status.is_invalid()
        && status
            .message
            .contains("rejected our request due to an error in our request")
}

/// `pods is forbidden: User "ann" cannot ...`: whom the server took the request to be from.
fn forbidden_user(status: &Status) -> Option<String> {
    let (_, rest) = status.message.split_once("User \"")?;
    rest.split_once('"').map(|(user, _)| user.to_owned())
}

/// The first cause of an error: "connection refused" says more than the five wrappers around it.
fn deepest(error: &kube::Error) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    deepest.to_string()
}

fn kubeconfig(flags: &GlobalFlags) -> Result<Kubeconfig, AccessError> {
    let read = match &flags.kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    read.map_err(|error| match error {
        KubeconfigError::ReadConfig(cause, path) => AccessError::Kubeconfig { path, cause },
        cause => AccessError::Config { cause },
    })
}

fn context(kubeconfig: &Kubeconfig, flags: &GlobalFlags) -> Result<String, AccessError> {
    let names: Vec<&str> = kubeconfig
        .contexts
        .iter()
        .map(|context| context.name.as_str())
        .collect();
    let known = || {
        if names.is_empty() {
            "it has none".to_owned()
        } else {
            names.join(", ")
        }
    };
    let chosen = flags
        .context
        .clone()
        .or_else(|| kubeconfig.current_context.clone());
    match chosen.filter(|name| !name.is_empty()) {
        Some(name) if names.contains(&name.as_str()) => Ok(name),
        Some(context) => Err(AccessError::Context {
            context,
            known: known(),
        }),
        None => Err(AccessError::NoContext { known: known() }),
    }
}

fn user(kubeconfig: &Kubeconfig, context: &str) -> Option<String> {
    let context = kubeconfig.contexts.iter().find(|known| known.name == context)?;
    context.context.as_ref()?.user.clone()
}

/// For audit logs: `kubectl-casskop/0.1.0 (linux/x86_64)`.
fn user_agent() -> String {
    format!(
        "{}/{} ({}/{})",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH
    )
}
