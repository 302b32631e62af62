//! A ZIP archive with one executable file in it, as AWS Lambda takes it. The same file gives the
//! same archive: no time is in it. `dist` calls it.

use std::io::{self, Write as _};

use anyhow::Result;
use rawzip::{CompressionMethod, ZipArchiveWriter};

const BEST: u8 = 9;

pub(crate) fn archive(name: &str, file: &[u8]) -> Result<Vec<u8>> {
    let mut archive = ZipArchiveWriter::new(Vec::new());
    let entry = archive.new_file(name).compression_method(CompressionMethod::DEFLATE);
    let (mut entry, content) = entry.unix_permissions(0o100_755).start()?;
    entry.write_all(&miniz_oxide::deflate::compress_to_vec(file, BEST))?;
    // The archive also holds the checksum and the size of what was compressed.
    let mut content = content.wrap(io::sink());
    content.write_all(file)?;
    let (_, checksum) = content.finish()?;
    entry.finish(checksum)?;
    Ok(archive.finish()?)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::Command;

    /// The other reader is Python's.
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
            // `eprintln!` is captured.
            let _ = writeln!(std::io::stderr(), "SKIPPED zip: python3 is not installed");
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
