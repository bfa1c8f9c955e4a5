//! The lab's own certificate authority: the API server's certificate, client certificates for whoever logs in, and
//! the key that signs ServiceAccount tokens. Everything is made per lab and dies with it.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use crate::cache::write_whole;

/// Who may say who is who in one lab.
#[derive(Debug)]
pub struct Authority {
    directory: PathBuf,
    key: KeyPair,
}

/// A login by certificate: Kubernetes takes the common name as the user and the organization as a group.
#[derive(Clone, Debug)]
pub struct Login {
    /// Certificate, PEM.
    pub certificate: String,
    /// Private key, PEM.
    pub key: String,
}

impl Authority {
    /// Makes the authority's key and certificate, the ServiceAccount key pair, and the API server's certificate for
    /// the names and addresses it is reached by.
    pub fn create(directory: &Path, server_names: &[String], server_addresses: &[IpAddr]) -> Result<Self> {
        let authority = Self {
            directory: directory.to_owned(),
            key: KeyPair::generate()?,
        };
        let certificate = authority_parameters().self_signed(&authority.key)?;
        write_whole(&authority.certificate_file(), certificate.pem())?;
        write_whole(&directory.join("ca.key"), authority.key.serialize_pem())?;

        let tokens = KeyPair::generate()?;
        write_whole(&authority.token_key_file(), tokens.serialize_pem())?;
        write_whole(&authority.token_public_key_file(), tokens.public_key_pem())?;

        let mut names = server_names.to_vec();
        names.extend(server_addresses.iter().map(ToString::to_string));
        let mut server = CertificateParams::new(names)?;
        server
            .distinguished_name
            .push(DnType::CommonName, "kube-apiserver");
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        write_whole(
            &authority.server_certificate_file(),
            authority.sign(server, &key)?.pem(),
        )?;
        write_whole(&authority.server_key_file(), key.serialize_pem())?;
        Ok(authority)
    }

    /// The authority of a lab that is already there.
    pub fn load(directory: &Path) -> Result<Self> {
        let path = directory.join("ca.key");
        let pem = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self {
            directory: directory.to_owned(),
            key: KeyPair::from_pem(&pem)?,
        })
    }

    /// A login for a user, in a group if need be.
    pub fn login(&self, user: &str, group: Option<&str>) -> Result<Login> {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, user);
        if let Some(group) = group {
            parameters
                .distinguished_name
                .push(DnType::OrganizationName, group);
        }
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        Ok(Login {
            certificate: self.sign(parameters, &key)?.pem(),
            key: key.serialize_pem(),
        })
    }

    /// The authority's certificate, which proves the API server's and the logins'.
    pub fn certificate_file(&self) -> PathBuf {
        self.directory.join("ca.crt")
    }

    /// The API server's certificate.
    pub fn server_certificate_file(&self) -> PathBuf {
        self.directory.join("server.crt")
    }

    /// The API server's private key.
    pub fn server_key_file(&self) -> PathBuf {
        self.directory.join("server.key")
    }

    /// What signs ServiceAccount tokens.
    pub fn token_key_file(&self) -> PathBuf {
        self.directory.join("service-accounts.key")
    }

    /// What proves ServiceAccount tokens.
    pub fn token_public_key_file(&self) -> PathBuf {
        self.directory.join("service-accounts.pub")
    }

    fn sign(&self, mut parameters: CertificateParams, key: &KeyPair) -> Result<Certificate> {
        parameters.use_authority_key_identifier_extension = true;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        Ok(parameters.signed_by(key, &Issuer::new(authority_parameters(), &self.key))?)
    }
}

/// The same each time, so that a later process signs as the same authority with nothing but the key.
fn authority_parameters() -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters
        .distinguished_name
        .push(DnType::CommonName, "casskop-lab");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    parameters
}
