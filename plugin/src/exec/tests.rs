use serde_json::json;

use super::*;

fn status(value: serde_json::Value) -> Status {
    serde_json::from_value(value).unwrap()
}

#[test]
fn the_exit_code_of_the_command_is_passed_on() {
    assert_eq!(
        ended("p", Some(status(json!({ "status": "Success" })))).unwrap(),
        ExitStatus::Success
    );
    let failed = json!({
        "status": "Failure", "reason": "NonZeroExitCode", "message": "command terminated with non-zero exit code",
        "details": { "causes": [{ "reason": "ExitCode", "message": "3" }] },
    });
    let ended_with = ended("p", Some(status(failed))).unwrap();
    assert_eq!((ended_with, ended_with.code()), (ExitStatus::Command(3), 3));
}

#[test]
fn an_end_that_nobody_saw_is_no_success() {
    insta::assert_snapshot!(
        ended("demo-dc1-rack1-0", None).unwrap_err(),
        @"cannot run the command in pod `demo-dc1-rack1-0`: the connection was lost before the command ended; look whether it goes on before you repeat it"
    );
    let internal = json!({ "status": "Failure", "reason": "InternalError", "message": "no such program" });
    insta::assert_snapshot!(
        ended("demo-dc1-rack1-0", Some(status(internal))).unwrap_err(),
        @"cannot run the command in pod `demo-dc1-rack1-0`: no such program"
    );
}

#[tokio::test]
async fn lines_that_come_in_pieces_are_written_whole() {
    let mut output = Output::new(Some(&b"UN  10.0"[..]), Stream::Out);
    output.read().await;
    assert_eq!(output.lines("[a] "), b"");
    output.from = Some(&b".0.1\nUN  10."[..]);
    output.read().await;
    assert_eq!(output.lines("[a] "), b"[a] UN  10.0.0.1\n");
    output.read().await;
    assert!(!output.open());
    assert_eq!(output.lines("[a] "), b"[a] UN  10.\n");
}
