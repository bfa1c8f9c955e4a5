//! Looks for other nodes of the ring: by the names of the seeds, and by the cluster's headless Service, which lists the
//! address of every pod, ready or not.

use crate::plan::Plan;
use crate::probe::Ports;
use crate::seed_list::{Peer, host_of, port_of, same_address};
use crate::seeds::{Others, Silence};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::Duration;

/// How long one connection attempt may take. A pod that is gone does not refuse, it just does not answer.
const CONNECT: Duration = Duration::from_millis(800);

/// The most members that are tried at once, and in one survey, where no seed answers.
const MOST_MEMBERS: usize = 64;

/// What one look around found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// The nodes that take connections of other nodes.
    pub answered: Vec<Peer>,
    /// Whether a JVM runs, where no node answered.
    pub starting: bool,
    /// Whether the name service knows any other pod.
    pub someone_there: bool,
    /// Whether a name could not be looked up for now.
    pub names_unavailable: bool,
}

impl Survey {
    /// Sums up, given that nobody has answered for longer than others need to start, or not.
    pub fn others(&self, silence: Silence) -> Others {
        if !self.answered.is_empty() {
            Others::Answered
        } else if self.starting {
            Others::Starting
        } else if self.names_unavailable {
            Others::NamesUnavailable
        } else {
            Others::Silent { for_long: silence }
        }
    }
}

/// Looks once. The seeds come first; the other members only if no seed answers.
pub fn survey(plan: &Plan, ports: Ports) -> Survey {
    let mut survey = Survey::default();
    let mut contacts: Vec<Contact> = plan
        .seed_list()
        .others()
        .map(|entry| Contact {
            peer: Peer::Seed(entry.to_owned()),
            addresses: survey.look_up(plan, &plan.qualified(host_of(entry))),
            port: port_of(entry),
        })
        .collect();
    survey.answered = answering(&contacts, |contact| contact.for_nodes(ports));
    if survey.answered.is_empty()
        && let Some(service) = plan.service()
    {
        contacts = survey
            .look_up(plan, &format!("{service}."))
            .into_iter()
            .take(MOST_MEMBERS)
            .map(|address| Contact {
                peer: Peer::Member(address),
                addresses: [address].into(),
                port: None,
            })
            .collect();
        survey.answered = answering(&contacts, |contact| contact.for_nodes(ports));
    }
    if survey.answered.is_empty() {
        // Open from the JVM's first moment on, when a node with data still replays its commit log.
        survey.starting = !answering(&contacts, |contact| contact.on(&[ports.jolokia])).is_empty();
    }
    survey
}

/// Whether the name service already lists this pod under the cluster's Service; true where there is none.
pub fn is_published(plan: &Plan) -> bool {
    plan.service().is_none_or(|service| {
        let found = look_up(&format!("{service}."));
        found.is_ok_and(|addresses| {
            addresses
                .iter()
                .any(|address| same_address(&address.to_string(), &plan.address))
        })
    })
}

impl Survey {
    /// The other pods' addresses behind a name.
    fn look_up(&mut self, plan: &Plan, name: &str) -> BTreeSet<IpAddr> {
        match look_up(name) {
            Ok(mut addresses) => {
                addresses.retain(|address| !same_address(&address.to_string(), &plan.address));
                self.someone_there |= !addresses.is_empty();
                addresses
            }
            Err(LookUp::Unavailable) => {
                self.names_unavailable = true;
                BTreeSet::new()
            }
            Err(LookUp::NoSuchName) => BTreeSet::new(),
        }
    }
}

enum LookUp {
    NoSuchName,
    Unavailable,
}

fn look_up(name: &str) -> Result<BTreeSet<IpAddr>, LookUp> {
    match (name, 0).to_socket_addrs() {
        Ok(addresses) => Ok(addresses.map(|address| address.ip()).collect()),
        // The standard library keeps getaddrinfo's EAI_AGAIN only as its message.
        Err(error) if error.to_string().contains("Temporary failure") => Err(LookUp::Unavailable),
        Err(_) => Err(LookUp::NoSuchName),
    }
}

/// A node to look for.
struct Contact {
    peer: Peer,
    addresses: BTreeSet<IpAddr>,
    port: Option<u16>,
}

impl Contact {
    /// Where the node takes connections of other nodes, encrypted or not.
    fn for_nodes(&self, ports: Ports) -> Vec<SocketAddr> {
        match self.port {
            Some(port) => self.on(&[port]),
            None => self.on(&[ports.storage, ports.ssl_storage]),
        }
    }

    fn on(&self, ports: &[u16]) -> Vec<SocketAddr> {
        self.addresses
            .iter()
            .flat_map(|ip| ports.iter().map(|port| SocketAddr::new(*ip, *port)))
            .collect()
    }
}

/// The peers that take a connection on any of the places that `targets` names, all tried at once.
fn answering(contacts: &[Contact], targets: impl Fn(&Contact) -> Vec<SocketAddr>) -> Vec<Peer> {
    std::thread::scope(|scope| {
        let attempts: Vec<_> = contacts
            .iter()
            .map(|contact| {
                let targets = targets(contact);
                scope.spawn(move || {
                    let answers = targets
                        .iter()
                        .any(|target| TcpStream::connect_timeout(target, CONNECT).is_ok());
                    answers.then(|| contact.peer.clone())
                })
            })
            .collect();
        attempts
            .into_iter()
            .filter_map(|attempt| attempt.join().ok().flatten())
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Jolokia;
    use crate::seeds::History;
    use std::net::TcpListener;

    fn plan(seeds: &str) -> Plan {
        Plan {
            address: "127.81.0.1".into(),
            full_name: None,
            seeds: seeds.into(),
            written_seeds: Vec::new(),
            history: History::Unknown,
            replaces: None,
            jolokia: Jolokia::On,
        }
    }

    #[test]
    fn nodes_that_listen_answer() {
        let bind = |ip| {
            let listener = TcpListener::bind((ip, 0)).unwrap();
            let address = listener.local_addr().unwrap();
            (listener, address)
        };
        let (node, node_address) = bind("127.81.0.2");
        let (jvm, jvm_address) = bind("127.81.0.3");
        let silent_port = bind("127.81.0.3").1.port();
        let (silent, silence) = (format!("127.81.0.3:{silent_port}"), Silence::Short);
        let ports = Ports {
            storage: 1,
            ssl_storage: 1,
            native_transport: 1,
            jolokia: jvm_address.port(),
        };

        let found = survey(&plan(&format!("127.81.0.1,{silent},{node_address}")), ports);
        assert_eq!(found.answered, [Peer::Seed(node_address.to_string())]);
        assert_eq!(found.others(silence), Others::Answered);

        drop(node);
        let found = survey(&plan(&format!("127.81.0.1,{silent},{node_address}")), ports);
        assert_eq!(found.others(silence), Others::Starting);

        drop(jvm);
        let found = survey(&plan(&format!("127.81.0.1,{silent}")), ports);
        assert!(found.someone_there);
        assert_eq!(found.others(silence), Others::Silent { for_long: silence });

        let found = survey(&plan("127.81.0.1"), ports);
        assert_eq!(
            found,
            Survey::default(),
            "a node does not take itself for another"
        );
    }
}
