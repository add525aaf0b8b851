//! Bodies that come in chunks with checksums behind them (`aws-chunked`).

use crate::sandbox::failure::Failure;
use bytes::Bytes;

/// A body, and the checksum header that came with it.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    /// `x-amz-checksum-crc32` and its value.
    pub(super) checksum: Option<(String, String)>,
}

fn malformed() -> Failure {
    Failure::new("IncompleteBody", "The request body terminated unexpectedly")
}

/// The plain body of `request`.
pub(super) fn read(request: &http::Request<Bytes>) -> Result<Body, Failure> {
    let header = |name: &str| {
        request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    };
    let named = request
        .headers()
        .iter()
        .find(|(name, _)| is_checksum(name.as_str()))
        .and_then(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
    let streamed = header("x-amz-content-sha256").starts_with("STREAMING-")
        || header("content-encoding").split(',').any(|one| one.trim() == "aws-chunked");
    let mut body = if streamed {
        decoded(request.body())?
    } else {
        Body { bytes: request.body().to_vec(), checksum: None }
    };
    body.checksum = body.checksum.or(named);
    match &body.checksum {
        Some((name, given)) if name == "x-amz-checksum-crc32" => {
            use base64::Engine as _;
            let own =
                base64::engine::general_purpose::STANDARD.encode(crc32(&body.bytes).to_be_bytes());
            if own != *given {
                let message = "The CRC32 you specified did not match the calculated checksum.";
                return Err(Failure::new("BadDigest", message));
            }
        }
        _ => {}
    }
    Ok(body)
}

/// Checksum headers, not the one that names the algorithm or the type.
fn is_checksum(name: &str) -> bool {
    name.strip_prefix("x-amz-checksum-")
        .is_some_and(|rest| !matches!(rest, "mode" | "type" | "algorithm"))
}

fn decoded(mut rest: &[u8]) -> Result<Body, Failure> {
    let mut body = Body { bytes: Vec::new(), checksum: None };
    loop {
        let line = take_line(&mut rest).ok_or_else(malformed)?;
        let size = line.split(';').next().unwrap_or_default();
        let size = usize::from_str_radix(size.trim(), 16).map_err(|_| malformed())?;
        if size == 0 {
            break;
        }
        let chunk = rest.get(..size).ok_or_else(malformed)?;
        body.bytes.extend_from_slice(chunk);
        rest =
            rest.get(size..).and_then(|rest| rest.strip_prefix(b"\r\n")).ok_or_else(malformed)?;
    }
    while let Some(line) = take_line(&mut rest) {
        if let Some((name, value)) = line.split_once(':')
            && is_checksum(name.trim())
        {
            body.checksum = Some((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    Ok(body)
}

fn take_line<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    let line = std::str::from_utf8(&rest[..end]).ok()?;
    *rest = &rest[end + 2..];
    Some(line)
}

/// CRC-32 as in ISO 3309 and gzip.
fn crc32(bytes: &[u8]) -> u32 {
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            let low = crc & 1;
            (crc >> 1) ^ (0xEDB8_8320 * low)
        })
    });
    !crc
}
