//! TLS by rustls, with cryptography that compiles no C. It decides which certificates to trust and
//! opens no connection. `url` calls it.

use std::error::Error;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, KeyProvider, WebPkiSupportedAlgorithms, verify_tls12_signature,
    verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::SigningKey;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_graviola::kx;
use tokio_postgres_rustls::MakeRustlsConnect;

/// What `tokio_postgres` opens TLS connections with. It trusts servers that the file `root` vouches
/// for; without one, any.
pub(crate) fn connector(root: Option<&str>) -> Result<MakeRustlsConnect, Box<dyn Error>> {
    let provider = CryptoProvider {
        // PostgreSQL's default is P-256, and since version 18 X25519 too. Signatures of a client and
        // ML-KEM would add 390 KB to the binary.
        kx_groups: vec![&kx::X25519, &kx::P256, &kx::P384],
        key_provider: &NoKeys,
        ..rustls_graviola::default_provider()
    };
    let any = AnyCertificate(provider.signature_verification_algorithms);
    let builder = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for TLS 1.2 and 1.3");
    let config = if let Some(root) = root {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(root)? {
            roots.add(certificate?)?;
        }
        if roots.is_empty() {
            return Err("it has no certificate".into());
        }
        builder.with_root_certificates(roots)
    } else {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(any))
    };
    Ok(MakeRustlsConnect::new(config.with_no_client_auth()))
}

/// Loads no private key: the service shows no certificate of a client.
#[derive(Debug)]
struct NoKeys;

impl KeyProvider for NoKeys {
    fn load_private_key(
        &self,
        _: PrivateKeyDer<'static>,
    ) -> Result<Arc<dyn SigningKey>, rustls::Error> {
        Err(rustls::Error::General("no private key is used".into()))
    }
}

/// Accepts any certificate whose key the server has, as libpq does for `prefer` and `require`.
#[derive(Debug)]
struct AnyCertificate(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
