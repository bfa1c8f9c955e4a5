//! The way into a lab's network from the machine it runs on: one loopback port that leads to the API server. Nothing of
//! the machine's own network is changed for it, and nothing inside can get out by it.

use std::fs::File;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;
use std::thread;

use anyhow::{Context, Result};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::enclosure::Enclosure;
use super::network;
use crate::address::free_ports;
use crate::programs::Programs;
use crate::state::Roster;

/// Starts the forwarder, and tells where it listens.
pub fn open(
    roster: &mut Roster,
    programs: &Programs,
    enclosure: &Enclosure,
    port: u16,
) -> Result<SocketAddr> {
    let address = roster.record().block.control_plane();
    let [outside] = free_ports(address)?;
    let entrance = SocketAddr::new(address, outside);
    let inside = SocketAddr::new(network::CONTROL_PLANE.into(), port);
    let mut command = Command::new(programs.require("xtask", "xtask")?);
    command
        .args([
            "lab",
            "forward",
            "--listen",
            &entrance.to_string(),
            "--to",
            &inside.to_string(),
            "--network",
        ])
        .arg(enclosure.network_namespace());
    roster.spawn("front", &mut command)?;
    Ok(entrance)
}

/// What the forwarder does, until it is killed: a socket stays in the network it was made in, so the listening one is
/// made first, and those that answer are made after the thread has moved.
pub fn forward(listen: SocketAddr, to: SocketAddr, network: &Path) -> Result<()> {
    let listener = TcpListener::bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
    let namespace = File::open(network).with_context(|| format!("cannot open {}", network.display()))?;
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
        .with_context(|| format!("cannot enter {}", network.display()))?;
    serve(&listener, to)
}

fn serve(listener: &TcpListener, to: SocketAddr) -> Result<()> {
    loop {
        let (outside, _) = listener.accept().context("cannot accept a connection")?;
        // New threads are in the network of the one that starts them.
        thread::spawn(move || {
            // Refused inside means closed outside: that is what the client is to see.
            let Ok(inside) = TcpStream::connect(to) else {
                return;
            };
            let _both_ended = join(outside, inside);
        });
    }
}

/// Passes bytes both ways until both ends have said that they are done.
fn join(outside: TcpStream, inside: TcpStream) -> io::Result<()> {
    for stream in [&outside, &inside] {
        stream.set_nodelay(true)?;
    }
    let (mut from_outside, mut into_inside) = (outside.try_clone()?, inside.try_clone()?);
    let inward = thread::spawn(move || pass(&mut from_outside, &mut into_inside));
    let (mut from_inside, mut into_outside) = (inside, outside);
    pass(&mut from_inside, &mut into_outside);
    let _ended = inward.join();
    Ok(())
}

fn pass(from: &mut TcpStream, to: &mut TcpStream) {
    // An error on one side is an end like any other: it is handed on as one.
    let _passed = io::copy(from, to);
    let _already_closed = to.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::Ipv4Addr;

    fn loopback() -> SocketAddr {
        SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)
    }

    #[test]
    fn bytes_pass_both_ways_and_the_end_of_one_side_reaches_the_other() {
        let server = TcpListener::bind(loopback()).unwrap();
        let front = TcpListener::bind(loopback()).unwrap();
        let (entrance, to) = (front.local_addr().unwrap(), server.local_addr().unwrap());
        thread::spawn(move || serve(&front, to));
        let mut client = TcpStream::connect(entrance).unwrap();
        client.write_all(b"question").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let (mut answering, _) = server.accept().unwrap();
        let mut question = String::new();
        answering.read_to_string(&mut question).unwrap();
        answering.write_all(b"answer").unwrap();
        drop(answering);
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert_eq!((question.as_str(), answer.as_str()), ("question", "answer"));
    }

    #[test]
    fn a_closed_door_inside_is_a_closed_connection_outside() {
        let nobody = TcpListener::bind(loopback()).unwrap().local_addr().unwrap();
        let front = TcpListener::bind(loopback()).unwrap();
        let entrance = front.local_addr().unwrap();
        thread::spawn(move || serve(&front, nobody));
        let mut client = TcpStream::connect(entrance).unwrap();
        assert_eq!(client.read(&mut [0; 1]).unwrap_or(0), 0);
    }
}
