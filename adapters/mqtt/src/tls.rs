//! Encrypted connections: rustls with ring, so that one build serves every target.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::socket::Socket;

/// Why no encrypted connection came about, and what to check.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("`ca_file` {path} can't be read: {error}")]
    CaFile { path: String, error: io::Error },
    #[error("`ca_file` {0} holds no certificate in PEM")]
    NoCertificate(String),
    #[error("`ca_file` is not well formed: {0}")]
    Pem(#[from] rustls::pki_types::pem::Error),
    #[error("this system has no trusted certificates; name those of the broker in `ca_file`")]
    NoRoots,
    #[error("{0}")]
    Rustls(#[from] rustls::Error),
    #[error("the host in `url` is no name that a certificate could hold: {0}")]
    Name(#[from] InvalidDnsNameError),
    #[error("TLS: {0}; check the broker's certificate, its name, and `ca_file`")]
    Handshake(io::Error),
}

pub(crate) async fn connect(
    host: &str,
    ca_file: Option<&Path>,
    socket: Socket,
) -> Result<TlsStream<Socket>, TlsError> {
    let name = ServerName::try_from(host.to_owned())?;
    let connector = TlsConnector::from(Arc::new(client_config(ca_file).await?));
    connector.connect(name, socket).await.map_err(TlsError::Handshake)
}

async fn client_config(ca_file: Option<&Path>) -> Result<ClientConfig, TlsError> {
    let roots = match ca_file {
        Some(path) => roots_in(path).await?,
        None => system_roots()?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

async fn roots_in(path: &Path) -> Result<RootCertStore, TlsError> {
    let named = || path.display().to_string();
    let pem = tokio::fs::read(path).await;
    let pem = pem.map_err(|error| TlsError::CaFile { path: named(), error })?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots.add(certificate?)?;
    }
    if roots.is_empty() { Err(TlsError::NoCertificate(named())) } else { Ok(roots) }
}

fn system_roots() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(TlsError::NoRoots) } else { Ok(roots) }
}
