//! Reads one file, item by item, and notes its facts for the rules.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::Visibility;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::engine::source::{Constant, Function, Manner, Mention, Name, Place, Scope, Tree, child};

/// `#[test]`, `#[cfg(test)]`, `#[cfg(all(test, …))]` and `#[cfg(any(test, fuzzing))]`; not `#[cfg(not(test))]`.
pub fn for_tests(attribute: &syn::Attribute) -> bool {
    fn only(tokens: TokenStream) -> bool {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        tokens.iter().enumerate().any(|(at, token)| match (token, tokens.get(at + 1)) {
            (TokenTree::Ident(name), Some(TokenTree::Group(group))) => {
                name == "all" && only(group.stream()) || name == "any" && group.stream().to_string() == "test , fuzzing"
            }
            (TokenTree::Ident(name), _) => name == "test",
            _ => false,
        })
    }
    match &attribute.meta {
        syn::Meta::Path(path) => path.is_ident("test"),
        syn::Meta::List(list) => list.path.is_ident("cfg") && only(list.tokens.clone()),
        syn::Meta::NameValue(_) => false,
    }
}

/// Every line that a token stands on, but for doc comments, which are tokens as well.
fn lines_of(tokens: TokenStream, lines: &mut BTreeSet<usize>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let doc = |token: &TokenTree| {
        let TokenTree::Group(group) = token else { return false };
        group.delimiter() == Delimiter::Bracket
            && matches!(group.stream().into_iter().next(), Some(TokenTree::Ident(name)) if name == "doc")
    };
    let mark = |token: &TokenTree| matches!(token, TokenTree::Punct(mark) if "#!".contains(mark.as_char()));
    let mut at = 0;
    while at < tokens.len() {
        let marks = tokens[at..].iter().take(2).take_while(|token| mark(token)).count();
        if marks > 0 && tokens.get(at + marks).is_some_and(doc) {
            at += marks + 1;
            continue;
        }
        match &tokens[at] {
            TokenTree::Group(group) => {
                lines.insert(group.span_open().start().line);
                lines.insert(group.span_close().end().line);
                lines_of(group.stream(), lines);
            }
            token => lines.extend(token.span().start().line..=token.span().end().line),
        }
        at += 1;
    }
}

/// Reads one file into the tree.
pub struct Reader<'a> {
    tree: &'a mut Tree,
    file: usize,
    scope: String,
    known: &'a BTreeSet<String>,
    /// Modules that only tests use.
    tests: &'a mut BTreeSet<String>,
    /// Lines of this file that belong to tests.
    cut: Vec<RangeInclusive<usize>>,
}

