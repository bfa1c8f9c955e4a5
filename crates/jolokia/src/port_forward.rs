//! The way to a node from outside its network: through the Kubernetes API server's port-forward. Never by the pods/proxy path,
//! which strips `Authorization`.

use std::fmt;
use std::io;

use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::Api;

use crate::client::Credentials;
use crate::dial::{ByteStream, Dial, Dialling};

/// Reaches a port of a pod.
pub struct ForwardDial {
    /// Pods of its namespace.
    pub pods: Api<Pod>,
    /// Its name.
    pub pod: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for ForwardDial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pod {} (port-forward)", self.pod)
    }
}

impl Dial for ForwardDial {
    fn dial(&self) -> Dialling<'_> {
        Box::pin(async {
            let mut forwarder = self
                .pods
                .portforward(&self.pod, &[self.port])
                .await
                .map_err(io::Error::other)?;
            let stream = forwarder.take_stream(self.port);
            let stream = stream.ok_or_else(|| io::Error::other("the API server opened no stream"))?;
            Ok(Box::new(stream) as Box<dyn ByteStream>)
        })
    }
}

/// A secret that holds no credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("has no key {0} with text in it")]
pub struct MissingKey(&'static str);

/// The credentials in a Jolokia secret: its keys `username` and `password`.
///
/// # Errors
/// One of the keys is missing, or is no text.
pub fn credentials(secret: &Secret) -> Result<Credentials, MissingKey> {
    let text = |key: &'static str| {
        let value = secret.data.as_ref().and_then(|data| data.get(key));
        let value = value.and_then(|value| std::str::from_utf8(&value.0).ok());
        value.map(str::to_owned).ok_or(MissingKey(key))
    };
    Ok(Credentials {
        username: text("username")?,
        password: text("password")?,
    })
}
