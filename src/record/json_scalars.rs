//! The scalars of a JSON value with their paths, found in one pass over its text: a value of many levels is not read once for each.
//! Pure.

use std::ops::ControlFlow;

use crate::record::json::readable;

/// Passes each scalar of a column, whose value is valid JSON text, to `take`, until that breaks: its path, `a.b` of the column `a`, and
/// its text. The elements of an array have the array's path; arrays and objects in it are left out.
pub fn each_scalar(column: &str, value: &str, take: &mut dyn FnMut(&str, &str) -> ControlFlow<()>) {
    let mut pass = ScalarPass { text: value, at: 0, path: column.to_owned() };
    let _ = pass.value(take);
}

struct ScalarPass<'t> {
    text: &'t str,
    at: usize,
    path: String,
}

impl<'t> ScalarPass<'t> {
    fn value(&mut self, take: &mut dyn FnMut(&str, &str) -> ControlFlow<()>) -> ControlFlow<()> {
        match self.next() {
            b'{' => {
                self.at += 1;
                while self.next() == b'"' {
                    let outer = self.path.len();
                    let key = self.scalar();
                    self.path.push('.');
                    self.path.push_str(&readable(key));
                    self.pass(b':');
                    self.value(take)?;
                    self.path.truncate(outer);
                    self.pass(b',');
                }
                self.pass(b'}');
            }
            b'[' => {
                self.at += 1;
                while !matches!(self.next(), b']' | 0) {
                    match self.next() {
                        b'{' | b'[' => self.leave_out(),
                        _ => {
                            let scalar = self.scalar();
                            if scalar.is_empty() {
                                break;
                            }
                            take(&self.path, scalar)?;
                        }
                    }
                    self.pass(b',');
                }
                self.pass(b']');
            }
            0 => {}
            _ => {
                let scalar = self.scalar();
                take(&self.path, scalar)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// The next byte that is no space; 0: the text is at its end.
    fn next(&mut self) -> u8 {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    fn pass(&mut self, sign: u8) {
        self.at += usize::from(self.next() == sign);
    }

    /// Empty: a string has no end.
    fn scalar(&mut self) -> &'t str {
        let (from, bytes) = (self.at, &self.text.as_bytes()[self.at..]);
        let length = match bytes.first() {
            Some(b'"') => end_of_string(bytes),
            _ => Some(bytes.iter().take_while(|byte| !b",]} \n\r\t".contains(byte)).count()),
        };
        self.at = length.map_or(self.text.len(), |length| from + length);
        self.text[from..self.at].get(..length.unwrap_or(0)).unwrap_or_default()
    }

    /// Passes an array or an object.
    fn leave_out(&mut self) {
        let bytes = self.text.as_bytes();
        let mut open = 0_usize;
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b'"' => self.at += end_of_string(&bytes[self.at..]).map_or(bytes.len(), |length| length - 1),
                b'{' | b'[' => open += 1,
                b'}' | b']' => open -= 1,
                _ => {}
            }
            self.at += 1;
            if open == 0 {
                break;
            }
        }
        self.at = self.at.min(bytes.len());
    }
}

/// The length of the string that begins a text, with its quotes; None: it has no end.
fn end_of_string(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, expect: &[(&str, &str)]) {
        let mut found: Vec<(String, String)> = Vec::new();
        each_scalar("c", value, &mut |path, scalar| {
            found.push((path.to_owned(), scalar.to_owned()));
            ControlFlow::Continue(())
        });
        let expect = expect.iter().map(|(path, scalar)| ((*path).to_owned(), (*scalar).to_owned()));
        assert_eq!(found, expect.collect::<Vec<_>>(), "{value}");
    }

    #[test]
    fn each_scalar_has_its_path() {
        for scalar in ["1", "-1.5e-7", "null", "true", r#""""#, r#""a\"b\\""#, r#""é,}""#] {
            check(scalar, &[("c", scalar)]);
        }
        check(
            " { \"a\" : 1 , \"b\" : { \"d\" : [ \"x\" , 2 ] , \"e\" : {} } , \"f\" : null } ",
            &[("c.a", "1"), ("c.b.d", "\"x\""), ("c.b.d", "2"), ("c.f", "null")],
        );
        check(r#"[1,[2,{"a":"]"}],{"b":["}"]},"z",[]]"#, &[("c", "1"), ("c", "\"z\"")]);
        check(r#"{"\u00e9\n":1,"":{"":2}}"#, &[("c.é\n", "1"), ("c..", "2")]);
        check("[]", &[]);
        check("{}", &[]);
    }

    #[test]
    fn text_that_is_cut_ends() {
        let whole = r#"{"a":[1,{"b":"x\"y"}],"c":{"d":-5}}"#;
        for text in (0..whole.len()).map(|length| &whole[..length]).chain(["[}", "[:]", "{]"]) {
            each_scalar("c", text, &mut |_, _| ControlFlow::Continue(()));
        }
    }

    #[test]
    fn it_ends_when_it_is_told() {
        let mut passed = 0;
        each_scalar("c", "{\"a\":[1,2,3],\"b\":4}", &mut |_, _| {
            passed += 1;
            if passed == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(passed, 2);
    }
}
