//! The sphinx.conf that searchd reads: the day indexes of each index, the distributed indexes over them, the searchd
//! section. Pure.
//!
//! Directives of `[sphinx.index]`, `[sphinx.index NAME]` and `[sphinx.searchd]` replace generated ones key by key, the
//! later of these before the earlier. Each directive stands on a line of its own, since the script that searchd runs
//! creates the directories of `path`, `binlog_path` and `log` from them.
//!
//! `web` has the records of all nodes, for SphinxQL by hand. Its peers are asked for `web_local`, which holds the days of one node
//! only: were they asked for `web`, which asks its own peers, two nodes that name each other would go on asking for ever. alco's
//! searches name the same index of each peer by itself (`peer_index`), so that they can leave out a peer that is away.

use std::fmt::Write;
use std::path::PathBuf;

use crate::config::{Config, Dialect, Index, IndexName, Sphinx};
use crate::sphinx::counting::rules_field;
use crate::sphinx::day_index::{day_index, local_index, peer_index, served_days};
use crate::sphinx::day_schema::DaySchema;
use crate::sphinx::dialect;
use crate::sphinx::fulltext;
use crate::time::Day;

/// Directives of `[sphinx.index]` that go to the distributed indexes: they concern peers.
const OF_DISTRIBUTED: [&str; 5] =
    ["agent_connect_timeout", "agent_query_timeout", "agent_retry_count", "ha_strategy", "mirror_retry_count"];

/// For the connection and the greeting. Every question waits for a peer that is cut off. In one network, both take a millisecond.
const AGENT_CONNECT_MILLISECONDS: &str = "500";
/// A peer that has greeted works. As long as alco waits for an answer: with searchd's default, 3 s, the records of a peer that is
/// busy would be missing where one node alone would take its time.
const AGENT_QUERY_MILLISECONDS: &str = "30000";

type Directives = Vec<(String, String)>;

/// For searchd of that engine.
pub fn sphinx_conf(config: &Config, engine: Dialect, today: Day) -> String {
    let (key, value) = dialect::day_index_directive(engine);
    let of_engine = directive(key, value);
    let mut out = format!("# searchd's configuration on {today}, written by alco from alco.ini: change it there\n");
    for index in &config.indexes {
        let overrides = match config.sphinx.index_of.get(&index.name) {
            Some(own) => over(config.sphinx.index.clone(), own),
            None => config.sphinx.index.clone(),
        };
        let (of_distributed, of_days): (Directives, Directives) =
            overrides.into_iter().partition(|(key, _)| OF_DISTRIBUTED.contains(&key.as_str()));
        for day in served_days(today, index.days) {
            let generated = [day_directives(index, &config.sphinx, day), vec![of_engine.clone()]].concat();
            let directives = over(generated, &of_days);
            section(&mut out, &format!("index {}", day_index(&index.name, day)), &directives);
        }
        let local = local_directives(index, today);
        let all_days = local_index(&index.name);
        section(&mut out, &format!("index {all_days}"), &local);
        let agents = agent_directives(&config.sphinx, index);
        section(&mut out, &format!("index {}", index.name), &over([local, agents].concat(), &of_distributed));
        let names = served_days(today, index.days).map(|day| day_index(&index.name, day)).chain([all_days]);
        for own in names {
            for (address, number) in config.sphinx.peers.iter().flatten().zip(1..) {
                let agent = directive("agent", format!("{address}:{own}"));
                let directives = [vec![directive("type", "distributed"), agent], agent_times()].concat();
                section(&mut out, &format!("index {}", peer_index(&own, number)), &over(directives, &of_distributed));
            }
        }
    }
    let of_engine = dialect::searchd_directives(engine).iter().map(|(key, value)| directive(key, *value));
    let generated = searchd_directives(&config.sphinx).into_iter().chain(of_engine).collect();
    section(&mut out, "searchd", &over(generated, &config.sphinx.searchd));
    out
}

/// A field that is empty in every document: a day index that has it was declared with `min_infix_len = 2`. A day index keeps
/// what it was declared with, whatever alco.ini has later, and searchd has no other way to show it.
pub const PAIRS: &str = "infix_2";

/// Characters of the shortest part of a token that a search can find in a day index that is declared now.
fn infix(sphinx: &Sphinx, index: &IndexName) -> usize {
    let of_index = sphinx.index_of.get(index).into_iter().flatten();
    let own = of_index.chain(&sphinx.index).find(|(key, _)| key == "min_infix_len");
    own.and_then(|(_, value)| value.parse().ok()).unwrap_or(fulltext::MIN_INFIX_CHARS)
}

