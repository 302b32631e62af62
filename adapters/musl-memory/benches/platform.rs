//! What the C library's own functions cost: this binary does not name the package's library, so that
//! it is linked without it. `ours.rs` has the command.

mod lengths;

fn main() {
    divan::main();
}
