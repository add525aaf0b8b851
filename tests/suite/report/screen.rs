//! A terminal, as far as the live view needs one.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use unicode_width::UnicodeWidthChar;

/// Rows of characters and a cursor. All clones are the same screen.
#[derive(Clone)]
pub(super) struct Screen(Arc<Mutex<Cells>>);

struct Cells {
    columns: usize,
    rows: Vec<String>,
    at: usize,
}

impl Screen {
    pub(super) fn new(columns: usize) -> Self {
        Screen(Arc::new(Mutex::new(Cells { columns, rows: vec![String::new()], at: 0 })))
    }

    /// Breaks all rows anew, as a terminal does when its window becomes narrower.
    pub(super) fn narrow(&self, columns: usize) {
        let mut cells = self.0.lock().unwrap();
        let old =
            std::mem::replace(&mut *cells, Cells { columns, rows: vec![String::new()], at: 0 });
        let text: Vec<String> = old.rows.iter().map(|row| row.trim_end().to_owned()).collect();
        for c in text.join("\n").chars() {
            cells.put(c);
        }
    }

    pub(super) fn shown(&self) -> String {
        let cells = self.0.lock().unwrap();
        let rows: Vec<&str> = cells.rows.iter().map(|row| row.trim_end()).collect();
        rows.join("\n").trim_end().to_owned()
    }
}

impl Cells {
    fn put(&mut self, c: char) {
        if c == '\n' {
            self.at += 1;
            if self.at == self.rows.len() {
                self.rows.push(String::new());
            }
            return;
        }
        let width: usize = self.rows[self.at].chars().filter_map(UnicodeWidthChar::width).sum();
        if width + c.width().unwrap_or(0) > self.columns {
            self.put('\n');
        }
        self.rows[self.at].push(c);
    }

    fn command(&mut self, number: usize, command: char) {
        match command {
            'A' => self.at = self.at.checked_sub(number).expect("the cursor stays on the screen"),
            'J' => {
                self.rows.truncate(self.at + 1);
                self.rows[self.at].clear();
            }
            'm' => {}
            other => panic!("the terminal does not know {other:?}"),
        }
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut cells = self.0.lock().unwrap();
        let text = std::str::from_utf8(bytes).unwrap();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '\r' => {}
                '\x1b' => {
                    assert_eq!(chars.next(), Some('['));
                    let mut number = String::new();
                    let command = loop {
                        match chars.next().unwrap() {
                            c if c.is_ascii_digit() || c == ';' => number.push(c),
                            c => break c,
                        }
                    };
                    cells.command(number.parse().unwrap_or(0), command);
                }
                c => cells.put(c),
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
