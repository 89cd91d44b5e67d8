//! Speaks gRPC with containerd and offers blocking calls. Everything that is asynchronous in the agent is here.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use assay_report::Namespace;
use assay_verifier::limits;
use assay_verifier::oci::Digest;
use containerd_client::Client as Services;
use containerd_client::services::v1::{
    Container, Image, Info, InfoRequest, ListContainersRequest, ListContentRequest, ListImagesRequest,
    ListNamespacesRequest, ListTasksRequest, Plugin, PluginsRequest, ReadContentRequest, ReadContentResponse,
    content_client::ContentClient,
    snapshots,
    snapshots::{ListSnapshotsRequest, StatSnapshotRequest},
};
use containerd_client::types::v1::{Process, Status as TaskStatus};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tonic::codec::Streaming;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use assay_judge::confinement::advice;
use assay_judge::errors::with_sources;
use assay_judge::store::{Snapshot, Snapshotter};

/// How long containerd may take for one answer, or for the next piece of a long one. It lists in milliseconds, so this is time
/// enough on a node under load.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a local socket may take to connect and to say who answers.
const CONNECT: Duration = Duration::from_secs(10);

/// A connection to containerd.
pub(super) struct Client {
    address: String,
    runtime: Runtime,
    services: Services,
    /// Whether an answer did not come in time. If so, no later answer is waited for: otherwise each request to a daemon that hangs
    /// would take the full time.
    hangs: AtomicBool,
}

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    #[error("containerd does not have it")]
    NotFound,
    #[error("containerd did not answer within {} s", PATIENCE.as_secs())]
    TimedOut,
    #[error("containerd says: {message} ({code})")]
    Status { code: String, message: String },
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        match status.code() {
            Code::NotFound => Self::NotFound,
            code => Self::Status { code: format!("{code:?}"), message: status.message().to_owned() },
        }
    }
}

