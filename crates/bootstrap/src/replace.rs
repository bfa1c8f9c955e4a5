//! Taking the place of a dead node.

use crate::section;
use std::net::IpAddr;

const SECTION: &str = "replace";

/// The address of the node to replace, as a hook or the operator gives it.
pub fn parse(value: &str) -> Result<IpAddr, NotAnAddress> {
    value.trim().parse().map_err(|_| NotAnAddress {
        value: value.trim().to_owned(),
    })
}

/// The JVM options of `text` with the replace flag for `address`, or without it.
///
/// `replace_address_first_boot` is obeyed until the replacement is a member and ignored from then on; the older
/// `replace_address` stops every later start.
pub fn with_flag(text: &str, address: Option<IpAddr>) -> String {
    let lines: Vec<String> = address
        .iter()
        .map(|address| format!("-Dcassandra.replace_address_first_boot={address}"))
        .collect();
    section::with_section(text, SECTION, &lines)
}

/// What is to be replaced is no address.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "the node to replace is given as {value:?} (CASSANDRA_REPLACE_NODE, or replace.<pod> in the ConfigMap <cluster>-bootstrap), \
     which is no IP address: give the address the dead node had"
)]
pub struct NotAnAddress {
    value: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_is_written_once_and_taken_back() {
        let address = parse(" 10.0.0.9\n").unwrap();
        let once = with_flag("-ea\n", Some(address));
        assert_eq!(
            once,
            "-ea\n# >>> casskop: replace\n-Dcassandra.replace_address_first_boot=10.0.0.9\n# <<< casskop: replace\n"
        );
        assert_eq!(with_flag(&once, Some(address)), once);
        assert_eq!(with_flag(&once, None), "-ea\n");
    }

    #[test]
    fn only_addresses_are_taken() {
        assert_eq!(parse("fd00::9").unwrap().to_string(), "fd00::9");
        for value in ["10.0.0.9/", "pod-0.demo", "", "-Devil"] {
            assert!(parse(value).is_err(), "{value}");
        }
    }
}
