//! Finds values that are right alone and wrong together. Pure.

use crate::config::grantee::Grantee;
use crate::config::index_name::IndexName;
use crate::config::ini::{Mistake, Section};
use crate::config::section::title;
use crate::config::sections::index::Index;
use crate::config::settings::Config;
use crate::config::sphinx_directives;
use crate::config::sphinx_directives::Of;
use crate::config::value::nearest;

/// Mistakes of a section: the key, and what is wrong. A key that the section does not have stands for the section.
type Clashes<'a> = Vec<(&'a str, String)>;

/// The mistakes of sections that were read.
pub fn compare(config: &Config, sections: &[&Section]) -> Vec<Mistake> {
    let of = |section: &Section| -> Vec<Mistake> {
        let wrong = match (section.kind, section.name) {
            ("sphinx.index", name) => {
                let mut wrong = unknown_directives(config, Of::Index, section);
                wrong.extend(name.and_then(|name| Some(("", unknown_index(config, name)?))));
                wrong
            }
            ("sphinx.searchd", _) => {
                let mut wrong = unknown_directives(config, Of::Searchd, section);
                wrong.extend(pid_files(config));
                wrong
            }
            ("http", _) => http(config),
            ("index", Some(name)) => {
                config.indexes.iter().find(|index| index.name.as_str() == name).map_or_else(Vec::new, |index| {
                    [local_part(config, index), queue(config, index), users(config, index)]
                        .into_iter()
                        .flatten()
                        .collect()
                })
            }
            ("shortcut", Some(name)) => shortcut(config, name),
            _ => Vec::new(),
        };
        let mistake = |(key, what): (&str, String)| Mistake {
            line: section.line_of(key),
            what: format!("{} {what}", title(section)),
        };
        wrong.into_iter().map(mistake).collect()
    };
    sections.iter().flat_map(|section| of(section)).collect()
}

fn unknown_directives<'s>(config: &Config, of: Of, section: &'s Section) -> Clashes<'s> {
    let known = |key| sphinx_directives::known(of, key, config.sphinx.dialect);
    section.entries.iter().filter_map(|entry| Some((entry.key, known(entry.key).err()?))).collect()
}

fn is_known(config: &Config, name: &str) -> bool {
    config.indexes.iter().any(|index| index.name.as_str() == name)
}

/// Why that name is a mistake; None: it is the name of an index.
fn unknown_index(config: &Config, name: &str) -> Option<String> {
    if is_known(config, name) {
        return None;
    }
    Some(match nearest(name, config.indexes.iter().map(|index| index.name.as_str())) {
        Some(near) => format!("there is no index '{name}'; did you mean '{near}'?"),
        None => format!("there is no index '{name}'; add [index {name}]"),
    })
}

fn shortcut(config: &Config, name: &str) -> Clashes<'static> {
    let named = config.shortcuts.iter().find(|shortcut| shortcut.name == name).map_or(&[][..], |found| &found.index);
    let unknown = |name: &IndexName| Some(("index", format!("index: {}", unknown_index(config, name.as_str())?)));
    named.iter().filter_map(unknown).collect()
}

/// Names of indexes that would mean the same to searchd.
fn local_part(config: &Config, index: &Index) -> Option<(&'static str, String)> {
    let name = index.name.as_str();
    // web_local, and web_local_p1 of a peer
    let of_peer = name.rsplit_once("_p").filter(|(_, number)| number.parse::<usize>().is_ok());
    let own = of_peer.map_or(name, |(own, _)| own);
    let whole = own.strip_suffix("_local").filter(|whole| is_known(config, whole))?;
    let what = format!("{name} is what searchd calls this node's part of [index {whole}]; take another name");
    Some(("", what))
}

/// Queues of which two indexes would use one.
fn queue(config: &Config, index: &Index) -> Option<(&'static str, String)> {
    let queue = &index.queue;
    let mut earlier = config.indexes.iter().take_while(|other| other.name != index.name);
    if let Some(other) = earlier.find(|other| other.queue == *queue) {
        return Some(("queue", format!("queue: '{queue}' is the queue of [index {}] already", other.name)));
    }
    let is_dead = |other: &&Index| queue.strip_suffix(".dead") == Some(other.queue.as_str());
    let other = config.indexes.iter().find(is_dead)?;
    let what = format!("queue: '{queue}' is the dead queue of [index {}]; take another name", other.name);
    Some(("queue", what))
}

