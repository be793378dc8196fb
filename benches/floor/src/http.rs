//! Blocking HTTP/1.1 over one connection that stays open.

use std::{
    env,
    io::{IoSlice, Read, Write},
    net::TcpStream,
    sync::Arc,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};

use crate::Result;

/// The size of one read, in bytes. It is large so that an event of several megabytes takes few calls.
const READ_BYTES: usize = 256 * 1024;

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

pub struct Connection {
    stream: Box<dyn Stream>,
    host: String,
    /// The head of the last request. The next request reuses its memory.
    head: Vec<u8>,
    /// The last response. The next response reuses its memory.
    received: Vec<u8>,
}

/// A response, in the memory of its connection.
pub struct Response<'c> {
    head: &'c str,
    pub body: &'c [u8],
}

impl Connection {
    /// Connects to `http://HOST:PORT` or `https://HOST:PORT`. HTTPS trusts the authorities in `SSL_CERT_FILE`.
    pub fn open(url: &str) -> Result<Self> {
        let (scheme, host) = url.split_once("://").ok_or("a URL without a scheme")?;
        let socket = TcpStream::connect(host)?;
        socket.set_nodelay(true)?;
        let stream: Box<dyn Stream> =
            if scheme == "https" { Box::new(encrypted(socket, host)?) } else { Box::new(socket) };
        Ok(Self { stream, host: host.to_owned(), head: Vec::new(), received: Vec::new() })
    }

    /// Sends a request and waits for the whole response.
    pub fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &mut [IoSlice<'_>],
    ) -> Result<Response<'_>> {
        let length: usize = body.iter().map(|part| part.len()).sum();
        let (host, head) = (&self.host, &mut self.head);
        head.clear();
        write!(head, "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n")?;
        for (name, value) in headers {
            write!(head, "{name}: {value}\r\n")?;
        }
        head.extend_from_slice(b"\r\n");
        let mut parts = vec![IoSlice::new(head)];
        parts.extend_from_slice(body);
        let mut unsent = parts.as_mut_slice();
        while !unsent.is_empty() {
            let sent = self.stream.write_vectored(unsent)?;
            if sent == 0 {
                return Err("the connection is closed".into());
            }
            IoSlice::advance_slices(&mut unsent, sent);
        }
        self.stream.flush()?;
        self.receive()
    }

    fn receive(&mut self) -> Result<Response<'_>> {
        const END_OF_HEAD: &[u8] = b"\r\n\r\n";
        let mut filled = 0;
        let head = loop {
            filled += self.read(filled)?;
            let end = self.received.windows(END_OF_HEAD.len()).take(filled).position(|window| window == END_OF_HEAD);
            if let Some(end) = end {
                break end + END_OF_HEAD.len();
            }
        };
        let length = Response { head: self.text(head)?, body: b"" }.header("content-length")?.parse::<usize>()?;
        while filled < head + length {
            filled += self.read(filled)?;
        }
        Ok(Response { head: self.text(head)?, body: self.received.get(head..head + length).unwrap_or_default() })
    }

    /// Reads once, after the `filled` bytes that are already there.
    fn read(&mut self, filled: usize) -> Result<usize> {
        if self.received.len() < filled + READ_BYTES {
            self.received.resize(filled + READ_BYTES, 0);
        }
        match self.stream.read(self.received.get_mut(filled..).unwrap_or_default())? {
            0 => Err("the connection is closed".into()),
            read => Ok(read),
        }
    }

    fn text(&self, head: usize) -> Result<&str> {
        Ok(str::from_utf8(self.received.get(..head).unwrap_or_default())?)
    }
}

impl<'c> Response<'c> {
    pub fn expect_success(self) -> Result<Self> {
        if self.head.starts_with("HTTP/1.1 2") {
            return Ok(self);
        }
        Err(format!("{} {}", self.head, String::from_utf8_lossy(self.body)).into())
    }

    pub fn header(&self, name: &str) -> Result<&'c str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        let found = fields.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value).ok_or_else(|| format!("a response without {name}").into())
    }
}

fn encrypted(socket: TcpStream, host: &str) -> Result<StreamOwned<ClientConnection, TcpStream>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(env::var("SSL_CERT_FILE")?)? {
        roots.add(certificate?)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name).to_owned();
    let connection = ClientConnection::new(Arc::new(config), ServerName::try_from(name)?)?;
    Ok(StreamOwned::new(connection, socket))
}
