//! Patterns: partial specs that a user's file overrides, shipped with the binary or next to it.

/// A pattern that the binary carries.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// What `pattern:` calls it.
    pub name: &'static str,
    /// Its YAML, with comments.
    pub text: &'static str,
}

const PRESETS: &[Preset] = &[
    Preset { name: "sr-simple", text: include_str!("../../patterns/sr-simple.yaml") },
    Preset { name: "network", text: include_str!("../../patterns/network.yaml") },
];

/// All patterns that the binary carries.
pub fn presets() -> &'static [Preset] {
    PRESETS
}

/// Whether `name` means a file, and not one of [`presets`].
pub(crate) fn is_path(name: &str) -> bool {
    name.contains(['/', '\\']) || name.ends_with(".yaml") || name.ends_with(".yml")
}
