//! Each state a cluster can be in, as people see it.

use casskop_core::view::ClusterView;
use insta::assert_snapshot;

use super::fixtures::{healthy, large, of_casskop, operations, rolling, unseen};
use super::status;
use crate::printer::Ink;
use crate::render::layout::{Detail, Layout};
use crate::render::pace::Paces;

/// A terminal of 80 columns that shows no colors.
const TERMINAL: Option<usize> = Some(80);
/// A pipe.
const PIPE: Option<usize> = None;

fn layout(width: Option<usize>, detail: Detail) -> Layout {
    Layout {
        width,
        ink: Ink::Plain,
        detail,
        now: "2026-11-21T08:10:00Z".parse().unwrap(),
    }
}

fn shown(views: &[ClusterView], width: Option<usize>, detail: Detail) -> String {
    let lines = status(views, &Paces::default(), &layout(width, detail));
    if let Some(width) = width {
        for line in &lines {
            assert!(line.chars().count() <= width, "too wide: {line}");
        }
    }
    lines.join("\n")
}

#[test]
fn a_healthy_cluster() {
    assert_snapshot!("healthy", shown(&[healthy()], TERMINAL, Detail::Brief));
}

#[test]
fn a_healthy_cluster_in_every_detail() {
    assert_snapshot!(
        "healthy-everything",
        shown(&[healthy()], PIPE, Detail::Everything)
    );
}

#[test]
fn a_rolling_restart_waits_for_a_node() {
    assert_snapshot!("rolling", shown(&[rolling()], TERMINAL, Detail::Brief));
    assert_snapshot!("rolling-in-a-pipe", shown(&[rolling()], PIPE, Detail::Brief));
}

#[test]
fn operations_run_wait_and_fail() {
    assert_snapshot!("operations", shown(&[operations()], TERMINAL, Detail::Brief));
}

#[test]
fn a_cluster_of_casskops_operator() {
    assert_snapshot!("casskop", shown(&[of_casskop()], TERMINAL, Detail::Brief));
}

#[test]
fn three_hundred_pods_are_summed_up_until_all_are_asked_for() {
    let large = [large()];
    let brief = shown(&large, TERMINAL, Detail::Brief);
    assert_snapshot!("large", brief);
    let every_pod = shown(&large, TERMINAL, Detail::Pods);
    assert_eq!(
        every_pod
            .lines()
            .filter(|line| line.starts_with("demo-dc1-rack"))
            .count(),
        300
    );
}

#[test]
fn several_clusters_have_a_line_each() {
    let views = [healthy(), rolling(), unseen()];
    assert_snapshot!("several", shown(&views, TERMINAL, Detail::Brief));
    assert_snapshot!("several-in-a-pipe", shown(&views, PIPE, Detail::Brief));
}

#[test]
fn colors_say_nothing_that_words_do_not() {
    let plain = layout(TERMINAL, Detail::Brief);
    let colored = Layout {
        ink: Ink::Colored,
        ..plain
    };
    for view in [healthy(), rolling(), operations(), large(), unseen()] {
        let views = [view];
        let mut stripped = String::new();
        let mut escape = false;
        for c in status(&views, &Paces::default(), &colored).join("\n").chars() {
            match (c, escape) {
                ('\u{1b}', _) => escape = true,
                ('m', true) => escape = false,
                (_, true) => {}
                (c, false) => stripped.push(c),
            }
        }
        assert_eq!(stripped, status(&views, &Paces::default(), &plain).join("\n"));
    }
}
