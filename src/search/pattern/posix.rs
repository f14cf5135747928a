//! grep's meaning of two parts of a pattern that Rust's regex reads in another way: the POSIX classes in brackets, which in grep
//! hold characters of all Unicode, and the letter ı without regard to case. Pure.
//!
//! Invariant: what comes out takes the translator at most a quarter of a second.
//!
//! The classes are glibc's in a UTF-8 locale: `iswctype` was asked for every character. They differ by the version of Unicode alone,
//! and by some combining letters.

use regex_syntax::ast::{
    self, Ast, ClassAsciiKind, ClassBracketed, ClassSet, ClassSetItem, ClassSetUnion, Flag, Flags, GroupKind,
};

/// Without regard to case, the translator looks at each of the million characters of a class such as `[^\s]`: 2 ms for each.
pub(super) const MAX_WIDE_CLASSES: usize = 100;
/// A range with as many characters, and each class with a name, is wide.
const WIDE_RANGE_CHARS: u32 = 10_000;
const NAMES: &str = "alnum, alpha, blank, cntrl, digit, graph, lower, print, punct, space, upper and xdigit";
/// No-break spaces are not among them.
const BLANK: &str = r"[\t \u{1680}\u{2000}-\u{2006}\u{2008}-\u{200a}\u{205f}\u{3000}]";
const SPACE: &str = r"[\t-\r \u{1680}\u{2000}-\u{2006}\u{2008}-\u{200a}\u{2028}\u{2029}\u{205f}\u{3000}]";
const CNTRL: &str = r"[\p{Cc}\u{2028}\u{2029}]";
const PRINT: &str = r"[^\p{Cc}\p{Cn}\u{2028}\u{2029}]";
const GRAPH: &str = r"[^\p{Cc}\p{Cn} \u{1680}\u{2000}-\u{2006}\u{2008}-\u{200a}\u{2028}\u{2029}\u{205f}\u{3000}]";
const PUNCT: &str =
    r"[^\p{Cc}\p{Cn} \u{1680}\u{2000}-\u{2006}\u{2008}-\u{200a}\u{2028}\u{2029}\u{205f}\u{3000}\p{Alphabetic}\p{Nd}]";
const ALNUM: &str = r"[\p{Alphabetic}\p{Nd}]";
/// Digits of other scripts are letters there.
const ALPHA: &str = r"[\p{Alphabetic}[\p{Nd}--0-9]]";
/// Letters like ǅ are both.
const LOWER: &str = r"[\p{Lowercase}ǅǈǋǲ]";
const UPPER: &str = r"[\p{Uppercase}\p{Lt}]";
/// For grep, letters with the same upper case are equal; Unicode's folding leaves ı alone.
const EVERY_I: &str = "[iIı]";

/// The parsed `pattern` with grep's meaning. Err: grep refuses it too.
pub fn as_grep(pattern: &str, mut ast: Ast, ignores_case: bool) -> Result<Ast, String> {
    Brackets { pattern, ignores_case, is_unicode: true, wide: 0 }.all(&mut ast)?;
    Ok(ast)
}

struct Brackets<'a> {
    pattern: &'a str,
    /// here, which `(?i)` changes
    ignores_case: bool,
    /// here, which `(?u)` changes
    is_unicode: bool,
    /// the classes in brackets until here that have many characters
    wide: usize,
}

