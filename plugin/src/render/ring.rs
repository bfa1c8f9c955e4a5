//! The ring: a line a member, and a picture.

use casskop_core::view::ClusterView;
use casskop_core::view::ring::{Liveness, MemberState, MemberView, RingReport, SLICES, ShareOf};

use super::layout::Layout;
use super::table::{Cell, Table};
use crate::printer::Tone;

/// What stands for members in the picture.
const SIGNS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// Columns from which on everything about a member is in one line.
const WIDE: usize = 140;
/// Signs from the middle of the picture to its sides and to its top; a sign is twice as high as it is wide.
const RADII: (f64, f64) = (22.0, 10.0);

/// The ring of a cluster. Whatever the picture shows, the table says.
pub(crate) fn ring(view: &ClusterView, ring: &RingReport, layout: &Layout) -> Vec<String> {
    let owns = match ring.share_of {
        ShareOf::Data => "OWNS is the share of the data of user keyspaces",
        ShareOf::Tokens => {
            "OWNS is the share of the tokens alone, as user keyspaces are replicated in different ways"
        }
    };
    let title = format!("Ring of {}, as {} tells it; {owns}.", view.name, ring.told_by);
    let mut lines = layout.wrapped(&title, 0);
    for table in tables(ring, layout) {
        lines.push(String::new());
        lines.extend(table.lines(layout));
    }
    if let Some(picture) = picture(ring) {
        lines.push(String::new());
        lines.extend(picture);
        lines.push(String::new());
        let key = format!(
            "Each sign is the node that owns a {SLICES}th of the tokens, clockwise from the lowest one at the top."
        );
        lines.extend(layout.wrapped(&key, 0));
    }
    lines
}

/// What a member does and what it is: side by side where there is room, one under the other where there is not.
fn tables(ring: &RingReport, layout: &Layout) -> Vec<Table> {
    const DOES: [&str; 7] = ["SIGN", "POD", "STATE", "LOAD", "TOKENS", "OWNS", "SEED"];
    const IS: [&str; 4] = ["SIGN", "ADDRESS", "HOST ID", "RACK"];
    let members = || ring.members.iter().enumerate();
    if layout.width.is_some_and(|width| width < WIDE) {
        let mut does_table = Table::new(&DOES);
        let mut is_table = Table::new(&IS);
        for (place, member) in members() {
            does_table.row([vec![sign(place, member)], does(member)].concat());
            is_table.row([vec![sign(place, member)], is(member)].concat());
        }
        return vec![does_table, is_table];
    }
    let mut table = Table::new(&[&DOES[..], &IS[1..]].concat());
    for (place, member) in members() {
        table.row([vec![sign(place, member)], does(member), is(member)].concat());
    }
    vec![table]
}

/// What stands for it in the picture, if it can be there.
fn sign(place: usize, member: &MemberView) -> Cell {
    let sign = SIGNS.chars().nth(place).filter(|_| member.tokens > 0);
    sign.map_or_else(|| "-".to_owned(), String::from).into()
}

fn does(member: &MemberView) -> Vec<Cell> {
    vec![
        // A node of another Kubernetes cluster has no pod here.
        member
            .pod
            .clone()
            .unwrap_or_else(|| member.address.to_string())
            .into(),
        state(member),
        member.load.clone().into(),
        member.tokens.to_string().into(),
        member.share.map(|share| format!("{:.1}%", share * 100.0)).into(),
        if member.seed { "yes" } else { "no" }.into(),
    ]
}

fn is(member: &MemberView) -> Vec<Cell> {
    vec![
        member.address.to_string().into(),
        member.host_id.clone().into(),
        member.rack.as_ref().map(ToString::to_string).into(),
    ]
}

fn state(member: &MemberView) -> Cell {
    let tone = match (member.liveness, member.state) {
        (Liveness::Down, _) => Tone::Bad,
        (Liveness::Up, MemberState::Normal) => Tone::Good,
        (Liveness::Up, _) => Tone::Busy,
    };
    Cell::toned(tone, &format!("{} {}", member.liveness, member.state))
}

