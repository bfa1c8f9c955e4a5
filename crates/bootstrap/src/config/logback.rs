//! `logback.xml`: levels, sizes, loggers, and whether `debug.log` is written.
//!
//! The stock file is edited rather than replaced, because its appenders differ from release to release. Comments are left
//! out of every search: the stock file explains its settings in comments that look like the settings.

use super::{Block, Files, Notice, Tree, scalar_text, sorted};
use serde_json::Value;
use std::ops::Range;

const FILE: &str = "logback.xml";
const DEBUG_APPENDER: &str = "ASYNCDEBUGLOG";
const NO_PLACE: &str = "has no place in this image's file, left out";
const NOT_USABLE: &str = "has no usable value, left out";

/// Changes the file in place.
pub fn render(files: &mut Files, tree: &Tree, notices: &mut Vec<Notice>) {
    let (Some(text), Some(block)) = (files.get_mut(FILE), tree.block("logback-xml")) else {
        return;
    };
    for (key, value) in sorted(block) {
        match apply(text, key, value) {
            Ok(changed) => *text = changed,
            Err(why) => notices.push(Notice::NotUsable {
                file: FILE,
                key: key.to_owned(),
                why,
            }),
        }
    }
}

fn apply(text: &str, key: &str, value: &Value) -> Result<String, &'static str> {
    match key {
        "debuglog-enabled" => match value.as_bool() {
            Some(true) => Ok(text.to_owned()),
            Some(false) => Ok(without_debug_log(text)),
            None => Err("must be true or false, left out"),
        },
        "root-log-level" => {
            let level = level(value)?;
            let tag = find(text, 0..text.len(), "<root").ok_or(NO_PLACE)?;
            let end = text[tag.start..].find('>').ok_or(NO_PLACE)? + tag.start;
            Ok(replaced(
                text,
                tag.start..end,
                &format!("<root level=\"{level}\""),
            ))
        }
        "systemlog-appender-level" => in_appender(text, "SYSTEMLOG", "level", level(value)?),
        "systemlog-appender-max-file-size" => {
            in_appender(text, "SYSTEMLOG", "maxFileSize", &megabytes(value)?)
        }
        "systemlog-appender-max-index" => {
            in_appender(text, "SYSTEMLOG", index_tag(text, "SYSTEMLOG"), &whole(value)?)
        }
        "debuglog-appender-max-file-size" => in_appender(text, "DEBUGLOG", "maxFileSize", &megabytes(value)?),
        "debuglog-appender-max-index" => {
            in_appender(text, "DEBUGLOG", index_tag(text, "DEBUGLOG"), &whole(value)?)
        }
        "loggers" => value
            .as_array()
            .ok_or(NOT_USABLE)?
            .iter()
            .try_fold(text.to_owned(), |text, logger| {
                with_logger(&text, logger.as_object().ok_or(NOT_USABLE)?)
            }),
        _ => Err("is not known, left out"),
    }
}

/// `debug.log` costs disk and CPU; the stock file says to take its appender out of the root logger to turn it off.
fn without_debug_log(text: &str) -> String {
    let reference = format!("<appender-ref ref=\"{DEBUG_APPENDER}\"");
    let Some(tag) = find(text, 0..text.len(), &reference) else {
        return text.to_owned();
    };
    let Some(end) = text[tag.start..].find("/>") else {
        return text.to_owned();
    };
    replaced(
        text,
        tag.start..tag.start + end + 2,
        &format!("<!-- {DEBUG_APPENDER}: off by debuglog-enabled -->"),
    )
}

fn in_appender(text: &str, appender: &str, tag: &str, value: &str) -> Result<String, &'static str> {
    let appender = appender_range(text, appender).ok_or(NO_PLACE)?;
    let open = find(text, appender.clone(), &format!("<{tag}>")).ok_or(NO_PLACE)?;
    let close = find(text, open.end..appender.end, &format!("</{tag}>")).ok_or(NO_PLACE)?;
    Ok(replaced(text, open.end..close.start, value))
}

fn appender_range(text: &str, appender: &str) -> Option<Range<usize>> {
    let start = find(text, 0..text.len(), &format!("<appender name=\"{appender}\""))?.start;
    let end = find(text, start..text.len(), "</appender>")?.end;
    Some(start..end)
}

/// How many old logs are kept: by number up to 3.11, by days where the policy goes by time as well.
fn index_tag(text: &str, appender: &str) -> &'static str {
    let by_number = appender_range(text, appender)
        .and_then(|range| find(text, range, "<maxIndex>"))
        .is_some();
    if by_number { "maxIndex" } else { "maxHistory" }
}

fn with_logger(text: &str, logger: &Block) -> Result<String, &'static str> {
    let name = logger.get("name").and_then(scalar_text).ok_or(NOT_USABLE)?;
    let name_is_plain = !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '$' | '-'));
    if !name_is_plain {
        return Err(NOT_USABLE);
    }
    let element = format!(
        "<logger name=\"{name}\" level=\"{}\"/>",
        level(logger.get("level").ok_or(NOT_USABLE)?)?
    );
    if let Some(tag) = find(text, 0..text.len(), &format!("<logger name=\"{name}\""))
        && let Some(end) = text[tag.start..].find("/>")
    {
        return Ok(replaced(text, tag.start..tag.start + end + 2, &element));
    }
    let end = text.rfind("</configuration>").ok_or(NO_PLACE)?;
    Ok(replaced(text, end..end, &format!("  {element}\n")))
}

