//! One HTTP exchange with an agent, kept as it is.
//!
//! Deliberately not the client of `casskop-jolokia`: what that one is tested with must not come through it.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

pub(crate) const USER: &str = "jolokia";
pub(crate) const PASSWORD: &str = "recorded";

/// Long enough for every operation of the scenario.
const ANSWER_LIMIT: Duration = Duration::from_mins(5);

/// Who asks.
#[derive(Clone, Copy)]
pub(crate) enum Login {
    /// The user the agent knows.
    Right,
    /// A password it does not know.
    Wrong,
    /// No `Authorization` at all.
    Missing,
}

/// A request and all that came back.
#[derive(Clone)]
pub(crate) struct Exchange {
    pub(crate) request: Value,
    pub(crate) http_status: u16,
    /// The body; a JSON string when it is not JSON.
    pub(crate) answer: Value,
}

pub(crate) fn post(address: IpAddr, login: Login, request: Value) -> Result<Exchange> {
    let mut stream = TcpStream::connect((address, 8778)).context("connect")?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    let body = request.to_string();
    let authorization = match login {
        Login::Right => format!(
            "Authorization: Basic {}\r\n",
            STANDARD.encode(format!("{USER}:{PASSWORD}"))
        ),
        Login::Wrong => format!(
            "Authorization: Basic {}\r\n",
            STANDARD.encode(format!("{USER}:guessed"))
        ),
        Login::Missing => String::new(),
    };
    // HTTP/1.0: the body comes in one piece and ends with the connection.
    write!(
        stream,
        "POST /jolokia/ HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{authorization}\r\n{body}",
        body.len()
    )?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let text = String::from_utf8(bytes)?;
    let (head, body) = text.split_once("\r\n\r\n").context("no end of the http head")?;
    let http_status = head.split(' ').nth(1).context("no http status")?.parse()?;
    let answer = serde_json::from_str(body).unwrap_or_else(|_| body.into());
    Ok(Exchange {
        request,
        http_status,
        answer,
    })
}
