//! make install and make uninstall: GNU make and BSD make install the same files at the same places, for Linux and for FreeBSD,
//! and remove all of them again.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{ALCO, ROOT, directory, make};

/// Every file below a directory, with its mode.
fn files(below: &Path) -> BTreeMap<String, u32> {
    let mut found = BTreeMap::new();
    let mut folders: Vec<PathBuf> = vec![below.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(below).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::metadata(&path).unwrap().permissions().mode() & 0o777);
            }
        }
    }
    found
}

const EVERYWHERE: [(&str, u32); 18] = [
    ("usr/local/bin/alco", 0o755),
    ("usr/local/etc/alco.ini", 0o644),
    ("usr/local/etc/alco.ini.sample", 0o644),
    ("usr/local/share/alco/sphinx.conf", 0o755),
    ("usr/local/share/alco/sphinx_conf.py", 0o755),
    ("usr/local/share/bash-completion/completions/alco", 0o644),
    ("usr/local/share/doc/alco/README.md", 0o644),
    ("usr/local/share/doc/alco/alco.ini.example", 0o644),
    ("usr/local/share/doc/alco/docs/delivery.md", 0o644),
    ("usr/local/share/doc/alco/docs/formats.md", 0o644),
    ("usr/local/share/doc/alco/docs/migration.md", 0o644),
    ("usr/local/share/doc/alco/docs/nodes.md", 0o644),
    ("usr/local/share/doc/alco/docs/operating.md", 0o644),
    ("usr/local/share/doc/alco/docs/sources.md", 0o644),
    ("usr/local/share/fish/vendor_completions.d/alco.fish", 0o644),
    ("usr/local/share/man/man1/alco.1", 0o644),
    ("usr/local/share/man/man5/alco.ini.5", 0o644),
    ("usr/local/share/zsh/site-functions/_alco", 0o644),
];
const LINUX: [(&str, u32); 3] = [
    ("usr/local/lib/systemd/system/alco.service", 0o644),
    ("usr/local/lib/systemd/system/alco-searchd.service", 0o644),
    ("usr/local/share/alco/searchd.conf", 0o644),
];
const FREEBSD: [(&str, u32); 3] = [
    ("usr/local/etc/rc.d/alco", 0o755),
    ("usr/local/etc/newsyslog.conf.d/alco.conf", 0o644),
    ("usr/local/share/alco/sphinxsearch", 0o644),
];

/// GNU's and BSD's; one of them is the system's own.
const MAKES: [&str; 2] = if cfg!(target_os = "freebsd") { ["gmake", "make"] } else { ["make", "bmake"] };

#[test]
fn both_makes_install_and_remove_the_same_files() {
    for (system, own, others) in [("Linux", LINUX, FREEBSD), ("FreeBSD", FREEBSD, LINUX)] {
        let system = format!("SYSTEM={system}");
        let mut before = None;
        for program in MAKES {
            let stage = directory(&format!("install-{program}"));
            make(program, "install", &stage, &[&system]);
            let installed = files(&stage);
            for (file, mode) in EVERYWHERE.iter().chain(&own) {
                assert_eq!(installed.get(*file), Some(mode), "{program} {system} {file}: {installed:#?}");
            }
            assert!(others.iter().all(|(file, _)| !installed.contains_key(*file)), "{system}: {installed:#?}");
            assert_eq!(*before.get_or_insert(installed.clone()), installed, "both makes");
            // a second time, over what is there
            make(program, "install", &stage, &[&system]);
            assert_eq!(files(&stage), installed);

            make(program, "uninstall", &stage, &[&system]);
            assert_eq!(files(&stage), BTreeMap::new(), "{program} {system}");
        }
    }
}

#[test]
fn a_changed_ini_survives_install_and_uninstall() {
    let stage = directory("install-ini");
    make("make", "install", &stage, &[]);
    let ini = stage.join("usr/local/etc/alco.ini");
    fs::write(&ini, "; mine\n").unwrap();
    make("make", "install", &stage, &[]);
    let said = make("make", "uninstall", &stage, &[]);
    assert!(said.contains("alco.ini was changed, and stays"), "{said}");
    assert_eq!(files(&stage).into_keys().collect::<Vec<_>>(), ["usr/local/etc/alco.ini"]);
    assert_eq!(fs::read_to_string(ini).unwrap(), "; mine\n");
}

#[test]
fn installed_files_name_their_own_places() {
    for (system, other) in [("SYSTEM=Linux", "LINUX"), ("SYSTEM=FreeBSD", "FREEBSD")] {
        let stage = directory(&format!("install-places-{other}"));
        make("make", "install", &stage, &[system, "PREFIX=/opt/alco", "SYSCONFDIR=/etc/opt"]);
        let installed = files(&stage);
        assert!(installed.contains_key("opt/alco/bin/alco") && installed.contains_key("etc/opt/alco.ini"));
        for file in installed.keys() {
            // the documents speak of all hosts
            if file.ends_with("bin/alco") || file.contains("/man/") || file.contains("/doc/") {
                continue;
            }
            let text = fs::read_to_string(stage.join(file)).unwrap();
            for (number, line) in text.lines().enumerate() {
                // the places where alco and the scripts look without a setting
                let looked_up = ["for ini in ", "PATH", "INIS = ", "instead of $ALCO_INI, "]
                    .iter()
                    .any(|words| line.contains(words));
                let own = line.contains("/usr/local/lib/systemd/system (make install)") || line.contains(": goes to ");
                assert!(looked_up || own || !line.contains("/usr/local/"), "{file}:{}: {line}", number + 1);
            }
        }
    }
}

#[test]
fn the_shipped_inis_are_valid() {
    for ini in ["systemd/alco.ini", "rc.d/alco.ini"] {
        let output =
            Command::new(ALCO).args(["sphinx-conf", "--config"]).arg(Path::new(ROOT).join(ini)).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let conf = String::from_utf8(output.stdout).unwrap();
        assert!(conf.contains("index logs\n") && conf.contains("/searchd.pid\n"), "{conf}");
    }
}
