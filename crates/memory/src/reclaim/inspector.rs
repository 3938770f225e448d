//! A client of the inspector that Node offers (the Chrome DevTools protocol): one call at a
//! time, each with a deadline, to this machine alone.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

/// An answer on what there is comes at once.
const CONNECT: Duration = Duration::from_millis(500);
/// The longest list of what can be inspected that is read.
const MOST_BYTES: u64 = 256 << 10;

/// A connection to the inspector of one process.
pub(super) struct Inspector {
    socket: WebSocket<TcpStream>,
    calls: u64,
}

impl Inspector {
    /// Connects to the inspector at this port of the loopback, if it is Node's.
    pub(super) fn connect(port: u16) -> Result<Self, String> {
        let path = target(port)?;
        let stream = dial(port).map_err(|error| error.to_string())?;
        let url = format!("ws://127.0.0.1:{port}/{path}");
        let (socket, _) =
            tungstenite::client(url, stream).map_err(|error| format!("no inspector: {error}"))?;
        Ok(Self { socket, calls: 0 })
    }

    /// Calls a method and waits for its result.
    pub(super) fn call(
        &mut self,
        method: &str,
        params: &Value,
        patience: Duration,
    ) -> Result<Value, String> {
        self.calls += 1;
        let id = self.calls;
        let stream = self.socket.get_ref();
        stream
            .set_read_timeout(Some(patience))
            .map_err(|error| error.to_string())?;
        let text = json!({"id": id, "method": method, "params": params}).to_string();
        self.socket
            .send(Message::text(text))
            .map_err(|error| format!("{method} can't be asked for: {error}"))?;
        // Events come in between; a process that sends nothing but these is not waited for.
        for _ in 0..10_000 {
            let message = self
                .socket
                .read()
                .map_err(|error| format!("{method} gets no answer: {error}"))?;
            let Message::Text(text) = message else {
                continue;
            };
            let answer: Value =
                serde_json::from_str(&text).map_err(|error| format!("{method}: {error}"))?;
            if answer.get("id").and_then(Value::as_u64) != Some(id) {
                continue;
            }
            if let Some(error) = answer.pointer("/error/message").and_then(Value::as_str) {
                return Err(format!("{method}: {error}"));
            }
            return Ok(answer.get("result").cloned().unwrap_or(Value::Null));
        }
        Err(format!("{method} gets no answer"))
    }
}

impl Drop for Inspector {
    fn drop(&mut self) {
        // The other side closes the connection whatever becomes of this.
        let _ = self.socket.close(None);
        let _ = self.socket.flush();
    }
}

fn dial(port: u16) -> std::io::Result<TcpStream> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = TcpStream::connect_timeout(&address, CONNECT)?;
    stream.set_read_timeout(Some(CONNECT))?;
    stream.set_write_timeout(Some(CONNECT))?;
    Ok(stream)
}

/// The name of the first thing that can be inspected there, of a type that only Node has.
fn target(port: u16) -> Result<String, String> {
    let body = get(port, "/json/list").map_err(|error| format!("no inspector: {error}"))?;
    let list: Value = serde_json::from_str(&body).map_err(|_| "no inspector".to_owned())?;
    let target = list
        .as_array()
        .and_then(|targets| {
            targets
                .iter()
                .find(|target| target.get("type").and_then(Value::as_str) == Some("node"))
        })
        .ok_or("no inspector of Node's")?;
    let id = target.get("id").and_then(Value::as_str).unwrap_or_default();
    let plain = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    plain
        .then(|| id.to_owned())
        .ok_or_else(|| "no inspector of Node's".to_owned())
}

/// The body of an answer. Node keeps the connection open, so its length is heeded.
fn get(port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = dial(port)?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
    )?;
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(body) = body(&bytes) {
            return Ok(body);
        }
        let length = stream.read(&mut buffer)?;
        bytes.extend(buffer.get(..length).unwrap_or_default());
        if length == 0 || bytes.len() as u64 > MOST_BYTES {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
    }
}

/// The body once all of it is there.
fn body(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let length: usize = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    })?;
    body.get(..length).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::body;

    #[test]
    fn a_body_is_there_when_all_of_it_is() {
        let head = "HTTP/1.0 200 OK\r\nContent-Type: x\r\nContent-length: 4\r\n\r\n";
        assert_eq!(body(head.as_bytes()), None);
        assert_eq!(body(format!("{head}[12").as_bytes()), None);
        assert_eq!(body(format!("{head}[12]").as_bytes()), Some("[12]".into()));
        assert_eq!(body(b"no http"), None);
    }
}
