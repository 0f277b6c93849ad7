//! One TCP connection: its requests, until it ends or becomes a WebSocket.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::{Duration, SystemTime},
};

use tungstenite::Bytes;

use super::websocket::{self, UpgradedConnection};
use crate::testing::{
    http::{
        api::{self, Command},
        auth_endpoint::{self, EndpointRequest},
        fault::AuthFault,
        http1::{Head, RequestError, Requests, Response},
        upgrade::{self, UpgradeResponse},
    },
    hub::{core::Hub, state::journal::UpgradeRequest},
};

/// Serves a connection to its end.
pub(crate) fn serve(hub: &Hub, id: u64, socket: &TcpStream) {
    if let Err(error) = requests(hub, id, socket) {
        log::debug!("test server: connection {id}: {error}");
    }
    hub.cut(id);
}

fn requests(hub: &Hub, id: u64, socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut requests = Requests::new(socket);
    match until_upgrade(hub, id, &mut requests) {
        Ok(head) => return answer_upgrade(hub, id, socket, requests, head),
        Err(RequestError::Refused(response)) => respond_last(requests, &response),
        Err(RequestError::Gone) => {}
    }
    Ok(())
}

/// Answers ordinary requests until an upgrade request.
pub(crate) fn until_upgrade<S: Read + Write>(
    hub: &Hub,
    id: u64,
    requests: &mut Requests<S>,
) -> Result<Head, RequestError> {
    loop {
        let head = requests.head()?;
        if upgrade::is_upgrade(&head) {
            return Ok(head);
        }
        let response = answer_request(hub, id, requests, &head)?;
        if !head.keep_alive {
            return Err(RequestError::Refused(response));
        }
        requests.respond(&response, true)?;
    }
}

fn respond_last(mut requests: Requests<&TcpStream>, response: &Response) {
    if requests.respond(response, false).is_ok() {
        requests.linger();
    }
}

fn answer_request<S: Read + Write>(
    hub: &Hub,
    id: u64,
    requests: &mut Requests<S>,
    head: &Head,
) -> Result<Response, RequestError> {
    let body = requests.body(head)?;
    if upgrade::is_app_path(head.path()) {
        return Ok(match head.method.as_str() {
            "GET" => Response::text(426, "this is a WebSocket endpoint").with_header("Upgrade", "websocket"),
            _ => Response::text(405, "use GET").with_header("Allow", "GET"),
        });
    }
    if api::is_api_path(head.path()) {
        hub.mark_backend(id);
        Ok(answer_api(hub, head, &body))
    } else if auth_endpoint::is_auth_path(head.path()) {
        hub.mark_backend(id);
        answer_auth(hub, id, requests, head, &body)
    } else {
        Ok(Response::text(404, "no such path"))
    }
}

fn answer_api(hub: &Hub, head: &Head, body: &[u8]) -> Response {
    match api::command(&hub.settings.app, head, body, SystemTime::now()) {
        Ok(Command::Publish(publication)) => {
            for channel in &publication.channels {
                hub.trigger(channel, &publication.name, &publication.data, publication.except.as_deref());
            }
            Response::json("{}")
        }
        Ok(Command::Terminate(user_id)) => {
            hub.terminate(&user_id);
            Response::json("{}")
        }
        Err(response) => response,
    }
}

fn answer_auth<S: Read + Write>(
    hub: &Hub,
    id: u64,
    requests: &mut Requests<S>,
    head: &Head,
    body: &[u8],
) -> Result<Response, RequestError> {
    if let Err(refusal) = auth_endpoint::check(head, body) {
        return Ok(refusal);
    }
    let request = EndpointRequest::new(head, body);
    match hub.auth_requested(&request) {
        Some(AuthFault::Status { status, body, headers }) => return Ok(Response { status, headers, body }),
        Some(AuthFault::Redirect(url)) => return Ok(Response::text(307, "").with_header("Location", &url)),
        Some(AuthFault::Body(body)) => return Ok(Response::json(body)),
        Some(AuthFault::Hang) => {
            requests.wait_for_end();
            return Err(RequestError::Gone);
        }
        Some(AuthFault::Drop) => return Err(RequestError::Gone),
        Some(AuthFault::Delay(time)) if !hub.pause(id, time) => return Err(RequestError::Gone),
        Some(AuthFault::Delay(_)) | None => {}
    }
    Ok(auth_endpoint::answer(&hub.settings.app, &hub.encryption, &hub.settings.users, &request))
}

fn answer_upgrade(
    hub: &Hub,
    id: u64,
    mut socket: &TcpStream,
    requests: Requests<&TcpStream>,
    head: Head,
) -> io::Result<()> {
    let fault = hub.upgrade_requested(UpgradeRequest { target: head.target.clone(), headers: head.headers.clone() });
    match upgrade::answer(&hub.settings.app, &head, fault) {
        UpgradeResponse::Upgrade { head, drip: pause, greeting } => {
            let head = match pause {
                None => Bytes::from(head),
                Some(pause) if drip(hub, id, socket, head.as_bytes(), pause)? => Bytes::new(),
                Some(_) => return Ok(()),
            };
            let upgraded = UpgradedConnection { head, greeting, read_ahead: requests.into_rest() };
            return websocket::run(hub, id, socket, upgraded);
        }
        UpgradeResponse::Http(response) => respond_last(requests, &response),
        UpgradeResponse::Raw(text) => {
            socket.write_all(text.as_bytes())?;
            requests.linger();
        }
        UpgradeResponse::Nothing => {
            let mut chunk = [0; 4096];
            while socket.read(&mut chunk)? > 0 {}
        }
    }
    Ok(())
}

/// Writes byte by byte. False if the connection is cut meanwhile.
fn drip(hub: &Hub, id: u64, mut socket: &TcpStream, bytes: &[u8], pause: Duration) -> io::Result<bool> {
    for byte in bytes {
        if !hub.pause(id, pause) {
            return Ok(false);
        }
        socket.write_all(std::slice::from_ref(byte))?;
    }
    Ok(true)
}
