//! Sections of an alco.ini as text: taken apart, and put together.

use std::fmt::Write as _;

/// The sections in order: `[header]` and its lines.
pub fn sections(ini: &str) -> Vec<(String, String)> {
    let mut sections: Vec<(String, String)> = Vec::new();
    for line in ini.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if line.starts_with('[') {
            sections.push((line.to_owned(), String::new()));
        } else {
            let (_, lines) = sections.last_mut().expect("a key stands in a section");
            writeln!(lines, "{line}").unwrap();
        }
    }
    sections
}

/// One ini from several; lines of equal sections are joined.
pub fn merged(inis: &[&str]) -> String {
    let mut all: Vec<(String, String)> = Vec::new();
    for (header, lines) in inis.iter().flat_map(|ini| sections(ini)) {
        match all.iter_mut().find(|(known, _)| *known == header) {
            Some((_, known)) => known.push_str(&lines),
            None => all.push((header, lines)),
        }
    }
    all.iter().fold(String::new(), |ini, (header, lines)| ini + header + "\n" + lines + "\n")
}

/// `ini` with the keys of `over`, which take the place of its own.
pub fn overlaid(ini: &str, over: &str) -> String {
    let key = |line: &str| line.split('=').next().unwrap_or_default().trim().to_owned();
    let mut all = sections(ini);
    for (header, lines) in sections(over) {
        let Some((_, own)) = all.iter_mut().find(|(known, _)| *known == header) else {
            all.push((header, lines));
            continue;
        };
        let kept = own.lines().filter(|own| !lines.lines().any(|line| key(line) == key(own)));
        *own = kept.chain(lines.lines()).map(|line| format!("{line}\n")).collect();
    }
    all.iter().fold(String::new(), |ini, (header, lines)| ini + header + "\n" + lines + "\n")
}
