//! What a rotation of the database's password will do, and what it has done.

use super::page::{Line, Page, Paint};
use super::{FORMAT_VERSION, Style};
use crate::name::Address;
use serde_json::{Value, json};

/// A rotation.
#[derive(Clone, Copy, Debug)]
pub struct Rotated<'a> {
    /// Whose.
    pub deployment: &'a str,
    /// The name of the secret.
    pub secret: &'a str,
    /// Where the database's cluster is.
    pub cluster: &'a Address,
    /// Whether Coder uses it.
    pub has_coder: bool,
    /// Whether it was begun by an earlier run.
    pub goes_on: bool,
}

impl Rotated<'_> {
    /// What happens, in order.
    fn steps(&self) -> Vec<String> {
        let Rotated { secret, cluster, has_coder, .. } = self;
        let mut steps = vec![
            format!("a fresh password is put into the secret {secret}, beside the current one"),
            format!(
                "{cluster} takes it, within about a minute: open connections stay, and the old \
                 password opens no new ones from then on"
            ),
            "it becomes the current one of the secret".to_owned(),
        ];
        if *has_coder {
            let text = "Coder gets it and is started anew, in about a minute and a half; with one \
                        replica, nobody reaches it meanwhile";
            steps.push(text.to_owned());
        }
        steps
    }
}

/// What it will do.
pub fn human(rotated: &Rotated<'_>, style: &Style) -> String {
    let mut page = Page::new(style);
    let title = format!("{}: the password of the database", rotated.deployment);
    page.line(&Line::new().then(Paint::Strong, title));
    if rotated.goes_on {
        let text = "a rotation was begun before; this is left of it, and no other password is made";
        page.hang(Line::new().to(2), Paint::Plain, text);
        return page.finish();
    }
    for (step, number) in rotated.steps().iter().zip(1..) {
        let lead = Line::new().to(2).then(Paint::Change, number.to_string()).to(5);
        page.hang(lead, Paint::Plain, step);
    }
    let text = "If it is cut short, this command or an apply goes on with it.";
    page.hang(Line::new().to(2), Paint::Faint, text);
    page.finish()
}

/// The same as one JSON document.
pub fn json(rotated: &Rotated<'_>) -> Value {
    json!({
        "format_version": FORMAT_VERSION,
        "deployment": rotated.deployment,
        "secret": rotated.secret,
        "goes_on": rotated.goes_on,
        "steps": if rotated.goes_on { Vec::new() } else { rotated.steps() },
    })
}

/// What is true at the end.
pub fn ended(secret: &str, version: &str, has_coder: bool, style: &Style) -> String {
    let mut page = Page::new(style);
    let who = if has_coder { "the database and Coder use" } else { "the database takes" };
    let text = format!(
        "{who} version {version} of the secret {secret}; the password before it opens nothing \
         any more"
    );
    page.hang(Line::new().then(Paint::Good, "rotated: "), Paint::Plain, &text);
    page.finish()
}
