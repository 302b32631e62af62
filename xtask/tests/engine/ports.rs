//! `deploy` refuses a port exactly when the engine does: each row asks both.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};

use crate::fixture::{Engine, docker, inspect, of_service, tasks, wait};

const NAME: &str = "xtask-test-ports";
/// Each row has ten ports of its own, so that none waits for what another one releases.
const FIRST_PORT: u16 = 28_005;

/// Who has the port. Arguments of Docker's, where `PORT`, `BEFORE` and `BEHIND` stand for numbers;
/// Docker chooses the port of a holder that names none.
#[derive(Debug)]
enum Holder {
    Service(&'static [&'static str]),
    Container(&'static str),
    /// A container that was never started.
    Created(&'static str),
    Process(IpAddr),
    Nothing,
}
use Holder::{Container, Created, Nothing, Process, Service};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    Free,
    Taken,
    /// The engine takes it, and one of both is no longer reached: `deploy` refuses it.
    Shadowed,
}
use Verdict::{Free, Shadowed, Taken};

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const LOCAL_6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
const BY_HOST: &str = "--publish=published=PORT,target=80,mode=host";
const RANGE: &str = "--publish=BEFORE-BEHIND:80-82";

/// The holder, how to publish the port, for how many replicas, and what the engine makes of it.
type Row = (Holder, &'static str, usize, Verdict);
const ROWS: [Row; 26] = [
    (Nothing, "ingress", 1, Free),
    (Nothing, "host", 1, Free),
    // One node has the port once.
    (Nothing, "host", 2, Taken),
    (Service(&["--publish=PORT:80"]), "ingress", 1, Taken),
    (Service(&["--publish=PORT:80"]), "host", 1, Taken),
    (Service(&["--publish=PORT:80", "--replicas=0"]), "host", 1, Taken),
    (Service(&["--publish=PORT:80/udp"]), "ingress", 1, Free),
    (Service(&["--publish=PORT:80/udp"]), "host", 1, Free),
    (Service(&[BY_HOST]), "ingress", 1, Taken),
    (Service(&[BY_HOST]), "host", 1, Taken),
    (Service(&[BY_HOST]), "host", 0, Free),
    (Service(&[BY_HOST, "--replicas=0"]), "host", 1, Free),
    (Service(&[BY_HOST, "--mode=global"]), "host", 1, Taken),
    (Service(&["--publish=published=PORT,target=80,mode=host,protocol=udp"]), "host", 1, Free),
    (Service(&[RANGE]), "ingress", 1, Taken),
    (Service(&["--publish=BEFORE:80", "--publish=BEHIND:80"]), "ingress", 1, Free),
    (Service(&["--publish=80"]), "ingress", 1, Taken),
    (Service(&["--publish=target=80,mode=host"]), "host", 1, Taken),
    (Container(RANGE), "host", 1, Taken),
    (Container("--publish=127.0.0.1:PORT:80"), "host", 1, Taken),
    (Container("--publish=PORT:80"), "ingress", 1, Shadowed),
    (Container("--publish=PORT:80/udp"), "ingress", 1, Free),
    (Container("--publish=PORT:80/udp"), "host", 1, Free),
    (Created("--publish=PORT:80"), "host", 1, Free),
    (Process(LOCAL), "host", 1, Taken),
    (Process(LOCAL_6), "host", 1, Taken),
];

#[test]
#[ignore = "needs an engine, see main.rs"]
fn a_port_is_refused_when_the_engine_refuses_it() {
    let engine = Engine::new(NAME);
    let image = engine.image(&[]);
    // All at once: most of the time is spent waiting.
    let rows: Vec<(u16, &Row)> = (FIRST_PORT..).step_by(10).zip(&ROWS).collect();
    let listeners: Vec<_> = rows.iter().map(|row| hold(&engine, &image, *row)).collect();
    let ports: Vec<_> = rows.iter().map(|row| port(*row)).collect();
    let refused: Vec<_> =
        rows.iter().zip(&ports).map(|((_, row), port)| is_refused(&engine, *port, row)).collect();
    let created: Vec<_> =
        rows.iter().zip(&ports).map(|(row, port)| ask(&engine, &image, *port, *row)).collect();
    for (((number, row), is_refused), is_created) in rows.iter().zip(refused).zip(created) {
        let verdict = match (is_refused, is_created && is_running(&asker(*number), row.2)) {
            (false, true) => Free,
            (true, false) => Taken,
            (true, true) => Shadowed,
            (false, false) => panic!("the engine refuses it and `deploy` does not: {row:?}"),
        };
        assert_eq!(verdict, row.3, "{row:?}");
    }
    drop(listeners);
}

fn holder(number: u16) -> String {
    format!("{NAME}-{number}-holder")
}

fn asker(number: u16) -> String {
    format!("{NAME}-{number}-asker")
}

/// Gives the port to the holder. A process is this one.
fn hold(engine: &Engine, image: &str, (number, row): (u16, &Row)) -> Option<TcpListener> {
    let (name, label) = (holder(number), engine.label());
    let numbered = |arg: &str| {
        let arg = arg.replace("PORT", &number.to_string());
        let arg = arg.replace("BEFORE", &(number - 1).to_string());
        arg.replace("BEHIND", &(number + 1).to_string())
    };
    let named = ["--name", &name, &label];
    match row.0 {
        Service(args) => {
            let args: Vec<_> = args.iter().map(|arg| numbered(arg)).collect();
            let args: Vec<_> = args.iter().map(String::as_str).chain([image]).collect();
            let made = engine.create(&name, &args);
            assert_eq!(made.code, Some(0), "{}", made.err);
        }
        Container(arg) => {
            let run = ["run", "--detach", "--no-healthcheck", &numbered(arg), image];
            docker(&[&run[..1], &named, &run[1..]].concat());
        }
        Created(arg) => {
            docker(&[&["create"], &named[..], &[&numbered(arg), image]].concat());
        }
        Process(address) => return Some(TcpListener::bind((address, number)).unwrap()),
        Nothing => {}
    }
    None
}

/// Waits until the holder has its port, and returns that.
fn port((number, row): (u16, &Row)) -> u16 {
    let Service(args) = row.0 else { return number };
    let name = holder(number);
    if !args.contains(&"--replicas=0") {
        assert!(is_running(&name, 1), "{row:?}");
    }
    let service = inspect("service", &name);
    let of_swarm = service["Endpoint"]["Ports"][0]["PublishedPort"].as_u64();
    let port = of_swarm.unwrap_or_else(|| {
        let filter = format!("--filter={}", of_service(&name));
        let container = inspect("container", docker(&["ps", "--quiet", &filter]).trim());
        let port = &container["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"];
        port.as_str().unwrap().parse().unwrap()
    });
    // Of a range, the one in the middle.
    if args.iter().any(|arg| arg.contains("BEHIND")) {
        number
    } else {
        u16::try_from(port).unwrap()
    }
}

/// Whether `deploy` refuses it. If not, it comes as far as looking for binaries.
fn is_refused(engine: &Engine, port: u16, row: &Row) -> bool {
    let (port, publish) = (format!("--port={port}"), format!("--publish={}", row.1));
    let replicas = format!("--replicas={}", row.2);
    let args = ["deploy", "--binaries=/nowhere", &port, &publish, &replicas];
    let ended = engine.xtask(&args, "");
    match ended.code {
        Some(5) => assert!(ended.err.contains(&port[7..]), "{}", ended.err),
        code => {
            assert_eq!(code, Some(1), "{row:?}: {}", ended.err);
            assert!(ended.err.contains("cannot read /nowhere"), "{row:?}: {}", ended.err);
        }
    }
    ended.code == Some(5)
}

/// Whether the engine takes such a service.
fn ask(engine: &Engine, image: &str, port: u16, (number, row): (u16, &Row)) -> bool {
    let publish = format!("--publish=published={port},target=6767,protocol=tcp,mode={}", row.1);
    let replicas = format!("--replicas={}", row.2);
    let made = engine.create(&asker(number), &[&publish, &replicas, image]);
    if made.code != Some(0) {
        assert!(made.err.contains("is already in use"), "{}", made.err);
    }
    made.code == Some(0)
}

/// Whether the engine starts all of its replicas.
fn is_running(service: &str, replicas: usize) -> bool {
    wait("verdict of the engine", || {
        let tasks = tasks(service);
        let state =
            |state: &str| tasks.iter().filter(|task| task["Status"]["State"] == state).count();
        let cannot_place = |error: &str| error.contains("no suitable node");
        let mut errors = tasks.iter().filter_map(|task| task["Status"]["Err"].as_str());
        if errors.any(cannot_place) || state("failed") + state("rejected") > 0 {
            return Some(false);
        }
        (state("running") == replicas).then_some(true)
    })
}
