//! As much of protobuf as the questions take that kubectl asks in it, whatever it is told.
//!
//! A body is `k8s\0` and an envelope with the object in its second field.
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding>,
//! <https://protobuf.dev/programming-guides/encoding/>

/// The object in a body; `None` for what is no protobuf of Kubernetes.
pub(super) fn object(body: &[u8]) -> Option<&[u8]> {
    field(body.strip_prefix(b"k8s\0")?, 2)
}

/// A text in a message; empty where it is not there.
pub(super) fn text(message: &[u8], number: u64) -> String {
    let found = field(message, number).unwrap_or_default();
    String::from_utf8_lossy(found).into_owned()
}

/// A field of a message that has a length: a text, or a message in it.
pub(super) fn field(mut message: &[u8], number: u64) -> Option<&[u8]> {
    while !message.is_empty() {
        let key = varint(&mut message)?;
        let length = match key & 7 {
            0 => {
                varint(&mut message)?;
                continue;
            }
            1 => 8,
            2 => usize::try_from(varint(&mut message)?).ok()?,
            5 => 4,
            _ => return None,
        };
        let (content, rest) = message.split_at_checked(length)?;
        if (key >> 3, key & 7) == (number, 2) {
            return Some(content);
        }
        message = rest;
    }
    None
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for place in 0..10 {
        let (&byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}
