//! Compressed bodies -> the producer's bytes: gzip, deflate, zstd. Pure. The only door to these decoders.
//!
//! Invariant: no body, however it was made, takes more memory than `MAX_BODY` of result and the decoder's window, which is bounded;
//! and only a whole stream whose checksums are right counts as unpacked.

use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};

use flate2::bufread::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use ruzstd::decoding::StreamingDecoder;

use crate::record::MAX_BODY;

/// The largest window that a zstd stream may ask for: RFC 8878 has every decoder take 8 MiB, and encoders ask for more only when
/// their user demands it.
const MAX_WINDOW_BYTES: u64 = 8 << 20;
/// The first buffer for a result; it doubles.
const FIRST_BYTES: usize = 16 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    Gzip,
    /// zlib's stream, as RFC 9110 has it, or the bare stream that some programs send under that name
    Deflate,
    Zstd,
}

#[derive(Debug, PartialEq, Eq)]
pub enum NotUnpacked {
    /// more than `MAX_BODY` comes out
    TooLarge,
    Corrupt(String),
}

impl Packing {
    /// The compression that an AMQP content_encoding names. None if it names no compression (identity; utf-8, which kombu sends)
    /// or is unknown.
    pub fn named(content_encoding: &str) -> Option<Packing> {
        match content_encoding.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => Some(Packing::Gzip),
            "deflate" | "zlib" => Some(Packing::Deflate),
            "zstd" => Some(Packing::Zstd),
            _ => None,
        }
    }

    /// The compression of a body that is not text, by its first bytes.
    pub fn shown(body: &[u8]) -> Option<Packing> {
        match body {
            [0x1f, 0x8b, ..] => Some(Packing::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Packing::Zstd),
            _ if is_zlib(body) => Some(Packing::Deflate),
            _ => None,
        }
    }

    pub fn unpack(self, body: &[u8]) -> Result<Vec<u8>, NotUnpacked> {
        match self {
            Packing::Gzip => bounded(MultiGzDecoder::new(body)),
            Packing::Deflate => inflate(body),
            // a decoder that panics must not end the worker: the body would come again and end the next
            Packing::Zstd => catch_unwind(AssertUnwindSafe(|| zstd(body)))
                .unwrap_or_else(|_| Err(NotUnpacked::Corrupt("the decoder failed".to_owned()))),
        }
    }
}

/// RFC 1950: method 8, and a check value of the first two bytes.
fn is_zlib(body: &[u8]) -> bool {
    matches!(body, [first, second, ..] if first & 0x0f == 8 && u16::from_be_bytes([*first, *second]).is_multiple_of(31))
}

fn corrupt(error: impl std::fmt::Display) -> NotUnpacked {
    NotUnpacked::Corrupt(error.to_string())
}

fn bounded(stream: impl Read) -> Result<Vec<u8>, NotUnpacked> {
    let mut unpacked = Vec::new();
    stream.take(MAX_BODY as u64 + 1).read_to_end(&mut unpacked).map_err(corrupt)?;
    match unpacked.len() > MAX_BODY {
        true => Err(NotUnpacked::TooLarge),
        false => Ok(unpacked),
    }
}

/// By flate2's own loop a stream that is cut off would look like one that ends.
fn inflate(body: &[u8]) -> Result<Vec<u8>, NotUnpacked> {
    let mut decoder = Decompress::new(is_zlib(body));
    let mut unpacked = Vec::with_capacity(FIRST_BYTES);
    loop {
        // no more was read than the body has
        let rest = &body[decoder.total_in() as usize..];
        let status = decoder.decompress_vec(rest, &mut unpacked, FlushDecompress::None).map_err(corrupt)?;
        let rest = &body[decoder.total_in() as usize..];
        match status {
            _ if unpacked.len() > MAX_BODY => return Err(NotUnpacked::TooLarge),
            Status::StreamEnd if rest.is_empty() => return Ok(unpacked),
            Status::StreamEnd => return Err(NotUnpacked::Corrupt(format!("{} bytes after its end", rest.len()))),
            Status::Ok | Status::BufError if unpacked.len() < unpacked.capacity() && rest.is_empty() => {
                return Err(NotUnpacked::Corrupt("it is cut off".to_owned()));
            }
            Status::Ok | Status::BufError => unpacked.reserve(unpacked.len().max(FIRST_BYTES)),
        }
    }
}

