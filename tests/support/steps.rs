//! The steps that a page of docs/ describes, as its readers take them: the indented blocks below a heading.
//!
//! Commands stand below `# on a`, which names the machine. An alco.ini's lines stand below `; alco.ini of a and b`.

use std::fs;
use std::path::Path;

use super::ROOT;

#[derive(Debug)]
pub enum Step {
    /// lines for the alco.ini of these machines
    Ini { machines: Vec<char>, lines: String },
    /// a command on a machine
    Command { machine: char, line: String },
    /// another file, of which the page's text says what it is for
    File(String),
}

/// The steps below a heading, to the next one.
#[track_caller]
pub fn steps(page: &str, heading: &str) -> Vec<Step> {
    let text = fs::read_to_string(Path::new(ROOT).join(page)).unwrap();
    let mut lines = text.lines().skip_while(|line| line.trim_start_matches('#').trim() != heading || !is_heading(line));
    assert!(lines.next().is_some(), "{page} has no heading '{heading}'");
    let section: Vec<&str> = lines.take_while(|line| !is_heading(line)).collect();
    let blocks = section.split(|line| !line.starts_with("    "));
    blocks.filter(|block| !block.is_empty()).flat_map(steps_of).collect()
}

fn is_heading(line: &str) -> bool {
    line.starts_with('#')
}

fn steps_of(block: &[&str]) -> Vec<Step> {
    let lines: Vec<&str> = block.iter().map(|line| &line[4..]).collect();
    if let Some(whose) = lines[0].strip_prefix("; alco.ini of ") {
        let machines = match whose {
            "all nodes" => vec!['a', 'b', 'c'],
            _ => whose.split([' ', ',']).filter_map(letter).collect(),
        };
        return vec![Step::Ini { machines, lines: lines[1..].join("\n") }];
    }
    let Some(mut machine) = on(lines[0]) else { return vec![Step::File(lines.join("\n"))] };
    let mut steps = Vec::new();
    for line in lines {
        match on(line) {
            Some(other) => machine = other,
            None => steps.push(Step::Command { machine, line: line.to_owned() }),
        }
    }
    steps
}

/// `a` of `# on a`.
fn on(line: &str) -> Option<char> {
    line.strip_prefix("# on ").and_then(letter)
}

/// A machine's name is one letter.
fn letter(word: &str) -> Option<char> {
    let mut letters = word.chars();
    letters.next().filter(|_| letters.next().is_none())
}