fn directive(key: &str, value: impl Into<String>) -> (String, String) {
    (key.to_owned(), value.into())
}

/// Each key of `overrides` takes the place of all generated directives of that key.
fn over(mut generated: Directives, overrides: &[(String, String)]) -> Directives {
    generated.retain(|(key, _)| !overrides.iter().any(|(other, _)| other == key));
    generated.extend_from_slice(overrides);
    generated
}

fn section(out: &mut String, header: &str, directives: &[(String, String)]) {
    let _ = write!(out, "\n{header}\n{{\n"); // a String takes everything
    for (key, value) in directives {
        let _ = writeln!(out, "    {key} = {value}");
    }
    out.push_str("}\n");
}

/// The module `sphinx` documents the schema. `cols` is declared in any case: it costs nothing while it is empty, and a day
/// that is served already would no longer get it when `search = all` is set.
fn day_directives(index: &Index, sphinx: &Sphinx, day: Day) -> Directives {
    let name = &index.name;
    let mut directives = vec![
        directive("type", "rt"),
        directive("path", format!("{}/{name}/{day}/{name}", sphinx.data_dir.display())),
        directive("rt_field", "line"),
        directive("rt_field", "cols"),
        directive("rt_field", "keys"),
    ];
    let schema = DaySchema::configured(index);
    directives.extend(schema.fields.iter().map(|field| directive("rt_field", &field.name)));
    directives.push(directive("rt_field", rules_field(index)));
    if infix(sphinx, name) == 2 {
        directives.push(directive("rt_field", PAIRS));
    }
    directives.extend(["ts", "digest", "kind"].map(|name| directive("rt_attr_bigint", name)));
    directives.push(directive("rt_attr_uint", "seq"));
    directives.extend(schema.values.iter().map(|value| directive("rt_attr_uint", &value.name)));
    directives.extend(["logline", "exact"].map(|name| directive("rt_attr_string", name)));
    directives.extend([
        directive("rt_attr_json", "js"),
        directive("dict", "keywords"),
        directive("min_infix_len", fulltext::MIN_INFIX_CHARS.to_string()),
        // what alco prepares consists of these; a table that reaches further costs memory in each of many indexes
        directive("charset_table", fulltext::CHARSET),
        // the RAM that today's index of each name takes before it writes a chunk to the disk: small, for many names on one host
        directive("rt_mem_limit", "256M"),
    ]);
    directives
}

fn local_directives(index: &Index, today: Day) -> Directives {
    let days = served_days(today, index.days).map(|day| directive("local", day_index(&index.name, day)));
    std::iter::once(directive("type", "distributed")).chain(days).collect()
}

/// How a distributed index asks the peers.
fn agent_directives(sphinx: &Sphinx, index: &Index) -> Directives {
    let agent =
        |mirrors: &Vec<String>| directive("agent", format!("{}:{}", mirrors.join("|"), local_index(&index.name)));
    let mut directives: Directives = sphinx.peers.iter().map(agent).collect();
    if !directives.is_empty() {
        directives.extend(agent_times());
    }
    if sphinx.peers.iter().any(|mirrors| mirrors.len() > 1) {
        // by default searchd goes on asking a mirror that is down, and its part is missing then
        directives.push(directive("ha_strategy", "noerrors"));
    }
    directives
}

fn agent_times() -> Directives {
    vec![
        directive("agent_connect_timeout", AGENT_CONNECT_MILLISECONDS),
        directive("agent_query_timeout", AGENT_QUERY_MILLISECONDS),
    ]
}

/// The agents of an index's distributed index, as DESCRIBE names them.
pub fn agent_names<'a>(sphinx: &'a Sphinx, index: &IndexName) -> impl Iterator<Item = (&'a str, String)> {
    let part = local_index(index);
    sphinx.peers.iter().flatten().map(move |peer| (peer.as_str(), format!("{peer}:{part}")))
}

