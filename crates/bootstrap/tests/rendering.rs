//! Whole configurations, rendered from stock files of this crate's own, as snapshots.

mod stock;

use casskop_bootstrap::config::Files;

fn snapshot(series: &str, product_version: &str) {
    let stock = stock::files(series);
    let rendered = stock::rendered(series, &stock, product_version, "127.0.0.1");
    let notices = rendered.notices.iter().map(|notice| format!("{notice}\n"));
    let files = rendered
        .files
        .iter()
        .map(|(name, content)| format!("\n==> {name}\n{content}"));
    let text: String = notices.chain(files).collect();
    insta::with_settings!({prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_snapshot!(format!("cassandra-{series}"), text);
    });

    let mut again: Files = stock;
    again.extend(rendered.files);
    let second = stock::rendered(series, &again, product_version, "127.0.0.1");
    assert!(
        second.files.is_empty(),
        "rendering again changes {:?}",
        second.files.keys()
    );
}

#[test]
fn cassandra_3_11() {
    snapshot("3.11", "3.11.19");
}

#[test]
fn cassandra_4_0() {
    snapshot("4.0", "4.0.19");
}

#[test]
fn cassandra_4_1() {
    snapshot("4.1", "4.1.10");
}

#[test]
fn cassandra_5_0() {
    snapshot("5.0", "5.0.9");
}
