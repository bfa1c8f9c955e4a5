//! Who asked the API server for what: its audit log, the one witness that cannot be talked into anything. Tests use
//! it to prove that no request was forbidden and no granted verb unused, the bench to count requests by user.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

/// One line for every request, when it is answered; watches a second time, when they begin. Bodies are kept of created
/// volumes only, see [`crate::storage::remove_volumes`].
pub const POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Request
  verbs: [create]
  resources: [{group: '', resources: [persistentvolumes]}]
- level: Metadata
";

/// One request to the API server.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// `ResponseStarted` (watches only), `ResponseComplete` or `Panic`.
    pub stage: String,
    /// get, list, watch, create, update, patch, delete, deletecollection.
    pub verb: String,
    /// Path and query as sent.
    #[serde(rename = "requestURI")]
    pub uri: String,
    /// Who sent it.
    pub user: User,
    /// The program that sent it, by its own word.
    #[serde(default)]
    pub user_agent: String,
    /// What it was about; none for `/readyz`, `/apis` and the like.
    #[serde(default)]
    pub object_ref: Option<Object>,
    /// How it was answered.
    #[serde(default)]
    pub response_status: Option<Status>,
    /// When it came in, RFC 3339 with microseconds.
    pub request_received_timestamp: String,
}

/// A user of the API.
#[derive(Clone, Debug, Deserialize)]
pub struct User {
    /// `admin`, `system:serviceaccount:NAMESPACE:NAME`, ...
    pub username: String,
}

/// What a request was about.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Object {
    /// Plural, lowercase.
    pub resource: String,
    /// `status`, `binding`, `token`, ...
    pub subresource: String,
    /// Empty for cluster-wide ones.
    pub namespace: String,
    /// Empty for lists and for names the server makes.
    pub name: String,
    /// Empty for the core group.
    pub api_group: String,
}

/// How a request was answered.
#[derive(Clone, Debug, Deserialize)]
pub struct Status {
    /// The HTTP status.
    #[serde(default)]
    pub code: u16,
}

impl Request {
    /// Whether it was refused for lack of permission.
    pub fn is_forbidden(&self) -> bool {
        self.response_status
            .as_ref()
            .is_some_and(|status| status.code == 403)
    }

    /// Whether this line ends the request. Every request has one such line, so counting these counts requests; a
    /// watch that goes on has none yet.
    pub fn is_complete(&self) -> bool {
        self.stage == "ResponseComplete"
    }
}

/// Reads an audit log on from where it last stood.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    position: u64,
}

impl Reader {
    /// Reads from the beginning of the lab.
    pub fn from_start(log: &Path) -> Self {
        Self {
            path: log.to_owned(),
            position: 0,
        }
    }

    /// Reads what comes from now on. A line that is only half written yet belongs to it.
    pub fn from_now(log: &Path) -> Result<Self> {
        let mut reader = Self::from_start(log);
        reader.read_lines(&mut |_| Ok(()))?;
        Ok(reader)
    }

    /// The requests answered since the last time.
    pub fn read(&mut self) -> Result<Vec<Request>> {
        let mut requests = Vec::new();
        self.read_lines(&mut |line| {
            requests.push(serde_json::from_str(line).with_context(|| format!("not an audit event: {line}"))?);
            Ok(())
        })?;
        Ok(requests)
    }

    fn read_lines(&mut self, take: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
        let mut file =
            File::open(&self.path).with_context(|| format!("cannot read {}", self.path.display()))?;
        file.seek(SeekFrom::Start(self.position))?;
        let mut lines = BufReader::new(file);
        let mut line = String::new();
        loop {
            line.clear();
            let length = lines.read_line(&mut line)?;
            if !line.ends_with('\n') {
                // Nothing more, or a line that is still being written: the next call starts with it.
                return Ok(());
            }
            take(line.trim_end())?;
            self.position += length as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const LINE: &str = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"x","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/default/pods/a","verb":"get","user":{"username":"admin","groups":["system:masters"]},"sourceIPs":["127.16.255.1"],"userAgent":"kubectl","objectRef":{"resource":"pods","namespace":"default","name":"a","apiVersion":"v1"},"responseStatus":{"metadata":{},"status":"Failure","code":403},"requestReceivedTimestamp":"2026-11-21T08:00:00.000000Z","stageTimestamp":"2026-11-21T08:00:00.000000Z"}"#;

    #[test]
    fn half_a_line_waits_for_its_other_half() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.log");
        let mut log = File::create(&path).unwrap();
        let (first, second) = LINE.split_at(100);
        write!(log, "{LINE}\n{first}").unwrap();
        let mut reader = Reader::from_start(&path);
        let requests = reader.read().unwrap();
        assert_eq!(requests.len(), 1);
        assert!(requests[0].is_forbidden() && requests[0].is_complete());
        assert_eq!(requests[0].object_ref.as_ref().unwrap().resource, "pods");
        assert!(reader.read().unwrap().is_empty());
        writeln!(log, "{second}").unwrap();
        assert_eq!(reader.read().unwrap().len(), 1);
    }

    #[test]
    fn the_past_is_left_out_on_request() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.log");
        let mut log = File::create(&path).unwrap();
        writeln!(log, "{LINE}").unwrap();
        let mut reader = Reader::from_now(&path).unwrap();
        assert!(reader.read().unwrap().is_empty());
        writeln!(log, "{LINE}").unwrap();
        assert_eq!(reader.read().unwrap().len(), 1);
    }
}
