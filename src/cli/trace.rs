//! The trace that a run is part of, where a CI system has begun one: `TRACEPARENT`, as the W3C
//! recommendation writes it (<https://www.w3.org/TR/trace-context/#traceparent-header>).

/// Which trace, and which of its spans began this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// 32 hexadecimal digits.
    trace_id: String,
    /// 16 hexadecimal digits.
    parent_id: String,
}

impl TraceParent {
    /// Reads `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`.
    ///
    /// # Errors
    /// Why it is not one.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let mut parts = text.trim().split('-');
        let mut hex = |digits: usize, why| {
            let part = parts.next().unwrap_or_default();
            let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            let fits = part.len() == digits && part.bytes().all(is_hex);
            if fits { Ok(part.to_owned()) } else { Err(why) }
        };
        let version = hex(2, "the version is not two hexadecimal digits")?;
        let trace_id = hex(32, "the trace id is not 32 lower-case hexadecimal digits")?;
        let parent_id = hex(16, "the parent id is not 16 lower-case hexadecimal digits")?;
        hex(2, "the flags are not two hexadecimal digits")?;
        let is_zero = |id: &str| id.bytes().all(|byte| byte == b'0');
        match version.as_str() {
            "ff" => Err("version ff is forbidden"),
            // A later version may say more behind the flags.
            "00" if parts.next().is_some() => Err("something stands behind the flags"),
            _ if is_zero(&trace_id) => Err("the trace id is all zeros"),
            _ if is_zero(&parent_id) => Err("the parent id is all zeros"),
            _ => Ok(TraceParent { trace_id, parent_id }),
        }
    }

    /// What the environment says; what can not be read is ignored, as the recommendation wants it.
    pub fn from_env() -> Option<Self> {
        let text = std::env::var("TRACEPARENT").ok().filter(|text| !text.is_empty())?;
        TraceParent::parse(&text)
            .inspect_err(|why| tracing::debug!(why, "TRACEPARENT is ignored"))
            .ok()
    }

    /// The id of the whole trace.
    pub fn trace_id(&self) -> &str {
        &self.trace_id
    }

    /// The id of the span that began this program.
    pub fn parent_id(&self) -> &str {
        &self.parent_id
    }
}
