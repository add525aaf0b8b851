//! How a screen may look.

use coderctl::report::style::{MIN_WIDTH, Style, Surroundings, When};

fn detect(color: When, is_terminal: bool, env: &[(&str, &str)]) -> Style {
    let get =
        |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    Style::detect(&Surroundings { color, is_terminal, columns: Some(120), env: &get })
}

/// The flag, whether it is a terminal, the environment, and whether there are colours.
type Case = (When, bool, &'static [(&'static str, &'static str)], bool);

#[test]
fn who_decides_about_colours() {
    let cases: &[Case] = &[
        (When::Auto, true, &[], true),
        (When::Auto, false, &[], false),
        (When::Auto, true, &[("NO_COLOR", "1")], false),
        // Empty is as good as unset, says no-color.org.
        (When::Auto, true, &[("NO_COLOR", "")], true),
        (When::Auto, true, &[("TERM", "dumb")], false),
        (When::Auto, false, &[("FORCE_COLOR", "1")], true),
        (When::Auto, false, &[("CLICOLOR_FORCE", "1")], true),
        (When::Auto, true, &[("FORCE_COLOR", "0")], false),
        (When::Auto, true, &[("CLICOLOR_FORCE", "0")], true),
        (When::Auto, false, &[("CLICOLOR_FORCE", "0")], false),
        (When::Auto, true, &[("NO_COLOR", "1"), ("FORCE_COLOR", "1")], false),
        (When::Auto, false, &[("FORCE_COLOR", "1"), ("TERM", "dumb")], true),
        (When::Always, false, &[("NO_COLOR", "1")], true),
        (When::Never, true, &[("FORCE_COLOR", "1")], false),
    ];
    for (color, is_terminal, env, want) in cases {
        assert_eq!(
            detect(*color, *is_terminal, env).color,
            *want,
            "{color:?} {is_terminal} {env:?}"
        );
    }
}

#[test]
fn who_decides_about_the_width() {
    assert_eq!(detect(When::Auto, true, &[]).width, 120);
    assert_eq!(detect(When::Auto, false, &[]).width, 80);
    assert_eq!(detect(When::Auto, false, &[("COLUMNS", "100")]).width, 100);
    assert_eq!(detect(When::Auto, true, &[("COLUMNS", "100")]).width, 100);
    assert_eq!(detect(When::Auto, true, &[("COLUMNS", "0")]).width, 120);
    assert_eq!(detect(When::Auto, true, &[("COLUMNS", "wide")]).width, 120);
    assert_eq!(detect(When::Auto, true, &[("COLUMNS", "3")]).width, MIN_WIDTH);
}

#[test]
fn who_decides_about_ascii() {
    let unicode = |env: &[(&str, &str)]| detect(When::Auto, true, env).unicode;
    assert!(unicode(&[]));
    assert!(unicode(&[("LANG", "en_US.UTF-8")]));
    assert!(unicode(&[("LANG", "C.utf8")]));
    assert!(!unicode(&[("LANG", "C")]));
    assert!(!unicode(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]));
    assert!(unicode(&[("LC_ALL", ""), ("LANG", "en_US.UTF-8")]));
    assert!(!unicode(&[("LC_CTYPE", "de_DE.ISO-8859-1"), ("LANG", "en_US.UTF-8")]));
}

#[test]
fn who_can_be_painted_on() {
    let can = |is_terminal, term: &str| {
        let get = |name: &str| (name == "TERM").then(|| term.to_owned());
        Style::can_repaint(&Surroundings {
            color: When::Auto,
            is_terminal,
            columns: None,
            env: &get,
        })
    };
    assert!(can(true, "xterm"));
    assert!(!can(true, "dumb"));
    assert!(!can(false, "xterm"));
}
