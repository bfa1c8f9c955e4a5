//! `check`: whether everything is there that the plugin and the operator need.

mod clusters;
mod finding;
mod operator;
mod permissions;
mod server;

use serde_json::json;

use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::kube_access::Access;
use crate::printer::Printer;
use crate::render;
use finding::{Finding, Verdict};

/// Check permissions, definitions, the operator and names before they are needed
///
/// Each line says `ok`, `warning` or `failed`, what was looked at, and what to do. Exit code 3 when something has failed. What the user
/// may not read is a warning.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # After installing, or when nothing seems to happen
  kubectl casskop check
  # In a script
  kubectl casskop check -n cassandra -o json || echo 'not ready'")]
pub(crate) struct Args {}

pub(super) async fn run(_: &Args, access: &Access, printer: &mut Printer<'_>) -> Result<ExitStatus, Failure> {
    let mut findings = server::server(access).await?;
    findings.extend(permissions::permissions(access).await?);
    findings.extend(operator::operator(access, printer.now()).await?);
    findings.extend(Box::pin(clusters::clusters(access)).await?);
    tell(&findings, printer)?;
    let failed = findings.iter().any(|finding| finding.verdict == Verdict::Failed);
    Ok(if failed {
        ExitStatus::Unhealthy
    } else {
        ExitStatus::Success
    })
}

fn tell(findings: &[Finding], printer: &mut Printer<'_>) -> Result<(), Failure> {
    let row = |finding: &Finding| {
        [
            finding.verdict.word().to_owned(),
            finding.subject.clone(),
            finding.message.clone(),
        ]
    };
    let rows: Vec<[String; 3]> = findings.iter().map(row).collect();
    let not_ok = findings.iter().filter(|finding| finding.verdict != Verdict::Ok);
    let names: Vec<String> = not_ok.map(|finding| finding.subject.clone()).collect();
    printer.result(&render::rows(&rows), &names, &json!({ "checks": findings }))
}
