//! What holds for every plan, whatever others wrote into it.

use super::plans::plan;
use coderctl::report::error::{self, ErrorReport};
use coderctl::report::plan::{Context, human};
use coderctl::report::style::Style;
use proptest::prelude::*;
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

/// Texts with everything that is hard to lay out.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z]{1,12}",
        Just(" ".to_owned()),
        Just("  ".to_owned()),
        Just("\n".to_owned()),
        Just("\x1b[31m".to_owned()),
        Just("日本語".to_owned()),
        Just("→".to_owned()),
        Just("e\u{301}".to_owned()),
        Just("\u{202e}".to_owned()),
        Just("👩‍👩‍👧".to_owned()),
        "[a-z0-9:/-]{30,90}",
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,10}", "[a-z-]{30,100}", "[a-z]{1,9}/[a-z]{1,9}"]
}

fn item() -> impl Strategy<Value = Value> {
    let action = prop_oneof![
        Just("keep"),
        Just("wait"),
        Just("create"),
        Just("update"),
        Just("replace"),
        Just("delete"),
        Just("withheld"),
    ];
    let texts = (text(), text(), text(), text());
    (action, name(), texts, any::<bool>(), any::<bool>()).prop_map(
        |(action, name, (summary, reason, value, note), drifts, data)| {
            let change = json!({ "field": "field", "from": value, "to": reason,
                                 "effect": "in_place", "cause": "drift" });
            json!({
                "address": format!("us-east-1/network/{name}"), "kind": "aws.ec2.thing",
                "action": action, "summary": summary, "reason": reason, "changes": [change],
                "drift": if drifts { json!([change]) } else { json!([]) },
                "notes": [note], "destroys_data": data, "spec_path": value,
            })
        },
    )
}

fn check(shown: &str, style: &Style) -> Result<(), TestCaseError> {
    for line in shown.lines() {
        prop_assert!(line.width() <= style.width, "{} columns: {line:?}", line.width());
        prop_assert_eq!(line.trim_end(), line);
        prop_assert!(!line.contains(|c: char| c.is_control() || c == '\u{202e}'), "{line:?}");
        prop_assert!(style.unicode || line.is_ascii(), "{line:?}");
    }
    prop_assert!(shown.ends_with('\n') && !shown.contains("\n\n\n"));
    Ok(())
}

proptest! {
    #![proptest_config(crate::suite::seeds::config(256))]

    #[test]
    fn a_plan_stays_on_its_page(
        items in proptest::collection::vec(item(), 1..6),
        why in text(), hint in text(), width in 40usize..170, unicode in any::<bool>(),
        verbose in any::<bool>(),
    ) {
        let style = Style { width, color: false, unicode };
        let plan = plan(json!(items), json!({
            "refusals": [{ "why": why, "hint": hint, "address": items[0]["address"] }],
            "unread": [{ "kind": "aws.ec2.subnet", "region": "us-east-1", "why": hint, "hint": why }],
        }));
        let origin = |path: &str| Some(format!("{path}.yaml:12"));
        let context = Context { origin: &origin, verbose, ..Context::NONE };
        check(&human(&plan, &context, &style), &style)?;
    }

    #[test]
    fn an_error_stays_on_its_page(
        message in text(), cause in text(), hint in text(), line in text(),
        width in 40usize..170, unicode in any::<bool>(),
    ) {
        let style = Style { width, color: false, unicode };
        let report = ErrorReport {
            causes: vec![cause], hint: Some(hint.clone()), at: Some(line.clone()),
            excerpt: vec![line], request_id: Some(hint), attempts: 3,
            ..ErrorReport::new(message)
        };
        check(&error::human(&report, &style), &style)?;
    }
}
