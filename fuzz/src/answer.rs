//! The probe's reader of answers: any bytes, cut into any pieces.

use healthchecker::answer::{ANSWER_LIMIT, Answer, EXCERPT_LIMIT, Fault};

/// What the reader makes of a connection that carries some bytes and then ends.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Complete(u16, Vec<u8>),
    /// Complete only because the connection ended.
    Closed(u16, Vec<u8>),
    Bad(Fault),
}

/// The first byte says how the rest is cut; the verdict must not depend on it.
pub fn answer(data: &[u8]) {
    let Some((&cut, bytes)) = data.split_first() else { return };
    let whole = read([bytes].into_iter());
    assert_eq!(read(bytes.chunks(1)), whole, "byte by byte");
    assert_eq!(read(pieces(bytes, cut)), whole, "cut by {cut}");
    // This one takes as long as a hundred others.
    if cut % 16 == 0 {
        check_end(bytes);
    }
}

fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Verdict {
    let mut answer = Answer::default();
    for piece in pieces {
        match answer.feed(piece) {
            Ok(false) => {}
            Ok(true) => return verdict(answer, Verdict::Complete),
            Err(fault) => {
                let _ = excerpt(answer);
                return Verdict::Bad(fault);
            }
        }
    }
    match answer.end() {
        Ok(()) => verdict(answer, Verdict::Closed),
        Err(fault) => Verdict::Bad(fault),
    }
}

fn verdict(answer: Answer, of: fn(u16, Vec<u8>) -> Verdict) -> Verdict {
    let status = answer.status().expect("a complete answer has a status");
    assert!(status == 101 || (200..=599).contains(&status), "{status} is not final");
    of(status, excerpt(answer))
}

fn excerpt(answer: Answer) -> Vec<u8> {
    let excerpt = answer.into_excerpt();
    assert!(excerpt.len() <= EXCERPT_LIMIT, "{} bytes are kept", excerpt.len());
    excerpt
}

/// Pieces of 1 to 16 bytes, in an order that `cut` decides.
fn pieces(mut bytes: &[u8], cut: u8) -> impl Iterator<Item = &[u8]> {
    let mut state = u32::from(cut);
    std::iter::from_fn(move || {
        // The generator of Numerical Recipes: any will do that is the same everywhere.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let length = 1 + (state >> 28) as usize;
        let (piece, rest) = bytes.split_at_checked(length).unwrap_or((bytes, &[]));
        bytes = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Whatever a server goes on sending, the reader is through with it at its limit.
fn check_end(bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let block = bytes.repeat(4096_usize.div_ceil(bytes.len()));
    let mut answer = Answer::default();
    let mut sent = 0;
    while sent <= ANSWER_LIMIT {
        match answer.feed(&block) {
            Ok(false) => sent += block.len(),
            Ok(true) | Err(_) => return,
        }
    }
    panic!("{sent} bytes were taken, and the reader asks for more");
}