fn searchd_directives(sphinx: &Sphinx) -> Directives {
    let data_dir = sphinx.data_dir.display();
    let pid_file = match &sphinx.pid_file {
        Some(path) => path.display().to_string(),
        None => format!("{data_dir}/searchd.pid"),
    };
    vec![
        directive("listen", format!("{}:mysql41", sphinx.address)),
        directive("log", format!("{data_dir}/searchd.log")),
        directive("pid_file", pid_file),
        directive("binlog_path", format!("{data_dir}/binlog")),
        // written to the system on every commit; 1 loses the batch just confirmed if searchd is killed
        directive("binlog_flush", "2"),
        // a binlog goes when all it holds is in the indexes: in one endless file there is always something that is not
        directive("binlog_max_log_size", "256M"),
        // seconds of records that searchd replays at most after a crash
        directive("rt_flush_period", "3600"),
        // a record of 4 MiB, escaped, twice: as it is and as prepared text
        directive("max_packet_size", "64M"),
        // searchd's default takes js.levelname='ERROR' for 'Error' too
        directive("collation_server", "binary"),
        // no file begins like this: a query cannot read files
        directive("snippets_file_prefix", "/nonexistent/"),
        // searchd's default of 5 drops connections that come together, and each of these waits for a second or three
        directive("listen_backlog", "128"),
    ]
}

