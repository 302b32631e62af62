//! A `PostgreSQL` and a `PgBouncer` of a test's own: run as an ordinary user in a folder of their own,
//! ended by their process ids.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};
use tempfile::TempDir;
use tokio_postgres::NoTls;

const MISSING: &str =
    "Skipped: PostgreSQL or PgBouncer is not installed (apt-get install postgresql pgbouncer)";

const PGBOUNCER: &str = "/usr/sbin/pgbouncer";

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

/// A folder for an ordinary user, and a command that runs as that user.
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

/// A port that is free at the moment.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

pub(crate) struct Postgres {
    home: Home,
    bin: PathBuf,
    pub(crate) port: u16,
    child: Option<Child>,
    runtime: tokio::runtime::Runtime,
}

impl Postgres {
    /// A running server with the user `app`, whose password is `secret`, and an empty database
    /// `accounts` that belongs to it.
    pub(crate) fn start() -> Option<Self> {
        let mut server = Self::initialize()?;
        server.run(&[]);
        server.execute("postgres", "CREATE ROLE app LOGIN PASSWORD 'secret'");
        server.execute("postgres", "CREATE DATABASE accounts OWNER app");
        Some(server)
    }

    fn initialize() -> Option<Self> {
        let bin = installed()?;
        let home = Home::new();
        let initialized = home
            .command(bin.join("initdb"))
            .args(["--no-sync", "--auth-local=trust", "--auth-host=scram-sha-256"])
            .args(["--username=postgres", "--encoding=UTF8", "--no-locale", "--pgdata=data"])
            .output()
            .expect("initdb");
        assert!(initialized.status.success(), "{}", String::from_utf8_lossy(&initialized.stderr));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        Some(Self { home, bin, port: free_port(), child: None, runtime })
    }

    /// Runs the server, with these settings besides the usual ones, until it answers.
    pub(crate) fn run(&mut self, settings: &[&str]) {
        let port = self.port.to_string();
        let log = fs::File::options().append(true).create(true).open(self.home.path("log"));
        let mut command = self.home.command(self.bin.join("postgres"));
        command.args(["-D", "data", "-h", "127.0.0.1", "-p", &port, "-F", "-k"]);
        command.arg(self.home.folder.path());
        for setting in settings {
            command.args(["-c", setting]);
        }
        command.stderr(log.expect("room")).stdout(Stdio::null());
        self.child = Some(command.spawn().expect("postgres"));
        self.wait();
    }

    /// Waits until the server answers.
    pub(crate) fn wait(&self) {
        let start = Instant::now();
        while let Err(error) = self.try_execute("postgres", "SELECT 1") {
            assert!(start.elapsed() < Duration::from_secs(20), "{error:?}: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Executes statements as the superuser.
    pub(crate) fn execute(&self, database: &str, sql: &str) {
        self.try_execute(database, sql).expect("a server that executes this");
    }

    fn try_execute(&self, database: &str, sql: &str) -> Result<(), tokio_postgres::Error> {
        self.with_client(database, async |client| client.batch_execute(sql).await)
    }

    /// The one number that a query gives.
    pub(crate) fn number(&self, sql: &str) -> i64 {
        let row = self.with_client("accounts", async |client| client.query_one(sql, &[]).await);
        row.expect("a row").get(0)
    }

    /// A client of the superuser, by the local socket.
    pub(crate) fn with_client<T>(
        &self,
        database: &str,
        ask: impl AsyncFnOnce(&tokio_postgres::Client) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, tokio_postgres::Error> {
        self.runtime.block_on(async {
            let mut config = tokio_postgres::Config::new();
            config.host_path(self.home.folder.path()).port(self.port);
            config.user("postgres").dbname(database);
            let (client, connection) = config.connect(NoTls).await?;
            let connection = tokio::spawn(connection);
            let result = ask(&client).await;
            drop(client);
            let _ = connection.await;
            result
        })
    }

    pub(crate) fn url(&self, parameters: &str) -> String {
        format!("postgres://app:secret@127.0.0.1:{}/accounts{parameters}", self.port)
    }

    /// How long a plain client takes to log in and ask, on this machine and at this moment.
    pub(crate) fn time_of_a_login(&self) -> Duration {
        let start = Instant::now();
        self.runtime.block_on(async {
            let (client, connection) =
                tokio_postgres::connect(&self.url(""), NoTls).await.expect("a server");
            let connection = tokio::spawn(connection);
            client.batch_execute("SELECT 1").await.expect("a session");
            connection.abort();
        });
        start.elapsed()
    }

    /// The server's own log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.home.path("log")).unwrap_or_default()
    }

    /// Writes a file that the server may read, and returns its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        self.home.write(name, text)
    }

    /// Sends a signal to every process of the server.
    pub(crate) fn signal_all(&self, signal: Signal) {
        let server =
            Pid::from_raw(self.child.as_ref().expect("it runs").id().try_into().expect("a pid"));
        for pid in [server].into_iter().chain(children(server)) {
            let _ = kill(pid, signal);
        }
    }

    /// Sends a signal to the server, which is to end it, and waits for the end.
    pub(crate) fn end(&mut self, signal: Signal) {
        let Some(mut child) = self.child.take() else { return };
        let pid = Pid::from_raw(child.id().try_into().expect("a pid"));
        let children: Vec<_> = children(pid).collect();
        kill(pid, signal).expect("it runs");
        child.wait().expect("a child");
        // A killed server leaves its processes behind for a moment.
        for child in children {
            let _ = kill(child, Signal::SIGKILL);
            while kill(child, None).is_ok() {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

fn children(parent: Pid) -> impl Iterator<Item = Pid> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let children = fs::read_to_string(path).unwrap_or_default();
    let pids = children.split_whitespace().map(|pid| Pid::from_raw(pid.parse().expect("a pid")));
    pids.collect::<Vec<_>>().into_iter()
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.signal_all(Signal::SIGCONT);
            self.end(Signal::SIGQUIT);
        }
    }
}

/// A pooler in front of a server, in the mode that shares connections between transactions.
pub(crate) struct PgBouncer {
    /// How long it takes to try a server again that refused it.
    pub(crate) server_login_retry: Duration,
    _home: Home,
    port: u16,
    child: Child,
}

impl PgBouncer {
    pub(crate) fn start(server: &Postgres) -> Self {
        let (home, port) = (Home::new(), free_port());
        let server_login_retry = Duration::from_secs(1);
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
                server_login_retry.as_secs()
            ),
        );
        let log = fs::File::create(home.path("log")).expect("room");
        let child = home.command(PGBOUNCER).arg(settings).stderr(log).spawn();
        let pooler =
            Self { server_login_retry, _home: home, port, child: child.expect("pgbouncer") };
        let start = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(10), "PgBouncer does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        pooler
    }

    pub(crate) fn url(&self, parameters: &str) -> String {
        format!("postgres://app:secret@127.0.0.1:{}/accounts{parameters}", self.port)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
