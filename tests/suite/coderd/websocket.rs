//! The server's end of a port-forward, after RFC 6455 and Kubernetes' `v4.channel.k8s.io`: just
//! enough to put a pod behind a client that is not ours.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};

/// What the handshake answers to a key.
pub(super) fn accept(key: &str) -> String {
    STANDARD.encode(sha1(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11").as_bytes()))
}

/// RFC 3174.
fn sha1(message: &[u8]) -> [u8; 20] {
    let mut h: [u32; 5] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0];
    let mut padded = message.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend((message.len() as u64 * 8).to_be_bytes());
    for block in padded.chunks(64) {
        let mut w: Vec<u32> =
            block.chunks(4).map(|b| u32::from_be_bytes(b.try_into().unwrap())).collect();
        for t in 16..80 {
            w.push((w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16]).rotate_left(1));
        }
        let [mut a, mut b, mut c, mut d, mut e] = h;
        for (t, word) in w.iter().enumerate() {
            let (f, k) = match t / 20 {
                0 => ((b & c) | (!b & d), 0x5A82_7999),
                1 => (b ^ c ^ d, 0x6ED9_EBA1),
                2 => ((b & c) | (b & d) | (c & d), 0x8F1B_BCDC),
                _ => (b ^ c ^ d, 0xCA62_C1D6_u32),
            };
            let next = a
                .rotate_left(5)
                .wrapping_add(f)
                .wrapping_add(e)
                .wrapping_add(k)
                .wrapping_add(*word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
        }
        for (sum, more) in h.iter_mut().zip([a, b, c, d, e]) {
            *sum = sum.wrapping_add(more);
        }
    }
    let bytes: Vec<u8> = h.iter().flat_map(|word| word.to_be_bytes()).collect();
    bytes.try_into().unwrap()
}

async fn frame(io: &mut (impl AsyncWrite + Unpin), payload: &[u8]) -> std::io::Result<()> {
    let mut bytes = vec![0x82];
    match payload.len() {
        len @ 0..=125 => bytes.push(len as u8),
        len @ 126..=65535 => {
            bytes.push(126);
            bytes.extend((len as u16).to_be_bytes());
        }
        len => {
            bytes.push(127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    bytes.extend(payload);
    io.write_all(&bytes).await?;
    io.flush().await
}

/// A frame's operation and payload.
async fn next(io: &mut (impl AsyncRead + Unpin)) -> std::io::Result<(u8, Vec<u8>)> {
    let head = io.read_u16().await?;
    let len = match head & 0x7f {
        126 => usize::from(io.read_u16().await?),
        127 => io.read_u64().await? as usize,
        len => usize::from(len),
    };
    let mut mask = [0; 4];
    assert_ne!(head & 0x80, 0, "a client masks what it sends");
    io.read_exact(&mut mask).await?;
    let mut payload = vec![0; len];
    io.read_exact(&mut payload).await?;
    for (at, byte) in payload.iter_mut().enumerate() {
        *byte ^= mask[at % 4];
    }
    Ok(((head >> 8) as u8 & 0x0f, payload))
}

/// Joins a connection to a port of a pod; without a pod, says so.
pub(super) async fn forward(
    io: impl AsyncRead + AsyncWrite,
    port: u16,
    pod: Option<DuplexStream>,
) -> std::io::Result<()> {
    let (mut reader, mut writer) = tokio::io::split(Box::pin(io));
    let [low, high] = port.to_le_bytes();
    frame(&mut writer, &[0, low, high]).await?;
    frame(&mut writer, &[1, low, high]).await?;
    let Some(pod) = pod else {
        let mut message = vec![1];
        message.extend(b"error forwarding port: connection refused");
        frame(&mut writer, &message).await?;
        // The client ends it.
        while next(&mut reader).await?.0 != 8 {}
        return Ok(());
    };
    let (mut from_pod, mut to_pod) = tokio::io::split(pod);
    let out = async {
        let mut buffer = vec![0; 4096];
        loop {
            let read = from_pod.read(&mut buffer).await?;
            if read == 0 {
                return writer.write_all(&[0x88, 0]).await;
            }
            let mut payload = vec![0];
            payload.extend(&buffer[..read]);
            frame(&mut writer, &payload).await?;
        }
    };
    let back = async {
        loop {
            match next(&mut reader).await? {
                (8, _) => return Ok(()),
                (_, payload) if payload.first() == Some(&0) => {
                    to_pod.write_all(&payload[1..]).await?;
                }
                _ => {}
            }
        }
    };
    tokio::select! { done = out => done, done = back => done }
}