impl Brackets<'_> {
    fn all(&mut self, ast: &mut Ast) -> Result<(), String> {
        match ast {
            Ast::Literal(literal) if self.is_i(literal.c) => *ast = Ast::class_bracketed(class(EVERY_I)),
            Ast::ClassBracketed(class) => {
                let text = &self.pattern[class.span.start.offset..class.span.end.offset];
                let inner = text[1..].strip_prefix('^').unwrap_or(&text[1..]);
                if inner.len() > 3 && inner.starts_with(':') && inner.ends_with(":]") {
                    let caret = if inner.len() + 1 < text.len() { "^" } else { "" };
                    return Err(format!("'{text}' is not a class; write [{caret}[{inner}]"));
                }
                self.set(&mut class.kind)?;
                self.count(is_wide(&class.kind))?;
            }
            Ast::ClassUnicode(_) => self.count(true)?,
            Ast::Flags(flags) => self.take(&flags.flags),
            Ast::Group(group) => {
                let outside = (self.ignores_case, self.is_unicode);
                if let GroupKind::NonCapturing(flags) = &group.kind {
                    self.take(flags);
                }
                self.all(&mut group.ast)?;
                (self.ignores_case, self.is_unicode) = outside;
            }
            Ast::Repetition(repetition) => self.all(&mut repetition.ast)?,
            Ast::Concat(concat) => concat.asts.iter_mut().try_for_each(|ast| self.all(ast))?,
            Ast::Alternation(alternation) => alternation.asts.iter_mut().try_for_each(|ast| self.all(ast))?,
            Ast::Literal(_) | Ast::Empty(_) | Ast::Dot(_) | Ast::Assertion(_) | Ast::ClassPerl(_) => {}
        }
        Ok(())
    }

    /// Counts a class that the translator folds; Err: it is one too many.
    fn count(&mut self, is_wide: bool) -> Result<(), String> {
        self.wide += usize::from(is_wide && self.ignores_case && self.is_unicode);
        match self.wide > MAX_WIDE_CLASSES {
            true => Err(format!("it has more than {MAX_WIDE_CLASSES} classes of many characters, such as [^\\s]")),
            false => Ok(()),
        }
    }

    fn take(&mut self, flags: &Flags) {
        self.ignores_case = flags.flag_state(Flag::CaseInsensitive).unwrap_or(self.ignores_case);
        self.is_unicode = flags.flag_state(Flag::Unicode).unwrap_or(self.is_unicode);
    }

    fn is_i(&self, c: char) -> bool {
        self.ignores_case && self.is_unicode && matches!(c, 'i' | 'I' | 'ı')
    }

    fn set(&mut self, set: &mut ClassSet) -> Result<(), String> {
        match set {
            ClassSet::Item(item) => self.item(item),
            ClassSet::BinaryOp(operation) => {
                self.set(&mut operation.lhs)?;
                self.set(&mut operation.rhs)?;
                self.count(is_wide(&operation.lhs))?;
                self.count(is_wide(&operation.rhs))
            }
        }
    }

    fn item(&mut self, item: &mut ClassSetItem) -> Result<(), String> {
        match item {
            ClassSetItem::Literal(literal) if self.is_i(literal.c) => *item = nested(EVERY_I, false),
            ClassSetItem::Range(range)
                if ['i', 'I', 'ı'].iter().any(|&c| self.is_i(c) && (range.start.c..=range.end.c).contains(&c)) =>
            {
                let items = vec![item.clone(), nested(EVERY_I, false)];
                *item = ClassSetItem::Union(ClassSetUnion { span: *item.span(), items });
            }
            ClassSetItem::Ascii(class) if self.is_unicode => {
                if let Some(text) = self.unicode(&class.kind) {
                    *item = nested(text, class.negated);
                }
            }
            ClassSetItem::Bracketed(class) => {
                let text = &self.pattern[class.span.start.offset..class.span.end.offset];
                for sign in [':', '.', '='] {
                    if text.len() > 3 && text[1..].starts_with(sign) && text.ends_with(&format!("{sign}]")) {
                        return Err(match sign {
                            ':' => format!("'{text}' is not a class; there are {NAMES}"),
                            _ => format!("'{text}' is not taken for a character; write it by itself"),
                        });
                    }
                }
                self.set(&mut class.kind)?;
                self.count(is_wide(&class.kind))?;
            }
            ClassSetItem::Unicode(_) => self.count(true)?,
            ClassSetItem::Union(union) => union.items.iter_mut().try_for_each(|item| self.item(item))?,
            ClassSetItem::Literal(_)
            | ClassSetItem::Range(_)
            | ClassSetItem::Ascii(_)
            | ClassSetItem::Empty(_)
            | ClassSetItem::Perl(_) => {}
        }
        Ok(())
    }

    /// None: the class is ASCII's for grep too, or Rust's own.
    fn unicode(&self, kind: &ClassAsciiKind) -> Option<&'static str> {
        Some(match kind {
            ClassAsciiKind::Alnum => ALNUM,
            // without regard to case grep takes letters that have none, too
            ClassAsciiKind::Lower | ClassAsciiKind::Upper if self.ignores_case => ALPHA,
            ClassAsciiKind::Alpha => ALPHA,
            ClassAsciiKind::Blank => BLANK,
            ClassAsciiKind::Cntrl => CNTRL,
            ClassAsciiKind::Graph => GRAPH,
            ClassAsciiKind::Lower => LOWER,
            ClassAsciiKind::Print => PRINT,
            ClassAsciiKind::Punct => PUNCT,
            ClassAsciiKind::Space => SPACE,
            ClassAsciiKind::Upper => UPPER,
            ClassAsciiKind::Digit | ClassAsciiKind::Xdigit | ClassAsciiKind::Ascii | ClassAsciiKind::Word => {
                return None;
            }
        })
    }
}

