//! The short hash of a content that `image` and `stored` put into names: the same name holds the
//! same content.

use sha2::{Digest, Sha256};

/// The first 16 hexadecimal digits of the SHA-256 of this.
pub(crate) fn hash(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    let start = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("{start:016x}")
}
