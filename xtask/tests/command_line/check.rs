//! `check` on a plain machine.

use expect_test::expect;

use crate::fixture::Fixture;

#[test]
fn a_tool_that_is_missing_is_named_before_anything_is_checked() {
    let fixture = Fixture::new(&[]);
    fixture.program("cargo", "#!/bin/sh\ncase $1 in fmt) exit 0 ;; *) exit 101 ;; esac\n");
    let ended = fixture.xtask(&["check"]);
    assert_eq!(ended.out, "");
    ended.check(
        1,
        &expect![[r#"
            clippy is missing: rustup component add clippy
            cargo-deny is missing: cargo install --locked cargo-deny
        "#]],
    );
}