impl<'a> Reader<'a> {
    /// `known` are all modules that have a file; the reader adds to `tests` the modules that only tests use.
    pub fn new(
        tree: &'a mut Tree,
        file: usize,
        known: &'a BTreeSet<String>,
        tests: &'a mut BTreeSet<String>,
    ) -> Reader<'a> {
        let scope = tree.files[file].module.clone();
        Reader { tree, file, scope, known, tests, cut: Vec::new() }
    }

    /// Lines of code, without those of the tests that were met while reading.
    pub fn code_lines(&self, text: &str) -> usize {
        let mut lines = BTreeSet::new();
        lines_of(text.parse().expect("parsed once already"), &mut lines);
        lines.iter().filter(|line| !self.cut.iter().any(|test| test.contains(line))).count()
    }

    fn place(&self, span: proc_macro2::Span) -> Place {
        Place { file: self.file, line: span.start().line }
    }

    fn here(&mut self) -> &mut Scope {
        self.tree.scopes.entry(self.scope.clone()).or_default()
    }

    fn name(&mut self, ident: &syn::Ident, name: Name) {
        self.here().names.entry(ident.unraw().to_string()).or_default().push(name);
    }

    fn mention(&mut self, path: Vec<String>, span: proc_macro2::Span, manner: Manner) {
        let mention = Mention { scope: self.scope.clone(), path, place: self.place(span), manner };
        self.tree.mentions.push(mention);
    }

    /// Returns whether an item is left out, since it is under `#[cfg(test)]`.
    fn left_out(&mut self, attributes: &[syn::Attribute], item: &impl Spanned) -> bool {
        let out = attributes.iter().any(for_tests);
        if out {
            let span = item.span();
            let first = attributes.first().map_or(span, Spanned::span);
            self.cut.push(first.start().line..=span.end().line);
        }
        out
    }

    fn documented(&mut self, visibility: &Visibility, attributes: &[syn::Attribute]) {
        if !matches!(visibility, Visibility::Inherited) {
            self.tree.public.push(attributes.iter().any(|attribute| attribute.path().is_ident("doc")));
        }
    }

    fn constant(&mut self, ident: &syn::Ident, kind: &syn::Type) {
        let place = self.place(ident.span());
        let number = is_number(kind);
        self.tree.constants.push(Constant { name: ident.to_string(), place, number });
    }

    fn function(&mut self, signature: &syn::Signature, block: Option<&syn::Block>) {
        let inputs = signature.inputs.iter().filter(|input| matches!(input, syn::FnArg::Typed(_)));
        let first = signature.fn_token.span().start().line;
        let last = block.map_or(first, |block| block.brace_token.span.close().end().line);
        let function = Function {
            name: signature.ident.to_string(),
            place: self.place(signature.ident.span()),
            parameters: inputs.count(),
            lines: last + 1 - first,
        };
        self.tree.functions.push(function);
        if let syn::ReturnType::Type(_, kind) = &signature.output {
            let mut results = Results(Vec::new());
            results.visit_type(kind);
            self.tree.results.extend(results.0);
        }
    }

    fn define(&mut self, ident: &syn::Ident) {
        let place = self.place(ident.span());
        self.tree.types.push((place, ident.unraw().to_string()));
    }

    fn import(&mut self, tree: &syn::UseTree, before: &[String]) {
        let with = |ident: &syn::Ident| [before, &[ident.unraw().to_string()]].concat();
        let (path, called) = match tree {
            syn::UseTree::Path(path) => return self.import(&path.tree, &with(&path.ident)),
            syn::UseTree::Group(group) => {
                return group.items.iter().for_each(|tree| self.import(tree, before));
            }
            syn::UseTree::Glob(glob) => {
                self.mention(before.to_vec(), glob.star_token.span(), Manner::Import);
                return self.here().globs.push(before.to_vec());
            }
            syn::UseTree::Name(name) if name.ident == "self" && !before.is_empty() => (before.to_vec(), &name.ident),
            syn::UseTree::Name(name) => (with(&name.ident), &name.ident),
            syn::UseTree::Rename(name) if name.ident == "self" => (before.to_vec(), &name.rename),
            syn::UseTree::Rename(name) => (with(&name.ident), &name.rename),
        };
        self.mention(path.clone(), called.span(), Manner::Import);
        let known_as =
            if called == "self" { path.last().cloned().unwrap_or_default() } else { called.unraw().to_string() };
        self.here().names.entry(known_as).or_default().push(Name::Import(path));
    }

    fn declare(&mut self, module: &syn::ItemMod) {
        let path = child(&self.scope, &module.ident.unraw().to_string());
        self.name(&module.ident, Name::Module(path.clone()));
        let Some((_, items)) = &module.content else {
            if !self.known.contains(&path) {
                let place = self.place(module.ident.span());
                self.tree.missing.push((place, path));
            }
            return;
        };
        let file = self.file;
        self.tree.scopes.insert(path.clone(), Scope { file, ..Scope::default() });
        let outer = std::mem::replace(&mut self.scope, path);
        items.iter().for_each(|item| self.visit_item(item));
        self.scope = outer;
    }

    fn literal(&mut self, literal: &syn::Lit) {
        let text = match literal {
            syn::Lit::Str(text) => text.value(),
            syn::Lit::ByteStr(text) => String::from_utf8_lossy(&text.value()).into_owned(),
            syn::Lit::CStr(text) => text.value().to_string_lossy().into_owned(),
            _ => return,
        };
        let place = self.place(literal.span());
        self.tree.strings.push((place, text));
    }

    /// The grammar of a macro's tokens is unknown: `a::b`, `Name`, `call(…)` and `.method` are taken as they look.
    fn scan(&mut self, tokens: TokenStream, literals: bool) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let is = |at: usize, wanted: char| matches!(tokens.get(at), Some(TokenTree::Punct(mark)) if mark.as_char() == wanted);
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Group(group) => self.scan(group.stream(), literals),
                TokenTree::Literal(literal) if literals => self.literal(&syn::Lit::new(literal.clone())),
                TokenTree::Ident(first) => {
                    let begin = at;
                    let mut path = vec![first.unraw().to_string()];
                    while is(at + 1, ':') && is(at + 2, ':') {
                        let Some(TokenTree::Ident(next)) = tokens.get(at + 3) else { break };
                        path.push(next.unraw().to_string());
                        at += 3;
                    }
                    let before = |back: usize, mark: char| begin >= back && is(begin - back, mark);
                    let capital = path[0].starts_with(char::is_uppercase);
                    let call = matches!(tokens.get(at + 1), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis);
                    if before(1, '.') && !before(2, '.') {
                        let place = self.place(first.span());
                        self.tree.calls.push((place, format!(".{}", path[0])));
                    } else if before(1, ':') && before(2, ':') {
                        // the rest of `<T as U>::f`, or of `::krate`
                    } else if is(at + 1, '!') && path.len() == 1 {
                        let place = self.place(first.span());
                        self.tree.calls.push((place, format!("{}!", path[0])));
                    } else if path.len() > 1 || capital || call {
                        self.mention(path, first.span(), Manner::Code);
                    }
                }
                _ => {}
            }
            at += 1;
        }
    }
}

