//! Addresses and ports: what the service listens on, and by which address it is known.

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use crate::namespace::run_in_namespace;
use crate::service::{ADDRESS_IN_USE, Folder, Service, failure, get, spawn};

#[test]
fn without_arguments_it_listens_on_port_6767_of_all_addresses() {
    run_in_namespace("port 6767", "ip address add 192.0.2.7/32 dev lo", || {
        let folder = Folder::new();
        let mut command = folder.bare_command();
        command.env("ACCOUNTSERVICE_PORT", "tcp://10.96.0.1:6767");
        let service = Service::of(spawn(command));
        for address in [Ipv4Addr::LOCALHOST, Ipv4Addr::new(192, 0, 2, 7)] {
            let account = r#"{"id":"10000","name":"Person_0","servedBy":"192.0.2.7"}"#;
            assert_eq!(get((address, 6767).into(), "/accounts/10000"), (200, account.to_owned()));
        }
        service.stop();
    });
}

#[test]
fn all_addresses_of_ipv6_include_ipv4_whatever_the_kernel_is_set_to() {
    for only in ["0", "1"] {
        let script = format!("echo {only} >/proc/sys/net/ipv6/bindv6only");
        run_in_namespace("--address ::", &script, || {
            let folder = Folder::new();
            let service = folder.start(&["--address=::"]);
            let port = service.address.port();
            for address in
                [SocketAddr::from((Ipv4Addr::LOCALHOST, port)), (Ipv6Addr::LOCALHOST, port).into()]
            {
                assert_eq!(get(address, "/health").0, 200, "{address}");
            }
            service.stop();
        });
    }
}

#[test]
fn without_an_address_accounts_are_served_by_the_host_name() {
    run_in_namespace("host name", "true", || {
        let folder = Folder::new();
        let service = folder.start(&[]);
        let name = fs::read_to_string("/proc/sys/kernel/hostname").expect("procfs");
        let account = format!(r#"{{"id":"10000","name":"Person_0","servedBy":"{}"}}"#, name.trim());
        assert_eq!(service.get("/accounts/10000"), (200, account));
        service.stop();
    });
}

#[test]
fn accounts_are_served_by_the_name_that_was_set() {
    let folder = Folder::new();
    let service = folder.start(&["--served-by", "me \"myself\""]);
    let account = r#"{"id":"10000","name":"Person_0","servedBy":"me \"myself\""}"#;
    assert_eq!(service.get("/accounts/10000"), (200, account.to_owned()));
    service.stop();
}

#[test]
fn a_port_in_use_ends_the_start_and_leaves_the_database_alone() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = taken.local_addr().expect("an address");
    let argument = format!("--port={}", address.port());
    let expected = format!("accountservice: cannot listen on {address}: {ADDRESS_IN_USE}");
    let folder = Folder::new();
    assert_eq!(failure(folder.spawn(&[&argument]), 1), expected);
    assert_eq!(folder.database_bytes(), None);

    folder.start(&[]).stop();
    let before = folder.database_bytes();
    assert_eq!(failure(folder.spawn(&[&argument]), 1), expected);
    assert!(folder.database_bytes() == before);
}

#[test]
fn an_address_of_another_machine_ends_the_start() {
    let reason = if cfg!(target_env = "musl") {
        "Address not available (os error 99)"
    } else {
        "Cannot assign requested address (os error 99)"
    };
    assert_eq!(
        failure(Folder::new().spawn(&["--address=192.0.2.1"]), 1),
        format!("accountservice: cannot listen on 192.0.2.1:0: {reason}")
    );
}

#[test]
fn a_port_is_free_again_at_once_after_a_stop() {
    let folder = Folder::new();
    let service = folder.start(&[]);
    let port = service.address.port();
    // The side that closes first keeps the connection for a minute.
    let mut client = service.connect();
    assert_eq!(client.get("/health").status(), 200);
    service.stop();
    client.expect_close();
    let service = folder.start(&[&format!("--port={port}")]);
    assert_eq!(service.address.port(), port);
    service.stop();
}
