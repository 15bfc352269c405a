//! Why a client of GitHub cannot be made. Knows no request.

/// The client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The address is none.
    #[error("`{0}` is not an address that GitHub's API can have")]
    Address(String),
    /// Mostly: the machine has no CA certificates.
    #[error("no HTTPS client can be made ({0}); are there CA certificates on this machine (SSL_CERT_FILE)?")]
    Client(String),
    /// The App's key is none.
    #[error(
        "the App's private key is no RSA key in PEM form ({0}); download a new one from the App's settings on GitHub"
    )]
    Key(String),
}
