//! The Runtime API and the Extensions API, over HTTP/1.1 with a thread for each connection.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>,
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html>

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// One function, as Lambda sees it.
pub struct Emulator {
    address: SocketAddr,
    shared: Arc<Shared>,
    timeout: Duration,
}

/// The end of an invocation.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// What the function returned.
    Response(Value),
    /// The error that it reported, with `errorType` and `errorMessage`.
    Error(Value),
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Events that no function has taken yet, each with the id of its invocation.
    events: VecDeque<(String, Vec<u8>)>,
    outcome: Option<(String, Outcome)>,
    init_error: Option<Value>,
    is_waiting: bool,
    extension_is_waiting: bool,
}

impl Emulator {
    /// Listens on a free port. Every wait of the emulator ends after `timeout` with `TimedOut`.
    pub fn start(timeout: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let of_listener = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&of_listener);
                // An error means that the function has closed its connection.
                thread::spawn(move || shared.serve(stream));
            }
        });
        Ok(Self { address, shared, timeout })
    }

    /// The value of `AWS_LAMBDA_RUNTIME_API`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Waits until the function waits for an event: its initialisation is complete.
    pub fn wait_until_ready(&self) -> io::Result<()> {
        self.wait(|state| state.is_waiting.then_some(()))
    }

    /// Waits until an extension waits for events, without which Lambda sends no SIGTERM.
    pub fn wait_for_extension(&self) -> io::Result<()> {
        self.wait(|state| state.extension_is_waiting.then_some(()))
    }

    /// Waits for the error that a function reports if it cannot start.
    pub fn init_error(&self) -> io::Result<Value> {
        self.wait(|state| state.init_error.take())
    }

    /// Invokes the function with an event, which need not be JSON, and waits for the end.
    pub fn invoke(&self, id: &str, event: impl Into<Vec<u8>>) -> io::Result<Outcome> {
        self.shared.lock().events.push_back((id.to_owned(), event.into()));
        self.shared.changed.notify_all();
        self.wait(|state| {
            state.outcome.take_if(|(ended, _)| ended == id).map(|(_, outcome)| outcome)
        })
    }

    fn wait<T>(&self, mut look: impl FnMut(&mut State) -> Option<T>) -> io::Result<T> {
        let mut found = None;
        let is_missing = |state: &mut State| {
            found = look(state);
            found.is_none()
        };
        let state = self.shared.lock();
        let waited = self.shared.changed.wait_timeout_while(state, self.timeout, is_missing);
        drop(waited);
        found.ok_or_else(|| ErrorKind::TimedOut.into())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut writer = stream;
        loop {
            let (request_line, body) = read_request(&mut reader)?;
            writer.write_all(&self.respond(&request_line, &body))?;
        }
    }

    fn respond(&self, request_line: &str, body: &[u8]) -> Vec<u8> {
        let path = request_line.split(' ').nth(1).unwrap_or_default();
        let json = || serde_json::from_slice(body).unwrap_or(Value::Null);
        let segments: Vec<_> = path.split('/').skip(2).collect();
        match segments[..] {
            ["runtime", "invocation", "next"] => self.next(),
            ["runtime", "invocation", id, "response"] => self.end(id, Outcome::Response(json())),
            ["runtime", "invocation", id, "error"] => self.end(id, Outcome::Error(json())),
            ["runtime", "init", "error"] => {
                self.lock().init_error = Some(json());
                self.changed.notify_all();
                response("202 Accepted", "", b"")
            }
            ["extension", "register"] => {
                response("200 OK", "Lambda-Extension-Identifier: extension\r\n", b"{}")
            }
            ["extension", "event", "next"] => {
                self.lock().extension_is_waiting = true;
                self.changed.notify_all();
                // Lambda answers at the events that the extension has registered for: none.
                loop {
                    thread::park();
                }
            }
            _ => response("404 Not Found", "", b""),
        }
    }

    fn next(&self) -> Vec<u8> {
        let mut state = self.lock();
        state.is_waiting = true;
        self.changed.notify_all();
        loop {
            if let Some((id, event)) = state.events.pop_front() {
                state.is_waiting = false;
                let id = format!("Lambda-Runtime-Aws-Request-Id: {id}\r\n");
                return response("200 OK", &id, &event);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn end(&self, id: &str, outcome: Outcome) -> Vec<u8> {
        self.lock().outcome = Some((id.to_owned(), outcome));
        self.changed.notify_all();
        response("202 Accepted", "", b"")
    }
}

/// The first line of a request, and its body.
fn read_request(reader: &mut impl BufRead) -> io::Result<(String, Vec<u8>)> {
    let mut request_line = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if request_line.is_empty() {
            line.clone_into(&mut request_line);
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok((request_line, body))
}

fn response(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}
