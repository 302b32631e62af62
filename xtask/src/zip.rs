//! An archive in the ZIP format (PKWARE's APPNOTE.TXT, 4.3) with one executable file in it, as AWS Lambda
//! takes it. It is no general writer. The same file gives the same archive: no time is in it.

/// Version 2.0, for compression.
const VERSION: u16 = 20;
/// The same, as made on Unix, which makes the permissions below count.
const MADE_BY: u16 = 3 << 8 | VERSION;
const DEFLATE: u16 = 8;
/// The first of January 1980, the earliest day that the format knows.
const DAY: u16 = 0x21;
/// A regular file that all may read and execute.
const PERMISSIONS: u32 = 0o100_755 << 16;
const BEST: u8 = 9;

/// The archive with this file, which is below 4 GiB.
pub(crate) fn archive(name: &str, file: &[u8]) -> Result<Vec<u8>, std::num::TryFromIntError> {
    let compressed = miniz_oxide::deflate::compress_to_vec(file, BEST);
    let mut common = Vec::new();
    for number in [VERSION, 0, DEFLATE, 0, DAY] {
        common.extend(number.to_le_bytes());
    }
    for number in [crc32(file), compressed.len().try_into()?, file.len().try_into()?] {
        common.extend(number.to_le_bytes());
    }
    common.extend(u16::try_from(name.len())?.to_le_bytes());
    common.extend([0, 0]);

    let mut archive = [b"PK\x03\x04", &common[..], name.as_bytes(), &compressed].concat();
    let directory: u32 = archive.len().try_into()?;
    archive.extend(b"PK\x01\x02");
    archive.extend(MADE_BY.to_le_bytes());
    archive.extend(common);
    // No comment, first disk, no internal attributes.
    archive.extend([0; 6]);
    archive.extend(PERMISSIONS.to_le_bytes());
    archive.extend(0_u32.to_le_bytes());
    archive.extend(name.as_bytes());
    let length = u32::try_from(archive.len())? - directory;
    archive.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    archive.extend([length.to_le_bytes(), directory.to_le_bytes()].as_flattened());
    archive.extend([0, 0]);
    Ok(archive)
}

/// The checksum that the format asks for.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc: u32, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    /// With a reader that is everywhere: Python's.
    #[test]
    fn another_reader_finds_the_file_as_it_was_and_executable() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("a.zip");
        let file: Vec<_> =
            (0..100_000_u32).flat_map(|number| (number % 977).to_le_bytes()).collect();
        std::fs::write(&path, super::archive("bootstrap", &file).unwrap()).unwrap();
        let script = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; \
                      i, = z.infolist(); print(i.filename, oct(i.external_attr >> 16), z.read(i) == \
                      b''.join((n % 977).to_bytes(4, 'little') for n in range(100000)))";
        let output = Command::new("python3").args(["-c", script]).arg(&path).output();
        let Ok(output) = output else {
            eprintln!("not checked: this machine has no python3");
            return;
        };
        let found = String::from_utf8(output.stdout).unwrap();
        assert_eq!(
            found,
            "bootstrap 0o100755 True\n",
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
