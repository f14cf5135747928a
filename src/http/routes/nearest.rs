//! For a page without records: from when to when records are kept, and the nearest ones that match.

use std::num::NonZeroUsize;

use crate::http::pages::log::foot::NearestRecords;
use crate::http::request::LogRequest;
use crate::http::routes::log_lines::hits;
use crate::http::site::Site;
use crate::query::{Context, Order, Query};
use crate::search::scope::Scope;
use crate::time::{Range, Ts, When};

/// A part of the answer that is not found in a moment is left out.
pub fn nearest_records(site: &Site, request: &LogRequest, scope: &Scope) -> NearestRecords {
    let of_indexes = request.indexes.iter().filter_map(|index| site.searcher.kept_range(&index.name).ok()?);
    let all = |a: Range, b: Range| Range { start: a.start.min(b.start), end: a.end.max(b.end) };
    let Some(kept) = of_indexes.reduce(all) else { return NearestRecords::default() };
    let range = request.range();
    let first_in = |range: Range, order: Order| -> Option<Ts> {
        if range.is_empty() {
            return None;
        }
        let one = Query {
            start: Some(When::At(range.start)),
            end: Some(When::At(range.end)),
            order: Some(order),
            limit: Some(NonZeroUsize::MIN),
            context: Context::None,
            before: 0,
            after: 0,
            ..request.query.clone()
        };
        let page = site.searcher.page(&one, &scope.at_most(scope.counting)).ok()?;
        hits(&page).next().map(|hit| hit.place.ts)
    };
    let before = Range { start: kept.start, end: range.start.min(kept.end) };
    let after = Range { start: range.end.max(kept.start), end: kept.end };
    NearestRecords {
        kept: Some(kept),
        before: first_in(before, Order::NewestFirst),
        after: first_in(after, Order::OldestFirst),
    }
}
