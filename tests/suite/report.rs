//! What the user sees, to the letter.

mod pages;
mod plans;
mod progress;
mod properties;
mod screen;
mod style;
mod text;
