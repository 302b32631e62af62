//! What may happen to the server of a shared store, as data, and what its clients may notice.
//!
//! In every row no response is wrong, none is later than the store's deadline, and all are good
//! within [`RECOVERY`] after the server is back, without a restart of this process. How a fault is
//! made, and how the rows are run, belongs to the tests of a store and of a process.

use std::time::Duration;

/// The longest time from the end of a fault to the last failure.
pub const RECOVERY: Duration = Duration::from_secs(1);

/// One row.
pub struct Fault {
    /// A sentence about the behaviour.
    pub name: &'static str,
    /// What happens.
    pub event: Event,
    /// When it happens.
    pub when: When,
    /// What lookups may do while it lasts.
    pub meanwhile: Meanwhile,
}

/// What happens to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is killed, and started again.
    Killed,
    /// It stands still with its connections open, and continues.
    Frozen,
    /// Its port refuses connections, those that are open are reset, and it listens again.
    Refused,
    /// Each message takes a tenth of the deadline longer, and then not any more.
    Slowed,
    /// Its sessions are ended again and again, while new ones are welcome.
    SessionsKilled,
    /// It is stopped in an orderly way and started again.
    Restarted,
    /// The table of accounts is locked by another client, and free again.
    Locked,
    /// It accepts no more connections, and accepts them again.
    Full,
    /// It comes back as a server that cannot be written to.
    ReadOnly,
    /// It does not accept the password, and then does.
    WrongPassword,
    /// The database does not exist, and is then created.
    NoDatabase,
    /// The user may not read or create tables, and then may.
    NoPermission,
}

/// When a fault happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Before the store is started, with an empty database.
    BeforeTheStart,
    /// While it answers lookups.
    UnderLoad,
}

/// What lookups do during a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meanwhile {
    /// All are answered.
    Succeed,
    /// Some fail, or all, each before its deadline.
    Fail,
}

/// Every row.
pub const FAULTS: &[Fault] = &[
    before("a store starts without its server", Event::Killed),
    before("a store starts before its frozen server", Event::Frozen),
    before("a store starts with a wrong password", Event::WrongPassword),
    before("a store starts without its database", Event::NoDatabase),
    before("a store starts without permission", Event::NoPermission),
    before("a store starts with a server that is full", Event::Full),
    under_load("a killed server is found again", Event::Killed, Meanwhile::Fail),
    under_load(
        "a frozen server delays no lookup past its deadline",
        Event::Frozen,
        Meanwhile::Fail,
    ),
    under_load("a server that refuses is found again", Event::Refused, Meanwhile::Fail),
    under_load("a slow server is a server", Event::Slowed, Meanwhile::Succeed),
    under_load("no client sees a killed session", Event::SessionsKilled, Meanwhile::Succeed),
    under_load("a restarted server is found again", Event::Restarted, Meanwhile::Fail),
    under_load("a locked table delays no lookup past its deadline", Event::Locked, Meanwhile::Fail),
    under_load("a full server keeps its sessions", Event::Full, Meanwhile::Succeed),
    under_load("a server that became read-only is read", Event::ReadOnly, Meanwhile::Fail),
];

const fn before(name: &'static str, event: Event) -> Fault {
    Fault { name, event, when: When::BeforeTheStart, meanwhile: Meanwhile::Fail }
}

const fn under_load(name: &'static str, event: Event, meanwhile: Meanwhile) -> Fault {
    Fault { name, event, when: When::UnderLoad, meanwhile }
}