/// `u8`, `f64`, `NonZeroUsize`, and arrays or slices of them.
fn is_number(kind: &syn::Type) -> bool {
    match kind {
        syn::Type::Array(array) => is_number(&array.elem),
        syn::Type::Slice(slice) => is_number(&slice.elem),
        syn::Type::Reference(reference) => is_number(&reference.elem),
        syn::Type::Path(path) => path.path.segments.last().is_some_and(|last| {
            let name = last.ident.to_string();
            let name = name.strip_prefix("NonZero").unwrap_or(&name).to_lowercase();
            name.strip_prefix(['u', 'i', 'f'])
                .is_some_and(|rest| rest == "size" || ["8", "16", "32", "64", "128"].contains(&rest))
        }),
        _ => false,
    }
}

/// The `Result`s of a return type.
struct Results(Vec<bool>);

impl<'a> Visit<'a> for Results {
    fn visit_path(&mut self, path: &'a syn::Path) {
        if let Some(last) = path.segments.last().filter(|last| last.ident == "Result") {
            let text = match &last.arguments {
                syn::PathArguments::AngleBracketed(given) => given.args.iter().nth(1).is_some_and(
                    |error| matches!(error, syn::GenericArgument::Type(syn::Type::Path(kind)) if kind.path.is_ident("String")),
                ),
                _ => false,
            };
            self.0.push(text);
        }
        visit::visit_path(self, path);
    }
}

