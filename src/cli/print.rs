//! The only place of the command line that writes to standard output and error.

use super::args::{Color, Global, Output};
use super::exit::Exit;
use super::failure::Failure;
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};

/// Writes a result to standard output. A reader that went away (`| head`) is no error of ours.
pub fn out(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes());
    if !text.is_empty() && !text.ends_with('\n') {
        let _ = stdout.write_all(b"\n");
    }
    let _ = stdout.flush();
}

/// Writes a JSON result to standard output.
pub fn json_out(value: &Value) {
    out(&serde_json::to_string_pretty(value).unwrap_or_default());
}

/// Writes a line for people to standard error.
pub fn note(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = writeln!(stderr, "{text}");
}

/// Whether standard output is a terminal.
pub fn out_is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Whether standard error is a terminal.
pub fn err_is_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// Whether people can be asked: both ends are a terminal.
pub fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks a question and reads a line; `None` at the end of input.
pub fn ask(question: &str) -> Option<String> {
    {
        let mut stderr = std::io::stderr().lock();
        let _ = write!(stderr, "{question} ");
        let _ = stderr.flush();
    }
    let mut line = String::new();
    match std::io::stdin().read_line(&mut line) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(line.trim().to_owned()),
    }
}

/// Whether to colour what goes to a stream.
pub fn color(global: &Global, is_terminal: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match global.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto if set("NO_COLOR") => false,
        Color::Auto if set("FORCE_COLOR") || set("CLICOLOR_FORCE") => true,
        Color::Auto => is_terminal && std::env::var("TERM").as_deref() != Ok("dumb"),
    }
}

/// The width to write for: the terminal's, `COLUMNS`, or 100 in a pipe.
pub fn width(is_terminal: bool) -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let terminal = is_terminal
        .then(terminal_size::terminal_size)
        .flatten()
        .map(|(terminal_size::Width(width), _)| usize::from(width));
    columns.or(terminal).unwrap_or(100).clamp(40, 240)
}

/// Says why a command failed: for people on standard error, for programs on standard output too.
pub fn failure(global: Option<&Global>, failure: &Failure) {
    let is_terminal = err_is_terminal();
    let (color, width) = (global.is_some_and(|g| color(g, is_terminal)), width(is_terminal));
    if let Some(diagnostics) = &failure.diagnostics {
        note(diagnostics.render(width, color).trim_end());
    }
    if !failure.message.is_empty() {
        note(&error_text(failure, width, color));
    }
    if global.is_some_and(|global| global.output == Output::Json) && failure.exit != Exit::Done {
        let hint = failure.hint.as_deref();
        json_out(&json!({
            "format_version": "1.0",
            "error": failure.message,
            "hint": hint,
            "diagnostics": failure.diagnostics,
            "exit_code": failure.exit as i32,
        }));
    }
}

/// `error: …` with its hint, as `screens` shows it.
fn error_text(failure: &Failure, width: usize, color: bool) -> String {
    let (red, bold, reset) =
        if color { ("\u{1b}[31;1m", "\u{1b}[1m", "\u{1b}[0m") } else { ("", "", "") };
    let mut text = wrapped(&failure.message, width, 7);
    text = format!("{red}error:{reset} {}", text.trim_start());
    if let Some(hint) = &failure.hint {
        let hint = wrapped(hint, width, 8);
        text.push_str(&format!("\n  {bold}hint:{reset} {}", hint.trim_start()));
    }
    if let Some((request, attempts)) = &failure.call {
        let tried = match attempts {
            1 => "tried once".to_owned(),
            n => format!("tried {n} times"),
        };
        match request {
            Some(request) => text.push_str(&format!("\n  request id {request}, {tried}")),
            None => text.push_str(&format!("\n  {tried}")),
        }
    }
    text
}

/// `text` broken at spaces to fit `width`, every line after the first indented.
fn wrapped(text: &str, width: usize, indent: usize) -> String {
    let room = width.saturating_sub(indent).max(20);
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            let length = unicode_width::UnicodeWidthStr::width(line.as_str())
                + unicode_width::UnicodeWidthStr::width(word);
            if !line.is_empty() && length + 1 > room {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines.join(&format!("\n{}", " ".repeat(indent)))
}
