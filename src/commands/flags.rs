//! The first pass over the words that a user typed. argh reads few spellings; this pass turns those of grep and of other programs
//! into them: `-iF`, `-C3`, `--since=-1h`, `--config` anywhere, an option that is given twice. It learns the flags from argh. Pure.

use argh::{CommandInfoWithArgs, FlagInfo, FlagInfoKind, Optionality};

/// The option whose value may be left out, and the value that it then has.
const COLOR: (&str, &str) = ("color", "auto");

/// The names of all commands, separated by commas.
pub(super) fn names(top: &CommandInfoWithArgs) -> String {
    top.commands.iter().map(|command| command.name).collect::<Vec<_>>().join(", ")
}

/// An option, as it was typed.
struct Given {
    /// `--since`, also where the user typed its short form
    long: String,
    /// as typed, without its value
    written: String,
    value: Option<String>,
}

/// The words that were typed, sorted: `alco --config x run --web-only -- operands`.
#[derive(Default)]
pub(super) struct Typed {
    /// options of the program
    ahead: Vec<Given>,
    pub(super) command: Option<String>,
    /// options of the command
    options: Vec<Given>,
    operands: Vec<String>,
    help: bool,
}

impl Typed {
    pub(super) fn read(words: &[String], program: &CommandInfoWithArgs) -> Result<Typed, String> {
        let mut typed = Typed::default();
        let mut command: Option<&CommandInfoWithArgs> = None;
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word == "--" {
                typed.operands.extend(words.by_ref().cloned());
            } else if let Some(long) = word.strip_prefix("--") {
                let (name, value) = match long.split_once('=') {
                    Some((name, value)) => (name, Some(value)),
                    None => (long, None),
                };
                let name = if name == "colour" { COLOR.0 } else { name };
                let is = |flag: &FlagInfo| flag.long.trim_start_matches('-') == name;
                let (takes_value, to) = typed.place(&format!("--{name}"), is, command, program)?;
                *to = match (takes_value, value) {
                    (true, Some(value)) => Some(value.to_owned()),
                    (true, None) if name == COLOR.0 => Some(COLOR.1.to_owned()),
                    (true, None) => Some(words.next().ok_or(format!("--{name} needs a value"))?.clone()),
                    (false, Some(_)) => return Err(format!("--{name} takes no value")),
                    (false, None) => None,
                }
            } else if let Some(lines) = word.strip_prefix('-').filter(|rest| is_number(rest)) {
                // -3 is -C3
                let is = |flag: &FlagInfo| flag.short == Some('C');
                let (_, to) = typed.place("-C", is, command, program).map_err(|_| format!("no option {word}"))?;
                *to = Some(lines.to_owned());
            } else if word.len() > 1 && word.starts_with('-') {
                for (at, short) in word.char_indices().skip(1) {
                    let is = |flag: &FlagInfo| flag.short == Some(short);
                    let (takes_value, to) = typed.place(&format!("-{short}"), is, command, program)?;
                    if takes_value {
                        let rest = &word[at + short.len_utf8()..];
                        *to = Some(match rest {
                            "" => words.next().ok_or(format!("-{short} needs a value"))?.clone(),
                            rest => rest.to_owned(),
                        });
                        break;
                    }
                }
            } else if typed.command.is_some() {
                typed.operands.push(word.clone());
            } else {
                let found = program.commands.iter().find(|command| command.name == word);
                let found = found.ok_or_else(|| format!("no command '{word}'; there are {}", names(program)))?;
                command = Some(&found.command);
                typed.command = Some(word.clone());
            }
        }
        Ok(typed)
    }

    /// Puts a flag where it belongs; of two with the same name, the command's comes before the program's. If a flag that cannot
    /// repeat is given again, the last one counts, as for grep. Returns whether the flag takes a value, and where to put it.
    fn place(
        &mut self,
        written: &str,
        is: impl Fn(&FlagInfo) -> bool,
        command: Option<&CommandInfoWithArgs>,
        program: &CommandInfoWithArgs,
    ) -> Result<(bool, &mut Option<String>), String> {
        let found = |info: &CommandInfoWithArgs| {
            let flag = info.flags.iter().find(|flag| is(flag))?;
            Some((flag.long.to_owned(), takes_value(flag), matches!(flag.optionality, Optionality::Repeating)))
        };
        let ((long, takes_value, repeats), to) = if matches!(written, "-h" | "--help") {
            self.help = true;
            // the other options do not matter then
            (("--help".to_owned(), false, false), &mut self.options)
        } else if let Some(flag) = command.and_then(found) {
            (flag, &mut self.options)
        } else if let Some(flag) = found(program) {
            (flag, &mut self.ahead)
        } else {
            return Err(format!("no option {written}"));
        };
        if !repeats {
            to.retain(|given| given.long != long);
        }
        to.push(Given { long, written: written.to_owned(), value: None });
        let given = to.last_mut().expect("it was pushed above");
        Ok((takes_value, &mut given.value))
    }

    pub(super) fn into_words(self) -> Vec<String> {
        let words_of =
            |given: Vec<Given>| given.into_iter().flat_map(|given| [given.written].into_iter().chain(given.value));
        let mut words: Vec<String> = words_of(self.ahead).collect();
        words.extend(self.command);
        if self.help {
            words.push("--help".to_owned());
        } else {
            words.extend(words_of(self.options));
            if !self.operands.is_empty() {
                words.push("--".to_owned());
                words.extend(self.operands);
            }
        }
        words
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn takes_value(flag: &FlagInfo) -> bool {
    matches!(flag.kind, FlagInfoKind::Option { .. })
}
