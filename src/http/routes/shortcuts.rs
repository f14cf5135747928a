//! Searches under a name: those of alco.ini, and those that users save, rename and delete.
//!
//! Invariant: a saved search is shown and opened only if `selection_of` has its indexes.

use crate::config::{IndexSelection, SavedShortcuts};
use crate::http::error::Refusal;
use crate::http::form::{SentForm, token_cookie};
use crate::http::pages::links;
use crate::http::pages::shortcuts::{MAX_NAME_CHARS, SaveView, SavedRow, ShortcutsView};
use crate::http::request::{Client, LogRequest};
use crate::http::response::{Answer, Reply};
use crate::http::routes::frame::frame;
use crate::http::site::Site;
use crate::http::visible::{Visible, VisibleShortcut};
use crate::query::url::pairs;
use crate::query::{Query, edit};
use crate::redis::shortcuts::{SavedShortcut, ShortcutChange};
use crate::render::escape::visible_in_line;
use crate::time::Ts;

/// A search that makes a longer address is not saved.
const MAX_SAVED_BYTES: usize = 2000;
/// Of a user's name.
const MAX_USER_CHARS: usize = 100;

/// True if alco keeps searches for this client.
pub fn may_save(site: &Site, visible: &Visible) -> bool {
    match site.http().shortcuts {
        SavedShortcuts::None => false,
        SavedShortcuts::Users => user(visible).is_some(),
        SavedShortcuts::All => true,
    }
}

fn user(visible: &Visible) -> Option<String> {
    let name = visible.user().known_name()?;
    Some(name.chars().filter(|c| !c.is_control()).take(MAX_USER_CHARS).collect())
}

/// The indexes of a saved search. None: this alco lacks one of them, or the reader may not see it.
fn selection_of(visible: &Visible, saved: &SavedShortcut) -> Option<IndexSelection> {
    visible.selection(&saved.indexes).ok()
}

/// Those that a reader may open, by name, some seconds old; while Redis is away, the last that were known. None: none is known.
pub fn saved(site: &Site, visible: &Visible, now: Ts) -> Option<Vec<(SavedShortcut, IndexSelection)>> {
    if site.http().shortcuts == SavedShortcuts::None {
        return None;
    }
    let found = site.shortcuts.of(&(), now, || site.with_redis(|redis| redis.shortcuts()));
    Some(openable(visible, found.or_else(|| Some(site.shortcuts.last(&())?.1))?))
}

fn openable(visible: &Visible, all: Vec<SavedShortcut>) -> Vec<(SavedShortcut, IndexSelection)> {
    let others = all.into_iter().filter(|saved| configured(visible, &saved.name).is_none());
    others.filter_map(|saved| selection_of(visible, &saved).map(|indexes| (saved, indexes))).collect()
}

/// `anna, 2026-11-22 10:00`
pub fn saved_by(site: &Site, saved: &SavedShortcut) -> String {
    let at = saved.at.written_in(&site.http().timezone);
    // to the minute
    let at = &at[..at.len().min(16)];
    saved.by.as_ref().map_or_else(|| at.to_owned(), |by| format!("{by}, {at}"))
}

/// `/grep/<index>/save/`: the page that asks for a name; with a form, the search is saved.
pub fn save(site: &Site, request: &LogRequest, client: &Client) -> Answer {
    let visible = &request.visible;
    if !may_save(site, visible) {
        return Err(no_saving(site));
    }
    let query = edit::first(&request.query);
    let Some(text) = &client.form else { return Ok(save_page(site, request, client, ("", None))) };
    let form = sent(text, client)?;
    let typed = form.field("name");
    let outcome = name(visible, typed).and_then(|name| {
        let saved = SavedShortcut {
            name,
            by: user(visible),
            at: request.now,
            indexes: query.indexes.to_string(),
            query: query.to_url(),
        };
        if saved.indexes.len() + saved.query.len() > MAX_SAVED_BYTES {
            return Err(format!("the search is longer than {MAX_SAVED_BYTES} bytes; take some filters away"));
        }
        let change = site.ask_redis(|redis| redis.save_shortcut(&saved)).map_err(|why| why.to_string())?;
        made(change)
    });
    Ok(match outcome {
        Ok(()) => Reply::redirect(303, &list_path(site)),
        Err(why) => save_page(site, request, client, (typed, Some(&why))),
    })
}

