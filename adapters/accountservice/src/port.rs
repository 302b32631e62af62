//! TCP ports: reserved first, opened to clients when the service can respond.

use std::io;
use std::net::{IpAddr, SocketAddr};

use anyhow::Context;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket};
use tracing::info;

/// The length of the accept queue. The kernel limits it to `net.core.somaxconn`. A probe that meets a
/// full queue is heard a second later; behind a very long queue it is not heard in time.
const ACCEPT_QUEUE: u32 = 2048;

/// A port that is taken by this process, but to which clients cannot connect yet.
pub(crate) struct Port {
    socket: TcpSocket,
    address: SocketAddr,
}

impl Port {
    pub(crate) fn reserve(address: IpAddr, port: u16) -> anyhow::Result<Self> {
        let address = SocketAddr::new(address, port);
        let socket = bind(address).with_context(|| format!("cannot listen on {address}"))?;
        Ok(Self { socket, address })
    }

    /// Lets clients connect. Logs `message` with the port number, which the system may have chosen.
    pub(crate) fn listen(self, message: &str) -> anyhow::Result<TcpListener> {
        let listener = self.socket.listen(ACCEPT_QUEUE);
        let listener = listener.with_context(|| format!("cannot listen on {}", self.address))?;
        info!("{message} {}", listener.local_addr()?.port());
        Ok(listener)
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if address.is_ipv6() {
        // `::` means IPv4 as well, whatever net.ipv6.bindv6only says.
        SockRef::from(&socket).set_only_v6(false)?;
    }
    // A port whose last connections have just been closed is free.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}
