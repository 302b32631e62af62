//! Real servers for tests and for `xtask/verify`: [`Postgres`] and [`PgBouncer`] from Debian's
//! packages. Each runs as an ordinary user in a temporary folder, and ends when it is dropped. A
//! [`Scenario`] makes one fault of the store contract happen to them.
//!
//! This is not a client: statements go through `psql`. A step that fails panics, as in a test.

#![allow(clippy::missing_panics_doc, reason = "everything panics, as said above")]

mod pgbouncer;
mod postgres;
mod proxy;
mod scenario;

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;

use nix::unistd::{User, geteuid};
use tempfile::TempDir;

pub use pgbouncer::PgBouncer;
pub use postgres::Postgres;
pub use scenario::{End, NotSo, Observed, Scenario};

const MISSING: &str =
    "Skipped: PostgreSQL or PgBouncer is not installed (apt-get install postgresql pgbouncer)";

const PGBOUNCER: &str = "/usr/sbin/pgbouncer";

/// A port that is free at the moment.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// The newest `bin` folder of Debian's packages; `None` says so once, and fails in CI.
fn installed() -> Option<PathBuf> {
    static SAID: Once = Once::new();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.map(|version| version.path().join("bin")).max();
    let newest = newest.filter(|_| Path::new(PGBOUNCER).exists());
    if newest.is_none() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{MISSING}");
        // Not captured, so that it is seen although the test passes.
        SAID.call_once(|| writeln!(std::io::stderr(), "{MISSING}").expect("standard error"));
    }
    newest
}

/// A folder for an ordinary user, and commands that run as that user.
struct Home {
    folder: TempDir,
    user: Option<User>,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let user = geteuid().is_root().then(|| {
            let user =
                User::from_name("nobody").expect("a list of users").expect("an ordinary one");
            chown(folder.path(), Some(user.uid.as_raw()), Some(user.gid.as_raw())).expect("root");
            user
        });
        Self { folder, user }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("room");
        if let Some(user) = &self.user {
            chown(&path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).expect("root");
        }
        path
    }

    fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        if let Some(user) = &self.user {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }
}
