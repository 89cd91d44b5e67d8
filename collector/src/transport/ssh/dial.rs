//! Opens a TCP connection to the first address of a host that answers.
//!
//! As in RFC 8305 (Happy Eyeballs) the address families take turns, and each address gets a head start over the next. Otherwise a
//! name with an unreachable IPv6 address would use up the time limit before its IPv4 address is tried. (The connector of
//! `hyper-util`, which reaches registries, also staggers, but only between the two families, and it takes only URIs.)

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::nodes::ssh_config::Family;

/// How a host is dialled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dialling {
    /// The only family of addresses that is used.
    pub family: Option<Family>,
    /// The address of this machine that connections come from.
    pub from: Option<String>,
}

/// RFC 8305 section 5: the recommended delay between two attempts.
const HEAD_START: Duration = Duration::from_millis(250);

/// Connects to a host.
pub(super) async fn dial(host: &str, port: u16, dialling: &Dialling) -> io::Result<TcpStream> {
    let allowed = |address: &SocketAddr| match dialling.family {
        None => true,
        Some(Family::V4) => address.is_ipv4(),
        Some(Family::V6) => address.is_ipv6(),
    };
    let addresses = resolve(host, port).await?.into_iter().filter(allowed).collect();
    let from = match &dialling.from {
        Some(from) => Some(resolve(from, 0).await?),
        None => None,
    };
    let stream = first(in_turns(addresses), from.as_deref()).await?;
    // Nagle's delay only costs time.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// The addresses of a name. Letter case does not matter in names (RFC 4343), but musl compares names in the hosts file exactly.
async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    match lookup_host((host, port)).await {
        Ok(found) => Ok(found.collect()),
        Err(_) if host.contains(|letter: char| letter.is_ascii_uppercase()) => {
            Ok(lookup_host((host.to_ascii_lowercase().as_str(), port)).await?.collect())
        }
        Err(error) => Err(error),
    }
}

/// RFC 8305 section 4: the families in turns, beginning with the system's first one, each in the system's order.
fn in_turns(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (ours, others): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let turns = ours.len().max(others.len());
    (0..turns).flat_map(|turn| [ours.get(turn), others.get(turn)]).flatten().copied().collect()
}

/// The connection that is made first. An address is tried once the one before it has failed or has had its head start.
async fn first(addresses: Vec<SocketAddr>, from: Option<&[SocketAddr]>) -> io::Result<TcpStream> {
    let mut failed =
        io::Error::new(io::ErrorKind::AddrNotAvailable, "it has no address of the wanted family");
    let mut waiting = addresses.into_iter();
    let mut trying = JoinSet::new();
    loop {
        if let Some(address) = waiting.next() {
            // An address of this machine belongs to one family as well.
            let from = from.map(|from| from.iter().find(|from| from.is_ipv4() == address.is_ipv4()).copied());
            trying.spawn(connect(address, from));
        }
        let tried = tokio::select! {
            tried = trying.join_next() => tried,
            () = sleep(HEAD_START), if waiting.len() > 0 => continue,
        };
        match tried {
            Some(Ok(Ok(stream))) => return Ok(stream),
            Some(Ok(Err(error))) => failed = error,
            Some(Err(error)) => failed = error.into(),
            None => return Err(failed),
        }
    }
}

async fn connect(address: SocketAddr, from: Option<Option<SocketAddr>>) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    match from {
        None => {}
        Some(Some(from)) => socket.bind(from)?,
        Some(None) => {
            let reason = "the address that it is to be reached from is of another family";
            return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, reason));
        }
    }
    #[expect(clippy::disallowed_methods, reason = "this is the place")]
    socket.connect(address).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(text: &str) -> Vec<SocketAddr> {
        text.split_whitespace().map(|ip| SocketAddr::new(ip.parse().unwrap(), 22)).collect()
    }

    #[test]
    fn the_families_take_turns() {
        for (found, turns) in [
            ("", ""),
            ("::1", "::1"),
            ("::1 ::2 ::3 10.0.0.1", "::1 10.0.0.1 ::2 ::3"),
            ("10.0.0.1 10.0.0.2 ::1 ::2", "10.0.0.1 ::1 10.0.0.2 ::2"),
        ] {
            assert_eq!(in_turns(addresses(found)), addresses(turns));
        }
    }

    /// A listener that accepts nothing any more: a connection attempt waits as for a machine that is off.
    async fn dead() -> (tokio::net::TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        while let Ok(stream) = tokio::time::timeout(Duration::from_millis(500), connect(address, None)).await
        {
            waiting.push(stream.unwrap());
        }
        (listener, waiting)
    }

    #[tokio::test]
    async fn addresses_that_lead_nowhere_do_not_keep_from_those_that_answer() {
        let (gone, _full) = dead().await;
        let gone = gone.local_addr().unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let live = listener.local_addr().unwrap();
        let closed = "127.0.0.1:1".parse().unwrap();
        for addresses in
            [vec![gone, live], vec![closed, gone, gone, live], vec![live, gone], vec![gone, closed, live]]
        {
            let stream = first(addresses, None).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap(), live);
        }
        let refused = first(vec![closed, closed], None).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(first(Vec::new(), None).await.unwrap_err().kind(), io::ErrorKind::AddrNotAvailable);
    }

    #[tokio::test]
    async fn connections_come_from_the_address_and_go_to_the_family_that_are_wanted() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let from = |from: &str, family| Dialling { family, from: Some(from.to_owned()) };
        let stream = dial("127.0.0.1", port, &from("127.0.0.9", Some(Family::V4))).await.unwrap();
        assert_eq!(stream.local_addr().unwrap().ip(), "127.0.0.9".parse::<std::net::IpAddr>().unwrap());
        for dialling in [from("127.0.0.9", Some(Family::V6)), from("::1", None)] {
            let failed = dial("127.0.0.1", port, &dialling).await.unwrap_err();
            assert_eq!(failed.kind(), io::ErrorKind::AddrNotAvailable, "{dialling:?}");
        }
    }
}
