//! The request: labels and annotations of a pod.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use super::{
    ArgumentError, OperationCommand, OperationName, OperationStatus, Parallelism, ParallelismError, TableWork,
};
use crate::labels::{
    Labels, OPERATION_ABORT, OPERATION_ARGUMENT, OPERATION_ARGUMENT_ANNOTATION, OPERATION_END,
    OPERATION_ENDED_OPTIONS, OPERATION_NAME, OPERATION_OPTIONS, OPERATION_PARALLELISM,
    OPERATION_REQUESTED_BY, OPERATION_START, OPERATION_STATUS, is_label_value,
};
use crate::vocabulary::UnknownWord;

/// A pod's operation labels cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RequestError {
    /// No such operation.
    #[error("label operation-name: {0}")]
    Name(UnknownWord),
    /// No such status.
    #[error("label operation-status: {0}")]
    Status(UnknownWord),
    /// No such number of operations at once.
    #[error("annotation {OPERATION_PARALLELISM}: {0}")]
    Parallelism(ParallelismError),
}

/// What a pod's labels and annotations say about its operation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OperationRequest {
    /// The operation.
    pub name: OperationName,
    /// How far it is.
    pub status: OperationStatus,
    /// Its argument as written, see [`OperationRequest::command`].
    pub argument: Option<String>,
    /// Its options as written, see [`OperationRequest::command`].
    pub options: Option<String>,
    /// Who asked, in the words of whoever wrote the request.
    pub requested_by: Option<String>,
    /// How many operations may run at once in the rack when this one starts.
    pub parallelism: Parallelism,
}

impl OperationRequest {
    /// A new request for an operation.
    pub fn to_do(command: &OperationCommand, requested_by: Option<String>) -> Self {
        Self {
            name: command.name(),
            status: OperationStatus::ToDo,
            argument: command.argument(),
            options: command.options(),
            requested_by,
            parallelism: Parallelism::ONE,
        }
    }

    /// The same, to start once fewer than so many operations run in the rack.
    #[must_use]
    pub fn with_parallelism(self, parallelism: Parallelism) -> Self {
        Self { parallelism, ..self }
    }

    /// What a pod is asked for, see [`OperationRequest::from_pod_metadata`].
    pub fn of(pod: &Pod) -> Result<Option<Self>, RequestError> {
        Self::from_pod_metadata(pod.metadata.labels.as_ref(), pod.metadata.annotations.as_ref())
    }

    /// Reads a pod's metadata. `None` is no request: neither are labels that are half written, since `kubectl label` may set the
    /// name in one call and the status in the next.
    pub fn from_pod_metadata(
        labels: Option<&Labels>,
        annotations: Option<&BTreeMap<String, String>>,
    ) -> Result<Option<Self>, RequestError> {
        let label = |key: &str| {
            labels
                .and_then(|labels| labels.get(key))
                .filter(|value| !value.is_empty())
        };
        let annotation = |key: &str| annotations.and_then(|annotations| annotations.get(key)).cloned();
        let (Some(name), Some(status)) = (label(OPERATION_NAME), label(OPERATION_STATUS)) else {
            return Ok(None);
        };
        let status = status.parse().map_err(RequestError::Status)?;
        let parallelism = match annotation(OPERATION_PARALLELISM).as_deref().map(str::parse) {
            None => Parallelism::ONE,
            Some(Ok(parallelism)) => parallelism,
            // Of no account once it runs.
            Some(Err(_)) if status != OperationStatus::ToDo => Parallelism::ONE,
            Some(Err(error)) => return Err(RequestError::Parallelism(error)),
        };
        let name = name.parse().map_err(RequestError::Name)?;
        // To any other operation they say nothing: they may be prepared for the next one.
        let options = annotation(OPERATION_OPTIONS)
            .filter(|options| TableWork::of(name).is_some() && !options.trim().is_empty());
        Ok(Some(Self {
            name,
            status,
            // The label wins: whoever writes it by hand does not know of an annotation left by an earlier request.
            argument: label(OPERATION_ARGUMENT)
                .cloned()
                .or_else(|| annotation(OPERATION_ARGUMENT_ANNOTATION)),
            options,
            requested_by: annotation(OPERATION_REQUESTED_BY),
            parallelism,
        }))
    }

