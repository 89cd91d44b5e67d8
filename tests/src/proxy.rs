//! Stands before a unix socket and lets so many bytes pass before something happens.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// What is done when enough has passed; whether the rest may pass too.
type Event = Box<dyn FnOnce() -> bool + Send>;

/// Listens at `path` for as long as the process lives and passes everything on to `upstream`. When `bytes` have come back,
/// `event` happens once, and whoever waits for more waits for its end; where it says no, every connection is cut.
///
/// # Panics
/// If there can be no socket at `path`.
pub fn listen(path: &Path, upstream: &Path, bytes: usize, event: impl FnOnce() -> bool + Send + 'static) {
    let listener = UnixListener::bind(path).expect("a socket in the scratch folder");
    let upstream = upstream.to_owned();
    let meter = Arc::new(Mutex::new(Meter { left: bytes, event: Some(Box::new(event)), cut: false }));
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(server) = UnixStream::connect(&upstream) else { continue };
            let (Ok(from), Ok(to)) = (client.try_clone(), server.try_clone()) else { continue };
            std::thread::spawn(move || pass(from, to, |_| true));
            let meter = Arc::clone(&meter);
            std::thread::spawn(move || pass(server, client, |read| Meter::count(&meter, read)));
        }
    });
}

struct Meter {
    left: usize,
    event: Option<Event>,
    cut: bool,
}

impl Meter {
    /// Counts what came; false where it may not pass.
    fn count(meter: &Mutex<Self>, read: usize) -> bool {
        let Ok(mut meter) = meter.lock() else { return false };
        meter.left = meter.left.saturating_sub(read);
        if meter.left == 0
            && let Some(event) = meter.event.take()
        {
            meter.cut = !event();
        }
        !meter.cut
    }
}

fn pass(mut from: UnixStream, mut to: UnixStream, mut may_pass: impl FnMut(usize) -> bool) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if !may_pass(read) || to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    // A side may have closed already.
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
