//! A client that means well, on the same thread as those that do not.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::PATIENCE;
use crate::answers::parse_one;

pub(crate) struct Neighbour {
    stream: TcpStream,
}

impl Neighbour {
    pub(crate) fn next_door(address: SocketAddr) -> Result<Self, String> {
        let stream = TcpStream::connect(address).map_err(|e| format!("no neighbour: {e}"))?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(|e| format!("no neighbour: {e}"))?;
        Ok(Self { stream })
    }

    /// Asks what nobody else asks for, and expects the answer and nothing else.
    pub(crate) fn asks(&mut self) -> Result<(), String> {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let id = format!("neighbour-{}", ASKED.fetch_add(1, Ordering::Relaxed));
        let request = format!("GET /accounts/{id} HTTP/1.1\r\nHost: test\r\n\r\n");
        let error = |error| format!("its neighbour is not answered: {error}");
        self.stream.write_all(request.as_bytes()).map_err(error)?;
        let (mut received, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            let length = self.stream.read(&mut buffer).map_err(error)?;
            received.extend(&buffer[..length]);
            match parse_one(&received, false) {
                Ok((answer, [])) if answer.body.contains(&format!("\"{id}\"")) => return Ok(()),
                Err(_) if length > 0 => {}
                other => return Err(format!("its neighbour asks for {id}, and gets {other:?}")),
            }
        }
    }
}
