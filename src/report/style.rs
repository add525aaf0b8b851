//! How a screen may look: its width, and whether it has colours and more than ASCII.

/// How text is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Columns; never less than [`MIN_WIDTH`].
    pub width: usize,
    /// Whether escape sequences for colours are written.
    pub color: bool,
    /// Whether `✓`, `→` and their like are written; ASCII stands in for them if not.
    pub unicode: bool,
}

/// The narrowest page; what is narrower gets lines that its terminal wraps.
pub const MIN_WIDTH: usize = 40;
/// The width when nobody says.
const DEFAULT_WIDTH: usize = 80;
/// Lines longer than this are hard to read; a wider terminal is not filled.
const MAX_WIDTH: usize = 160;

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// On a terminal, unless the environment says otherwise.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What [`Style::detect`] decides from.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// What `--color` says.
    pub color: When,
    /// Whether the stream is a terminal.
    pub is_terminal: bool,
    /// The terminal's columns, if it is one.
    pub columns: Option<usize>,
    /// Looks up an environment variable.
    pub env: &'a dyn Fn(&str) -> Option<String>,
}

impl Surroundings<'_> {
    /// A variable that is set to something.
    fn var(&self, name: &str) -> Option<String> {
        (self.env)(name).filter(|value| !value.is_empty())
    }
}

impl Style {
    /// Text that looks the same everywhere: 80 columns, no colours, ASCII.
    pub const PLAIN: Style = Style { width: DEFAULT_WIDTH, color: false, unicode: false };

    /// Decides, the strongest first: `--color`; `NO_COLOR` (no-color.org); `FORCE_COLOR` and
    /// `CLICOLOR_FORCE` (force-color.org, bixense.com/clicolors); `TERM=dumb`; a terminal.
    /// `COLUMNS` goes before the terminal's own width. The locale decides about ASCII.
    pub fn detect(around: &Surroundings<'_>) -> Style {
        let columns = around.var("COLUMNS").and_then(|columns| columns.parse().ok());
        let terminal = around.columns.filter(|_| around.is_terminal);
        let width = columns.filter(|columns| *columns > 0).or(terminal).unwrap_or(DEFAULT_WIDTH);
        Style {
            width: width.clamp(MIN_WIDTH, MAX_WIDTH),
            color: wants_color(around),
            unicode: is_utf8(around),
        }
    }

    /// Whether a live view can be repainted here.
    pub fn can_repaint(around: &Surroundings<'_>) -> bool {
        // Some CI systems give a terminal, and keep what was written as a log.
        let in_ci = around.var("CI").is_some_and(|ci| ci != "false");
        around.is_terminal && !is_dumb(around) && !in_ci
    }
}

fn is_dumb(around: &Surroundings<'_>) -> bool {
    around.var("TERM").is_some_and(|term| term == "dumb")
}

fn wants_color(around: &Surroundings<'_>) -> bool {
    match around.color {
        When::Always => return true,
        When::Never => return false,
        When::Auto => {}
    }
    if around.var("NO_COLOR").is_some() {
        return false;
    }
    let forces = |name| around.var(name).map(|value| value != "0" && value != "false");
    match forces("FORCE_COLOR").or_else(|| forces("CLICOLOR_FORCE")) {
        Some(true) => true,
        // `FORCE_COLOR=0` is how some say no.
        Some(false) if around.var("FORCE_COLOR").is_some() => false,
        _ => around.is_terminal && !is_dumb(around),
    }
}

/// Whether the locale's character encoding is UTF-8, by the first variable that is set, as POSIX
/// orders them. A terminal whose environment says nothing of locales is taken for a new one.
fn is_utf8(around: &Surroundings<'_>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| around.var(name));
    match locale {
        Some(locale) => {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        }
        None => !is_dumb(around),
    }
}
