//! A named pipe of Windows in front of a port of this machine: what tests put between the agent under wine and a containerd.
//!
//!     named_pipe PIPE PORT          listens until it is ended
//!     named_pipe PIPE PORT held     the pipe's only instance is taken until a line comes on standard input
//!
//! It says `listening` when the pipe is there.

use std::process::ExitCode;

#[cfg(not(windows))]
fn main() -> ExitCode {
    eprintln!("named pipes are Windows' alone");
    ExitCode::from(2)
}

#[cfg(windows)]
#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [pipe, port, held @ ..] = &arguments[..] else {
        eprintln!("named_pipe PIPE PORT [held]");
        return ExitCode::from(2);
    };
    match windows::listen(pipe, port, !held.is_empty()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{pipe}: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(windows)]
mod windows {
    use std::io;

    use tokio::io::copy_bidirectional;
    use tokio::net::TcpStream;
    use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeServer, ServerOptions};

    pub(crate) async fn listen(pipe: &str, port: &str, held: bool) -> io::Result<()> {
        let mut server = ServerOptions::new().first_pipe_instance(true).create(pipe)?;
        if held {
            let holder = ClientOptions::new().open(pipe)?;
            server.connect().await?;
            println!("listening");
            tokio::task::spawn_blocking(|| io::stdin().read_line(&mut String::new())).await??;
            drop(holder);
            server.disconnect()?;
        } else {
            println!("listening");
        }
        loop {
            server.connect().await?;
            // the next one must find an instance before this one is served
            let connected = std::mem::replace(&mut server, ServerOptions::new().create(pipe)?);
            let port = port.to_owned();
            tokio::spawn(async move {
                if let Err(error) = pass(connected, &port).await {
                    eprintln!("passing on: {error}");
                }
            });
        }
    }

    #[expect(clippy::disallowed_methods, reason = "no connection of the collector's")]
    async fn pass(mut pipe: NamedPipeServer, port: &str) -> io::Result<()> {
        let mut upstream = TcpStream::connect(format!("127.0.0.1:{port}")).await?;
        copy_bidirectional(&mut pipe, &mut upstream).await.map(drop)
    }
}
