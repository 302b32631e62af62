//! The committed corpus and a bounded number of mutations of it, on a stable toolchain.
//!
//! The seed is fixed, so that a run that fails fails again. To search for more, see the README.

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

/// A second or two of a debug build.
const MUTATIONS: usize = 15_000;

#[test]
fn every_request_is_answered_as_the_contract_says() {
    feed("handle", accountservice_fuzz::handle);
}

#[test]
fn more_bytes_never_change_the_result_of_a_response() {
    feed("response", accountservice_fuzz::response);
}

fn feed(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("the corpus is committed")
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    files.sort();
    assert!(files.len() >= 20, "{} lost its files", folder.display());
    let corpus: Vec<_> = files.iter().map(|file| fs::read(file).expect("readable")).collect();

    for (file, data) in files.iter().zip(&corpus) {
        assert!(catch_unwind(|| run(data)).is_ok(), "{} fails", file.display());
    }
    let mut random = Random(0x5eed);
    for number in 0..MUTATIONS {
        let data = mutation(&corpus, &mut random);
        let shown = data.escape_ascii();
        assert!(catch_unwind(|| run(&data)).is_ok(), "mutation {number} fails: {shown}");
    }
}

/// One file, changed in one to four places.
fn mutation(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut data = corpus[random.below(corpus.len())].clone();
    // The large ones are about limits: cutting them leaves enough of them, and takes less time.
    if data.len() > 2048 && random.below(8) > 0 {
        data.truncate(2048);
    }
    for _ in 0..=random.below(4) {
        let place = random.below(data.len() + 1);
        let end = (place + random.below(9)).min(data.len());
        match random.below(6) {
            0 => data.truncate(place),
            1 => drop(data.drain(place..end)),
            2 => data.insert(place, random.byte()),
            3 => {
                let copy = data[place..end].to_vec();
                data.splice(place..place, copy);
            }
            4 => {
                let other = &corpus[random.below(corpus.len())];
                let from = random.below(other.len() + 1);
                let to = (from + random.below(33)).min(other.len());
                data.splice(place..end, other[from..to].iter().copied());
            }
            _ => {
                if let Some(byte) = data.get_mut(place) {
                    *byte = random.byte();
                }
            }
        }
    }
    data
}

/// xorshift64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 33).expect("31 bits") % end
    }

    /// Often one of those that mean something to a parser.
    fn byte(&mut self) -> u8 {
        const SPECIAL: &[u8] = b"\r\n\0 \t/:;,%?#.0123456789aAfF\x7f\x80\xc3\xff";
        match self.below(2) {
            0 => SPECIAL[self.below(SPECIAL.len())],
            _ => self.next().to_le_bytes()[3],
        }
    }
}
