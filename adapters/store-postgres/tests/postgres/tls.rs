//! TLS with a real server: who is trusted, and what is logged where that fails.

use std::path::Path;
use std::process::Command;

use accountservice_store_postgres::{DatabaseUrl, Settings};

use crate::running::Running;
use accountservice_postgres_server::Postgres;

const ENCRYPTED: &str = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                         WHERE usename = 'app' AND ssl AND version = 'TLSv1.3'";

/// Runs openssl in `folder`.
fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl").current_dir(folder).args(arguments.split(' ')).output();
    let output = output.expect("openssl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A server with TLS, whose certificate is for `localhost` and signed by `ca.pem` in `folder`.
fn server_with_tls(folder: &Path) -> Option<Postgres> {
    let mut server = Postgres::start()?;
    for name in ["ca", "another"] {
        let subject = format!("-subj /CN={name} -keyout {name}.key -out {name}.pem");
        openssl(folder, &format!("req -x509 -newkey rsa:2048 -nodes -days 2 {subject}"));
    }
    let request = "-subj /CN=localhost -addext subjectAltName=DNS:localhost";
    openssl(
        folder,
        &format!(
            "req -x509 -newkey rsa:2048 -nodes -days 2 {request} -CA ca.pem -CAkey ca.key \
             -addext basicConstraints=CA:FALSE -keyout server.key -out server.pem"
        ),
    );
    let text = |name| std::fs::read_to_string(folder.join(name)).expect("openssl wrote it");
    let certificate = server.write("server.pem", &text("server.pem"));
    let key = server.write("server.key", &text("server.key"));
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .expect("it is there");
    server.end(nix::sys::signal::Signal::SIGINT);
    let certificate = format!("ssl_cert_file={}", certificate.display());
    server.run(&["ssl=on", &certificate, &format!("ssl_key_file={}", key.display())]);
    Some(server)
}

#[test]
fn each_sslmode_trusts_what_it_says() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some(server) = server_with_tls(folder.path()) else { return };
    let url = |host: &str, parameters: &str| server.url(parameters).replace("127.0.0.1", host);
    let root = |name: &str| {
        format!("?sslmode=verify-full&sslrootcert={}", folder.path().join(name).display())
    };
    for (url, encrypted) in [
        (url("127.0.0.1", "?sslmode=disable"), 0),
        (url("127.0.0.1", ""), 1),
        (url("127.0.0.1", "?sslmode=require&channel_binding=require"), 1),
        (url("localhost", &root("ca.pem")), 1),
    ] {
        let running = Running::seeded(&url, 100);
        assert_eq!(server.number(ENCRYPTED), encrypted, "{url}");
        assert_eq!(running.log.warnings(), [""; 0], "{url}");
    }
    for (url, cause) in [
        (url("127.0.0.1", &root("ca.pem")), "certificate not valid for name"),
        (url("localhost", &root("another.pem")), "invalid peer certificate"),
    ] {
        let running = Running::start(&url, Settings::default());
        let warning = running.log.wait_for("WARN");
        assert!(warning.contains(cause), "{warning}");
        running.check().expect_err("the server is not trusted");
    }
}

#[test]
fn encryption_that_is_required_is_not_given_up() {
    let Some(server) = Postgres::start() else { return };
    let running = Running::start(&server.url("?sslmode=require"), Settings::default());
    let warning = running.log.wait_for("WARN");
    assert!(warning.contains("server does not support TLS"), "{warning}");
    running.check().expect_err("there is no encryption");
}

#[test]
fn a_root_certificate_that_cannot_be_used_is_a_wrong_url() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "no certificate\n").expect("room");
    for path in [empty, folder.path().join("missing.pem")] {
        let url =
            format!("postgres://localhost/a?sslmode=verify-full&sslrootcert={}", path.display());
        let error = DatabaseUrl::parse(&url).expect_err("there is no root certificate");
        let text = "the database's URL is wrong: sslrootcert cannot be used: ";
        assert!(error.to_string().starts_with(text), "{error}");
    }
}
