//! `/grep/<index>/next-error/?…&cursor=a…`: leads to the page of the search that begins with the next error after a place. Bars of
//! the histogram show whether there is one, and where to look for it.

use crate::http::error::Refusal;
use crate::http::pages::histogram::HISTOGRAM_BARS;
use crate::http::pages::links;
use crate::http::request::{Client, LogRequest};
use crate::http::response::{Answer, Reply};
use crate::http::site::Site;
use crate::query::cursor::{Cursor, Place};
use crate::query::{Order, Query, edit};
use crate::search::next_error::NextError;
use crate::search::scope::Scope;
use crate::search::stats::Wanted;
use crate::search::stats::histogram::Bar;
use crate::time::{Range, When};

pub fn next_error(site: &Site, request: &LogRequest, client: &Client) -> Answer {
    let query = &request.query;
    let Some(Cursor::After(from)) = query.cursor else {
        return Err(Refusal::Bad(
            "the next error comes after a cursor that begins with a; use the link of a page".to_owned(),
        ));
    };
    let scope = request.scope(site, client.waits(site), 1);
    let wanted = Wanted { bars: HISTOGRAM_BARS, columns: &[] };
    let figures = site.searcher.figures(query, &scope.at_most(scope.left() / 2), wanted);
    let bars = figures.as_ref().map_or(&[][..], |figures| &figures.histogram().bars);
    let near = later(bars, from, query.order()).find(|bar| bar.errors > 0).map(|bar| match query.order() {
        Order::OldestFirst => Place::start_of(bar.range.start).max(from),
        Order::NewestFirst => Place::start_of(bar.range.end).min(from),
    });
    let place = match site.searcher.next_error(query, near.unwrap_or(from), &scope)? {
        NextError::After(place) | NextError::Late(place) => place,
        NextError::Nothing => from,
    };
    let path = links::grep_path(&site.http().base_path, &query.indexes);
    Ok(Reply::redirect(302, &format!("{}#e1", links::to(&path, &edit::after(query, place)))))
}

/// True if an error comes after that place. `bars`: of the whole search.
pub fn has_later_error(site: &Site, query: &Query, scope: &Scope, bars: &[Bar], from: Place) -> bool {
    let mut bars = later(bars, from, query.order()).filter(|bar| bar.errors > 0);
    let Some(bar) = bars.next() else { return false };
    if !bar.range.contains(from.ts) || bars.next().is_some() {
        return true;
    }
    // its errors may all come before
    let rest = match query.order() {
        Order::OldestFirst => Range { start: from.ts.plus_micros(1), end: bar.range.end },
        Order::NewestFirst => Range { start: bar.range.start, end: from.ts },
    };
    let (start, end) = (Some(When::At(rest.start)), Some(When::At(rest.end)));
    let part = Query { start, end, ..edit::first(query) };
    let figures = site.searcher.figures(&part, scope, Wanted { bars: 1, columns: &[] });
    figures.is_ok_and(|figures| figures.histogram().bars.iter().any(|bar| bar.errors > 0))
}

/// The bars that are not over at that place, in the order of the search.
fn later(bars: &[Bar], from: Place, order: Order) -> impl Iterator<Item = &Bar> {
    let number = bars.len();
    let nth = move |at: usize| match order {
        Order::OldestFirst => &bars[at],
        Order::NewestFirst => &bars[number - 1 - at],
    };
    (0..number).map(nth).filter(move |bar| match order {
        Order::OldestFirst => bar.range.end > from.ts,
        Order::NewestFirst => bar.range.start <= from.ts,
    })
}
