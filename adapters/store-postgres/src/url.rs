//! The URL of a database, parsed once and strictly.
//!
//! `tokio_postgres` parses URLs as leniently as libpq does: it accepts `%zz`, and takes what follows
//! the first `@` of a password for the host. This module refuses such a URL before it gets there. It
//! connects to nothing. The binary calls it while it reads its settings.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::tls;

/// The parameters that this module reads, and those that `tokio_postgres` does.
const PARAMETERS: &str = "prepared_statements sslmode sslrootcert application_name channel_binding \
                          connect_timeout host options password target_session_attrs user";

const FORM: &str = "postgres://USER:PASSWORD@HOST:PORT/DATABASE?PARAMETER=VALUE";

/// After this much silence of a peer that is gone, a connection ends, even while it seeds.
const PEER_TIMEOUT: Duration = Duration::from_secs(30);

/// Where the database is, and how to talk to it. `Debug` and `Display` never show the password.
#[derive(Clone)]
pub struct DatabaseUrl {
    /// One for each host, in the order of the URL.
    pub(crate) hosts: Vec<Config>,
    pub(crate) tls: MakeRustlsConnect,
    /// Off for poolers that cannot carry prepared statements from server to server.
    pub(crate) prepared_statements: bool,
}

/// Why a text is not the URL of a database, and what to write. It quotes nothing of the URL, and so
/// no part of a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlError(String);

impl DatabaseUrl {
    /// Parses `postgres://USER:PASSWORD@HOST:PORT/DATABASE?PARAMETER=VALUE&...`. `postgresql://` is
    /// the same; more hosts follow after commas; the port is 5432 by default. Reads the file of
    /// `sslrootcert`.
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        Self::parse_on(url, graviola::util::is_cpu_supported())
    }

    fn parse_on(url: &str, is_cpu_supported: bool) -> Result<Self, UrlError> {
        let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"));
        let rest = rest.ok_or_else(|| wrong(format!("the form is {FORM}")))?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = place.split_once('/').unwrap_or((place, ""));
        let login = authority.find('@').map_or("", |at| &authority[..=at]);
        let hosts = &authority[login.len()..];
        let is_odd = |char: char| char.is_whitespace() || char.is_control() || char == '#';
        if rest[login.len()..].contains('@') || rest.contains(is_odd) {
            return Err(wrong("within its parts, @ is %40, / %2F, ? %3F, # %23 and a blank %20"));
        }
        // Each % and two digits become one byte.
        let decoded = percent_decode_str(rest).decode_utf8();
        let is_decoded = |text: &str| text.len() + 2 * rest.matches('%').count() == rest.len();
        if !decoded.is_ok_and(|text| is_decoded(&text) && !text.contains('\0')) {
            return Err(wrong("% and two hexadecimal digits encode UTF-8 without NUL; % is %25"));
        }

        let (mut ssl_mode, mut root, mut prepared) = ("prefer", None, "true");
        let (mut passed, mut known) = (String::new(), PARAMETERS.split(' ').collect::<Vec<_>>());
        for (i, parameter) in (1..).zip(query.split('&').filter(|text| !text.is_empty())) {
            let (name, value) = parameter.split_once('=').unwrap_or_default();
            let index = known.iter().position(|known| *known == name).ok_or_else(|| {
                wrong(format!("parameter {i} is unknown or repeated; there are {PARAMETERS}"))
            })?;
            match known.swap_remove(index) {
                "prepared_statements" => prepared = value,
                "sslmode" => ssl_mode = value,
                "sslrootcert" => root = Some(percent_decode_str(value).decode_utf8_lossy()),
                _ => passed = format!("{passed}{parameter}&"),
            }
        }
        let ssl_mode = match (ssl_mode, &root) {
            ("disable", None) => Ok(SslMode::Disable),
            ("prefer", None) => Ok(SslMode::Prefer),
            ("require", None) | ("verify-full", Some(_)) => Ok(SslMode::Require),
            ("verify-full", None) => {
                Err("sslmode=verify-full needs sslrootcert=FILE: none are built in")
            }
            ("verify-ca", _) => Err("write sslmode=verify-full: it checks the host's name as well"),
            (_, Some(_)) => Err("with sslrootcert, write sslmode=verify-full"),
            _ => Err("sslmode is disable, prefer, require or verify-full"),
        };
        let ssl_mode = ssl_mode.map_err(wrong)?;
        // The cryptography panics on a processor without these instructions.
        if ssl_mode != SslMode::Disable && !is_cpu_supported {
            return Err(wrong(
                "this processor lacks what TLS needs here (AVX2 and ADX on x86-64, AES on arm64): \
                 write sslmode=disable",
            ));
        }
        let tls = tls::connector(root.as_deref());
        let tls = tls.map_err(|cause| wrong(format!("sslrootcert cannot be used: {cause}")))?;
        let prepared = prepared.parse();
        let prepared = prepared.map_err(|_| wrong("prepared_statements is true or false"))?;
        let host = |host| configure(&format!("{login}{host}/{database}?{passed}"), ssl_mode);
        let hosts = hosts.split(',').map(host).collect::<Result<_, _>>()?;
        Ok(Self { hosts, tls, prepared_statements: prepared })
    }
}

/// A configuration for one host.
fn configure(rest: &str, ssl_mode: SslMode) -> Result<Config, UrlError> {
    // The texts of its errors name parameters and show no values.
    let config = format!("postgres://{rest}").parse::<Config>();
    let mut config = config.map_err(|error| wrong(error.source().unwrap_or(&error).to_string()))?;
    let has_host = matches!(config.get_hosts(), [host] if *host != Host::Tcp(String::new()));
    if !has_host || config.get_dbname().is_none() || config.get_user() == Some("") {
        return Err(wrong(format!("it names a host and a database: {FORM}")));
    }
    if config.get_application_name().is_none() {
        config.application_name("accountservice");
    }
    config.ssl_mode(ssl_mode).tcp_user_timeout(PEER_TIMEOUT).keepalives_idle(PEER_TIMEOUT / 2);
    config.keepalives_interval(PEER_TIMEOUT / 6).keepalives_retries(3);
    Ok(config)
}

fn wrong(rule: impl Into<String>) -> UrlError {
    UrlError(rule.into())
}

/// The place of a server, for the log.
pub(crate) fn host_and_port(config: &Config) -> String {
    let port = config.get_ports().first().unwrap_or(&5432);
    match &config.get_hosts()[0] {
        Host::Tcp(name) if name.contains(':') => format!("[{name}]:{port}"),
        Host::Tcp(name) => format!("{name}:{port}"),
        Host::Unix(path) => path.display().to_string(),
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<_> = self.hosts.iter().map(host_and_port).collect();
        let database = self.hosts[0].get_dbname().unwrap_or_default();
        write!(f, "postgres://{}/{database}", hosts.join(","))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the database's URL is wrong: {}", self.0)
    }
}

impl Error for UrlError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_that_tls_cannot_run_on_is_an_error_that_names_the_way_out() {
        let error = DatabaseUrl::parse_on("postgres://db/a", false).expect_err("TLS would panic");
        assert_eq!(
            error.to_string(),
            "the database's URL is wrong: this processor lacks what TLS needs here (AVX2 and ADX \
             on x86-64, AES on arm64): write sslmode=disable"
        );
        DatabaseUrl::parse_on("postgres://db/a?sslmode=disable", false).expect("no TLS");
        DatabaseUrl::parse_on("postgres://db/a", true).expect("TLS");
    }
}
