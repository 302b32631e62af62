//! `invoke`, as a newcomer types it.

use std::process::Command;

fn invoke(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_verify")).arg("invoke").args(args).output();
    let output = output.expect("verify starts");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).expect("UTF-8"))
}

#[test]
fn it_shows_the_event_what_the_function_returns_and_the_response() {
    let (status, text) = invoke(&["GET /accounts/10042/", "--event", "v2", "--stage", "prod"]);
    assert_eq!(status, Some(0), "{text}");
    for part in [
        "event:\n{",
        r#""rawPath": "/prod/accounts/10042/","#,
        "returned:\n{",
        r#""statusCode": 301"#,
        "response:\n301 Moved Permanently\n",
        "location: /prod/accounts/10042\n",
        "\ninitialization ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn bad_usage_is_told_before_anything_is_built() {
    for (args, message) in [
        (&["/accounts/1"][..], "a method, a blank and a path"),
        (&["GET accounts/1"], "the path has no slash in front"),
        (&["GET /", "--event", "sqs"], "not one of v2, v1, url, alb, alb-multi"),
        (&[], "<REQUEST>"),
    ] {
        let (status, text) = invoke(args);
        assert_eq!(status, Some(2), "{text}");
        assert!(text.contains(message), "{args:?}: {text}");
    }
}
