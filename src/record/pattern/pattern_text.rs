//! The words of a line -> the text of its pattern, and the parts of the line that it has a `*` for.
//!
//! Invariant: the text has as many `*` for variables as there are parts, in the same order.

use std::ops::Range;

use crate::record::pattern::line_word::LineWord;

/// Signs between the values of a list.
const LIST_SIGNS: &[u8] = b",;|";

/// The pattern ends with a variable.
#[derive(Clone, Copy)]
struct VariableRun<'a> {
    /// the signs that were written after it
    trail: &'a str,
    /// it stands in brackets after another variable: the lengths of the text and of the parts before the bracket. If nothing else
    /// stands in the brackets, they say the value in other words: `1190 bytes (1.16 KB)`
    repeats: Option<(usize, usize)>,
}

#[derive(Debug, Default)]
pub struct PatternText {
    pub text: String,
    pub variable_parts: Vec<Range<usize>>,
}

impl PatternText {
    /// Writes the words; of variables in a row, one.
    pub fn write(&mut self, line: &str, words: &[LineWord]) {
        self.text.clear();
        self.variable_parts.clear();
        let mut end = 0;
        let mut run: Option<VariableRun> = None;
        for word in words {
            let (lead, trail) = (word.lead(line), word.trail(line));
            let space = if word.start > end && !self.text.is_empty() { " " } else { "" };
            end = word.end;
            if let Some(open) = &run
                && word.is_variable
                && lead.is_empty()
                && open.trail.bytes().all(|sign| LIST_SIGNS.contains(&sign))
            {
                self.text.truncate(self.text.len() - open.trail.len());
                self.text.push_str(trail);
                self.widen_last(word.core..word.core_end);
                run = Some(VariableRun { trail, ..*open });
            } else {
                let is_value = word.is_variable || word.core == word.core_end && trail.starts_with(')');
                let repeats =
                    run.filter(|before| is_value && lead == "(" && before.trail.is_empty() && !space.is_empty());
                let begins =
                    VariableRun { trail, repeats: repeats.map(|_| (self.text.len(), self.variable_parts.len())) };
                self.text.push_str(space);
                self.text.push_str(lead);
                if word.is_variable {
                    self.text.push('*');
                    self.variable_parts.push(word.core..word.core_end);
                } else {
                    self.text.push_str(word.text(line));
                }
                self.text.push_str(trail);
                run = (word.is_variable || repeats.is_some()).then_some(begins);
            }
            if let Some(VariableRun { trail, repeats: Some((text_bytes, parts)) }) = run
                && let Some(trail) = trail.strip_prefix(')')
            {
                self.text.truncate(text_bytes);
                self.text.push_str(trail);
                self.variable_parts.truncate(parts);
                self.widen_last(word.core..word.end - trail.len());
                run = Some(VariableRun { trail, repeats: None });
            }
        }
    }

    fn widen_last(&mut self, by: Range<usize>) {
        if let Some(part) = self.variable_parts.last_mut() {
            // a value may begin after white space: `key= value`
            let start = if part.start == part.end { by.start } else { part.start };
            *part = start..by.end;
        }
    }
}
