//! The build and deployment commands.
fn main() {}
