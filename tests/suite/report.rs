//! What the user sees, to the letter.

mod plans;
mod progress;
mod properties;
mod screen;
mod style;
mod text;
