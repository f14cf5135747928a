//! Every route of the router, as addresses for tests: a new arm of its match is in them without any change here.

/// The text of the one match.
const ROUTER: &str = include_str!("router.rs");

/// Paths below base_path of all routes, with that list of indexes; those of one index first.
pub fn paths(list: &str) -> Vec<String> {
    let arms = ROUTER.lines().map(str::trim).filter_map(|line| line.strip_prefix('[')?.split_once("] =>"));
    let path = |parts: &str| {
        let part = |part: &str| match part.trim() {
            "list" => list.to_owned(),
            "name" => "slow".to_owned(),
            "value" => "7f3a".to_owned(),
            "column" => "host".to_owned(),
            "place" => "1795341600000000.1.2".to_owned(),
            // none of a place's surroundings
            "ref around @ .." => "20-20".to_owned(),
            literal => literal.strip_prefix('"').and_then(|text| text.strip_suffix('"')).expect(literal).to_owned(),
        };
        parts.split(", ").map(part).collect::<Vec<String>>().join("/")
    };
    let mut arms: Vec<&str> = arms.map(|(parts, _)| parts).filter(|parts| !parts.contains(['[', ']'])).collect();
    arms.sort_by_key(|parts| !parts.contains(", list"));
    arms.into_iter().map(path).collect()
}