/// Frame after frame, as the stream may have several.
fn zstd(mut body: &[u8]) -> Result<Vec<u8>, NotUnpacked> {
    let mut unpacked = Vec::new();
    loop {
        let mut frame = StreamingDecoder::new_with_max_window_size(body, MAX_WINDOW_BYTES).map_err(corrupt)?;
        let room = (MAX_BODY - unpacked.len()) as u64;
        frame.by_ref().take(room + 1).read_to_end(&mut unpacked).map_err(corrupt)?;
        if unpacked.len() > MAX_BODY {
            return Err(NotUnpacked::TooLarge);
        }
        let (rest, decoder) = frame.into_parts();
        let sum = decoder.get_checksum_from_data();
        if sum.is_some() && sum != decoder.get_calculated_checksum() {
            return Err(NotUnpacked::Corrupt("its checksum is wrong".to_owned()));
        }
        body = rest;
        if body.is_empty() {
            return Ok(unpacked);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    type Pack = fn(&[u8]) -> Vec<u8>;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).and_then(|()| encoder.finish()).expect("to memory")
    }

    fn zlib(text: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).and_then(|()| encoder.finish()).expect("to memory")
    }

    fn raw(text: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).and_then(|()| encoder.finish()).expect("to memory")
    }

    fn frame(text: &[u8]) -> Vec<u8> {
        compress_to_vec(text, CompressionLevel::Fastest)
    }

    /// Name, encoder, whether there is a checksum.
    const ALL: [(&str, Pack, bool); 4] =
        [("gzip", gzip, true), ("deflate", zlib, true), ("deflate", raw, false), ("zstd", frame, true)];

    fn text(bytes: usize) -> Vec<u8> {
        (0..bytes).map(|n| b"a line of a log\n"[n % 16] ^ (n / 4096) as u8 & 1).collect()
    }

    #[test]
    fn packed_text_comes_out_up_to_the_bound() {
        for (name, pack, _) in ALL {
            let packing = Packing::named(name).expect("a known one");
            for bytes in [0, 1, 100, FIRST_BYTES, FIRST_BYTES + 1, 1 << 20, MAX_BODY] {
                assert_eq!(packing.unpack(&pack(&text(bytes))).as_ref(), Ok(&text(bytes)), "{name}, {bytes} bytes");
            }
            for bytes in [MAX_BODY + 1, 64 << 20] {
                assert_eq!(
                    packing.unpack(&pack(&vec![b' '; bytes])),
                    Err(NotUnpacked::TooLarge),
                    "{name}, {bytes} bytes"
                );
            }
        }
    }

    #[test]
    fn nothing_but_a_whole_stream_is_unpacked() {
        for (name, pack, has_checksum) in ALL {
            let packing = Packing::named(name).expect("a known one");
            let packed = pack(&text(3000));
            for length in 0..packed.len() {
                let cut = packing.unpack(&packed[..length]);
                assert!(matches!(cut, Err(NotUnpacked::Corrupt(_))), "{name} cut at {length}: {cut:?}");
            }
            let longer = [&packed[..], b"xy"].concat();
            assert!(matches!(packing.unpack(&longer), Err(NotUnpacked::Corrupt(_))), "{name} and more");
            for at in (0..packed.len()).filter(|_| has_checksum) {
                let mut damaged = packed.clone();
                damaged[at] ^= 0x55;
                // gzip's head has bytes that say nothing of the text
                let unpacked = packing.unpack(&damaged);
                assert!(unpacked.is_err() || unpacked == Ok(text(3000)), "{name} damaged at {at}");
            }
        }
    }

    #[test]
    fn several_members_are_one_text() {
        for (name, pack) in [("gzip", gzip as Pack), ("zstd", frame)] {
            let both = [pack(b"one "), pack(b"two")].concat();
            assert_eq!(Packing::named(name).expect("known").unpack(&both), Ok(b"one two".to_vec()), "{name}");
        }
    }

    #[test]
    fn a_packing_is_known_by_its_name_or_first_bytes() {
        for (name, packing) in [
            ("gzip", Some(Packing::Gzip)),
            ("X-GZIP", Some(Packing::Gzip)),
            (" deflate ", Some(Packing::Deflate)),
            ("zstd", Some(Packing::Zstd)),
            ("", None),
            ("identity", None),
            ("utf-8", None),
            ("binary", None),
            ("br", None),
        ] {
            assert_eq!(Packing::named(name), packing, "{name}");
        }
        assert_eq!(Packing::shown(&gzip(b"x")), Some(Packing::Gzip));
        assert_eq!(Packing::shown(&zlib(b"x")), Some(Packing::Deflate));
        assert_eq!(Packing::shown(&frame(b"x")), Some(Packing::Zstd));
        assert_eq!(Packing::shown(b"\xff\xfe"), None);
        assert_eq!(Packing::shown(b""), None);
    }
}
