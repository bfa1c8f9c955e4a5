//! The lab's control groups: one per lab, one in it per node. They are named after the lab, for they are all that is
//! left of it after a crash of the machine's other parts, and the name is how they are found.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long the kernel may take to let go of a group whose last process was killed.
const RELEASE: Duration = Duration::from_secs(20);

/// The name of a lab's group, under the root of each hierarchy.
pub fn of_lab(lab: &str) -> String {
    format!("casskop-lab-{lab}")
}

/// The path of a node's group, as the kubelet wants it.
pub fn of_node(lab: &str, node: &str) -> String {
    format!("/{}/{node}", of_lab(lab))
}

/// Makes a lab's group in every hierarchy.
pub fn create(lab: &str) -> Result<()> {
    for hierarchy in hierarchies()? {
        hierarchy.prepare(Path::new(&of_lab(lab)))?;
    }
    Ok(())
}

/// Makes a node's group in every hierarchy: the kubelet refuses to start without.
pub fn create_node(lab: &str, node: &str) -> Result<()> {
    for hierarchy in hierarchies()? {
        hierarchy.prepare(&Path::new(&of_lab(lab)).join(node))?;
    }
    Ok(())
}

/// Removes a lab's groups. Its processes must have ended; none there is as good.
pub fn remove(lab: &str) -> Result<()> {
    let deadline = Instant::now() + RELEASE;
    for hierarchy in hierarchies()? {
        let group = hierarchy.root.join(of_lab(lab));
        while let Err(error) = remove_tree(&group) {
            if Instant::now() > deadline {
                return Err(error)
                    .with_context(|| format!("cannot remove the control group {}", group.display()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(())
}

/// Stops all processes of a group, or lets them go on.
pub fn set_frozen(group: &str, state: Motion) -> Result<()> {
    for hierarchy in hierarchies()? {
        let directory = hierarchy.root.join(group.trim_start_matches('/'));
        let (file, value) = match (hierarchy.kind, state) {
            (Kind::Unified, Motion::Frozen) => ("cgroup.freeze", "1"),
            (Kind::Unified, Motion::Running) => ("cgroup.freeze", "0"),
            (Kind::Legacy, Motion::Frozen) => ("freezer.state", "FROZEN"),
            (Kind::Legacy, Motion::Running) => ("freezer.state", "THAWED"),
        };
        let switch = directory.join(file);
        if switch.exists() {
            return fs::write(&switch, value).with_context(|| format!("cannot write {}", switch.display()));
        }
    }
    bail!("no control group {group} can be frozen")
}

/// Whether processes run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    /// They do.
    Running,
    /// They are stopped where they were, without knowing.
    Frozen,
}

/// One mounted tree of control groups.
#[derive(Debug)]
struct Hierarchy {
    root: PathBuf,
    kind: Kind,
}

/// The two versions of the interface. On a hybrid machine the unified tree has no controllers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Legacy,
    Unified,
}

fn hierarchies() -> Result<Vec<Hierarchy>> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("cannot read /proc/self/mounts")?;
    let found = parse_mounts(&mounts);
    if found.is_empty() {
        bail!("no control groups are mounted on this machine");
    }
    Ok(found)
}

fn parse_mounts(mounts: &str) -> Vec<Hierarchy> {
    let mut found: Vec<Hierarchy> = Vec::new();
    for line in mounts.lines() {
        let mut fields = line.split(' ').skip(1);
        let (Some(root), Some(kind)) = (fields.next(), fields.next()) else {
            continue;
        };
        let kind = match kind {
            "cgroup" => Kind::Legacy,
            "cgroup2" => Kind::Unified,
            _ => continue,
        };
        if !found.iter().any(|hierarchy| hierarchy.root == Path::new(root)) {
            found.push(Hierarchy {
                root: root.into(),
                kind,
            });
        }
    }
    found
}

impl Hierarchy {
    /// Makes a group usable: in the old interface a group without CPUs takes no process, in the new one a group has
    /// only the controllers its parent hands down.
    fn prepare(&self, group: &Path) -> Result<()> {
        let directory = self.root.join(group);
        fs::create_dir_all(&directory)
            .with_context(|| format!("cannot make the control group {}", directory.display()))?;
        for file in ["cpuset.cpus", "cpuset.mems"] {
            let own = directory.join(file);
            if self.kind == Kind::Legacy && own.exists() {
                let parent = directory.parent().unwrap_or(&self.root).join(file);
                let value = fs::read_to_string(&parent)
                    .with_context(|| format!("cannot read {}", parent.display()))?;
                fs::write(&own, value).with_context(|| format!("cannot write {}", own.display()))?;
            }
        }
        if self.kind == Kind::Unified {
            for above in group.ancestors().skip(1).chain([group]) {
                hand_down(&self.root.join(above))?;
            }
        }
        Ok(())
    }
}

fn hand_down(directory: &Path) -> Result<()> {
    let controllers = directory.join("cgroup.controllers");
    let Ok(available) = fs::read_to_string(&controllers) else {
        return Ok(());
    };
    let wanted: Vec<String> = available
        .split_whitespace()
        .map(|name| format!("+{name}"))
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let switch = directory.join("cgroup.subtree_control");
    fs::write(&switch, wanted.join(" ")).with_context(|| format!("cannot write {}", switch.display()))
}

/// Removes a group and those in it, innermost first; a group's files go with it and cannot be removed.
fn remove_tree(group: &Path) -> std::io::Result<()> {
    let entries = match fs::read_dir(group) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_hierarchy_are_found() {
        let mounts = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
                      cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n\
                      cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n\
                      cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n";
        let found = parse_mounts(mounts);
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].root.as_path(), found[0].kind),
            (Path::new("/sys/fs/cgroup/memory"), Kind::Legacy)
        );
        assert_eq!(
            (found[1].root.as_path(), found[1].kind),
            (Path::new("/sys/fs/cgroup/unified"), Kind::Unified)
        );
    }

    #[test]
    fn a_node_group_is_below_its_labs() {
        assert_eq!(of_node("demo", "n1"), "/casskop-lab-demo/n1");
        assert!(of_node("demo", "n1").contains(&of_lab("demo")));
    }
}
