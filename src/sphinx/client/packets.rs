//! The packets of SphinxQL, read and written: the text form of MySQL's protocol. Pure.
//!
//! Another program may answer at searchd's port. Invariant: a length within a packet leads to its end at most, and reserves no memory.

use std::sync::Arc;

use crate::sphinx::client::row::Row;

/// The lowest capabilities with which a server sends 41-packets, to a client without a password.
const CAPABILITY_BITS: u32 = LONG_PASSWORD_BIT | PROTOCOL_41_BIT | TRANSACTIONS_BIT | SECURE_CONNECTION_BIT;
const LONG_PASSWORD_BIT: u32 = 1;
const PROTOCOL_41_BIT: u32 = 1 << 9;
const TRANSACTIONS_BIT: u32 = 1 << 13;
const SECURE_CONNECTION_BIT: u32 = 1 << 15;
/// utf8mb4_general_ci
const CHARACTER_SET: u8 = 45;
const PROTOCOL_VERSION: u8 = 10;
const QUERY_BYTE: u8 = 3;

const OK_BYTE: u8 = 0;
const ERROR_BYTE: u8 = 0xff;
/// Ends the columns and the rows; during the login, the server asks for another way to log in.
const END_BYTE: u8 = 0xfe;
/// A longer packet that begins with `END_BYTE` is a row.
const MAX_END_BYTES: usize = 8;
/// In place of a value.
const NULL_BYTE: u8 = 0xfb;
/// The columns of an answer; the widest select lists have about a hundred.
const MAX_COLUMNS: u64 = 4096;
/// A column without a name of its own has its expression, which may be long; no caller asks for it by that.
const MAX_NAME_BYTES: usize = 64;

/// The first packet of a server.
#[derive(Debug, PartialEq, Eq)]
pub enum Greeting {
    /// the version of searchd
    Welcome((u16, u16, u16)),
    Refused(String),
}

/// A server's reply to a login.
#[derive(Debug, PartialEq, Eq)]
pub enum LoggedIn {
    Yes,
    Refused(String),
    /// it waits for another packet
    Again,
}

/// The first packet of an answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Begin {
    /// the whole of it: a statement without rows
    Done {
        affected: u64,
        warnings: u16,
    },
    Columns(usize),
    Refused(String),
}

/// One of the packets after the columns.
#[derive(Debug)]
pub enum NextPacket {
    Row(Row),
    /// the end of the answer, which has caused that number of warnings; SHOW WARNINGS has their texts
    End {
        warnings: u16,
    },
    Refused(String),
}

/// None: it is not searchd.
pub fn greeting(packet: &[u8]) -> Option<Greeting> {
    match packet.split_first()? {
        (&ERROR_BYTE, error) => Some(Greeting::Refused(error_text(error)?)),
        (&PROTOCOL_VERSION, rest) => {
            let end = rest.iter().position(|byte| *byte == 0)?;
            let text = std::str::from_utf8(&rest[..end]).ok()?;
            let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
            let mut number = || numbers.next().unwrap_or(0);
            Some(Greeting::Welcome((number(), number(), number())))
        }
        _ => None,
    }
}

/// The login of a client without a name and a password.
pub fn login(max_packet_bytes: usize) -> Vec<u8> {
    let max_packet_bytes = u32::try_from(max_packet_bytes).unwrap_or(u32::MAX);
    // reserved bytes, the end of an empty name, and the length of an empty password
    let rest = [0; 23 + 1 + 1];
    [&CAPABILITY_BITS.to_le_bytes()[..], &max_packet_bytes.to_le_bytes(), &[CHARACTER_SET], &rest].concat()
}

pub fn logged_in(packet: &[u8]) -> Option<LoggedIn> {
    Some(match packet.split_first()? {
        (&OK_BYTE, _) => LoggedIn::Yes,
        (&ERROR_BYTE, error) => LoggedIn::Refused(error_text(error)?),
        (&END_BYTE, _) => LoggedIn::Again,
        _ => return None,
    })
}

/// What comes before the text of a statement.
pub const BEFORE_STATEMENT: [u8; 1] = [QUERY_BYTE];

