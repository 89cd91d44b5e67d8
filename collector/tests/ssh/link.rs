//! A link to a node that can be cut: a TCP relay on a port of its own.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// When a link breaks by itself, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Breaks {
    /// Only when it is cut.
    Never,
    /// As soon as it is made.
    AtOnce,
    /// When the node has sent so many bytes.
    FromNode(u64),
    /// When the collector has sent so many bytes.
    ToNode(u64),
}

/// A link. Dropping it leaves the port to nobody.
pub(crate) struct Link {
    pub(crate) port: u16,
    state: Arc<State>,
}

struct State {
    up: AtomicBool,
    armed: AtomicBool,
    breaks: Breaks,
    from_node: AtomicU64,
    to_node: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
}

impl Link {
    /// A link to a port of this machine.
    pub(crate) fn to(target: u16, breaks: Breaks) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            up: AtomicBool::new(true),
            armed: AtomicBool::new(breaks != Breaks::Never),
            breaks,
            from_node: AtomicU64::new(0),
            to_node: AtomicU64::new(0),
            open: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let at_once = shared.breaks == Breaks::AtOnce && shared.armed.swap(false, Ordering::SeqCst);
                if at_once || !shared.up.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(far) = TcpStream::connect(("127.0.0.1", target)) else { continue };
                shared.open.lock().unwrap().extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
                let (from, to) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                let state = Arc::clone(&shared);
                thread::spawn(move || state.relay(far, near, |state| &state.from_node));
                let state = Arc::clone(&shared);
                thread::spawn(move || state.relay(from, to, |state| &state.to_node));
            }
        });
        Self { port, state }
    }

    /// Breaks every connection. New ones can be made where the link stays up.
    pub(crate) fn cut(&self, stays_up: bool) {
        self.state.up.store(stays_up, Ordering::SeqCst);
        self.state.cut();
    }

    /// Keeps it from breaking by itself.
    pub(crate) fn disarm(&self) {
        self.state.armed.store(false, Ordering::SeqCst);
    }

    /// Repairs it, and lets it break by itself once more.
    pub(crate) fn repair(&self) {
        self.state.up.store(true, Ordering::SeqCst);
        self.state.armed.store(self.state.breaks != Breaks::Never, Ordering::SeqCst);
        self.state.from_node.store(0, Ordering::SeqCst);
        self.state.to_node.store(0, Ordering::SeqCst);
    }
}

impl State {
    fn relay(&self, mut from: TcpStream, mut to: TcpStream, count: fn(&Self) -> &AtomicU64) {
        let mut buffer = vec![0; 16 << 10];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            count(self).fetch_add(read as u64, Ordering::SeqCst);
            if self.is_due() && self.armed.swap(false, Ordering::SeqCst) {
                self.cut();
                return;
            }
            if to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        // The other side may fail.
        let _ = to.shutdown(Shutdown::Write);
    }

    fn is_due(&self) -> bool {
        match self.breaks {
            Breaks::FromNode(bytes) => self.from_node.load(Ordering::SeqCst) >= bytes,
            Breaks::ToNode(bytes) => self.to_node.load(Ordering::SeqCst) >= bytes,
            Breaks::Never | Breaks::AtOnce => false,
        }
    }

    fn cut(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
