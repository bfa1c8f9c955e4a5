//! Kubeconfig files: one user and one cluster each, everything inside the file, so that it can be handed around.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::cache::write_whole;
use crate::pki::Login;

/// How a user proves who they are.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// By a certificate of the lab's authority.
    Certificate(Login),
    /// By a ServiceAccount token.
    Token(String),
}

/// What one kubeconfig says.
#[derive(Clone, Debug)]
pub struct Access<'a> {
    /// The lab's name, which becomes the name of context and cluster.
    pub lab: &'a str,
    /// The API server's address.
    pub server: &'a str,
    /// The authority's certificate, PEM.
    pub authority: &'a str,
    /// The user's name in the file.
    pub user: &'a str,
    /// The user's proof.
    pub credentials: Credentials,
    /// The namespace commands are about unless they name one.
    pub namespace: &'a str,
}

impl Access<'_> {
    /// Writes the file, readable for its owner alone.
    pub fn write(&self, path: &Path) -> Result<()> {
        let user = match &self.credentials {
            Credentials::Certificate(login) => json!({
                "client-certificate-data": STANDARD.encode(&login.certificate),
                "client-key-data": STANDARD.encode(&login.key),
            }),
            Credentials::Token(token) => json!({ "token": token }),
        };
        let context = format!("casskop-lab-{}", self.lab);
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": context, "cluster": {
                "server": self.server,
                "certificate-authority-data": STANDARD.encode(self.authority),
            }}],
            "users": [{ "name": self.user, "user": user }],
            "contexts": [{ "name": context, "context": {
                "cluster": context, "user": self.user, "namespace": self.namespace,
            }}],
            "current-context": context,
        });
        write_whole(path, serde_yaml::to_string(&config)?)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))
            .with_context(|| format!("cannot protect {}", path.display()))
    }
}
