//! What every face of the server needs: a port, a guard at the door, a bounded number of connections, and an end.

mod guard;
mod link;
mod listener;

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use futures_util::future::{Either, select};

use guard::Guard;
pub use guard::{Clients, Stop, is_own_origin};
pub use link::{encoded, link};
use listener::BoundedListener;

use crate::system::process::host_name;

/// Pause between two looks at whether the server is asked to end.
const LOOK: Duration = Duration::from_millis(50);
/// Requests that go on when the server ends have so long.
const GRACE: Duration = Duration::from_secs(1);

/// Where a server listens, and what its clients must know.
#[derive(Debug, Clone)]
pub struct ServerPlace {
    /// A name or an address; this machine alone where there is none.
    pub host: Option<String>,
    /// The port; 0 for any that is free.
    pub port: u16,
    /// What a client must know; required where others than this machine can ask.
    pub token: Option<String>,
}

/// A server that has its port, and answers once it is given what it serves.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    guard: Guard,
}

/// A face of the server: what it serves.
pub struct Face {
    /// What it answers.
    pub router: Router,
    /// What it answers to a request that the guard has stopped.
    pub stopped: fn(&Stop) -> Response,
    /// How long the longest answer takes.
    pub longest: Duration,
    /// Threads that answers may block at once.
    pub threads: usize,
}

impl Server {
    /// Takes the port.
    ///
    /// # Errors
    /// A port that is taken, an address that is not of this machine, or one that other machines reach without a token.
    pub fn bind(place: &ServerPlace, clients: Clients) -> anyhow::Result<Self> {
        let ServerPlace { host: given, port, token } = place;
        let host = given.as_deref().unwrap_or("127.0.0.1");
        let addresses: Vec<SocketAddr> = (host.trim_matches(['[', ']']), *port)
            .to_socket_addrs()
            .with_context(|| format!("{host} is not an address of this machine"))?
            .collect();
        if token.is_none() && !addresses.iter().all(|address| address.ip().is_loopback()) {
            bail!("{host} can be reached from other machines, so a token is needed");
        }
        let listener = TcpListener::bind(addresses.as_slice()).map_err(|error| match error.kind() {
            std::io::ErrorKind::AddrInUse => anyhow!(
                "port {port} is taken, perhaps by another burstlab; give another with --port, or --port 0 for any that is free"
            ),
            std::io::ErrorKind::PermissionDenied => {
                anyhow!("port {port} is not for ordinary users; give one above 1023 with --port")
            }
            _ => anyhow::Error::new(error).context(format!("cannot listen at {host}:{port}")),
        })?;
        listener.set_nonblocking(true).context("cannot listen")?;
        let address = listener.local_addr().context("cannot listen")?;
        let guard = Guard::new(clients, address, given.as_deref(), token.as_deref());
        Ok(Self { listener, address, guard })
    }

    /// The address at which it is asked.
    pub fn url(&self) -> String {
        let ip = self.address.ip();
        // Nobody can ask an address that stands for all of this machine's.
        let name = if ip.is_unspecified() { host_name() } else { None };
        format!("http://{}/", guard::authority(&name.unwrap_or(ip.to_string()), self.address.port()))
    }

    /// Answers requests until `is_over` says so.
    ///
    /// # Errors
    /// A system without the means to wait for requests.
    pub fn serve(self, face: Face, is_over: impl Fn() -> bool) -> anyhow::Result<()> {
        let Face { router, stopped, longest, threads } = face;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(threads.max(1))
            .build()
            .context("cannot start the server")?;
        let Self { listener, guard, .. } = self;
        let served = runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).context("cannot listen")?;
            let listener = BoundedListener::new(listener, longest);
            let door = Arc::new(Door { guard, stopped });
            let server = axum::serve(listener, router.layer(from_fn_with_state(door, guarded)));
            let end = async {
                while !is_over() {
                    tokio::time::sleep(LOOK).await;
                }
            };
            match select(std::pin::pin!(server.into_future()), std::pin::pin!(end)).await {
                Either::Left((served, _)) => served.context("the server has failed"),
                Either::Right(((), _)) => Ok(()),
            }
        });
        runtime.shutdown_timeout(GRACE);
        served
    }
}

/// The guard, and what is said to whom it stops.
struct Door {
    guard: Guard,
    stopped: fn(&Stop) -> Response,
}

async fn guarded(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    let mut response = match door.guard.judge(&request) {
        Ok(()) => next.run(request).await,
        Err(stop) => (door.stopped)(&stop),
    };
    guard::protect(&mut response);
    response
}
