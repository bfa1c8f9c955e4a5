//! The table of budgets, as text.

use comfy_table::{ContentArrangement, Table, presets};

use super::budget::{Amounts, Budget, Outcome, readable};

const HEADER: [&str; 7] = [
    "WHAT",
    "CASSKOP",
    "BUDGET",
    "TODAY",
    "CONTROL",
    "X CONTROL",
    "VERDICT",
];

/// One line for each budget.
pub(crate) fn render(rows: &[(Budget, Outcome)]) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(HEADER);
    for (budget, outcome) in rows {
        table.add_row(cells(budget, outcome));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

fn cells(budget: &Budget, outcome: &Outcome) -> [String; 7] {
    let today = Amounts {
        // It has a column of its own.
        times_control: None,
        ..outcome.amounts
    };
    let cell = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    [
        budget.what.to_owned(),
        budget.casskop.to_owned(),
        format!("<= {}", budget.limits),
        today.to_string(),
        cell(outcome.control.map(readable)),
        cell(outcome.amounts.times_control.map(|times| format!("{times:.2}"))),
        outcome.verdict(budget).to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bench::budget::{IDLE, START_UP};

    #[test]
    fn what_has_no_control_has_no_ratio() {
        let start_up = Amounts {
            time: Some(Duration::from_micros(4200)),
            ..Amounts::default()
        };
        let idle = Amounts {
            requests: Some(2),
            calls: Some(0),
            ..Amounts::default()
        };
        let rows = [
            (
                START_UP,
                Outcome::measured(start_up, Some(Duration::from_millis(42))),
            ),
            (IDLE, Outcome::measured(idle, None)),
        ];
        let text = render(&rows);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        let words = |line: &str| {
            line.split("  ")
                .map(str::trim)
                .filter(|cell| !cell.is_empty())
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(words(lines[0]), HEADER);
        assert_eq!(
            words(lines[1]),
            [
                "plugin start (--help)",
                "190 ms (Python)",
                "<= 10.0 ms, 0.33 x control",
                "4.2 ms",
                "42.0 ms",
                "0.10",
                "kept"
            ]
        );
        assert_eq!(
            words(lines[2]),
            [
                "idle cluster, besides watches and lease",
                "2 calls every 5 s",
                "<= 0 requests, 0 calls",
                "2 requests, 0 calls",
                "-",
                "-",
                "EXCEEDED"
            ]
        );
    }
}
