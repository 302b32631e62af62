//! Which memory functions the static binary is linked with: `adapters/musl-memory`, not musl's.

#![cfg(all(target_arch = "x86_64", target_env = "musl"))]

use std::path::Path;

/// The end of musl's `memmove`: `std; rep movsb; cld; lea 1(%rdi), %rax; ret`.
const IN_MUSL: [u8; 9] = [0xfd, 0xf3, 0xa4, 0xfc, 0x48, 0x8d, 0x47, 0x01, 0xc3];

fn has_musls_functions(program: &Path) -> bool {
    let code = std::fs::read(program).expect("a program that was just built");
    code.windows(IN_MUSL.len()).any(|part| part == IN_MUSL)
}

#[test]
fn the_static_binary_is_linked_without_musls_memory_functions() {
    let own = std::env::current_exe().expect("the path of this test");
    assert!(has_musls_functions(&own), "this test, which is linked with musl's, has other code");
    assert!(!has_musls_functions(Path::new(env!("CARGO_BIN_EXE_accountservice"))));
}
