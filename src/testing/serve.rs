//! One TCP connection: its requests, until it ends or becomes a WebSocket.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime};

use tungstenite::Bytes;

use super::connection::{self, Opening};
use super::http::{Head, RequestError, Requests, Response};
use super::hub::Hub;
use super::journal::UpgradeRequest;
use super::upgrade::Answer;
use super::{api, upgrade};

/// Serves a connection to its end.
pub(super) fn serve(hub: &Hub, id: u64, socket: &TcpStream) {
    if let Err(error) = requests(hub, id, socket) {
        log::debug!("test server: connection {id}: {error}");
    }
    hub.cut(id);
}

fn requests(hub: &Hub, id: u64, socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut requests = Requests::new(socket);
    let refusal = loop {
        let head = match requests.head() {
            Ok(head) => head,
            Err(error) => break error,
        };
        if upgrade::is_upgrade(&head) {
            return answer_upgrade(hub, id, socket, requests, head);
        }
        let response = match answer_request(hub, id, &mut requests, &head) {
            Ok(response) => response,
            Err(error) => break error,
        };
        if !head.keep_alive {
            break RequestError::Refused(response);
        }
        if let Err(error) = requests.respond(&response, true) {
            break error;
        }
    };
    if let RequestError::Refused(response) = refusal {
        respond_last(requests, &response);
    }
    Ok(())
}

fn respond_last(mut requests: Requests<'_>, response: &Response) {
    if requests.respond(response, false).is_ok() {
        requests.linger();
    }
}

fn answer_request(hub: &Hub, id: u64, requests: &mut Requests<'_>, head: &Head) -> Result<Response, RequestError> {
    let body = requests.body(head)?;
    if upgrade::is_app_path(head.path()) {
        return Ok(match head.method.as_str() {
            "GET" => Response::text(426, "this is a WebSocket endpoint").with_header("Upgrade", "websocket"),
            _ => Response::text(405, "use GET").with_header("Allow", "GET"),
        });
    }
    if !api::is_api_path(head.path()) {
        return Ok(Response::text(404, "no such path"));
    }
    hub.mark_publisher(id);
    Ok(match api::publication(&hub.app, head, &body, SystemTime::now()) {
        Ok(publication) => {
            for channel in &publication.channels {
                hub.trigger(channel, &publication.name, &publication.data, publication.except.as_deref());
            }
            Response::json("{}")
        }
        Err(response) => response,
    })
}

fn answer_upgrade(hub: &Hub, id: u64, mut socket: &TcpStream, requests: Requests<'_>, head: Head) -> io::Result<()> {
    let fault = hub.upgrade_requested(UpgradeRequest { target: head.target.clone(), headers: head.headers.clone() });
    match upgrade::answer(&hub.app, &head, fault) {
        Answer::Upgrade { head, drip: pause, greeting } => {
            let head = match pause {
                None => Bytes::from(head),
                Some(pause) if drip(hub, id, socket, head.as_bytes(), pause)? => Bytes::new(),
                Some(_) => return Ok(()),
            };
            let opening = Opening { head, greeting, read_ahead: requests.into_rest() };
            return connection::run(hub, id, socket, opening);
        }
        Answer::Http(response) => respond_last(requests, &response),
        Answer::Raw(text) => {
            socket.write_all(text.as_bytes())?;
            requests.linger();
        }
        Answer::Nothing => {
            let mut chunk = [0; 4096];
            while socket.read(&mut chunk)? > 0 {}
        }
    }
    Ok(())
}

/// Writes byte by byte; false when the connection is cut meanwhile.
fn drip(hub: &Hub, id: u64, mut socket: &TcpStream, bytes: &[u8], pause: Duration) -> io::Result<bool> {
    for byte in bytes {
        if !hub.pause(id, pause) {
            return Ok(false);
        }
        socket.write_all(std::slice::from_ref(byte))?;
    }
    Ok(true)
}