impl Client {
    /// Connects to the socket or named pipe at `address`.
    ///
    /// # Errors
    /// [`ContainerdError`] with the obstacle.
    pub(super) fn connect(address: &str) -> Result<Self, ContainerdError> {
        let other = |why: String| ContainerdError::NoConnection { address: address.to_owned(), why };
        let runtime =
            Builder::new_current_thread().enable_all().build().map_err(|error| other(error.to_string()))?;
        let connecting = async {
            loop {
                let error = match Services::from_path(Path::new(address)).await {
                    Ok(services) => return Ok(services),
                    Err(error) => error,
                };
                let Some(cause) = io_cause(&error) else { return Err(other(with_sources(&error))) };
                if !is_busy(cause) {
                    return Err(ContainerdError::from_io(address, cause));
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let services = runtime
            .block_on(async { timeout(CONNECT, connecting).await })
            .unwrap_or_else(|_| Err(ContainerdError::TimedOut { address: address.to_owned() }))?;
        Ok(Self { address: address.to_owned(), runtime, services, hangs: AtomicBool::new(false) })
    }

    /// containerd's version. Only containerd answers this request.
    pub(super) fn version(&self) -> Result<String, ContainerdError> {
        let mut service = self.services.version();
        let response = self.call_within(CONNECT, service.version(())).map_err(|failure| match failure {
            Failure::TimedOut => ContainerdError::TimedOut { address: self.address.clone() },
            failure => {
                ContainerdError::NotContainerd { address: self.address.clone(), why: failure.to_string() }
            }
        })?;
        Ok(response.version)
    }

    pub(super) fn namespaces(&self) -> Result<Vec<Namespace>, ContainerdError> {
        let mut service = self.services.namespaces();
        let refused = |why| ContainerdError::NoNamespaces { address: self.address.clone(), why };
        let response = self
            .call(service.list(ListNamespacesRequest::default()))
            .map_err(|failure| refused(failure.to_string()))?;
        let named: Option<_> = response.namespaces.iter().map(|one| Namespace::new(&one.name)).collect();
        named.ok_or_else(|| refused("one of them has no name".to_owned()))
    }

    /// Where the content store keeps its files; none if the daemon does not say.
    pub(super) fn content_root(&self) -> Option<PathBuf> {
        let mut service = self.services.introspection();
        let filters = vec!["type==io.containerd.content.v1".to_owned()];
        let mut plugins = self.call(service.plugins(PluginsRequest { filters })).ok()?.plugins;
        let root = plugins.iter_mut().find_map(|plugin| plugin.exports.remove("root"))?;
        Some(root.into())
    }

    /// The snapshotters that work, each with its folder where the daemon tells that.
    pub(super) fn snapshotters(&self) -> Result<Vec<Snapshotter>, Failure> {
        let mut service = self.services.introspection();
        let filters = vec!["type==io.containerd.snapshotter.v1".to_owned()];
        let plugins = self.call(service.plugins(PluginsRequest { filters }))?.plugins;
        let works = plugins.into_iter().filter(|plugin| plugin.init_err.is_none());
        let snapshotter = |mut plugin: Plugin| Snapshotter {
            folder: plugin.exports.remove("root").map(PathBuf::from),
            name: plugin.id,
        };
        Ok(works.map(snapshotter).collect())
    }

    /// Asks whether the daemon has a record of a snapshot.
    ///
    /// # Errors
    /// [`Failure::NotFound`] if it has none.
    pub(super) fn lists_snapshot(&self, namespace: &Namespace, snapshot: &Snapshot) -> Result<(), Failure> {
        let mut service = self.services.snapshots();
        let Snapshot { snapshotter, key } = snapshot.clone();
        self.call(service.stat(within(namespace, StatSnapshotRequest { snapshotter, key })?)).map(drop)
    }

    pub(super) fn images(&self, namespace: &Namespace) -> Result<Vec<Image>, Failure> {
        let mut service = self.services.images().max_decoding_message_size(limits::GRPC_MESSAGE_BYTES);
        Ok(self.call(service.list(within(namespace, ListImagesRequest::default())?))?.images)
    }

    /// Gives every container of the namespace to `take`, one by one: each carries its whole runtime specification.
    pub(super) fn containers(
        &self,
        namespace: &Namespace,
        mut take: impl FnMut(Container),
    ) -> Result<(), Failure> {
        let mut service = self.services.containers().max_decoding_message_size(limits::GRPC_MESSAGE_BYTES);
        let mut stream =
            self.call(service.list_stream(within(namespace, ListContainersRequest::default())?))?;
        while let Some(message) = self.next(&mut stream)? {
            message.container.into_iter().for_each(&mut take);
        }
        Ok(())
    }

    /// The containers of the namespace that run, each with the id of its first process.
    pub(super) fn running(&self, namespace: &Namespace) -> Result<BTreeMap<String, u32>, Failure> {
        let mut service = self.services.tasks().max_decoding_message_size(limits::GRPC_MESSAGE_BYTES);
        let tasks = self.call(service.list(within(namespace, ListTasksRequest::default())?))?.tasks;
        let runs = |task: &Process| matches!(task.status(), TaskStatus::Running | TaskStatus::Paused);
        // a task has the id of its container
        Ok(tasks.into_iter().filter(runs).map(|task| (task.id, task.pid)).collect())
    }

    /// Gives every snapshot that `snapshotter` has for the namespace to `take`.
    pub(super) fn snapshots(
        &self,
        namespace: &Namespace,
        snapshotter: &str,
        mut take: impl FnMut(snapshots::Info),
    ) -> Result<(), Failure> {
        let mut service = self.services.snapshots().max_decoding_message_size(limits::GRPC_MESSAGE_BYTES);
        let request =
            ListSnapshotsRequest { snapshotter: snapshotter.to_owned(), ..ListSnapshotsRequest::default() };
        let mut stream = self.call(service.list(within(namespace, request)?))?;
        while let Some(message) = self.next(&mut stream)? {
            message.info.into_iter().for_each(&mut take);
        }
        Ok(())
    }

    /// Gives every blob of the namespace to `take`.
    pub(super) fn content(&self, namespace: &Namespace, mut take: impl FnMut(Info)) -> Result<(), Failure> {
        let mut service = self.services.content().max_decoding_message_size(limits::GRPC_MESSAGE_BYTES);
        let mut stream = self.call(service.list(within(namespace, ListContentRequest::default())?))?;
        while let Some(message) = self.next(&mut stream)? {
            message.info.into_iter().for_each(&mut take);
        }
        Ok(())
    }

    /// Begins to read a blob.
    pub(super) fn read(&self, namespace: &Namespace, digest: &Digest) -> Result<ContentReader<'_>, Failure> {
        let mut service: ContentClient<Channel> = self.services.content();
        let request = ReadContentRequest { digest: digest.to_string(), offset: 0, size: 0 };
        let stream = self.call(service.read(within(namespace, request)?))?;
        Ok(ContentReader { client: self, stream, piece: Vec::new(), taken: 0 })
    }

    /// Asks whether the daemon has a record of a blob.
    ///
    /// # Errors
    /// [`Failure::NotFound`] if it does not.
    pub(super) fn lists(&self, namespace: &Namespace, digest: &Digest) -> Result<(), Failure> {
        let mut service: ContentClient<Channel> = self.services.content();
        let request = InfoRequest { digest: digest.to_string() };
        self.call(service.info(within(namespace, request)?)).map(drop)
    }

    /// Whether the daemon itself has the bytes of a blob, and not only a record of it.
    pub(super) fn has(&self, namespace: &Namespace, digest: &Digest) -> bool {
        self.read(namespace, digest).is_ok_and(|mut reader| reader.read(&mut [0]).is_ok())
    }

    fn call<T>(&self, call: impl Future<Output = Result<tonic::Response<T>, Status>>) -> Result<T, Failure> {
        self.call_within(PATIENCE, call)
    }

    fn call_within<T>(
        &self,
        patience: Duration,
        call: impl Future<Output = Result<tonic::Response<T>, Status>>,
    ) -> Result<T, Failure> {
        Ok(self.within(patience, call)?.into_inner())
    }

    fn next<T>(&self, stream: &mut Streaming<T>) -> Result<Option<T>, Failure> {
        self.within(PATIENCE, stream.message())
    }

    fn within<T>(
        &self,
        patience: Duration,
        answer: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Failure> {
        if self.hangs.load(Ordering::Relaxed) {
            return Err(Failure::TimedOut);
        }
        let Ok(answer) = self.runtime.block_on(async { timeout(patience, answer).await }) else {
            self.hangs.store(true, Ordering::Relaxed);
            return Err(Failure::TimedOut);
        };
        Ok(answer?)
    }
}

/// A blob as it comes through gRPC.
pub(super) struct ContentReader<'c> {
    client: &'c Client,
    stream: Streaming<ReadContentResponse>,
    piece: Vec<u8>,
    taken: usize,
}

impl Read for ContentReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.piece.len() {
            match self.client.next(&mut self.stream) {
                Ok(Some(message)) => (self.piece, self.taken) = (message.data, 0),
                Ok(None) => return Ok(0),
                Err(failure) => return Err(io::Error::other(failure)),
            }
        }
        let rest = &self.piece[self.taken..];
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.taken += length;
        Ok(length)
    }
}

