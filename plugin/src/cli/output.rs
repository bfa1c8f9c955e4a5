//! In which form a result goes to standard output.

use crate::render::JsonPath;

/// In which form the result goes to standard output, in kubectl's words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum OutputFormat {
    /// Lines and tables for people.
    #[default]
    Text,
    /// The same, with more columns.
    Wide,
    Json,
    Yaml,
    Name,
    /// Parts of the object.
    JsonPath(JsonPath),
}

/// What may stand after `-o`.
const ALLOWED: &str = "text, wide, json, yaml, name, jsonpath='{.a.b[*].c}'";

impl OutputFormat {
    /// Whether people read it: lines and tables, not objects.
    pub(crate) const fn is_for_people(&self) -> bool {
        matches!(self, Self::Text | Self::Wide)
    }
}

/// Reads an [`OutputFormat`].
pub(super) fn format(text: &str) -> Result<OutputFormat, String> {
    match text {
        "text" => Ok(OutputFormat::Text),
        "wide" => Ok(OutputFormat::Wide),
        "json" => Ok(OutputFormat::Json),
        "yaml" => Ok(OutputFormat::Yaml),
        "name" => Ok(OutputFormat::Name),
        _ => match text.strip_prefix("jsonpath=") {
            Some(template) => template
                .parse()
                .map(OutputFormat::JsonPath)
                .map_err(|error: crate::render::JsonPathError| error.to_string()),
            None => Err(format!("allowed are {ALLOWED}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_allowed_is_answered_with_what_is() {
        assert_eq!(format("wide"), Ok(OutputFormat::Wide));
        assert!(matches!(
            format("jsonpath={.metadata.name}"),
            Ok(OutputFormat::JsonPath(_))
        ));
        for text in ["table", "", "JSON", "jsonpath"] {
            assert_eq!(format(text), Err(format!("allowed are {ALLOWED}")), "{text}");
        }
        assert_eq!(
            format("jsonpath={range .items[*]}").unwrap_err(),
            "`range .items[*]` is more than is understood: write paths as {.a.b[*].c}, and text as it is or in {\"quotes\"}"
        );
    }
}