/// The directory of searchd's binlog.
pub fn binlog_path(sphinx: &Sphinx) -> PathBuf {
    let directives = over(searchd_directives(sphinx), &sphinx.searchd);
    let found = directives.into_iter().rfind(|(key, _)| key == "binlog_path");
    found.expect("it is among the generated ones").1.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conf(ini: &str) -> String {
        let config = Config::parse(ini, "alco.ini").expect("no mistakes");
        let engine = config.sphinx.dialect.unwrap_or(Dialect::Sphinx);
        sphinx_conf(&config, engine, Day::parse_compact("20261122").expect("a day"))
    }

    /// The section with this header, one directive a line.
    #[track_caller]
    fn check(ini: &str, header: &str, expect: &[&str]) {
        let conf = conf(ini);
        let (_, rest) = conf.split_once(&format!("\n{header}\n{{\n")).expect(header);
        let (body, _) = rest.split_once("\n}\n").expect("an end");
        assert_eq!(body.lines().map(str::trim).collect::<Vec<_>>(), expect);
    }

    #[test]
    fn a_day_index_has_the_documented_schema() {
        let ini = "[sphinx]\ndata_dir = /data/sphinx\n[index web]\nindexed = user-agent";
        check(
            ini,
            "index web_20261124",
            &[
                "type = rt",
                "path = /data/sphinx/web/20261124/web",
                "rt_field = line",
                "rt_field = cols",
                "rt_field = keys",
                "rt_field = x0_user_2d_agent",
                "rt_field = rules_44b88834",
                "rt_field = infix_2",
                "rt_attr_bigint = ts",
                "rt_attr_bigint = digest",
                "rt_attr_bigint = kind",
                "rt_attr_uint = seq",
                "rt_attr_uint = v_levelname",
                "rt_attr_uint = v_host",
                "rt_attr_uint = v_application",
                "rt_attr_string = logline",
                "rt_attr_string = exact",
                "rt_attr_json = js",
                "dict = keywords",
                "min_infix_len = 2",
                "charset_table = 0..9, a..z, U+80..U+24F, U+370..U+52F",
                "rt_mem_limit = 256M",
                "ondisk_attrs = pool",
            ],
        );
    }

    #[test]
    fn a_day_index_says_how_short_a_part_may_be() {
        let ini = "[index a]\n[index b]\n[sphinx.index]\nmin_infix_len = 3\n[sphinx.index b]\nmin_infix_len = 2";
        let conf = conf(ini);
        let (a, b) = conf.split_once("\nindex b_").expect("the days of b");
        assert!(!a.contains("rt_field = infix_2") && a.contains("min_infix_len = 3"));
        assert_eq!(b.matches("rt_field = infix_2").count(), b.matches("min_infix_len = 2").count());
    }

    #[test]
    fn an_index_is_its_days_and_its_peers() {
        let ini =
            "[sphinx]\npeers = b:9312|c:9312, d:9312\n[index web]\ndays = 1\n[sphinx.index]\nagent_query_timeout = 500";
        let local =
            ["type = distributed", "local = web_20261122", "local = web_20261123", "local = web_20261124"].as_slice();
        let times = ["agent_connect_timeout = 500", "agent_query_timeout = 500"].as_slice();
        let agents = [
            "agent = b:9312|c:9312:web_local",
            "agent = d:9312:web_local",
            "agent_connect_timeout = 500",
            "ha_strategy = noerrors",
            "agent_query_timeout = 500",
        ];
        check(ini, "index web_local", local);
        check(ini, "index web", &[local, &agents].concat());
        // each peer by itself, a mirror too
        for (name, agent) in [("web_20261122", "c:9312:web_20261122"), ("web_local", "c:9312:web_local")] {
            let agent = format!("agent = {agent}");
            let peer = [&["type = distributed", agent.as_str()], times].concat();
            check(ini, &format!("index {name}_p2"), &peer);
        }
        let headers = |text: &str| conf(text).lines().filter(|line| line.starts_with("index ")).count();
        assert_eq!(headers("[index a]\ndays = 2\n[index b]\ndays = 3"), (2 + 2 + 2) + (3 + 2 + 2));
    }

    const SEARCHD: [&str; 13] = [
        "listen = 127.0.0.1:9306:mysql41",
        "log = /var/db/alco/searchd.log",
        "pid_file = /var/db/alco/searchd.pid",
        "binlog_path = /var/db/alco/binlog",
        "binlog_flush = 2",
        "binlog_max_log_size = 256M",
        "rt_flush_period = 3600",
        "max_packet_size = 64M",
        "collation_server = binary",
        "snippets_file_prefix = /nonexistent/",
        "listen_backlog = 128",
        "workers = threads",
        "max_children = 200",
    ];

    #[test]
    fn searchd_section_has_places_and_safe_values() {
        check("", "searchd", &SEARCHD);
        let manticores = ["buddy_path =", "secondary_indexes = 0"];
        check("[sphinx]\ndialect = manticore", "searchd", &[&SEARCHD[..11], &manticores].concat());
        let ini = "[sphinx]\naddress = /run/s.sock\npid_file = /run/s.pid";
        let own = ["listen = /run/s.sock:mysql41", SEARCHD[1], "pid_file = /run/s.pid"];
        check(ini, "searchd", &[&own, &SEARCHD[3..]].concat());
    }

    #[test]
    fn manticore_gets_no_key_that_it_warns_about() {
        let conf = conf("[sphinx]\ndialect = manticore\n[index web]\n");
        for key in [
            "workers",
            "ondisk_attrs",
            "ondisk_attrs_default",
            "max_children",
            "preopen_indexes",
            "read_timeout",
            "dist_threads",
        ] {
            assert!(!conf.contains(&format!("    {key} = ")), "{key}");
        }
    }

    /// If searchd does not serve one of them, Manticore serves none of the index.
    #[test]
    fn a_distributed_index_has_locals_that_exist_once() {
        let conf = conf("[index a]\ndays = 3\n[index b]\ndays = 1\n");
        let mut headers: Vec<&str> = conf.lines().filter_map(|line| line.strip_prefix("index ")).collect();
        for local in conf.lines().filter_map(|line| line.strip_prefix("    local = ")) {
            assert!(headers.contains(&local), "{local}");
        }
        let all = headers.len();
        headers.sort_unstable();
        headers.dedup();
        assert_eq!(headers.len(), all);
        assert_eq!(conf, super::tests::conf("[index a]\ndays = 3\n[index b]\ndays = 1\n"), "the same each time");
    }

    #[test]
    fn the_ini_overrides_each_key_and_an_index_comes_first() {
        let ini = "[index a]\n[index b]\n[sphinx.index]\nrt_mem_limit = 512M\npreopen = 1\n\
                   [sphinx.index b]\nrt_mem_limit = 128M\n[sphinx.searchd]\nlisten = 127.0.0.1:1:mysql41, 9312\nlog = /l";
        let conf = conf(ini);
        assert_eq!(conf.matches("    rt_mem_limit = 512M\n").count(), 32);
        assert_eq!(conf.matches("    rt_mem_limit = 128M\n").count(), 32);
        assert_eq!(conf.matches("    rt_mem_limit = ").count(), 64);
        assert_eq!(conf.matches("    preopen = 1\n").count(), 64);
        let own = ["listen = 127.0.0.1:1:mysql41", "listen = 9312", "log = /l"];
        check(ini, "searchd", &[&SEARCHD[2..], &own].concat());
    }

    #[test]
    fn the_shipped_example_shows_the_generated_keys() {
        let example = include_str!("../../alco.ini.example");
        let generated = conf("");
        let (_, directives) = example.split_once("\n[sphinx.index]\n").expect("that section");
        let (directives, _) = directives.split_once("\n[http]\n").expect("the section below it");
        let documented =
            directives.lines().filter_map(|line| line.strip_prefix(';').filter(|rest| rest.contains(" = ")));
        let documented: Vec<&str> = documented.filter(|directive| *directive != "rt_mem_limit = 256M").collect();
        assert!(documented.len() > 6);
        for directive in documented {
            assert!(generated.contains(&format!("    {directive}\n")), "{directive}");
        }
    }
}