impl<'a> Visit<'a> for Reader<'_> {
    fn visit_item(&mut self, item: &'a syn::Item) {
        use syn::Item;
        let none = (&Visibility::Inherited, None);
        let (attributes, (visibility, ident)) = match item {
            Item::Const(item) => (&item.attrs, (&item.vis, Some(&item.ident))),
            Item::Enum(item) => (&item.attrs, (&item.vis, Some(&item.ident))),
            Item::Fn(item) => (&item.attrs, (&item.vis, Some(&item.sig.ident))),
            Item::Macro(item) => (&item.attrs, (none.0, item.ident.as_ref())),
            Item::Static(item) => (&item.attrs, (&item.vis, Some(&item.ident))),
            Item::Struct(item) => (&item.attrs, (&item.vis, Some(&item.ident))),
            Item::Trait(item) => (&item.attrs, (&item.vis, Some(&item.ident))),
            Item::Type(item) => (&item.attrs, (&item.vis, Some(&item.ident))),
            Item::Union(item) => (&item.attrs, (&item.vis, Some(&item.ident))),
            Item::Impl(item) => (&item.attrs, none),
            Item::Mod(item) => (&item.attrs, none),
            Item::Use(item) => (&item.attrs, none),
            other => return visit::visit_item(self, other),
        };
        if self.left_out(attributes, item) {
            if let Item::Mod(module) = item {
                let path = child(&self.scope, &module.ident.unraw().to_string());
                self.tests.insert(path);
            }
            return;
        }
        if let Some(ident) = ident {
            self.name(ident, Name::Item);
            self.documented(visibility, attributes);
        }
        match item {
            Item::Enum(_) | Item::Struct(_) | Item::Trait(_) | Item::Type(_) | Item::Union(_) => {
                self.tree.traits += usize::from(matches!(item, Item::Trait(_)));
                ident.iter().for_each(|ident| self.define(ident));
            }
            Item::Const(item) => self.constant(&item.ident, &item.ty),
            Item::Static(item) => self.constant(&item.ident, &item.ty),
            Item::Fn(item) => self.function(&item.sig, Some(&item.block)),
            Item::Mod(module) => {
                module.attrs.iter().for_each(|attribute| self.visit_attribute(attribute));
                return self.declare(module);
            }
            Item::Use(item) => return self.import(&item.tree, &[]),
            _ => {}
        }
        visit::visit_item(self, item);
    }

    fn visit_impl_item(&mut self, item: &'a syn::ImplItem) {
        let attributes = match item {
            syn::ImplItem::Const(item) => &item.attrs,
            syn::ImplItem::Fn(item) => &item.attrs,
            syn::ImplItem::Type(item) => &item.attrs,
            other => return visit::visit_impl_item(self, other),
        };
        if self.left_out(attributes, item) {
            return;
        }
        match item {
            syn::ImplItem::Const(item) => {
                self.documented(&item.vis, &item.attrs);
                self.constant(&item.ident, &item.ty);
            }
            syn::ImplItem::Fn(item) => {
                self.documented(&item.vis, &item.attrs);
                self.function(&item.sig, Some(&item.block));
            }
            _ => {}
        }
        visit::visit_impl_item(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'a syn::TraitItemFn) {
        self.function(&item.sig, item.default.as_ref());
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_field(&mut self, field: &'a syn::Field) {
        if !self.left_out(&field.attrs, field) {
            visit::visit_field(self, field);
        }
    }

    fn visit_local(&mut self, local: &'a syn::Local) {
        if !self.left_out(&local.attrs, local) {
            visit::visit_local(self, local);
        }
    }

    fn visit_arm(&mut self, arm: &'a syn::Arm) {
        if !self.left_out(&arm.attrs, arm) {
            visit::visit_arm(self, arm);
        }
    }

    /// `pub(in crate::a)` uses nothing.
    fn visit_visibility(&mut self, _: &'a Visibility) {}

    /// A doc comment may name anything; a derive uses the item that it names.
    fn visit_attribute(&mut self, attribute: &'a syn::Attribute) {
        if attribute.path().segments.len() > 1 {
            self.visit_path(attribute.path());
        }
        match &attribute.meta {
            syn::Meta::List(list) if !list.path.is_ident("cfg") => self.scan(list.tokens.clone(), false),
            _ => {}
        }
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let mut segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.unraw().to_string()).collect();
        if path.leading_colon.is_some() {
            segments.insert(0, String::new());
        }
        if let Some(first) = path.segments.first() {
            self.mention(segments, first.ident.span(), Manner::Code);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'a syn::Macro) {
        self.visit_path(&called.path);
        if let Some(name) = called.path.get_ident() {
            let place = self.place(name.span());
            self.tree.calls.push((place, format!("{name}!")));
        }
        self.scan(called.tokens.clone(), true);
    }

    fn visit_expr_method_call(&mut self, call: &'a syn::ExprMethodCall) {
        let place = self.place(call.method.span());
        self.tree.calls.push((place, format!(".{}", call.method)));
        visit::visit_expr_method_call(self, call);
    }

    fn visit_lit(&mut self, literal: &'a syn::Lit) {
        self.literal(literal);
    }
}