    /// The operation with its argument and options parsed.
    pub fn command(&self) -> Result<OperationCommand, ArgumentError> {
        OperationCommand::parse(self.name, self.argument.as_deref(), self.options.as_deref())
    }

    /// What to write on a pod to make this its request. Whatever an earlier request left is taken away.
    pub fn to_patch(&self) -> MetadataPatch {
        let argument = self.argument.clone();
        let (in_label, in_annotation) = match argument {
            Some(argument) if is_label_value(&argument) => (Some(argument), None),
            other => (None, other),
        };
        MetadataPatch {
            labels: BTreeMap::from([
                (OPERATION_NAME, Some(self.name.to_string())),
                (OPERATION_STATUS, Some(self.status.to_string())),
                (OPERATION_ARGUMENT, in_label),
                (OPERATION_START, None),
                (OPERATION_END, None),
            ]),
            annotations: BTreeMap::from([
                (OPERATION_ARGUMENT_ANNOTATION, in_annotation),
                (OPERATION_OPTIONS, self.options.clone()),
                (OPERATION_ENDED_OPTIONS, None),
                (OPERATION_REQUESTED_BY, self.requested_by.clone()),
                (
                    OPERATION_PARALLELISM,
                    (self.parallelism != Parallelism::ONE).then(|| self.parallelism.to_string()),
                ),
                (OPERATION_ABORT, None),
            ]),
        }
    }
}

/// Labels that hold a request, and what became of it.
const REQUEST_LABELS: [&str; 5] = [
    OPERATION_NAME,
    OPERATION_STATUS,
    OPERATION_ARGUMENT,
    OPERATION_START,
    OPERATION_END,
];

/// Annotations that hold the rest of it.
const REQUEST_ANNOTATIONS: [&str; 6] = [
    OPERATION_ARGUMENT_ANNOTATION,
    OPERATION_OPTIONS,
    OPERATION_ENDED_OPTIONS,
    OPERATION_REQUESTED_BY,
    OPERATION_PARALLELISM,
    OPERATION_ABORT,
];

/// All that a pod's metadata says of what it is asked for, by label or annotation. As long as it stays, nobody has asked for
/// anything else.
pub fn request_metadata(metadata: &ObjectMeta) -> BTreeMap<&'static str, String> {
    let of = |kept: Option<&BTreeMap<String, String>>, keys: &[&'static str]| {
        let held = |key: &&'static str| Some((*key, kept?.get(*key)?.clone()));
        keys.iter().filter_map(held).collect::<Vec<_>>()
    };
    let labels = of(metadata.labels.as_ref(), &REQUEST_LABELS);
    let annotations = of(metadata.annotations.as_ref(), &REQUEST_ANNOTATIONS);
    labels.into_iter().chain(annotations).collect()
}

/// The operation that a pod's annotations say is to end, as written: it may be no operation's name.
pub fn abort_asked(annotations: Option<&BTreeMap<String, String>>) -> Option<&str> {
    let name = annotations?.get(OPERATION_ABORT)?.trim();
    (!name.is_empty()).then_some(name)
}

/// What to write on a pod to end its queued or running operation of a name.
pub fn abort_patch(name: OperationName) -> MetadataPatch {
    MetadataPatch {
        labels: BTreeMap::new(),
        annotations: BTreeMap::from([(OPERATION_ABORT, Some(name.to_string()))]),
    }
}

/// Changes to a pod's labels and annotations; `None` takes a key away.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct MetadataPatch {
    /// Changes to labels.
    pub labels: BTreeMap<&'static str, Option<String>>,
    /// Changes to annotations.
    pub annotations: BTreeMap<&'static str, Option<String>>,
}

