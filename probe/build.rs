//! Leaves the unwinder out of the probe that ships: a fifth of its size.
//!
//! A panic of the probe prints a line and exits within its hook (`src/main.rs`): nothing is unwound and
//! no backtrace is printed, but the standard library comes compiled for both. Where it calls the
//! unwinder it calls `abort` now; these names are of the Itanium C++ ABI. If a later library calls
//! another one, the unwinder is linked again, and `cargo xtask dist` finds the probe too large.

use std::env;
use std::path::Path;

const UNWINDER: &[&str] = &[
    "Backtrace",
    "DeleteException",
    "GetCFA",
    "GetDataRelBase",
    "GetIP",
    "GetIPInfo",
    "GetLanguageSpecificData",
    "GetRegionStart",
    "GetTextRelBase",
    "RaiseException",
    "Resume",
    "SetGR",
    "SetIP",
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=RUSTC_LINKER");
    // As `.cargo/config.toml` says for the targets that ship; other linkers spell their flags otherwise.
    let linker = env::var_os("RUSTC_LINKER").unwrap_or_default();
    if Path::new(&linker).file_stem() != Some("rust-lld".as_ref()) {
        return;
    }
    for name in UNWINDER {
        println!("cargo::rustc-link-arg-bins=--defsym=_Unwind_{name}=abort");
    }
}
