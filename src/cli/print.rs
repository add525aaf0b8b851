//! The only place of the command line that writes to standard output and error.

use super::args::{Color, Global, Output};
use super::exit::Exit;
use super::failure::Failure;
use crate::report::style::{Surroundings, When};
use crate::report::{ErrorReport, FORMAT_VERSION, Style, error};
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Writes a result to standard output. A reader that went away (`| head`) is no error of ours.
pub(super) fn out(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes());
    if !text.is_empty() && !text.ends_with('\n') {
        let _ = stdout.write_all(b"\n");
    }
    let _ = stdout.flush();
}

/// Writes a JSON result to standard output.
pub(super) fn json_out(value: &Value) {
    out(&serde_json::to_string_pretty(value).unwrap_or_default());
}

/// Writes a line for people to standard error.
pub(super) fn note(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = writeln!(stderr, "{text}");
}

/// Whether standard output is a terminal.
pub(super) fn out_is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Whether standard error is a terminal.
pub(super) fn err_is_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// Whether people can be asked: both ends are a terminal.
pub(super) fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks a question and reads a line; `None` at the end of input.
pub(super) fn ask(question: &str) -> Option<String> {
    {
        let mut stderr = std::io::stderr().lock();
        let _ = write!(stderr, "{question} ");
        let _ = stderr.flush();
    }
    let mut line = String::new();
    ASKING.store(true, Ordering::SeqCst);
    let read = std::io::stdin().read_line(&mut line);
    ASKING.store(false, Ordering::SeqCst);
    match read {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(line.trim().to_owned()),
    }
}

/// Whether an answer is waited for.
static ASKING: AtomicBool = AtomicBool::new(false);

/// Whether a question stands on the terminal: then nothing is under way that has to be finished.
pub(super) fn is_asking() -> bool {
    ASKING.load(Ordering::SeqCst)
}

/// How text on a stream may look.
pub(super) fn style(global: Option<&Global>, is_terminal: bool) -> Style {
    around(global, is_terminal, Style::detect)
}

/// Whether a live view can be repainted on standard error.
pub(super) fn can_repaint(global: &Global) -> bool {
    around(Some(global), err_is_terminal(), Style::can_repaint)
}

fn around<T>(
    global: Option<&Global>,
    is_terminal: bool,
    decide: impl FnOnce(&Surroundings<'_>) -> T,
) -> T {
    let columns = is_terminal.then(size).flatten().map(|(columns, _)| columns);
    decide(&Surroundings {
        color: match global.map_or(Color::Auto, |global| global.color) {
            Color::Auto => When::Auto,
            Color::Always => When::Always,
            Color::Never => When::Never,
        },
        is_terminal,
        columns,
        env: &|name| std::env::var(name).ok(),
    })
}

/// The terminal's columns and rows.
pub(super) fn size() -> Option<(usize, usize)> {
    let (terminal_size::Width(width), terminal_size::Height(height)) =
        terminal_size::terminal_size_of(std::io::stderr())
            .or_else(|| terminal_size::terminal_size_of(std::io::stdout()))?;
    Some((usize::from(width), usize::from(height)))
}

/// Says why a command failed: for people on standard error, for programs on standard output too.
pub(super) fn failure(global: Option<&Global>, failure: &Failure) {
    let style = style(global, err_is_terminal());
    if let Some(diagnostics) = &failure.diagnostics {
        note(diagnostics.render(style.width, style.color).trim_end());
    }
    if !failure.message.is_empty() {
        let (request_id, attempts) = failure.call.clone().unwrap_or((None, 0));
        let report = ErrorReport {
            hint: failure.hint.clone(),
            request_id,
            attempts,
            ..ErrorReport::new(failure.message.as_str())
        };
        note(error::human(&report, &style).trim_end());
    }
    if global.is_some_and(|global| global.output == Output::Json) && failure.exit != Exit::Done {
        json_out(&json!({
            "format_version": FORMAT_VERSION,
            "error": failure.message,
            "hint": failure.hint,
            "diagnostics": failure.diagnostics,
            "exit_code": failure.exit as i32,
        }));
    }
}
