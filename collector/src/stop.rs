//! Stops a run on Ctrl-C or on a signal that asks the program to end. The first signal stops and cleans up, the second ends the
//! program at once.

use std::future::Future as _;

use tokio::sync::watch;

/// Whether the run is to stop. Clones share one answer.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    receiver: watch::Receiver<bool>,
}

/// Stops a run.
#[derive(Debug)]
pub(crate) struct Stopper {
    sender: watch::Sender<bool>,
}

impl Stop {
    /// A stop, and what triggers it.
    pub(crate) fn new() -> (Stopper, Self) {
        let (sender, receiver) = watch::channel(false);
        (Stopper { sender }, Self { receiver })
    }

    /// Whether the run is to stop.
    pub(crate) fn is_requested(&self) -> bool {
        *self.receiver.borrow()
    }

    /// Waits until the run is to stop.
    pub(crate) async fn requested(&self) {
        let mut receiver = self.receiver.clone();
        if receiver.wait_for(|stop| *stop).await.is_err() {
            // The run cannot be stopped any more.
            std::future::pending::<()>().await;
        }
    }
}

impl Stopper {
    /// Stops the run.
    pub(crate) fn stop(&self) {
        self.sender.send_replace(true);
    }
}

/// Waits for signals for as long as the run lasts: the first stops it, the second ends the process at once, which leaves
/// the clean-up to `assay cleanup`.
pub(crate) async fn on_signals(stopper: Stopper, say: impl Fn(&str)) {
    signal().await;
    say("stopping: cleaning up on the nodes that are being visited; press Ctrl-C again to leave without");
    stopper.stop();
    signal().await;
    say("left without cleaning up; run assay cleanup to finish it");
    std::process::exit(EXIT_CODE);
}

/// The exit code of a program that a signal ended: 128 and SIGINT's number, as in shells.
pub(crate) const EXIT_CODE: i32 = 130;

/// Does `work` on the first signal, on a thread of its own, while the program does something else.
///
/// # Errors
/// [`std::io::Error`] if signals cannot be watched for.
pub(crate) fn on_first_signal(work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (ready, watched) = std::sync::mpsc::channel();
    std::thread::Builder::new().spawn(move || {
        runtime.block_on(async {
            let mut signal = std::pin::pin!(signal());
            // Signals are watched for once the future was polled.
            std::future::poll_fn(|context| {
                let polled = signal.as_mut().poll(context);
                let _ = ready.send(());
                polled
            })
            .await;
        });
        work();
    })?;
    watched.recv().map_err(std::io::Error::other)
}

#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{Signal, SignalKind, signal};
    async fn wait(signal: std::io::Result<Signal>) {
        match signal {
            Ok(mut signal) => {
                signal.recv().await;
            }
            // A signal that cannot be watched for keeps its usual meaning.
            Err(_) => std::future::pending().await,
        }
    }
    tokio::select! {
        () = wait(signal(SignalKind::interrupt())) => {}
        () = wait(signal(SignalKind::terminate())) => {}
        () = wait(signal(SignalKind::hangup())) => {}
    }
}

#[cfg(windows)]
async fn signal() {
    use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown};
    // Each signal has its own type. One that cannot be watched for keeps its usual meaning.
    macro_rules! wait {
        ($signal:ident) => {
            async {
                match $signal() {
                    Ok(mut signal) => {
                        signal.recv().await;
                    }
                    Err(_) => std::future::pending().await,
                }
            }
        };
    }
    tokio::select! {
        () = wait!(ctrl_c) => {}
        () = wait!(ctrl_break) => {}
        () = wait!(ctrl_close) => {}
        () = wait!(ctrl_shutdown) => {}
    }
}
