//! A pooler, to be put between a client and a server.

use std::fs;
use std::net::TcpStream;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use crate::{Home, PGBOUNCER, Postgres, free_port};

/// A pooler in front of a server, in the mode that shares connections between transactions.
pub struct PgBouncer {
    _home: Home,
    port: u16,
    child: Child,
}

impl PgBouncer {
    /// The time from a failed login at the server to the next one.
    pub const SERVER_LOGIN_RETRY: Duration = Duration::from_secs(1);

    /// A pooler that listens, for the user and the database of this server.
    pub fn start(server: &Postgres) -> Self {
        let (home, port) = (Home::new(), free_port());
        let folder = home.folder.path().display().to_string();
        let users = home.write("users", "\"app\" \"secret\"\n");
        let settings = home.write(
            "pgbouncer.ini",
            &format!(
                "[databases]\naccounts = host=127.0.0.1 port={}\n[pgbouncer]\n\
                 listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir = {folder}\n\
                 auth_type = scram-sha-256\nauth_file = {}\npool_mode = transaction\n\
                 default_pool_size = 3\nserver_login_retry = {}\n",
                server.port,
                users.display(),
                Self::SERVER_LOGIN_RETRY.as_secs()
            ),
        );
        let log = fs::File::create(home.path("log")).expect("room");
        let child = home.command(PGBOUNCER).arg(settings).stderr(log).spawn();
        let pooler = Self { _home: home, port, child: child.expect("pgbouncer") };
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(10), "PgBouncer does not listen");
            thread::sleep(Duration::from_millis(5));
        }
        pooler
    }

    /// The URL of the database, with these parameters.
    pub fn url(&self, parameters: &str) -> String {
        format!("postgres://app:secret@127.0.0.1:{}/accounts{parameters}", self.port)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
