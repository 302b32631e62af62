//! A registry that has one image, for `docker pull` by digest: such an image has no tag.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use serde_json::json;
use sha2::{Digest, Sha256};

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// Serves an image under any name until the process ends. Returns `HOST:PORT` and the digest.
pub(crate) fn serve() -> (String, String) {
    // An empty archive.
    let layer = vec![0; 1024];
    let config = json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": {},
        "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
    });
    let config = config.to_string().into_bytes();
    let about = |kind: &str, blob: &[u8]| {
        let kind = format!("application/vnd.docker.{kind}");
        json!({ "mediaType": kind, "size": blob.len(), "digest": digest(blob) })
    };
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": about("container.image.v1+json", &config),
        "layers": [about("image.rootfs.diff.tar.gzip", &layer)],
    });
    let manifest = manifest.to_string().into_bytes();
    let name = digest(&manifest);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that tries TLS first is not understood.
            let _ = respond(stream, &[&manifest, &config, &layer]);
        }
    });
    (address, name)
}

fn digest(blob: &[u8]) -> String {
    let digest = Sha256::digest(blob);
    digest.iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

fn respond(mut stream: TcpStream, blobs: &[&[u8]]) -> std::io::Result<()> {
    let lines = BufReader::new(&stream).lines();
    let head: Vec<_> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let Some(path) = head.first().and_then(|line| line.split(' ').nth(1)) else { return Ok(()) };
    let body: &[u8] = match path.rsplit_once('/') {
        Some((_, "")) => b"{}",
        Some((_, name)) => blobs.iter().find(|blob| digest(blob) == name).copied().unwrap_or(b""),
        None => b"",
    };
    let kind = if path.contains("/manifests/") { MANIFEST } else { "application/octet-stream" };
    let status = if body.is_empty() { "404 Not Found" } else { "200 OK" };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
         Docker-Content-Digest: {}\r\nConnection: close\r\n\r\n",
        body.len(),
        digest(body),
    )?;
    if head[0].starts_with("HEAD ") { Ok(()) } else { stream.write_all(body) }
}
