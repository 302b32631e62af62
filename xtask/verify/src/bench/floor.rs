//! The floor: what any HTTP server on this machine has to do at least. An epoll loop that does not
//! parse: one receive and one send for each request, and always the same response. It is a process
//! of its own, a hidden command, started by `server.rs`.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use accountservice_host::testing::SERVING;
use anyhow::Result;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// The end of a request. The load has one request in flight on each connection.
const END: &[u8] = b"\r\n\r\n";
/// The epoll number of the listener; connections have their place in the list.
const LISTENER: u64 = u64::MAX;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The response to every request, head and body
    #[arg(long)]
    response: String,
}

/// Serves until it is killed. It announces its port as the service does.
pub(crate) fn run(args: &Args) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
    println!("{SERVING}{}", listener.local_addr()?.port());
    let mut connections: Vec<Option<TcpStream>> = Vec::new();
    let (mut events, mut buffer) = ([EpollEvent::empty(); 1024], vec![0; 64 << 10]);
    loop {
        let ready = match epoll.wait(&mut events, EpollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            ready => ready?,
        };
        for event in &events[..ready] {
            if event.data() == LISTENER {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(true)?;
                stream.set_nodelay(true)?;
                let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLET;
                epoll.add(&stream, EpollEvent::new(flags, connections.len() as u64))?;
                connections.push(Some(stream));
                continue;
            }
            let connection = &mut connections[usize::try_from(event.data())?];
            let served = connection
                .as_mut()
                .is_some_and(|stream| serve(stream, &mut buffer, args.response.as_bytes()));
            if !served {
                *connection = None;
            }
        }
    }
}

/// Answers the request that came in, and says whether the connection stays.
fn serve(stream: &mut TcpStream, buffer: &mut [u8], response: &[u8]) -> bool {
    match stream.read(buffer) {
        Ok(0) => false,
        Ok(received) if buffer[..received].ends_with(END) => stream.write_all(response).is_ok(),
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}
