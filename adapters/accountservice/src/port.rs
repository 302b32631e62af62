//! TCP ports: reserved first, opened to clients when the service can respond.

use std::io;
use std::net::{IpAddr, SocketAddr};

use anyhow::Context;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// The length of the accept queue. The kernel limits it to `net.core.somaxconn`. A probe that meets a
/// full queue is heard a second later; behind a very long queue it is not heard in time.
const ACCEPT_QUEUE: i32 = 2048;

/// A port that is taken by this process, but to which clients cannot connect yet.
pub(crate) struct Port {
    socket: Socket,
    address: SocketAddr,
}

impl Port {
    pub(crate) fn reserve(address: IpAddr, port: u16) -> anyhow::Result<Self> {
        let address = SocketAddr::new(address, port);
        let bind = || {
            let domain = Domain::for_address(address);
            let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
            if address.is_ipv6() {
                // `::` means IPv4 as well, whatever net.ipv6.bindv6only says.
                socket.set_only_v6(false)?;
            }
            // A port whose last connections have just been closed is free.
            socket.set_reuse_address(true)?;
            socket.set_nonblocking(true)?;
            socket.bind(&address.into())?;
            io::Result::Ok(socket)
        };
        let socket = bind().with_context(|| format!("cannot listen on {address}"))?;
        Ok(Self { socket, address })
    }

    pub(crate) fn reserve_optional(
        address: IpAddr,
        port: Option<u16>,
    ) -> anyhow::Result<Option<Self>> {
        port.map(|port| Self::reserve(address, port)).transpose()
    }

    /// Lets clients connect. Returns the port number too, in case the system has chosen it.
    pub(crate) fn listen(self) -> anyhow::Result<(TcpListener, u16)> {
        let Self { socket, address } = self;
        let listen = || {
            socket.listen(ACCEPT_QUEUE)?;
            let listener = TcpListener::from_std(socket.into())?;
            let port = listener.local_addr()?.port();
            io::Result::Ok((listener, port))
        };
        listen().with_context(|| format!("cannot listen on {address}"))
    }
}
