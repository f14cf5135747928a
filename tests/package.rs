//! The .deb: its files, dpkg and lintian accept it, and purging it leaves nothing. In full (make soak): on a clean Debian with
//! systemd, by tests/debian.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{ROOT, directory, make};

#[track_caller]
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(ROOT).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

fn build() -> PathBuf {
    let printed = make("make", "package", Path::new(""), &[]);
    Path::new(ROOT).join(printed.lines().last().unwrap())
}

/// All files below a directory.
fn files(below: &Path) -> BTreeSet<String> {
    let found = run("find", &[below.to_str().unwrap(), "!", "-type", "d", "-printf", "%P\n"]);
    found.lines().map(str::to_owned).collect()
}

#[test]
fn the_deb_installs_upgrades_and_leaves_nothing() {
    let deb = build();
    let deb = deb.to_str().unwrap();
    let depends = run("dpkg-deb", &["--field", deb, "Depends"]);
    assert!(depends.contains("libc6 (>= ") && depends.contains("libssl3") && depends.contains("adduser"), "{depends}");
    let said = run("lintian", &["--allow-root", deb]);
    assert!(said.is_empty(), "{said}");

    let root = directory("deb");
    let at = format!("--root={}", root.display());
    for empty in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers"] {
        fs::create_dir_all(root.join(empty)).unwrap();
    }
    fs::write(root.join("var/lib/dpkg/status"), "").unwrap();
    // the scripts see DPKG_ROOT, and leave the users and services of this host alone
    let force = "--force-not-root,script-chrootless,depends,bad-path,confold";
    let dpkg = |arguments: &[&str]| {
        let log = format!("--log={}/var/log/dpkg.log", root.display());
        run("dpkg", &[&[at.as_str(), force, &log], arguments].concat());
    };
    let of_alco = || files(&root).into_iter().filter(|file| !file.starts_with("var/")).collect::<BTreeSet<String>>();

    dpkg(&["--install", deb]);
    let installed = of_alco();
    for file in [
        "etc/alco.ini",
        "etc/logrotate.d/alco",
        "lib/systemd/system/alco.service",
        "lib/systemd/system/alco-searchd.service",
        "usr/bin/alco",
        "usr/share/alco/sphinx.conf",
        "usr/share/alco/searchd.conf",
        "usr/share/bash-completion/completions/alco",
        "usr/share/fish/vendor_completions.d/alco.fish",
        "usr/share/zsh/vendor-completions/_alco",
        "usr/share/doc/alco/copyright",
        "usr/share/doc/alco/README.md",
        "usr/share/doc/alco/alco.ini.example",
        "usr/share/doc/alco/docs/delivery.md",
        "usr/share/doc/alco/docs/formats.md",
        "usr/share/doc/alco/docs/migration.md",
        "usr/share/doc/alco/docs/nodes.md",
        "usr/share/doc/alco/docs/operating.md",
        "usr/share/doc/alco/docs/sources.md",
        "usr/share/man/man1/alco.1.gz",
        "usr/share/man/man5/alco.ini.5.gz",
    ] {
        assert!(installed.contains(file), "{file}: {installed:#?}");
    }
    for unit in ["alco", "alco-searchd"] {
        let unit = fs::read_to_string(root.join(format!("lib/systemd/system/{unit}.service"))).unwrap();
        assert!(unit.contains("/usr/bin/alco") && unit.contains("/etc/alco.ini"), "{unit}");
    }
    let ini = fs::read_to_string(root.join("etc/alco.ini")).unwrap();
    assert!(ini.contains("data_dir = /var/lib/alco\n") && ini.contains("/usr/share/doc/alco"), "{ini}");

    fs::write(root.join("etc/alco.ini"), "; mine\n").unwrap();
    dpkg(&["--install", deb]);
    assert_eq!(fs::read_to_string(root.join("etc/alco.ini")).unwrap(), "; mine\n", "an upgrade keeps it");
    dpkg(&["--remove", "alco"]);
    assert_eq!(of_alco().into_iter().collect::<Vec<_>>(), ["etc/alco.ini", "etc/logrotate.d/alco"]);
    dpkg(&["--purge", "alco"]);
    assert_eq!(of_alco(), BTreeSet::new());
}

#[test]
#[ignore = "it takes three minutes, a download and root: make soak runs it"]
fn the_deb_works_on_a_clean_debian() {
    print!("{}", run("tests/debian", &[build().to_str().unwrap()]));
}