/// True if folding its characters takes time.
fn is_wide(set: &ClassSet) -> bool {
    match set {
        ClassSet::Item(item) => is_item_wide(item),
        ClassSet::BinaryOp(operation) => is_wide(&operation.lhs) || is_wide(&operation.rhs),
    }
}

fn is_item_wide(item: &ClassSetItem) -> bool {
    match item {
        ClassSetItem::Range(range) => u32::from(range.end.c).saturating_sub(range.start.c.into()) >= WIDE_RANGE_CHARS,
        ClassSetItem::Bracketed(class) => class.negated || is_wide(&class.kind),
        ClassSetItem::Ascii(class) => class.negated,
        ClassSetItem::Unicode(_) | ClassSetItem::Perl(_) => true,
        ClassSetItem::Union(union) => union.items.iter().any(is_item_wide),
        ClassSetItem::Empty(_) | ClassSetItem::Literal(_) => false,
    }
}

fn class(text: &str) -> ClassBracketed {
    match ast::parse::Parser::new().parse(text).as_ref() {
        Ok(Ast::ClassBracketed(class)) => (**class).clone(),
        _ => unreachable!("the texts are constants in brackets, and all of them are parsed by a test"),
    }
}

fn nested(text: &str, negated: bool) -> ClassSetItem {
    let class = class(text);
    ClassSetItem::Bracketed(Box::new(ClassBracketed { negated: class.negated != negated, ..class }))
}

#[cfg(test)]
mod tests {
    use regex_syntax::hir::translate::TranslatorBuilder;

    use super::*;

    fn read(pattern: &str, ignores_case: bool) -> Result<regex::Regex, String> {
        let ast = ast::parse::Parser::new().parse(pattern).map_err(|error| error.to_string())?;
        let ast = as_grep(pattern, ast, ignores_case)?;
        let hir = TranslatorBuilder::new().case_insensitive(ignores_case).build().translate(pattern, &ast);
        regex::Regex::new(&hir.map_err(|error| error.to_string())?.to_string()).map_err(|error| error.to_string())
    }

    /// Of these characters, those that match the whole pattern, as GNU grep 3.8 prints them in the locale C.UTF-8.
    #[track_caller]
    fn check(pattern: &str, ignores_case: bool, chars: &str, expect: &str) {
        let regex = read(&format!("^{pattern}$"), ignores_case).expect(pattern);
        let found: String = chars.chars().filter(|c| regex.is_match(&c.to_string())).collect();
        assert_eq!(found, expect, "{pattern} {ignores_case}");
    }

    const CHARS: &str = " \t\u{b}\r\u{1f}\u{7f}\u{80}\u{85}\u{a0}\u{ad}\u{2028}\u{3000}\u{200b}\u{feff}A0_$éÉª٠½²Ⅰ\u{301}\u{93f}\u{94d}日→€«😀ǅʰ\u{378}\u{e000}";

