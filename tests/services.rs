//! The ways hosts run alco: FreeBSD's rc.d/alco, as far as a host without rc.subr can test it, and systemd's units.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use regex::Regex;

use crate::support::{ROOT, directory, free_port, make};

/// The steps of an administrator: $at is the root directory, $me the user.
const SCENARIO: &str = r#"
service() { echo "== $*"; sh "$at/usr/local/etc/rc.d/alco" "$@" 2>&1; echo "-> $?"; }
answers() { curl -fs -o /dev/null "$url"; }
until_it() { n=0; until "$@"; do n=$((n + 1)); [ $n -lt 900 ] || { echo "timed out: $*"; cat "$log"; exit 1; }; sleep 0.1; done; }
gone() { ! kill -0 "$1" 2>/dev/null; }
settings() { printf '%s\n' "$@" >"$at/etc/rc.conf"; }
run=$at/var/run/alco log=$at/var/log/alco.log ini=$at/usr/local/etc/alco.ini
trap 'for file in daemon alco; do kill "$(cat "$run/$file.pid" 2>/dev/null)" 2>/dev/null; done' EXIT

settings ''
service start
settings alco_enable=YES alco_flags=--web-only "alco_user=$me"
mv "$ini" "$ini.good"
service start
{ cat "$ini.good"; echo 'dais = 3'; } >"$ini"
service start
mv "$ini.good" "$ini"
service status
service reload

service start
until_it answers
service status | sed 's/pid [0-9]*/pid N/'
service start | sed 's/pid=[0-9]*/pid=N/'
first=$(cat "$run/alco.pid")
kill -KILL "$first"
until_it gone "$first"
until_it answers
[ "$first" = "$(cat "$run/alco.pid")" ] || echo "it was started again"
second=$(cat "$run/alco.pid")
settings alco_enable=NO "alco_user=$me"
service stop
until_it gone "$second"
answers || echo "it does not answer"
ls "$run"
service status
grep -c stopping "$log"

settings alco_enable=YES
service check | grep -E '(alco.ini|rabbitmq|->)'
"#;

const SAID: &str = "\
== start
Cannot 'start' alco. Set alco_enable to YES in /etc/rc.conf
-> 0
== start
WARNING: /usr/local/etc/alco.ini is not readable.
-> 1
== start
/usr/local/etc/alco.ini:10: [index logs] unknown key 'dais'; did you mean 'days'?
WARNING: /usr/local/etc/alco.ini cannot be used, see above
WARNING: failed precmd routine for alco
-> 1
== status
alco is not running.
-> 1
== reload
Usage: /usr/local/etc/rc.d/alco (start|stop|restart|status|check)
-> 1
== start
Starting alco.
-> 0
== status
alco is running as pid N.
-> 0
== start
alco already running? (pid=N).
-> 1
it was started again
== stop
Stopping alco.
-> 0
it does not answer
== status
alco is not running.
-> 1
1
ok       alco.ini: /usr/local/etc/alco.ini: indexes logs
error    rabbitmq: CANNOT
-> 2
";

#[test]
fn rc_d_alco_starts_watches_checks_and_stops_alco() {
    let at = directory("rc.d");
    let root = at.display();
    make("make", "install", Path::new(""), &["SYSTEM=FreeBSD", &format!("PREFIX={root}/usr/local")]);
    let port = free_port();
    let ini = format!(
        "[rabbitmq]\nurl = amqp://127.0.0.1:1\n[redis]\nurl = redis://127.0.0.1:1\n[sphinx]\naddress = 127.0.0.1:1\n\
         [http]\nlisten = 127.0.0.1:{port}\n[index logs]\n"
    );
    fs::write(at.join("usr/local/etc/alco.ini"), ini).unwrap();
    for directory in ["etc", "var/run", "var/log", "usr/sbin"] {
        fs::create_dir_all(at.join(directory)).unwrap();
    }
    // FreeBSD's part of it stands below the same directory
    let stand_ins = Path::new(ROOT).join("tests/freebsd");
    for (stand_in, place) in [("rc.subr", "etc/rc.subr"), ("daemon", "usr/sbin/daemon"), ("su", "usr/sbin/su")] {
        fs::copy(stand_ins.join(stand_in), at.join(place)).unwrap();
    }
    let places = Regex::new(r"([ =])(/etc|/var|/usr/sbin)/").unwrap();
    for script in ["usr/local/etc/rc.d/alco", "etc/rc.subr"] {
        let text = fs::read_to_string(at.join(script)).unwrap();
        fs::write(at.join(script), places.replace_all(&text, format!("${{1}}{root}$2/")).as_ref()).unwrap();
    }
    let mut sh = Command::new("sh");
    sh.args(["-c", SCENARIO]).env("at", &at).env("url", format!("http://127.0.0.1:{port}/grep/"));
    sh.env("me", text(&Command::new("id").arg("-un").output().unwrap()).trim());
    sh.env("SU_LOG", at.join("su.log")).env("PATH", format!("{root}/usr/sbin:/bin:/usr/bin"));
    let said = text(&sh.output().unwrap()).replace(&root.to_string(), "");
    let cannot = Regex::new("(error +rabbitmq: ).*").unwrap();
    assert_eq!(cannot.replace(&said, "${1}CANNOT"), SAID);
    // the user who may read the passwords and signal searchd
    let su = fs::read_to_string(at.join("su.log")).unwrap();
    let last = su.lines().last().unwrap();
    assert!(last.starts_with("_sphinx: ") && last.contains(" check "), "{su}");
}

