//! Amounts of CPU and memory as Kubernetes writes them.

use serde_json::Value;

/// An amount in thousandths of its unit (`500m` is 500, `1Gi` is 1073741824000).
/// <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>
pub(super) fn thousandths(value: &Value) -> i128 {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return 0,
    };
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let factor: i128 = match suffix {
        "m" => 1,
        "" => 1_000,
        "k" => 1_000_000,
        "M" => 1_000_000_000,
        "G" => 1_000_000_000_000,
        "Ki" => 1_000 << 10,
        "Mi" => 1_000 << 20,
        "Gi" => 1_000 << 30,
        "Ti" => 1_000 << 40,
        _ => return 0,
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let part: String = part.chars().take(9).collect();
    let scale = 10_i128.pow(u32::try_from(part.len()).unwrap_or_default());
    let whole: i128 = whole.parse().unwrap_or_default();
    let part: i128 = part.parse().unwrap_or_default();
    whole.saturating_mul(factor).saturating_add(part.saturating_mul(factor) / scale)
}

/// What a pod's containers ask for together.
pub(super) fn requested(pod: &Value, what: &str) -> i128 {
    let of = |container: &Value| {
        let resources = &container["resources"];
        match resources["requests"].get(what) {
            Some(request) => thousandths(request),
            None => thousandths(&resources["limits"][what]),
        }
    };
    pod["spec"]["containers"].as_array().into_iter().flatten().map(of).sum()
}