pub fn begin(packet: &[u8]) -> Option<Begin> {
    match packet.split_first()? {
        (&OK_BYTE, rest) => {
            let mut rest = PacketFields(rest);
            let affected = rest.length()?;
            let (_last_id, _status) = (rest.length()?, rest.number(2)?);
            Some(Begin::Done { affected, warnings: rest.number(2)? as u16 })
        }
        (&ERROR_BYTE, error) => Some(Begin::Refused(error_text(error)?)),
        _ => {
            let columns = PacketFields(packet).length().filter(|columns| (1..=MAX_COLUMNS).contains(columns))?;
            Some(Begin::Columns(columns as usize))
        }
    }
}

/// True for the packet between the columns and the rows.
pub fn is_end(packet: &[u8]) -> bool {
    packet.first() == Some(&END_BYTE) && packet.len() <= MAX_END_BYTES
}

/// The name of a column, from the packet about it; empty if it is long.
pub fn column_name(packet: &[u8]) -> Option<String> {
    let mut fields = PacketFields(packet);
    let mut text = || {
        let length = usize::try_from(fields.length()?).ok()?;
        fields.bytes(length)
    };
    let _catalog_schema_table_original = [text()?, text()?, text()?, text()?];
    let name = text()?;
    Some(if name.len() > MAX_NAME_BYTES { String::new() } else { String::from_utf8_lossy(name).into_owned() })
}

/// None: a value goes beyond the packet, or one is missing.
pub fn next(packet: Vec<u8>, names: &Arc<[String]>) -> Option<NextPacket> {
    if is_end(&packet) {
        return Some(NextPacket::End { warnings: PacketFields(packet.get(1..)?).number(2)? as u16 });
    }
    if let Some((&ERROR_BYTE, error)) = packet.split_first() {
        return Some(NextPacket::Refused(error_text(error)?));
    }
    let mut fields = PacketFields(&packet);
    let mut values = Vec::with_capacity(names.len());
    for _ in 0..names.len() {
        if fields.0.first() == Some(&NULL_BYTE) {
            fields.bytes(1)?;
            values.push(None);
            continue;
        }
        let length = usize::try_from(fields.length()?).ok()?;
        let begin = packet.len() - fields.0.len();
        fields.bytes(length)?;
        values.push(Some((begin, begin + length)));
    }
    Some(NextPacket::Row(Row::new(names.clone(), packet, values)))
}

/// A number, perhaps a state of five bytes, and a text. Sphinx 2 ends the text with a zero byte.
fn error_text(rest: &[u8]) -> Option<String> {
    let text = rest.get(2..)?;
    let text = if text.first() == Some(&b'#') { text.get(6..)? } else { text };
    let text = text.strip_suffix(b"\0").unwrap_or(text);
    Some(String::from_utf8_lossy(text).into_owned())
}

/// The fields that are left of a packet.
struct PacketFields<'a>(&'a [u8]);