impl MetadataPatch {
    /// The changes as a JSON merge patch (RFC 7386), where null takes a key away.
    pub fn to_merge_patch(&self) -> Value {
        let mut metadata = serde_json::Map::new();
        for (field, changes) in [("labels", &self.labels), ("annotations", &self.annotations)] {
            if !changes.is_empty() {
                metadata.insert(field.to_owned(), json!(changes));
            }
        }
        json!({ "metadata": metadata })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pairs: &[(&str, &str)]) -> Labels {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    /// What a pod's labels and annotations are after a patch.
    fn patched(before: &Labels, changes: &BTreeMap<&'static str, Option<String>>) -> Labels {
        let mut after = before.clone();
        for (key, value) in changes {
            match value {
                Some(value) => drop(after.insert((*key).to_owned(), value.clone())),
                None => drop(after.remove(*key)),
            }
        }
        after
    }

    #[test]
    fn whatever_a_request_writes_tells_it_from_another() {
        let request = OperationRequest {
            name: OperationName::Cleanup,
            status: OperationStatus::ToDo,
            argument: None,
            options: None,
            requested_by: None,
            parallelism: Parallelism::ONE,
        };
        let MetadataPatch { labels, annotations } = request.to_patch();
        let keys = |changes: &BTreeMap<&'static str, Option<String>>| {
            changes.keys().copied().collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(keys(&labels), REQUEST_LABELS.into());
        assert_eq!(keys(&annotations), REQUEST_ANNOTATIONS.into());

        let mut metadata = ObjectMeta {
            labels: Some(set(&[("operation-name", "cleanup"), ("app", "cassandracluster")])),
            annotations: Some(set(&[(OPERATION_ABORT, "cleanup"), ("of-others", "x")])),
            ..ObjectMeta::default()
        };
        let before = request_metadata(&metadata);
        assert_eq!(
            before,
            BTreeMap::from([
                (OPERATION_NAME, "cleanup".to_owned()),
                (OPERATION_ABORT, "cleanup".to_owned())
            ])
        );
        metadata.resource_version = Some("2".to_owned());
        metadata.annotations.get_or_insert_default().remove("of-others");
        assert_eq!(request_metadata(&metadata), before);
        metadata.annotations = None;
        assert_ne!(request_metadata(&metadata), before);
    }

    #[test]
    fn labels_written_by_hand_are_a_request_once_both_are_there() {
        let read = |labels: &Labels| OperationRequest::from_pod_metadata(Some(labels), None);
        assert_eq!(OperationRequest::from_pod_metadata(None, None), Ok(None));
        assert_eq!(read(&set(&[("operation-name", "cleanup")])), Ok(None));
        assert_eq!(read(&set(&[("operation-status", "ToDo")])), Ok(None));
        assert_eq!(
            read(&set(&[
                ("operation-name", "rebuild"),
                ("operation-status", "ToDo"),
                ("operation-argument", "dc1")
            ])),
            Ok(Some(OperationRequest {
                name: OperationName::Rebuild,
                status: OperationStatus::ToDo,
                argument: Some("dc1".to_owned()),
                options: None,
                requested_by: None,
                parallelism: Parallelism::ONE,
            }))
        );
    }

    #[test]
    fn a_number_at_once_that_is_none_is_refused_while_it_counts() {
        let labels = |status| set(&[("operation-name", "cleanup"), ("operation-status", status)]);
        let zero = set(&[(OPERATION_PARALLELISM, "0")]);
        let error = OperationRequest::from_pod_metadata(Some(&labels("ToDo")), Some(&zero)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "annotation cassandraclusters.db.orange.com/operation-parallelism: `0` is not a number from 1 to 65535"
        );
        let runs = OperationRequest::from_pod_metadata(Some(&labels("Ongoing")), Some(&zero)).unwrap();
        assert_eq!(runs.unwrap().parallelism, Parallelism::ONE);
    }

    #[test]
    fn options_are_of_work_on_tables() {
        let notes = set(&[(OPERATION_OPTIONS, r#"{"threads":1}"#)]);
        for (name, options) in [
            ("cleanup", Some(r#"{"threads":1}"#)),
            ("rebuild", None),
            ("restart", None),
        ] {
            let labels = set(&[("operation-name", name), ("operation-status", "ToDo")]);
            let request = OperationRequest::from_pod_metadata(Some(&labels), Some(&notes)).unwrap();
            assert_eq!(request.unwrap().options.as_deref(), options, "{name}");
        }
    }

    #[test]
    fn an_operation_to_be_ended_is_named_until_the_next_request() {
        let abort = abort_patch(OperationName::Cleanup);
        let notes = patched(&Labels::new(), &abort.annotations);
        assert_eq!(abort_asked(Some(&notes)), Some("cleanup"));
        let request = OperationRequest::to_do(&OperationCommand::on_all_tables(TableWork::Cleanup), None);
        let notes = patched(&notes, &request.to_patch().annotations);
        assert_eq!(abort_asked(Some(&notes)), None);
        assert_eq!(abort_asked(Some(&set(&[(OPERATION_ABORT, " ")]))), None);
        assert_eq!(abort_asked(None), None);
    }

    #[test]
    fn words_nobody_knows_are_named() {
        let labels = set(&[("operation-name", "cleanpu"), ("operation-status", "ToDo")]);
        let error = OperationRequest::from_pod_metadata(Some(&labels), None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "label operation-name: `cleanpu` is not one of cleanup, upgradesstables, scrub, compact, flush, garbagecollect, rebuild, reloadssl, move, remove, decommission, replace, restart"
        );
        let labels = set(&[("operation-name", "cleanup"), ("operation-status", "todo")]);
        assert!(matches!(
            OperationRequest::from_pod_metadata(Some(&labels), None),
            Err(RequestError::Status(_))
        ));
    }

    #[test]
    fn every_request_survives_the_pod_and_leaves_nothing_of_the_last_one() {
        let long = "d".repeat(64);
        let before = set(&[
            ("app", "cassandracluster"),
            ("operation-argument", "dc9"),
            ("operation-start", "20261121T080102"),
            ("operation-end", "20261121T080103"),
        ]);
        let notes = set(&[
            (
                "cassandraclusters.db.orange.com/operation-argument",
                "2001:db8::9",
            ),
            ("cassandraclusters.db.orange.com/operation-options", "{}"),
        ]);
        for (name, argument) in [
            (OperationName::Cleanup, None),
            // Without a keyspace it is for all of them: one that is left behind would count.
            (OperationName::Flush, None),
            (OperationName::Compact, None),
            (OperationName::Restart, None),
            (OperationName::Rebuild, Some("dc1")),
            (OperationName::Rebuild, Some(long.as_str())),
            (OperationName::Remove, Some("demo-dc1-rack1-0_10.0.0.1")),
            (OperationName::Remove, Some("2001:db8::1")),
            (OperationName::ReloadSsl, None),
            // No label takes a word that begins with a dash.
            (OperationName::Move, Some("-3074457345618258603")),
        ] {
            let command = OperationCommand::parse(name, argument, None).unwrap();
            let request = OperationRequest::to_do(&command, Some("ann@example.com".to_owned()))
                .with_parallelism("3".parse().unwrap());
            let patch = request.to_patch();
            let labels = patched(&before, &patch.labels);
            let annotations = patched(&notes, &patch.annotations);
            assert!(labels.values().all(|value| is_label_value(value)), "{labels:?}");
            assert!(!labels.contains_key(OPERATION_START) && !labels.contains_key(OPERATION_END));
            let read = OperationRequest::from_pod_metadata(Some(&labels), Some(&annotations));
            assert_eq!(read, Ok(Some(request.clone())), "{name} {argument:?}");
            assert_eq!(request.command(), Ok(command));
        }
    }

    #[test]
    fn a_merge_patch_says_null_for_what_goes() {
        let patch = OperationRequest::to_do(&OperationCommand::on_all_tables(TableWork::Cleanup), None)
            .to_patch()
            .to_merge_patch();
        assert_eq!(
            patch,
            json!({"metadata": {
                "labels": {
                    "operation-argument": null,
                    "operation-end": null,
                    "operation-name": "cleanup",
                    "operation-start": null,
                    "operation-status": "ToDo",
                },
                "annotations": {
                    "cassandraclusters.db.orange.com/operation-abort": null,
                    "cassandraclusters.db.orange.com/operation-argument": null,
                    "cassandraclusters.db.orange.com/operation-ended-options": null,
                    "cassandraclusters.db.orange.com/operation-options": null,
                    "cassandraclusters.db.orange.com/operation-parallelism": null,
                    "cassandraclusters.db.orange.com/operation-requested-by": null,
                },
            }})
        );
    }
}
