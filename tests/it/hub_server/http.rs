//! As much of HTTP/1.1 as the hub's protocol needs: one request a connection, bodies with a length.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

/// A request without a body.
pub struct Request {
    /// `HEAD` or `GET`.
    pub method: String,
    /// Path and query.
    pub path: String,
    headers: Vec<(String, String)>,
}

impl Request {
    /// A header's value; its name is given in lowercase.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    }

    /// Offset of `Range: bytes=100-`.
    pub fn range_start(&self) -> Option<usize> {
        self.header("range")?.strip_prefix("bytes=")?.split('-').next()?.parse().ok()
    }
}

/// Reads the head of a request; `None` where the client went away.
pub fn read_request(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next()?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?.to_string(), words.next()?.to_string());
    let header = |line: String| line.split_once(':').map(|(key, value)| (key.to_lowercase(), value.trim().to_string()));
    let headers = lines.take_while(|line| !line.is_empty()).filter_map(header).collect();
    Some(Request { method, path, headers })
}

/// A response on its way.
pub struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Response {
    /// A response without headers or body.
    pub fn new(status: u16) -> Self {
        Response { status, headers: Vec::new(), body: Vec::new() }
    }

    /// With another status.
    pub fn status(self, status: u16) -> Self {
        Response { status, ..self }
    }

    /// With one more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_string(), value.to_string()));
        self
    }

    /// With more headers.
    pub fn headers(self, headers: Vec<(&'static str, String)>) -> Self {
        headers.iter().fold(self, |response, (name, value)| response.header(name, value))
    }

    /// With a body.
    pub fn body(self, body: Vec<u8>) -> Self {
        Response { body, ..self }
    }

    /// 206 with the bytes from `start` on, or 416 where there are none.
    pub fn part(self, bytes: &[u8], start: usize) -> Self {
        if start >= bytes.len() {
            return Response::new(416);
        }
        let range = format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len());
        self.status(206).header("content-range", &range).body(bytes[start..].to_vec())
    }

    /// Sends everything; after a HEAD, all but the body.
    pub fn send(self, stream: &mut TcpStream, head: bool) {
        let count = if head { 0 } else { self.body.len() };
        self.send_some(stream, count);
    }

    /// Announces the whole body and sends the first bytes of it.
    pub fn send_some(&self, stream: &mut TcpStream, count: usize) {
        let mut text = format!("HTTP/1.1 {} x\r\nconnection: close\r\n", self.status);
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        text += &format!("content-length: {}\r\n\r\n", self.body.len());
        // The client may have gone; that is its affair.
        let _ = stream.write_all(text.as_bytes());
        let _ = stream.write_all(&self.body[..count.min(self.body.len())]);
        let _ = stream.flush();
    }
}
