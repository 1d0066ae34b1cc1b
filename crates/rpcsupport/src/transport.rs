//! A TCP stream as a tarpc transport: frames of a bounded length, each one message.

use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use socket2::{SockRef, TcpKeepalive};
use tarpc::serde_transport::{self, Transport};
use tokio::net::TcpStream;
use tokio_util::codec::Framed;
use tokio_util::codec::length_delimited::LengthDelimitedCodec;

use crate::codec::MessagePack;
use crate::together::{Together, together};

/// Largest frame of either direction. An outcome is capped by the worker at 8 MiB of links and 8 MiB of items, what names and lengths add
/// included. tarpc's own default is 8 MiB.
pub(crate) const MAX_FRAME_BYTES: usize = 20 * 1024 * 1024;

/// Bytes that are read at a time, and that are written at a time where so many are ready: some ten answers with a page each.
const BUFFER_BYTES: usize = 64 * 1024;

/// Silence after which the system asks the other end whether it is there; three questions without an answer close the connection.
const KEEPALIVE: Duration = Duration::from_secs(30);

pub(crate) type Tcp<In, Out> = Together<Transport<TcpStream, In, Out, MessagePack>>;

/// Frames a stream. TCP_NODELAY is set: what is to be written together was put together before.
pub(crate) fn frame<In, Out>(stream: TcpStream) -> io::Result<Tcp<In, Out>>
where
    In: for<'de> Deserialize<'de>,
    Out: Serialize,
{
    stream.set_nodelay(true)?;
    // A server does not ping: without this a caller that was unplugged would hold its place for ever.
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 3).with_retries(3);
    SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    let codec = LengthDelimitedCodec::builder().max_frame_length(MAX_FRAME_BYTES).new_codec();
    let framed = Framed::with_capacity(stream, codec, BUFFER_BYTES);
    Ok(together(serde_transport::new(framed, MessagePack)))
}