    #[test]
    fn classes_are_those_of_grep_in_a_utf_8_locale() {
        for (name, expect) in [
            ("alnum", "A0éÉª٠Ⅰ\u{93f}日ǅʰ"),
            ("alpha", "AéÉª٠Ⅰ\u{93f}日ǅʰ"),
            ("blank", " \t\u{3000}"),
            ("cntrl", "\t\u{b}\r\u{1f}\u{7f}\u{80}\u{85}\u{2028}"),
            ("digit", "0"),
            ("graph", "\u{a0}\u{ad}\u{200b}\u{feff}A0_$éÉª٠½²Ⅰ\u{301}\u{93f}\u{94d}日→€«😀ǅʰ\u{e000}"),
            ("lower", "éªǅʰ"),
            ("print", " \u{a0}\u{ad}\u{3000}\u{200b}\u{feff}A0_$éÉª٠½²Ⅰ\u{301}\u{93f}\u{94d}日→€«😀ǅʰ\u{e000}"),
            ("punct", "\u{a0}\u{ad}\u{200b}\u{feff}_$½²\u{301}\u{94d}→€«😀\u{e000}"),
            ("space", " \t\u{b}\r\u{2028}\u{3000}"),
            ("upper", "AÉⅠǅ"),
            ("xdigit", "A0"),
        ] {
            check(&format!("[[:{name}:]]"), false, CHARS, expect);
            let others: String = CHARS.chars().filter(|c| !expect.contains(*c)).collect();
            check(&format!("[^[:{name}:]]"), false, CHARS, &others);
            check(&format!("[[:^{name}:]]"), false, CHARS, &others);
        }
        check("[_[:digit:]é]", false, CHARS, "0_é");
        for name in ["upper", "lower"] {
            check(&format!("[[:{name}:]]"), true, "aAéÉ日1", "aAéÉ日");
        }
        check("(?-u:[[:alpha:]])", false, "aé", "a");
    }

    #[test]
    fn a_dotless_i_is_an_i_without_regard_to_case_alone() {
        const CHARS: &str = "iIİıkKjß";
        for pattern in ["i", "I", "ı", "[i]", "[ı]", "[h-i]", "(?:i)", r"\x69"] {
            check(pattern, true, CHARS, "iIı");
        }
        check("İ", true, CHARS, "İ");
        check("[^i]", true, CHARS, "İkKjß");
        check("[^ı]", true, CHARS, "İkKjß");
        check("[h-j]", true, CHARS, "iIıj");
        check("i", false, CHARS, "i");
        check("(?i)i", false, CHARS, "iIı");
        check("(?-i)i", true, CHARS, "i");
        check("(?-i:i)", true, CHARS, "i");
        check("(?-i:k)|i", true, CHARS, "iIık");
    }

    #[test]
    fn many_wide_classes_are_refused_without_regard_to_case() {
        for class in [r"[\s\S]", r"[\S]", r"[^\S]", r"\p{Any}", r"[^\pL]", r"[a-\x{10ffff}]", "[[^a]]", r"[a&&\S]"] {
            let pattern = class.repeat(MAX_WIDE_CLASSES + 1);
            let why = read(&pattern, true).expect_err(class);
            assert!(why.starts_with("it has more than 100 classes"), "{class}: {why}");
        }
        for (class, ignores_case) in
            [(r"[\S]", false), (r"\p{Lu}", false), ("[^a]", true), ("[a-z]", true), (".", true)]
        {
            let pattern = class.repeat(MAX_WIDE_CLASSES + 1);
            let ast = ast::parse::Parser::new().parse(&pattern).expect(class);
            assert!(as_grep(&pattern, ast, ignores_case).is_ok(), "{class}");
        }
    }

    #[test]
    fn brackets_that_grep_refuses_are_refused() {
        for (pattern, error) in [
            ("[[:foo:]]", "'[:foo:]' is not a class; there are alnum, alpha"),
            ("x[a[:Alpha:]]", "'[:Alpha:]' is not a class"),
            ("[^[:alphas:]]+", "'[:alphas:]' is not a class"),
            ("[[.a.]]", "'[.a.]' is not taken for a character"),
            ("[[=a=]b]", "'[=a=]' is not taken for a character"),
            ("([[.space.]])", "'[.space.]' is not taken"),
            ("[:alpha:]", "'[:alpha:]' is not a class; write [[:alpha:]]"),
            ("[^:alpha:]", "'[^:alpha:]' is not a class; write [^[:alpha:]]"),
        ] {
            let why = read(pattern, false).expect_err(pattern);
            assert!(why.starts_with(error), "{pattern}: {why}");
        }
        for taken in ["[:]", "[::]", "[.a.]", "[=a=]", "[a:b]", "[[:alpha:]:]", "[a[bc]]", "[.]", r"[\[:a:\]]"] {
            assert!(read(taken, false).is_ok(), "{taken}");
        }
    }
}
