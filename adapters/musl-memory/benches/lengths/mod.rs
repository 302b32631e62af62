//! Calls of the memory functions as Rust code makes them, by length. The areas are aligned to 8, as
//! most values are: the best case for musl's `rep movsq`.

use std::hint::black_box;

use divan::Bencher;

const LENGTHS: [usize; 8] = [8, 16, 32, 64, 128, 256, 1024, 4096];

#[divan::bench(args = LENGTHS, sample_size = 10_000)]
fn memcpy(bencher: Bencher, length: usize) {
    let (mut to, from) = (vec![0_u8; length], vec![1; length]);
    bencher.bench_local(|| black_box(&mut to[..]).copy_from_slice(black_box(&from)));
}

#[divan::bench(args = LENGTHS, sample_size = 10_000)]
fn memmove(bencher: Bencher, length: usize) {
    let mut area = vec![1_u8; length + 8];
    bencher.bench_local(|| black_box(&mut area).copy_within(..black_box(length), 8));
}

#[divan::bench(args = LENGTHS, sample_size = 10_000)]
fn memset(bencher: Bencher, length: usize) {
    let mut area = vec![1_u8; length];
    bencher.bench_local(|| black_box(&mut area[..]).fill(black_box(2)));
}

#[divan::bench(args = LENGTHS, sample_size = 10_000)]
fn memcmp(bencher: Bencher, length: usize) {
    let (a, b) = (vec![1_u8; length], vec![1_u8; length]);
    bencher.bench_local(|| black_box(&a[..]).cmp(black_box(&b)));
}

#[divan::bench(args = LENGTHS, sample_size = 10_000)]
fn bcmp(bencher: Bencher, length: usize) {
    let (a, b) = (vec![1_u8; length], vec![1_u8; length]);
    bencher.bench_local(|| black_box(&a[..]) == black_box(&b[..]));
}