/// A request within a namespace. containerd reads the namespace from the call's metadata.
fn within<T>(namespace: &Namespace, message: T) -> Result<Request<T>, Failure> {
    let value = AsciiMetadataValue::try_from(namespace.as_str()).map_err(|_| Failure::NotFound)?;
    let mut request = Request::new(message);
    request.metadata_mut().insert("containerd-namespace", value);
    Ok(request)
}

/// Whether every instance of a Windows named pipe is taken. That passes in a moment.
fn is_busy(error: &io::Error) -> bool {
    const ERROR_PIPE_BUSY: i32 = 231;
    cfg!(windows) && error.raw_os_error() == Some(ERROR_PIPE_BUSY)
}

/// The operating system's error under a transport error.
fn io_cause<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e io::Error> {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.find_map(|error| error.downcast_ref())
}

/// What containerd listens at.
const ENDPOINT: &str = if cfg!(windows) { "named pipe" } else { "socket" };

/// Why containerd cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ContainerdError {
    /// The socket or pipe does not exist.
    #[error(
        "containerd is not at {address}: this {ENDPOINT} does not exist; name another with --store containerd:ADDRESS"
    )]
    Absent {
        /// Where it was looked for.
        address: String,
    },
    /// This user may not open the socket.
    #[error("permission to open {address} is denied; {}", advice())]
    Denied {
        /// The socket.
        address: String,
    },
    /// The socket exists and nothing listens.
    #[error("containerd is down: nothing listens at {address}; start it, then run again")]
    Down {
        /// The socket.
        address: String,
    },
    /// Something answers that is not containerd.
    #[error("the service at {address} is not containerd: {why}")]
    NotContainerd {
        /// The socket.
        address: String,
        /// What it said.
        why: String,
    },
    /// containerd does not list its namespaces.
    #[error("containerd at {address} does not list its namespaces: {why}")]
    NoNamespaces {
        /// The socket.
        address: String,
        /// What it said.
        why: String,
    },
    /// Nothing came back in time.
    #[error("the service at {address} does not answer")]
    TimedOut {
        /// The socket.
        address: String,
    },
    /// Anything else.
    #[error("cannot connect to containerd at {address}: {why}")]
    NoConnection {
        /// The socket.
        address: String,
        /// Why.
        why: String,
    },
}

