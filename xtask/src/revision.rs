//! The commit that is being built, for the label of an image and the record of a size.

use crate::command::Cmd;

/// With `-dirty` behind it if files were changed; `unknown` without git.
pub(crate) fn revision() -> String {
    let args = ["describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"];
    let git = Cmd::new("git", args).env_remove(&["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"]);
    let output = git.output();
    let described = output.ok().filter(|output| output.status.success());
    let text = described.and_then(|output| String::from_utf8(output.stdout).ok());
    text.map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned())
}