/// `wrong`: why the name that was typed cannot be taken.
fn save_page(site: &Site, request: &LogRequest, client: &Client, (name, wrong): (&str, Option<&str>)) -> Reply {
    let query = &edit::first(&request.query);
    let token = site.tokens.of(client.token.as_deref());
    let link = links::to(&links::grep_path(&site.http().base_path, &query.indexes), query);
    let search = format!("{}: {}", query.indexes.title(), query.to_url());
    let view = SaveView {
        frame: frame(site, &request.visible, Some(query)),
        link: &link,
        search: &search,
        name,
        wrong,
        token: &token,
    };
    let status = if wrong.is_some() { 400 } else { 200 };
    Reply::page(status, view.page().into_string())
        .with("Set-Cookie", &token_cookie(&site.http().base_path, &client.origin, &token))
}

/// `/grep/shortcut/`: all of them; with a form, one is renamed or deleted first.
pub fn list(site: &Site, visible: &Visible, client: &Client) -> Answer {
    let wrong = match &client.form {
        None => None,
        Some(_) if !may_save(site, visible) => return Err(no_saving(site)),
        Some(text) => match change(site, visible, &sent(text, client)?) {
            Ok(()) => return Ok(Reply::redirect(303, &list_path(site))),
            Err(why) => Some(why),
        },
    };
    let (user, token) = (user(visible), site.tokens.of(client.token.as_deref()));
    let is_own = |saved: &SavedShortcut| saved.by.is_none() || saved.by == user;
    let (found, away) = match site.http().shortcuts {
        SavedShortcuts::None => (Vec::new(), None),
        _ => match site.ask_redis(|redis| redis.shortcuts()) {
            Ok(all) => (openable(visible, all), None),
            Err(why) => (Vec::new(), Some(why.to_string())),
        },
    };
    let may_save = may_save(site, visible);
    let row = |(saved, indexes): &(SavedShortcut, IndexSelection)| SavedRow {
        name: saved.name.clone(),
        saved: saved_by(site, saved),
        search: format!("{}: {}", indexes.title(), saved.query),
        is_own: may_save && is_own(saved),
    };
    let configured = visible.shortcuts().map(|own| own.shortcut).map(|own| (own.name.as_str(), own.title.as_str()));
    let view = ShortcutsView {
        frame: frame(site, visible, None),
        configured: configured.collect(),
        saved: found.iter().map(row).collect(),
        wrong: wrong.as_deref(),
        away: away.as_deref(),
        token: &token,
    };
    let status = if wrong.is_some() { 400 } else { 200 };
    Ok(Reply::page(status, view.page().into_string())
        .with("Set-Cookie", &token_cookie(&site.http().base_path, &client.origin, &token)))
}

fn sent(text: &str, client: &Client) -> Result<SentForm, Refusal> {
    SentForm::read(text, client.token.as_deref(), client.is_foreign)
}

fn change(site: &Site, visible: &Visible, form: &SentForm) -> Result<(), String> {
    let (own, user) = (form.field("name"), user(visible));
    let all = site.ask_redis(|redis| redis.shortcuts()).map_err(|why| why.to_string())?;
    // of a search over an index that this user may not see, not even the name is told
    if !openable(visible, all).iter().any(|(saved, _)| saved.name == own) {
        return made(ShortcutChange::NotThere);
    }
    let change = match form.field("do") {
        "delete" => site.ask_redis(|redis| redis.delete_shortcut(own, user.as_deref())),
        // the first button is that of the key Enter
        _ => {
            let to = name(visible, form.field("to"))?;
            if to == own {
                return Ok(());
            }
            site.ask_redis(|redis| redis.rename_shortcut(own, &to, user.as_deref()))
        }
    };
    made(change.map_err(|why| why.to_string())?)
}

fn list_path(site: &Site) -> String {
    format!("{}grep/shortcut/", site.http().base_path)
}

