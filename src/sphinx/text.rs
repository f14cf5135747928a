//! The text that a full-text field gets, and what to ask of it: two functions of one module, and one property between
//! them: what contains a literal, matches what is asked for the literal. Pure.

/// Appends what the full-text field gets for `text`.
pub fn prepare(text: &str, out: &mut String) {
    out.push_str(text);
}