impl ContainerdError {
    fn from_io(address: &str, cause: &io::Error) -> Self {
        let address = address.to_owned();
        match cause.kind() {
            io::ErrorKind::NotFound => Self::Absent { address },
            io::ErrorKind::PermissionDenied => Self::Denied { address },
            io::ErrorKind::ConnectionRefused => Self::Down { address },
            _ => Self::NoConnection { address, why: cause.to_string() },
        }
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    fn refusal(path: &Path) -> ContainerdError {
        let address = path.to_str().unwrap();
        Client::connect(address).and_then(|client| client.version()).unwrap_err()
    }

    #[test]
    fn what_stands_in_the_way_is_told_apart() {
        let scratch = tempfile::tempdir().unwrap();
        let socket = scratch.path().join("c.sock");
        assert!(matches!(refusal(&socket), ContainerdError::Absent { .. }));
        let listener = UnixListener::bind(&socket).unwrap();
        drop(listener);
        assert!(matches!(refusal(&socket), ContainerdError::Down { .. }));
    }

    #[test]
    fn another_service_is_not_taken_for_containerd() {
        use std::io::Write as _;
        let scratch = tempfile::tempdir().unwrap();
        let socket = scratch.path().join("c.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        });
        assert!(matches!(
            refusal(&socket),
            ContainerdError::NotContainerd { .. } | ContainerdError::NoConnection { .. }
        ));
        server.join().unwrap();
    }
}

#[cfg(windows)]
#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::windows::named_pipe::{ClientOptions, ServerOptions};

    use super::*;

    /// A name of a pipe for one test.
    fn pipe(name: &str) -> String {
        format!(r"\\.\pipe\assay-{name}-{}", std::process::id())
    }

    #[test]
    fn what_stands_in_the_way_is_told_apart() {
        let refused = Client::connect(&pipe("none")).err().unwrap();
        assert!(matches!(refused, ContainerdError::Absent { .. }), "{refused:?}");
    }

    /// Another client holds the only instance of a pipe for a moment. That does not mean that containerd is down.
    #[test]
    fn a_busy_pipe_is_tried_again() {
        let address = pipe("busy");
        let (ready, wait) = std::sync::mpsc::channel();
        let server = std::thread::spawn({
            let address = address.clone();
            move || {
                let runtime = Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let server = ServerOptions::new().max_instances(1).create(&address).unwrap();
                    let holder = ClientOptions::new().open(&address).unwrap();
                    server.connect().await.unwrap();
                    let busy = ClientOptions::new().open(&address).unwrap_err();
                    assert!(is_busy(&busy), "{busy:?}");
                    ready.send(()).unwrap();
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    drop(holder);
                    server.disconnect().unwrap();
                    // the next client is let in and learns that this is not containerd
                    let came = timeout(CONNECT, server.connect()).await;
                    came.is_ok_and(|connected| connected.is_ok())
                })
            }
        });
        wait.recv().unwrap();
        let refused = Client::connect(&address).and_then(|client| client.version()).unwrap_err();
        assert!(
            matches!(refused, ContainerdError::NotContainerd { .. } | ContainerdError::NoConnection { .. }),
            "{refused:?}"
        );
        assert!(server.join().unwrap(), "it was not tried again");
    }
}
