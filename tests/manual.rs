//! The manual pages: well-formed.

use std::path::Path;
use std::process::Command;

const PAGES: [&str; 2] = ["man/alco.1", "man/alco.ini.5"];

#[test]
fn mandoc_has_nothing_to_say_about_them() {
    for page in PAGES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
        let output = Command::new("mandoc").args(["-T", "lint"]).arg(path).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        // whether the pages that these refer to are on this host does not matter
        let wrong: Vec<&str> = said.lines().filter(|line| !line.contains("referenced manual not found")).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
