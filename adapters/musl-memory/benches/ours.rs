//! What this package's functions cost. Run both tables:
//! `cargo bench --target x86_64-unknown-linux-musl -p accountservice-musl-memory`.

use accountservice_musl_memory as _;

mod lengths;

fn main() {
    divan::main();
}
