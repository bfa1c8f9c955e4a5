//! Tasks, as tables.

use casskop_core::view::tasks::TaskView;
use casskop_types::task::{CassandraTask, K8ssandraTask};
use serde_json::json;

use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::kube_access::Access;
use crate::printer::Printer;
use crate::render;
use crate::request::{self, Found};

pub(super) async fn list(access: &Access, printer: &mut Printer<'_>) -> Result<ExitStatus, Failure> {
    let of_clusters: Vec<K8ssandraTask> = request::tasks_of_clusters(access).await?;
    let of_datacenters: Vec<CassandraTask> = request::tasks_of_datacenters(access, None).await?;
    let views = TaskView::all(&of_clusters, &of_datacenters);
    if views.is_empty() && printer.format().is_for_people() {
        printer.note(&format!(
            "No tasks found in {} namespace.",
            access.place().namespace
        ));
        return Ok(ExitStatus::Success);
    }
    let names: Vec<String> = views.iter().map(render::task_name).collect();
    let text = render::tasks(&views, &printer.layout());
    printer.result(&text, &names, &json!({ "tasks": views }))?;
    Ok(ExitStatus::Success)
}

pub(super) fn describe(found: &Found, printer: &mut Printer<'_>) -> Result<ExitStatus, Failure> {
    let view = found.view();
    let text = render::task(&view, &printer.layout());
    printer.result(&text, &[render::task_name(&view)], &json!(view))?;
    Ok(ExitStatus::Success)
}