impl<'a> PacketFields<'a> {
    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    /// A number of at most 8 bytes.
    fn number(&mut self, bytes: usize) -> Option<u64> {
        Some(self.bytes(bytes)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// A number by its first byte: the number itself, or how many bytes follow.
    fn length(&mut self) -> Option<u64> {
        match self.number(1)? {
            0xfc => self.number(2),
            0xfd => self.number(3),
            0xfe => self.number(8),
            number @ 0..=0xfa => Some(number),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_has_the_version() {
        let of = |text: &str| [&[PROTOCOL_VERSION], text.as_bytes(), b"\0\x01\0\0\0rest"].concat();
        let manticore = b"\n29.2.2 fe8f84c8b@260821\0\x02\0\0\0jjNaU4sx\0(\x82!\x02\0\x1a\x01\x15\0\0\0\0\0\0\0\0\0\0\
                          UGSXPHZXZDYN\0mysql_native_password\0";
        for (packet, expect) in [
            (of("2.2.11-id64-release (95ae9a6)"), Some(Greeting::Welcome((2, 2, 11)))),
            (of("2.3.2-id64-beta (4409612)"), Some(Greeting::Welcome((2, 3, 2)))),
            (manticore.to_vec(), Some(Greeting::Welcome((29, 2, 2)))),
            (of("29.2.2 abc@260101 (columnar 1)"), Some(Greeting::Welcome((29, 2, 2)))),
            (of("x"), Some(Greeting::Welcome((0, 0, 0)))),
            (
                b"\xff\x10\x04#08004Too many connections".to_vec(),
                Some(Greeting::Refused("Too many connections".into())),
            ),
            (b"\xff\x10\x04maxed out".to_vec(), Some(Greeting::Refused("maxed out".into()))),
            (vec![PROTOCOL_VERSION; 900], None),
            (b"SSH-2.0-OpenSSH_9.2p1".to_vec(), None),
            (vec![ERROR_BYTE], None),
            (vec![], None),
        ] {
            assert_eq!(greeting(&packet), expect, "{packet:?}");
        }
    }

    #[test]
    fn an_answer_begins_with_its_kind() {
        let refused = |text: &str| Some(Begin::Refused(text.to_owned()));
        for (packet, expect) in [
            (&b"\0\x03\0\x02\0\x01\0"[..], Some(Begin::Done { affected: 3, warnings: 1 })),
            (b"\0\xfc\xe8\x03\0\x02\0\0\0", Some(Begin::Done { affected: 1000, warnings: 0 })),
            (b"\0\x03\0\x02\0", None),
            (b"\x07", Some(Begin::Columns(7))),
            (b"\xfc\xe8\x03", Some(Begin::Columns(1000))),
            (
                b"\xff(\x04#42000unknown local index 'nosuch' in search request\0",
                refused("unknown local index 'nosuch' in search request"),
            ),
            (
                b"\xff(\x04#42000unknown local table(s) 'nosuch' in search request",
                refused("unknown local table(s) 'nosuch' in search request"),
            ),
            // Manticore adds the last docid
            (b"\0\x01\x07\x02\0\0\0\0", Some(Begin::Done { affected: 1, warnings: 0 })),
            (b"\0\x02\xfe\0\xfc\x07\0\0\0\0\x40\x02\0\x01\0\0", Some(Begin::Done { affected: 2, warnings: 1 })),
            (b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"\xfd\xff\xff\xff", None),
            (b"\xfc\xff", None),
            // the server asks for a file of the client
            (b"\xfb/etc/passwd", None),
            (b"", None),
        ] {
            assert_eq!(begin(packet), expect, "{packet:?}");
        }
    }

    fn names(columns: usize) -> Arc<[String]> {
        (0..columns).map(|column| format!("c{column}")).collect()
    }

    #[track_caller]
    fn check(packet: &[u8], columns: usize, expect: Option<&[&str]>) {
        let row = match next(packet.to_vec(), &names(columns)) {
            Some(NextPacket::Row(row)) => {
                Some((0..columns).map(|column| row.named(&format!("c{column}")).into_owned()).collect::<Vec<_>>())
            }
            None => None,
            other => panic!("{other:?}"),
        };
        let expect = expect.map(|texts| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(row, expect, "{packet:?}");
    }

    #[test]
    fn a_row_has_its_values_and_no_more() {
        check(b"\x011\xfb\x03abc", 3, Some(&["1", "", "abc"]));
        check(b"\xfc\x03\0abc", 1, Some(&["abc"]));
        check(b"\xfd\x03\0\0abc", 1, Some(&["abc"]));
        check(b"\xfe\x03\0\0\0\0\0\0\0abc", 1, Some(&["abc"]));
        for bad in [
            &b"\x04abc"[..],
            b"\xfc\xff\xffabc",
            b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7fabc",
            b"\xfc\x01",
            b"",
        ] {
            check(bad, 1, None);
        }
        check(b"\x011", 2, None);
    }

    #[test]
    fn a_column_has_its_name() {
        let long = [b"\x03def\0\0\0\x50".to_vec(), vec![b'x'; 80]].concat();
        for (packet, expect) in [
            (&b"\x03def\0\0\0\x04Time\0\x0c\x21\0"[..], Some("Time")),
            (&long, Some("")),
            (b"\x03def\0\0\0\x05Time", None),
            (b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"", None),
        ] {
            assert_eq!(column_name(packet).as_deref(), expect, "{packet:?}");
        }
    }

    #[test]
    fn rows_end_with_a_short_packet() {
        let end = |packet: &[u8]| next(packet.to_vec(), &names(1));
        assert!(matches!(end(b"\xfe\0\0\x02\0"), Some(NextPacket::End { warnings: 0 })));
        // 2.2.11 counts the warnings of all peers as one
        assert!(matches!(end(b"\xfe\x01\0\0\0"), Some(NextPacket::End { warnings: 1 })));
        assert!(end(b"\xfe\x01").is_none());
        assert!(matches!(next(b"\xff\x01\0gone".to_vec(), &names(1)), Some(NextPacket::Refused(why)) if why == "gone"));
    }
}
