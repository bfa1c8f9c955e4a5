//! Addresses as Cassandra prints them.

use std::net::IpAddr;

/// The address in any of the forms Cassandra prints an endpoint in, the port left aside.
///
/// Versions and attributes differ: `10.0.0.1`, `/10.0.0.1`, `host/10.0.0.1:7000`, `10.0.0.1:7000`,
/// `[0:0:0:0:0:0:0:1]:7000`. `None` when there is no address in it.
pub fn endpoint_address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let text = text.rsplit_once('/').map_or(text, |(_, address)| address);
    if let Some(bracketed) = text.strip_prefix('[') {
        return parse(bracketed.split_once(']')?.0);
    }
    parse(text).or_else(|| parse(text.rsplit_once(':')?.0))
}

/// Java appends the interface to a link-local IPv6 address (`fe80::1%eth0`).
fn parse(text: &str) -> Option<IpAddr> {
    text.split('%').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_endpoint_gives_its_address() {
        let v4: IpAddr = [10, 0, 0, 1].into();
        for text in [
            "10.0.0.1",
            "/10.0.0.1",
            "10.0.0.1:7000",
            "/10.0.0.1:7000",
            "demo-dc1-0.demo/10.0.0.1:7000",
        ] {
            assert_eq!(endpoint_address(text), Some(v4), "{text}");
        }
        let v6: IpAddr = "::1".parse().unwrap();
        for text in [
            "0:0:0:0:0:0:0:1",
            "[0:0:0:0:0:0:0:1]:7000",
            "/[0:0:0:0:0:0:0:1%lo]:7000",
        ] {
            assert_eq!(endpoint_address(text), Some(v6), "{text}");
        }
        for text in ["", "demo", "10.0.0", "demo/", "[::1"] {
            assert_eq!(endpoint_address(text), None, "{text}");
        }
    }
}
