//! Connections, a bounded number of them, that end when nothing moves on them.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

/// Connections at once; others wait until one ends.
const MOST_CONNECTIONS: usize = 256;
/// A connection ends if no part of an answer was sent for so long, beside the time that the longest answer may take: its
/// client asks nothing, sends its question byte by byte, or does not read the answer. A stream of events sends a sign of
/// life more often.
const PATIENCE: Duration = Duration::from_mins(1);
/// No answer is waited for longer than this; more than that would not fit a clock.
const LONGEST_ANSWER: Duration = Duration::from_hours(24 * 30);
/// Pause after an error of the system, such as too many open files.
const PAUSE: Duration = Duration::from_millis(200);

/// Accepts connections.
pub struct BoundedListener {
    listener: TcpListener,
    free: Arc<Semaphore>,
    patience: Duration,
}

impl BoundedListener {
    /// Accepts the connections of a socket, whose answers take no longer than `longest`.
    pub fn new(listener: TcpListener, longest: Duration) -> Self {
        let patience = PATIENCE + longest.min(LONGEST_ANSWER);
        Self { listener, free: Arc::new(Semaphore::new(MOST_CONNECTIONS)), patience }
    }
}

impl Listener for BoundedListener {
    type Io = PatientStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            // Nobody closes the semaphore; were it closed, there would be nothing to wait for.
            let Ok(permit) = self.free.clone().acquire_owned().await else {
                sleep(PAUSE).await;
                continue;
            };
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    // Answers are written whole; without this the last part of one would wait for an acknowledgement.
                    let _ = stream.set_nodelay(true);
                    return (PatientStream::new(stream, permit, self.patience), address);
                }
                Err(_) => sleep(PAUSE).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that reports an error when its patience is over.
pub struct PatientStream {
    stream: TcpStream,
    patience: Duration,
    end: Pin<Box<Sleep>>,
    _permit: OwnedSemaphorePermit,
}

impl PatientStream {
    fn new(stream: TcpStream, permit: OwnedSemaphorePermit, patience: Duration) -> Self {
        Self { stream, patience, end: Box::pin(sleep(patience)), _permit: permit }
    }

    /// Ready with an error when the time is over.
    fn poll_patience(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        ready!(self.end.as_mut().poll(context));
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "nothing was sent on the connection"))
    }

    fn has_sent(&mut self, sent: &Poll<io::Result<usize>>) {
        if matches!(sent, Poll::Ready(Ok(1..))) {
            let end = Instant::now() + self.patience;
            self.end.as_mut().reset(end);
        }
    }
}

impl AsyncRead for PatientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(error) = self.poll_patience(context) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for PatientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.has_sent(&sent);
        match (sent.is_pending(), self.poll_patience(context)) {
            (true, Poll::Ready(error)) => Poll::Ready(Err(error)),
            _ => sent,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.has_sent(&sent);
        match (sent.is_pending(), self.poll_patience(context)) {
            (true, Poll::Ready(error)) => Poll::Ready(Err(error)),
            _ => sent,
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