/// Users or groups that alco could not know.
fn users(config: &Config, index: &Index) -> Option<(&'static str, String)> {
    let http = &config.http;
    if !index.users.is_empty() && http.users_file.is_none() && http.user_header.is_none() {
        let cure = "set [http] users_file, or user_header and trusted_proxies";
        return Some(("users", format!("users: no user signs in, so every client may see every index; {cure}")));
    }
    let has_groups = http.users_file.is_some() || http.group_header.is_some();
    let group = index.users.iter().find(|grantee| matches!(grantee, Grantee::Group(_))).filter(|_| !has_groups)?;
    Some(("users", format!("users: {group} has no members; set [http] users_file or group_header")))
}

fn http(config: &Config) -> Clashes<'static> {
    let http = &config.http;
    let header = (http.user_header.is_some() && http.trusted_proxies.is_empty()).then(|| {
        let what = "user_header: every client could send this header; set trusted_proxies, such as 127.0.0.1";
        ("user_header", what.to_owned())
    });
    let is_restricted = http.public || http.users_file.is_some() || http.user_header.is_some();
    let reachable = http.listen.iter().find(|address| !address.is_local()).filter(|_| !is_restricted).map(|address| {
        let cure = "set users_file, or user_header and trusted_proxies; or public = yes, if that is meant";
        ("listen", format!("listen: at {address} other hosts can read the logs without a password; {cure}"))
    });
    let groups = (http.group_header.is_some() && http.user_header.is_none())
        .then(|| ("group_header", "group_header: has no effect without user_header, which names the user".to_owned()));
    [header, groups, reachable].into_iter().flatten().collect()
}

fn pid_files(config: &Config) -> Option<(&'static str, String)> {
    let (_, own) = config.sphinx.searchd.iter().find(|(key, _)| key == "pid_file")?;
    let alcos = config.sphinx.pid_file.as_deref()?.to_str()?;
    (own != alcos).then(|| {
        let what = format!("pid_file: '{own}' is not the '{alcos}' of [sphinx]; leave one of them out");
        ("pid_file", what)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, mistakes: &[&str]) {
        let found = Config::parse(text, "alco.ini").err().unwrap_or_default();
        assert_eq!(found, mistakes);
    }

    #[test]
    fn users_of_an_index_must_be_able_to_sign_in() {
        check(
            "[http]\ngroup_header = X-Groups\n[index web]\nusers = anna\n[index ops]\n[index all]\nusers =",
            &[
                "alco.ini:2: [http] group_header: has no effect without user_header, which names the user",
                "alco.ini:4: [index web] users: no user signs in, so every client may see every index; set [http] users_file, or \
                 user_header and trusted_proxies",
            ],
        );
        check(
            "[http]\nuser_header = X-User\ntrusted_proxies = unix\n[index web]\nusers = anna, @ops, a:b",
            &["alco.ini:5: [index web] users: 'a:b' is neither a user nor an @group: neither a colon nor a control \
               character can be in it"],
        );
        check(
            "[http]\nuser_header = X-User\ntrusted_proxies = unix\n[index web]\nusers = anna, @ops",
            &["alco.ini:5: [index web] users: @ops has no members; set [http] users_file or group_header"],
        );
    }

    #[test]
    fn a_named_index_must_exist() {
        check(
            "[shortcut s]\nindex = wbe, zzzzz\nquery = search=x\n[index web]\n[sphinx.index webb]\n[sphinx.index Q]",
            &[
                "alco.ini:2: [shortcut s] index: there is no index 'wbe'; did you mean 'web'?",
                "alco.ini:2: [shortcut s] index: there is no index 'zzzzz'; add [index zzzzz]",
                "alco.ini:5: [sphinx.index webb] there is no index 'webb'; did you mean 'web'?",
                "alco.ini:6: [sphinx.index Q] there is no index 'Q'; add [index Q]",
            ],
        );
    }
}