/// A shell reads this example: it sets the variables that the port's rc.d/sphinxsearch takes, with the same values as alco.ini.
#[test]
fn sphinxsearch_of_freebsd_gets_the_places_of_the_ini() {
    let script = "for name in enable conffile user dir pidfile; do eval echo \"\\$sphinxsearch_$name\"; done";
    let file = Path::new(ROOT).join("rc.d/sphinxsearch");
    let output = Command::new("sh").arg("-euc").arg(format!(". {}; {script}", file.display())).output().unwrap();
    let ini = fs::read_to_string(Path::new(ROOT).join("rc.d/alco.ini")).unwrap();
    let key = |name: &str| ini.lines().find_map(|line| line.strip_prefix(&format!("{name} = "))).unwrap().to_owned();
    let expected =
        format!("YES\n/usr/local/share/alco/sphinx.conf\n_sphinx\n{}\n{}\n", key("data_dir"), key("pid_file"));
    assert_eq!(text(&output), expected);

    // the virtualenv that it shows how to activate
    let venv = directory("rc.d-venv").join("virtualenv");
    let made = Command::new("python3").args(["-m", "venv", "--without-pip"]).arg(&venv).status().unwrap();
    assert!(made.success());
    let script =
        format!(". {}; virtualenv_path={}; sphinxsearch_virtualenv; command -v python", file.display(), venv.display());
    let output = Command::new("sh").args(["-euc", &script]).output().unwrap();
    assert_eq!(text(&output), format!("{}\n", venv.join("bin/python").display()));
}

/// stdout, and what went wrong.
fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[cfg(target_os = "linux")]
mod linux {
    use std::path::PathBuf;

    use super::*;
    use crate::support::executable;

    /// A root directory with the files of make install, and with the other files that systemd-analyze needs.
    fn root() -> PathBuf {
        let root = directory("units");
        make("make", "install", &root, &["SYSTEM=Linux"]);
        let units = root.join("etc/systemd/system");
        fs::create_dir_all(units.join("sphinxsearch.service.d")).unwrap();
        for target in ["sysinit", "basic", "shutdown", "network", "network-online", "multi-user"] {
            fs::write(units.join(format!("{target}.target")), "[Unit]\n").unwrap();
        }
        // as systemd makes it from Debian's /etc/init.d/sphinxsearch
        let unit = "[Service]\nType=forking\nRestart=no\nKillMode=process\nGuessMainPID=no\nRemainAfterExit=yes\n\
                ExecStart=/etc/init.d/sphinxsearch start\nExecStop=/etc/init.d/sphinxsearch stop\n";
        fs::write(units.join("sphinxsearch.service"), unit).unwrap();
        fs::copy(Path::new(ROOT).join("systemd/searchd.conf"), units.join("sphinxsearch.service.d/alco.conf")).unwrap();
        for program in ["usr/bin/searchd", "bin/kill"] {
            fs::create_dir_all(root.join(program).parent().unwrap()).unwrap();
            executable(&root.join(program), "");
        }
        root
    }

    #[track_caller]
    fn analyze(arguments: &[&str]) -> Output {
        // without this it writes below $HOME, or asks a running systemd
        Command::new("systemd-analyze").args(arguments).env("SYSTEMD_PAGER", "").output().unwrap()
    }

    #[test]
    fn systemd_finds_nothing_wrong_with_the_units_and_the_drop_in() {
        let root = root();
        let verify = || {
            let root = format!("--root={}", root.display());
            analyze(&["verify", "--man=no", &root, "alco.service", "alco-searchd.service", "sphinxsearch.service"])
        };
        let output = verify();
        assert!(output.status.success() && text(&output).is_empty(), "{}", text(&output));

        // systemd-analyze finds a mistake
        let drop_in = root.join("etc/systemd/system/sphinxsearch.service.d/alco.conf");
        fs::write(&drop_in, fs::read_to_string(&drop_in).unwrap().replace("\nExecStop=\n", "\nExecStopp=\n")).unwrap();
        assert!(text(&verify()).contains("ExecStopp"), "{}", text(&verify()));
    }

    #[test]
    fn the_units_are_exposed_less_than_most() {
        for (unit, at_most) in [("alco.service", 1.5), ("alco-searchd.service", 1.5)] {
            let path = Path::new(ROOT).join("systemd").join(unit);
            let output = analyze(&["security", "--offline=true", "--no-pager", path.to_str().unwrap()]);
            let said = text(&output);
            let exposed =
                said.split("exposure level for").nth(1).and_then(|rest| rest.split_whitespace().nth(1)).unwrap();
            println!("{unit}: {exposed}");
            assert!(exposed.parse::<f64>().unwrap() <= at_most, "{said}");
        }
    }
}
