//! The probe against servers that mean ill: it ends in time, with 1 and one clean line, and takes
//! little memory.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::process::Process;
use super::{Fault, Observed, Scene};

pub(super) const FAULTS: [Fault; 6] = [
    ("Probe: endless answers", endless),
    ("Probe: dripping and silent servers", slow),
    ("Probe: accept and reset", reset),
    ("Probe: wrong status lines", status_lines),
    ("Probe: control characters", control_characters),
    ("Probe: redirect to itself", redirect),
];

/// The probe's own deadline, and what a busy machine may add to start and end a process.
const DEADLINE: Duration = Duration::from_secs(2);
const SLACK: Duration = Duration::from_millis(500);
/// In KiB: what a process of this size takes anyway, and some buffers.
const MEMORY: u64 = 4 << 10;

/// What a server does with one connection.
type Attack = fn(&mut TcpStream);

fn endless(scene: &Scene) -> Observed {
    scene.does("a head without an end, a status line without one, a body without one, chunks too");
    let head: Attack =
        |stream| flood(stream, b"HTTP/1.1 200 OK\r\n", b"x: yyyyyyyyyyyyyyyyyyyyyyyy\r\n");
    let line: Attack = |stream| flood(stream, b"HTTP/1.1 200 ", b"OK OK OK OK OK OK OK OK ");
    let body: Attack = |stream| flood(stream, b"HTTP/1.1 200 OK\r\n\r\n", b"{\"status\":\"UP\"}");
    let chunks: Attack = |stream| {
        flood(stream, b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"2\r\nUP\r\n");
    };
    all_fail(scene, &[head, line, body, chunks])
}

