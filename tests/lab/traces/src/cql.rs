//! Just enough of the native protocol (version 4) to create a keyspace and write rows.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream};

use anyhow::{Result, bail};

const STARTUP: u8 = 1;
const QUERY: u8 = 7;
const ERROR: u8 = 0;
const CONSISTENCY_ONE: [u8; 2] = [0, 1];
const NO_FLAGS: u8 = 0;

pub(crate) struct Cql(TcpStream);

impl Cql {
    pub(crate) fn connect(address: IpAddr) -> Result<Self> {
        let mut cql = Self(TcpStream::connect((address, 9042))?);
        let mut options = vec![0, 1];
        for text in ["CQL_VERSION", "3.0.0"] {
            options.extend(u16::try_from(text.len())?.to_be_bytes());
            options.extend(text.bytes());
        }
        cql.exchange(STARTUP, &options)?;
        Ok(cql)
    }

    pub(crate) fn query(&mut self, text: &str) -> Result<()> {
        let mut body = u32::try_from(text.len())?.to_be_bytes().to_vec();
        body.extend(text.bytes());
        body.extend(CONSISTENCY_ONE);
        body.push(NO_FLAGS);
        self.exchange(QUERY, &body)
    }

    fn exchange(&mut self, opcode: u8, body: &[u8]) -> Result<()> {
        let mut frame = vec![4, 0, 0, 0, opcode];
        frame.extend(u32::try_from(body.len())?.to_be_bytes());
        frame.extend(body);
        self.0.write_all(&frame)?;
        let mut header = [0; 9];
        self.0.read_exact(&mut header)?;
        let [_, _, _, _, opcode, length @ ..] = header;
        let mut answer = vec![0; u32::from_be_bytes(length).try_into()?];
        self.0.read_exact(&mut answer)?;
        if opcode == ERROR {
            bail!(
                "cql: {}",
                String::from_utf8_lossy(answer.get(6..).unwrap_or_default())
            );
        }
        Ok(())
    }
}