fn level(value: &Value) -> Result<&'static str, &'static str> {
    let text = scalar_text(value).unwrap_or_default().to_ascii_uppercase();
    ["OFF", "ERROR", "WARN", "INFO", "DEBUG", "TRACE", "ALL"]
        .into_iter()
        .find(|level| *level == text)
        .ok_or("must be one of OFF, ERROR, WARN, INFO, DEBUG, TRACE and ALL, left out")
}

fn whole(value: &Value) -> Result<String, &'static str> {
    scalar_text(value)
        .filter(|text| text.parse::<u32>().is_ok())
        .ok_or("must be a whole number, left out")
}

/// A bare number is megabytes, as in cass-config-builder.
fn megabytes(value: &Value) -> Result<String, &'static str> {
    whole(value).map(|number| format!("{number}MB"))
}

fn replaced(text: &str, range: Range<usize>, with: &str) -> String {
    let mut out = text.to_owned();
    out.replace_range(range, with);
    out
}

/// Where `needle` occurs in `range` outside comments.
fn find(text: &str, range: Range<usize>, needle: &str) -> Option<Range<usize>> {
    let mut at = range.start;
    while at < range.end {
        let rest = text.get(at..range.end)?;
        let comment = rest.find("<!--");
        match (rest.find(needle), comment) {
            (Some(found), comment) if comment.is_none_or(|comment| found < comment) => {
                return Some(at + found..at + found + needle.len());
            }
            (Some(_), Some(comment)) => at += comment + rest[comment..].find("-->")? + 3,
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const STOCK: &str = r#"<!-- comment out <appender-ref ref="ASYNCDEBUGLOG" /> and <root level="x"> -->
<configuration>
  <appender name="SYSTEMLOG" class="a">
    <filter class="b">
      <level>INFO</level>
    </filter>
    <rollingPolicy class="c">
      <maxFileSize>50MB</maxFileSize>
      <maxHistory>7</maxHistory>
    </rollingPolicy>
  </appender>
  <root level="INFO">
    <appender-ref ref="SYSTEMLOG" />
    <appender-ref ref="ASYNCDEBUGLOG" /> <!-- Comment this line to disable debug.log -->
  </root>
  <logger name="org.apache.cassandra" level="DEBUG"/>
</configuration>
"#;

    fn rendered(stock: &str, block: &Value) -> (String, Vec<String>) {
        let tree = json!({"cluster-info": {"name": "demo"}, "datacenter-info": {"name": "dc1"}, "logback-xml": block});
        let tree = Tree::parse(&tree.to_string()).unwrap();
        let mut files = Files::from([(FILE.to_owned(), stock.to_owned())]);
        let mut notices = Vec::new();
        render(&mut files, &tree, &mut notices);
        (
            files[FILE].clone(),
            notices.iter().map(ToString::to_string).collect(),
        )
    }

    #[test]
    fn settings_find_their_elements() {
        let block = json!({
            "debuglog-enabled": false, "root-log-level": "warn", "systemlog-appender-level": "WARN",
            "systemlog-appender-max-file-size": 20, "systemlog-appender-max-index": 3,
            "loggers": [{"name": "org.apache.cassandra", "level": "INFO"}, {"name": "com.example", "level": "TRACE"}],
        });
        let (text, notices) = rendered(STOCK, &block);
        assert!(notices.is_empty(), "{notices:?}");
        insta::assert_snapshot!(text, @r#"
        <!-- comment out <appender-ref ref="ASYNCDEBUGLOG" /> and <root level="x"> -->
        <configuration>
          <appender name="SYSTEMLOG" class="a">
            <filter class="b">
              <level>WARN</level>
            </filter>
            <rollingPolicy class="c">
              <maxFileSize>20MB</maxFileSize>
              <maxHistory>3</maxHistory>
            </rollingPolicy>
          </appender>
          <root level="WARN">
            <appender-ref ref="SYSTEMLOG" />
            <!-- ASYNCDEBUGLOG: off by debuglog-enabled --> <!-- Comment this line to disable debug.log -->
          </root>
          <logger name="org.apache.cassandra" level="INFO"/>
          <logger name="com.example" level="TRACE"/>
        </configuration>
        "#);
        assert_eq!(rendered(&text, &block).0, text, "rendering again changes nothing");
    }

    #[test]
    fn what_can_not_be_used_is_reported_and_left_out() {
        let (text, notices) = rendered(
            STOCK,
            &json!({
                "debuglog-appender-max-index": 3, "loggers": [{"name": "\"/><x", "level": "INFO"}], "root-log-level": "loud", "x": 1,
            }),
        );
        assert_eq!(text, STOCK);
        insta::assert_snapshot!(notices.join("\n"), @r"
        logback.xml: debuglog-appender-max-index has no place in this image's file, left out
        logback.xml: loggers has no usable value, left out
        logback.xml: root-log-level must be one of OFF, ERROR, WARN, INFO, DEBUG, TRACE and ALL, left out
        logback.xml: x is not known, left out
        ");
    }
}