fn no_saving(site: &Site) -> Refusal {
    Refusal::NotFound(match site.http().shortcuts {
        SavedShortcuts::None => "Searches cannot be saved here: shortcuts = none in alco.ini.".to_owned(),
        _ => "Only users who are signed in can save a search; shortcuts = all in alco.ini lets all readers do so."
            .to_owned(),
    })
}

fn made(change: ShortcutChange) -> Result<(), String> {
    Err(match change {
        ShortcutChange::Done => return Ok(()),
        ShortcutChange::Taken => "another search has this name; choose another name".to_owned(),
        ShortcutChange::Full => "as many searches are saved as may be; delete one".to_owned(),
        ShortcutChange::NotThere => "this search is no longer there".to_owned(),
        ShortcutChange::OfAnother => "another user has saved this search".to_owned(),
    })
}

/// A name that can be shown in a line and be a part of an address.
fn name(visible: &Visible, typed: &str) -> Result<String, String> {
    let name = typed.split_whitespace().collect::<Vec<_>>().join(" ");
    // joiners and fillers, in addition to what no text may have
    let is_hidden =
        |c: char| matches!(c, '\u{200c}' | '\u{200d}' | '\u{115f}' | '\u{1160}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}');
    match name.as_str() {
        "" => Err("a name is needed".to_owned()),
        // browsers read these as directories
        "." | ".." => Err(format!("'{name}' cannot be a name; choose another one")),
        _ if name.contains(is_hidden) || visible_in_line(&name) != name => {
            Err("the name has characters that cannot be seen; write it again".to_owned())
        }
        _ if name.chars().count() > MAX_NAME_CHARS => {
            Err(format!("the name has more than {MAX_NAME_CHARS} characters; choose a shorter one"))
        }
        _ if configured(visible, &name).is_some() => {
            Err(format!("alco.ini has a shortcut '{name}'; choose another name"))
        }
        _ => Ok(name),
    }
}

/// `/grep/shortcut/<name>/` and `/grep/shortcut/<name>/<value>/`; a form sends the value after a `?`.
pub fn open(site: &Site, visible: &Visible, name: &str, value: Option<&str>, text: &str) -> Answer {
    let sent = pairs(text).into_iter().find(|(name, _)| name == "value").map(|(_, value)| value);
    let value = value.or(sent.as_deref()).filter(|value| !value.is_empty());
    let (mut query, parameter) = match configured(visible, name) {
        Some(found) => (configured_query(visible, &found)?, found.shortcut.parameter.as_deref()),
        None => (saved_query(site, visible, name)?, None),
    };
    match (value, parameter) {
        (None, _) => {}
        (Some(value), Some(column)) => query = edit::only(&query, column, value),
        (Some(_), None) => {
            return Err(Refusal::NotFound(format!("The shortcut '{name}' has no parameter to take a value.")));
        }
    }
    Ok(Reply::redirect(302, &links::to(&links::grep_path(&site.http().base_path, &query.indexes), &query)))
}

fn configured<'a>(visible: &'a Visible, name: &str) -> Option<VisibleShortcut<'a>> {
    visible.shortcuts().find(|found| found.shortcut.name == name)
}

fn configured_query(visible: &Visible, found: &VisibleShortcut) -> Result<Query, Refusal> {
    let shortcut = found.shortcut;
    Query::from_url(found.selection(visible), &shortcut.query)
        .map_err(|why| Refusal::Bad(format!("[shortcut {}] query in alco.ini: {why}", shortcut.name)))
}

fn saved_query(site: &Site, visible: &Visible, name: &str) -> Result<Query, Refusal> {
    let no_such = || {
        Refusal::NotFound(format!("There is no shortcut '{name}', neither in alco.ini nor among the saved searches."))
    };
    if site.http().shortcuts == SavedShortcuts::None {
        return Err(no_such());
    }
    let all = site.ask_redis(|redis| redis.shortcuts());
    let all = all.map_err(|why| Refusal::RedisAway(format!("the saved searches are not known: {why}")))?;
    let (saved, indexes) =
        openable(visible, all).into_iter().find(|(saved, _)| saved.name == name).ok_or_else(no_such)?;
    Query::from_url(indexes, &saved.query).map_err(|why| Refusal::Bad(format!("the saved search '{name}': {why}")))
}