/// A circle of signs; none for more members than there are signs, and for tokens that are not Murmur3's.
fn picture(ring: &RingReport) -> Option<Vec<String>> {
    let signs: Option<Vec<char>> = ring
        .slices
        .iter()
        .map(|owner| SIGNS.chars().nth(*owner))
        .collect();
    let signs = signs.filter(|signs| !signs.is_empty())?;
    let (across, down) = RADII;
    let (width, height) = (whole(2.0 * across) + 1, whole(2.0 * down) + 1);
    let mut canvas = vec![vec![' '; width]; height];
    let step = std::f64::consts::TAU / f64::from(u32::try_from(signs.len()).ok()?);
    let mut angle = step / 2.0;
    for sign in signs {
        let (row, column) = (
            whole(down - down * angle.cos()),
            whole(across + across * angle.sin()),
        );
        if let Some(place) = canvas.get_mut(row).and_then(|row| row.get_mut(column)) {
            *place = sign;
        }
        angle += step;
    }
    let tokens: usize = ring.members.iter().map(|member| member.tokens).sum();
    let down_nodes = ring
        .members
        .iter()
        .filter(|member| member.liveness == Liveness::Down)
        .count();
    let words = [
        format!("{} nodes", ring.members.len()),
        format!("{down_nodes} down"),
        format!("{tokens} tokens"),
    ];
    for (row, text) in canvas.iter_mut().skip(height / 2 - 1).zip(&words) {
        let begin = (width - text.len()) / 2;
        for (place, sign) in row.iter_mut().skip(begin).zip(text.chars()) {
            *place = sign;
        }
    }
    Some(
        canvas
            .into_iter()
            .map(|row| row.into_iter().collect::<String>().trim_end().to_owned())
            .collect(),
    )
}

/// The nearest place.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "places of a picture of a few dozen signs"
)]
fn whole(place: f64) -> usize {
    place.round().max(0.0) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::IpAddr;

    use casskop_core::observed::RingView;
    use casskop_core::view::ring::RingFacts;
    use insta::assert_snapshot;

    use super::*;
    use crate::printer::Ink;
    use crate::render::{Detail, fixtures};

    fn layout(width: Option<usize>, detail: Detail) -> Layout {
        Layout {
            width,
            ink: Ink::Plain,
            detail,
            now: "2026-11-21T08:10:00Z".parse().unwrap(),
        }
    }

    /// The two pods of the fixtures, of which the second is down, and a node elsewhere; 16 tokens each.
    fn report() -> RingReport {
        let addresses: [IpAddr; 3] = [
            [10, 0, 1, 1].into(),
            [10, 0, 2, 1].into(),
            [192, 168, 7, 1].into(),
        ];
        let tokens = (0_i64..48).map(|number| {
            let token = i128::from(i64::MIN) + i128::from(number) * 384_307_168_202_282_325;
            (
                token.to_string(),
                addresses[usize::try_from(number * 5 % 7).unwrap() % 3],
            )
        });
        let facts = RingFacts {
            told_by: "demo-dc1-rack1-0".to_owned(),
            ring: RingView {
                live: [addresses[0], addresses[2]].into(),
                unreachable: [addresses[1]].into(),
                host_ids: addresses
                    .map(|address| (address, format!("{:0>36}", address.to_string())))
                    .into(),
                ..RingView::default()
            },
            loads: [
                (addresses[0], "19.98 MiB".to_owned()),
                (addresses[1], "102.4 KiB".to_owned()),
            ]
            .into(),
            tokens: tokens.collect(),
            shares: [(addresses[0], 0.667), (addresses[1], 0.333), (addresses[2], 1.0)].into(),
            share_of: ShareOf::Data,
        };
        RingReport::of(&fixtures::healthy(), &facts)
    }

    #[test]
    fn a_ring_in_a_terminal() {
        let lines = ring(&fixtures::healthy(), &report(), &layout(Some(80), Detail::Brief));
        assert!(lines.iter().all(|line| line.chars().count() <= 80));
        assert_snapshot!("ring", lines.join("\n"));
    }

    #[test]
    fn a_ring_in_a_pipe_is_whole() {
        let mut report = report();
        report.share_of = ShareOf::Tokens;
        report.slices.clear();
        let lines = ring(&fixtures::healthy(), &report, &layout(None, Detail::Everything));
        assert_snapshot!("ring-in-a-pipe", lines.join("\n"));
    }

    #[test]
    fn every_part_of_the_ring_has_its_sign_in_the_picture() {
        let report = report();
        let mut owned: BTreeMap<char, usize> = BTreeMap::new();
        for owner in &report.slices {
            *owned.entry(SIGNS.chars().nth(*owner).unwrap()).or_default() += 1;
        }
        let text = picture(&report).unwrap().join("\n");
        for (sign, count) in owned {
            assert_eq!(text.matches(sign).count(), count, "{sign} in\n{text}");
        }
    }
}
