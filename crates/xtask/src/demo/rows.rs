//! Rows written before the work and read back after it, by `cqlsh` in one of the pods.

use anyhow::{Result, bail};
use casskop_lab::progress::{Progress, step};

use super::ground::{Ground, Kind};
use crate::printer::Printer;

/// How many rows.
const COUNT: usize = 100;

/// The pod whose `cqlsh` is used: not the one that is restarted in between.
const POD: &str = super::PODS[1];

/// What was written.
#[derive(Debug)]
pub(super) enum Rows {
    /// Simulated nodes hold no rows.
    None,
    /// That many, with the sum of their values.
    Written { count: usize, sum: usize },
}

impl Rows {
    pub(super) fn write(ground: &Ground, printer: &Printer) -> Result<Self> {
        if ground.kind() == Kind::Simulated {
            printer
                .note("simulated nodes hold no rows: run the demo without --simulated to see them survive");
            return Ok(Self::None);
        }
        let title = format!("write {COUNT} rows at replication factor 3");
        step(printer as &dyn Progress, &title, || {
            let mut statements = vec![
                "CREATE KEYSPACE IF NOT EXISTS demo WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 3};".to_owned(),
                "CREATE TABLE IF NOT EXISTS demo.rows (id int PRIMARY KEY, value int);".to_owned(),
                "CONSISTENCY ALL;".to_owned(),
            ];
            statements.extend(
                (0..COUNT)
                    .map(|id| format!("INSERT INTO demo.rows (id, value) VALUES ({id}, {});", value(id))),
            );
            // cqlsh takes a line break after the last statement for one more statement.
            let script = statements.join("\n");
            cqlsh(ground, &script).map(drop)
        })?;
        Ok(Self::Written {
            count: COUNT,
            sum: (0..COUNT).map(value).sum(),
        })
    }

    pub(super) fn read_back(&self, ground: &Ground, printer: &Printer) -> Result<()> {
        let Self::Written { count, sum } = self else {
            return Ok(());
        };
        let answer = cqlsh(
            ground,
            "CONSISTENCY ALL; SELECT count(*), sum(value) FROM demo.rows;",
        )?;
        if !holds(&answer, *count, *sum) {
            bail!("{count} rows with the sum {sum} were written, and this was read back:\n{answer}");
        }
        printer.result(&format!(
            "  rows: {count} read back at consistency ALL, all as they were written"
        ));
        Ok(())
    }
}

/// A value that tells one row from another.
fn value(id: usize) -> usize {
    id * id
}

fn cqlsh(ground: &Ground, script: &str) -> Result<String> {
    let exec = ["exec", POD, "--container=cassandra", "--"];
    let cqlsh = ["cqlsh", "--request-timeout=60", "-e", script];
    ground.kubectl().output(&[exec, cqlsh].concat())
}

/// Whether cqlsh's table holds one row of these two numbers.
fn holds(table: &str, count: usize, sum: usize) -> bool {
    let wanted = [count.to_string(), sum.to_string()];
    table.lines().any(|line| {
        line.split('|')
            .map(str::trim)
            .eq(wanted.iter().map(String::as_str))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_read_from_cqlshs_table() {
        let table = "Consistency level set to ALL.\n\n count | system.sum(value)\n-------+---\n   100 |  328350\n\n(1 rows)\n";
        assert!(holds(table, 100, 328_350));
        assert!(!holds(table, 99, 328_350));
        assert!(!holds("", 0, 0));
    }
}
