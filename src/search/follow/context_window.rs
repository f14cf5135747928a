//! The lines around matches in a stream, as `tail -f | grep -C` prints them. The lines before a match come before it, so they are
//! kept until it is clear that no match follows.

use std::collections::VecDeque;

use crate::query::Context;
use crate::search::hit::{Hit, Line};

/// Bytes of lines that are kept because a match may follow; of longer lines, fewer are kept.
const KEPT_BYTES: usize = 1 << 20;

pub(super) struct ContextWindow {
    before: usize,
    /// None: all that come after the first match
    after: Option<usize>,
    /// `--` comes between matches that are not neighbours, although the query wants no lines around them
    parted: bool,
    kept: VecDeque<Hit>,
    bytes: usize,
    /// lines after the last match that are still to come
    left: usize,
    /// lines were left out since the last that was shown
    gap: bool,
    /// a line was shown
    begun: bool,
}

impl ContextWindow {
    pub(super) fn new(context: Context, around: (u32, Option<u32>)) -> ContextWindow {
        let after = if context == Context::All { None } else { around.1.map(|lines| lines as usize) };
        let parted = context == Context::Lines(0);
        ContextWindow {
            before: around.0 as usize,
            after,
            parted,
            kept: VecDeque::new(),
            bytes: 0,
            left: 0,
            gap: false,
            begun: false,
        }
    }

    pub(super) fn before(&self) -> usize {
        self.before
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.before > 0 || self.after != Some(0) || self.parted
    }

    /// Lines were shown before this began, `since` of them after the last match; `gap`: not all that came after it.
    pub(super) fn go_on(&mut self, gap: bool, since: usize) {
        self.begun = true;
        self.gap = gap;
        self.left = self.after.map_or(usize::MAX, |after| after.saturating_sub(since));
    }

    /// Passes on the lines to show after this record has come. Returns whether to go on.
    pub(super) fn pass(&mut self, hit: Hit, matches: bool, take: &mut dyn FnMut(Line) -> bool) -> bool {
        if matches {
            let between = self.gap && self.begun && self.is_wanted();
            (self.gap, self.begun, self.bytes) = (false, true, 0);
            self.left = self.after.unwrap_or(usize::MAX);
            let gap = between.then_some(Line::Gap);
            return gap.into_iter().chain(self.kept.drain(..).map(Line::Near)).chain([Line::Match(hit)]).all(take);
        }
        if self.left > 0 {
            self.left -= 1;
            return take(Line::Near(hit));
        }
        self.keep(hit);
        true
    }

    /// Keeps a line: a match may follow.
    pub(super) fn keep(&mut self, hit: Hit) {
        let size = |hit: &Hit| hit.record.message.len() + hit.record.columns.len();
        self.bytes += size(&hit);
        self.kept.push_back(hit);
        while self.kept.len() > self.before || self.bytes > KEPT_BYTES {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.bytes -= size(&oldest);
            self.gap = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::cursor::Place;
    use crate::record::Stored;
    use crate::time::Ts;

    /// The printed lines, if the lines with an x match.
    #[track_caller]
    fn check(context: Context, around: (u32, Option<u32>), lines: &str, expect: &str) {
        let mut passing = ContextWindow::new(context, around);
        let mut printed = Vec::new();
        for message in lines.split(' ') {
            let place = Place { ts: Ts::MIN, seq: 0, digest: 0, id: 1 };
            let record = Stored { message: message.to_owned(), columns: String::new() };
            let hit = Hit { index: "web".parse().expect("a name"), place, record, marks: Vec::new() };
            passing.pass(hit, message.contains('x'), &mut |line| {
                printed.push(match line {
                    Line::Match(hit) | Line::Near(hit) => hit.record.message,
                    Line::Gap => "--".to_owned(),
                });
                true
            });
        }
        assert_eq!(printed.join(" "), expect);
    }

    #[test]
    fn lines_around_a_match_are_those_of_grep() {
        let lines = "a b c dx e f g h ix jx k l";
        check(Context::None, (0, Some(0)), lines, "dx ix jx");
        check(Context::Lines(0), (0, Some(0)), lines, "dx -- ix jx");
        check(Context::None, (1, Some(0)), lines, "c dx -- h ix jx");
        check(Context::None, (0, Some(1)), lines, "dx e -- ix jx k");
        check(Context::Lines(2), (2, Some(2)), lines, "b c dx e f g h ix jx k l");
        check(Context::Lines(1), (1, Some(1)), lines, "c dx e -- h ix jx k");
        check(Context::All, (1, None), lines, "c dx e f g h ix jx k l");
    }
}
