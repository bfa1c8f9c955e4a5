//! What CassKop last made a StatefulSet of, from the annotation it keeps there.
//!
//! It tells a field that a spec has since dropped from one that somebody else added (`kubectl set env`, Reloader): CassKop leaves
//! the latter alone, and counting it would restart every node when its cluster is taken over. Our first write ends that: it
//! removes the annotation together with everything foreign.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use casskop_types::labels::STATEFUL_SET_LAST_APPLIED;
use k8s_openapi::api::apps::v1::StatefulSet;
use miniz_oxide::inflate::decompress_to_vec_with_limit;

/// More than any object of an API server, which has at most 1.5 MiB (etcd's limit on a request).
const LIMIT: usize = 2 * 1024 * 1024;

/// The StatefulSet as CassKop generated it; `None` if CassKop never did, or left something that cannot be read.
pub(super) fn of(stored: &StatefulSet) -> Option<StatefulSet> {
    let annotation = stored
        .metadata
        .annotations
        .as_ref()?
        .get(STATEFUL_SET_LAST_APPLIED)?;
    // Newer releases write base64 of a zip archive, older ones base64 of the JSON or the JSON itself.
    let bytes = STANDARD
        .decode(annotation)
        .unwrap_or_else(|_| annotation.clone().into_bytes());
    let json = first_of_zip(&bytes).unwrap_or(bytes);
    serde_json::from_slice(&json).ok()
}

/// The first file of a zip archive (APPNOTE.TXT 4.3.7). Go streams archives, so that the header has no sizes; the deflated data
/// tells its end by itself.
fn first_of_zip(archive: &[u8]) -> Option<Vec<u8>> {
    const DEFLATED: u16 = 8;
    let header = archive.strip_prefix(b"PK\x03\x04")?;
    let number = |at: usize| Some(u16::from_le_bytes([*header.get(at)?, *header.get(at + 1)?]));
    let (method, name, extra) = (number(4)?, number(22)?, number(24)?);
    let data = header.get(26 + usize::from(name) + usize::from(extra)..)?;
    (method == DEFLATED)
        .then(|| decompress_to_vec_with_limit(data, LIMIT).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by Go's `archive/zip` and `encoding/base64`, as CassKop does.
    const ZIPPED: &str = "UEsDBBQACAAIAAAAAAAAAAAAAAAAAAAAAAAIAAAAb3JpZ2luYWyqVspNLUlMSSxJVLKqVspLzE1VslJKSc3N101JNtQtSkzONlSq1VEqLkhNBikoSi3IyUxOLFayMq6tBQQAAP//UEsHCMpg1M9AAAAAPAAAAFBLAQIUABQACAAIAAAAAADKYNTPQAAAADwAAAAIAAAAAAAAAAAAAAAAAAAAAABvcmlnaW5hbFBLBQYAAAAAAQABADYAAAB2AAAAAAA=";

    fn annotated(annotation: &str) -> StatefulSet {
        let mut stored = StatefulSet::default();
        stored.metadata.annotations =
            Some([(STATEFUL_SET_LAST_APPLIED.to_owned(), annotation.to_owned())].into());
        stored
    }

    #[test]
    fn every_form_is_read() {
        let json = r#"{"metadata":{"name":"demo-dc1-rack1"},"spec":{"replicas":3}}"#;
        for annotation in [ZIPPED, json, &STANDARD.encode(json)] {
            let made = of(&annotated(annotation)).unwrap();
            assert_eq!(
                made.metadata.name.as_deref(),
                Some("demo-dc1-rack1"),
                "{annotation}"
            );
        }
    }

    #[test]
    fn what_cannot_be_read_is_nothing() {
        for annotation in ["", "UEsDB", "UEsDBA==", "bm8ganNvbg=="] {
            assert_eq!(of(&annotated(annotation)), None, "{annotation}");
        }
        assert_eq!(of(&StatefulSet::default()), None);
    }
}