fn slow(scene: &Scene) -> Observed {
    scene.does("a healthy answer, a byte every 50 ms; silence; half an answer and silence");
    let drip: Attack = |stream| {
        for byte in
            b"HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{\"status\":\"UP\"}".iter().cycle()
        {
            if stream.write_all(&[*byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
    };
    let silent: Attack = wait;
    let half: Attack = |stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{\"sta");
        wait(stream);
    };
    all_fail(scene, &[drip, silent, half])
}

fn reset(scene: &Scene) -> Observed {
    scene.does("accept and reset; accept and close; half an answer and close");
    // Closing with something unread resets the connection.
    let reset: Attack = |stream| drop(stream.peek(&mut [0]));
    let close: Attack = |stream| drop(stream.read(&mut [0; 4096]));
    let half: Attack = |stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{\"sta");
    };
    all_fail(scene, &[reset, close, half])
}

fn status_lines(scene: &Scene) -> Observed {
    scene.does(
        "HTTP/0.9, HTTP/2, two digits, four digits, a negative one, no status, ssh, TLS, 100 only",
    );
    all_fail(
        scene,
        &[
            |stream| say(stream, b"{\"status\":\"UP\"}"),
            |stream| say(stream, b"HTTP/2 200 OK\r\ncontent-length: 0\r\n\r\n"),
            |stream| say(stream, b"HTTP/1.1 20 OK\r\ncontent-length: 0\r\n\r\n"),
            |stream| say(stream, b"HTTP/1.1 2000 OK\r\ncontent-length: 0\r\n\r\n"),
            |stream| say(stream, b"HTTP/1.1 -200 OK\r\ncontent-length: 0\r\n\r\n"),
            |stream| say(stream, b"HTTP/1.1\r\ncontent-length: 0\r\n\r\n"),
            |stream| say(stream, b"SSH-2.0-OpenSSH_9.2\r\n"),
            |stream| say(stream, b"\x15\x03\x01\x00\x02\x02\x16"),
            |stream| say(stream, b"HTTP/1.1 100 Continue\r\n\r\n"),
        ],
    )
}

fn control_characters(scene: &Scene) -> Observed {
    scene.does("escape sequences, NUL, newlines and bytes beyond ASCII in body and status line");
    all_fail(
        scene,
        &[
            |stream| {
                say(stream, b"HTTP/1.1 503 No\r\ncontent-length: 22\r\n\r\n\x1b[2J\x1b]0;up\x07\r\n\0\x7f\xc3\xa4\xff\xfe\xe2\x80\xae");
            },
            |stream| say(stream, b"\x1b[2J\x1b[1;1HUP\x07\0\r\nall is well\r\n\r\n"),
        ],
    )
}

fn redirect(scene: &Scene) -> Observed {
    scene.does("301 and 307 to the very address that was asked");
    all_fail(
        scene,
        &[
            |stream| {
                say(
                    stream,
                    b"HTTP/1.1 301 Moved\r\nlocation: /health\r\ncontent-length: 0\r\n\r\n",
                );
            },
            |stream| {
                say(
                    stream,
                    b"HTTP/1.1 307 Moved\r\nlocation: /health\r\ncontent-length: 0\r\n\r\n",
                );
            },
        ],
    )
}

/// Writes the beginning and then more and more, until the client has had enough.
fn flood(stream: &mut TcpStream, beginning: &[u8], more: &[u8]) {
    let more = more.repeat(1024);
    let _ = stream.write_all(beginning);
    while stream.write_all(&more).is_ok() {}
}

fn say(stream: &mut TcpStream, answer: &[u8]) {
    let _ = stream.read(&mut [0; 4096]);
    let _ = stream.write_all(answer);
}

/// Takes whatever comes until the client has gone.
fn wait(stream: &mut TcpStream) {
    while stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {}
}

/// Runs the probe against each; says what it said, how long it took and what memory it had.
fn all_fail(scene: &Scene, attacks: &[Attack]) -> Observed {
    let (mut longest, mut most, mut lines) = (Duration::ZERO, 0, Vec::new());
    for (number, attack) in attacks.iter().enumerate() {
        let (took, memory, line) =
            fails(scene, *attack).with_context(|| format!("attack {}", number + 1))?;
        longest = longest.max(took);
        most = most.max(memory);
        lines.push(format!("`{line}`"));
    }
    lines.dedup();
    let more = if lines.len() > 4 { "; ..." } else { "" };
    lines.truncate(4);
    Ok(format!(
        "{} times exit status 1 and one clean line, at most {} ms, at most {most} KiB of memory seen: {}{more}",
        attacks.len(),
        longest.as_millis(),
        lines.join("; ")
    ))
}

fn fails(scene: &Scene, attack: Attack) -> Result<(Duration, u64, String)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    listener.set_nonblocking(true)?;
    let over = Arc::<AtomicBool>::default();
    let server = {
        let over = Arc::clone(&over);
        thread::spawn(move || serve(&listener, attack, &over))
    };
    let start = Instant::now();
    let probed = probe(scene, port);
    let took = start.elapsed();
    over.store(true, Ordering::Relaxed);
    let asked = server.join().unwrap_or_default();
    let (status, memory, said) = probed?;
    ensure!(status == Some(1), "the exit status is {status:?}: {said:?}");
    ensure!(took < DEADLINE + SLACK, "it took {took:?}");
    ensure!(asked == 1, "it asked {asked} times");
    ensure!(memory < MEMORY, "it had {memory} KiB");
    let [line] = &said[..] else { anyhow::bail!("it said {said:?}") };
    let clean = line.len() < 255 && line.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    ensure!(clean, "it said {line:?}");
    let line = line.split(" 127.0.0.1").next().unwrap_or(line).trim_start_matches("DOWN ");
    Ok((took, memory, line.to_owned()))
}

/// Serves one connection after the other and counts them.
fn serve(listener: &TcpListener, attack: Attack, over: &AtomicBool) -> usize {
    let mut asked = 0;
    while !over.load(Ordering::Relaxed) {
        let Ok((mut stream, _)) = listener.accept() else {
            thread::sleep(Duration::from_millis(1));
            continue;
        };
        asked += 1;
        let timed = stream
            .set_nonblocking(false)
            .and_then(|()| stream.set_read_timeout(Some(2 * DEADLINE)))
            .and_then(|()| stream.set_write_timeout(Some(2 * DEADLINE)));
        if timed.is_ok() {
            attack(&mut stream);
        }
    }
    asked
}

/// Exit status, the most memory seen in KiB, and the lines it said.
fn probe(scene: &Scene, port: u16) -> Result<(Option<i32>, u64, Vec<String>)> {
    let mut command = Command::new(&scene.artifacts.probe);
    let mut process = Process::start(command.arg(format!("-port={port}")))?;
    let (start, mut most) = (Instant::now(), 0);
    while !process.has_ended()? && start.elapsed() < 2 * DEADLINE {
        most = most.max(process.memory("VmHWM").unwrap_or(0));
        thread::sleep(Duration::from_micros(200));
    }
    let status = process.ends_within(DEADLINE)?;
    Ok((status.code(), most, std::mem::take(&mut process.said)))
}
