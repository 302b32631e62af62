//! The part of the ELF format (64 bit, little endian) that shows whether a program needs nothing
//! but the kernel. It is no general reader. `dist` calls it.

use anyhow::{Context, Result, ensure};

/// `EM_X86_64`
pub(crate) const X86_64: u16 = 62;
/// `EM_AARCH64`
pub(crate) const AARCH64: u16 = 183;

const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const DT_NEEDED: u64 = 1;

/// A program for this machine that asks for no interpreter and no shared library. A static program
/// may be position-independent, and then has a dynamic section, but names no library in it.
pub(crate) fn is_static(file: &[u8], machine: u16) -> Result<()> {
    ensure!(file.starts_with(b"\x7fELF\x02\x01"), "it is not a 64-bit little-endian ELF file");
    let found = u16(file, 18)?;
    ensure!(found == machine, "it is for machine {found}, not {machine}");
    let (table, size, count) = (u64(file, 32)?, u16(file, 54)?, u16(file, 56)?);
    for index in 0..u64::from(count) {
        let header = usize::try_from(table + index * u64::from(size))?;
        match u32(file, header)? {
            PT_INTERP => ensure!(false, "it asks for an interpreter (PT_INTERP): not static"),
            PT_DYNAMIC => {
                let start = usize::try_from(u64(file, header + 8)?)?;
                let length = usize::try_from(u64(file, header + 32)?)?;
                for entry in (start..start + length).step_by(16) {
                    let needs = u64(file, entry)? == DT_NEEDED;
                    ensure!(!needs, "it asks for a shared library (DT_NEEDED): not static");
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn bytes<const N: usize>(file: &[u8], at: usize) -> Result<[u8; N]> {
    let part = file.get(at..at + N).with_context(|| format!("it is cut off before byte {at}"))?;
    Ok(part.try_into()?)
}

fn u16(file: &[u8], at: usize) -> Result<u16> {
    bytes(file, at).map(u16::from_le_bytes)
}

fn u32(file: &[u8], at: usize) -> Result<u32> {
    bytes(file, at).map(u32::from_le_bytes)
}

fn u64(file: &[u8], at: usize) -> Result<u64> {
    bytes(file, at).map(u64::from_le_bytes)
}
