//! The cost of a question: a request to alco, as a reader or a program sends it.
//!
//! Linux counts the CPU time of a process in ticks of 10 ms, so a quick question is asked many times for one figure; the figures are
//! medians of an odd number of such batches.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::figures::{cpu_seconds, median};
use crate::searchd_pid;
use crate::support::page::text;
use crate::support::{Alco, Stack};

/// A batch takes about this time, and has at most so many requests.
const BATCH_MS: f64 = 500.0;
const MAX_PER_BATCH: f64 = 50.0;
/// Batches of a figure, and of one whose batch takes longer than `SLOW_MS`.
const BATCHES: usize = 5;
const BATCHES_IF_SLOW: usize = 3;
const SLOW_MS: f64 = 2000.0;
/// No answer lets its reader wait longer.
const SILENCE: Duration = Duration::from_secs(300);
/// So much of an answer is kept, to look at.
const KEPT_BYTES: usize = 4 << 20;

#[derive(Debug)]
pub struct Answer {
    pub text: String,
    pub lines: usize,
    pub first_byte_ms: f64,
    pub wall_ms: f64,
}

/// Medians for one request.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// alco and searchd together
    pub cpu_ms: f64,
    pub wall_ms: f64,
    pub first_byte_ms: f64,
}

pub struct Asker<'a> {
    alco: &'a Alco,
    searchd: u32,
}

impl Asker<'_> {
    pub fn new<'a>(alco: &'a Alco, stack: &Stack) -> Asker<'a> {
        Asker { alco, searchd: searchd_pid(stack) }
    }

    pub fn cpu_seconds(&self) -> f64 {
        cpu_seconds(self.alco.pid()) + cpu_seconds(self.searchd)
    }

    /// The medians; and the first answer, which reads from the disk and does not count.
    pub fn cost(&self, path: &str) -> (Cost, Answer) {
        let first = self.ask(path);
        let per_batch = (BATCH_MS / first.wall_ms).clamp(1.0, MAX_PER_BATCH) as usize;
        let batches = if first.wall_ms > SLOW_MS { BATCHES_IF_SLOW } else { BATCHES };
        let (mut cpu, mut wall, mut first_byte) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..batches {
            let before = self.cpu_seconds();
            for _ in 0..per_batch {
                let answer = self.ask(path);
                wall.push(answer.wall_ms);
                first_byte.push(answer.first_byte_ms);
            }
            cpu.push((self.cpu_seconds() - before) * 1000.0 / per_batch as f64);
        }
        (Cost { cpu_ms: median(cpu), wall_ms: median(wall), first_byte_ms: median(first_byte) }, first)
    }

    /// Sends one request, and reads all of the answer.
    pub fn ask(&self, path: &str) -> Answer {
        let begin = Instant::now();
        let ms = || begin.elapsed().as_secs_f64() * 1000.0;
        let mut stream = TcpStream::connect(self.alco.url.trim_start_matches("http://")).expect("alco listens");
        stream.set_read_timeout(Some(SILENCE)).expect("a time limit");
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).expect("alco reads");
        let (mut kept, mut lines, mut first_byte_ms) = (Vec::new(), 0, None);
        let mut buffer = vec![0; 1 << 16];
        loop {
            let count = stream.read(&mut buffer).unwrap_or_else(|error| panic!("{path}: {error}"));
            if count == 0 {
                break;
            }
            let read = &buffer[..count];
            lines += read.iter().filter(|byte| **byte == b'\n').count();
            kept.extend_from_slice(&read[..count.min(KEPT_BYTES - kept.len())]);
            if first_byte_ms.is_none() && body_of(&kept).is_some_and(|body| !body.is_empty()) {
                first_byte_ms = Some(ms());
            }
        }
        let wall_ms = ms();
        let head = String::from_utf8_lossy(&kept[..kept.len().min(100)]).into_owned();
        assert!(head.split(' ').nth(1) == Some("200"), "{path}: {head}");
        let body = body_of(&kept).unwrap_or_default();
        let of_head = kept[..kept.len() - body.len()].iter().filter(|byte| **byte == b'\n').count();
        Answer {
            text: String::from_utf8_lossy(body).into_owned(),
            lines: lines - of_head,
            first_byte_ms: first_byte_ms.unwrap_or(wall_ms),
            wall_ms,
        }
    }
}

impl Answer {
    /// A page or an answer of the API that is marked as exact.
    pub fn is_exact(&self) -> bool {
        self.exact_total().is_some() || self.text.contains("\"exact\":true")
    }

    /// The number of records that a page shows as exact.
    pub fn exact_total(&self) -> Option<u64> {
        let (_, total) = self.text.split_once("<p class=\"total\">")?;
        text(total).strip_prefix("exactly ")?.split(' ').next()?.replace(',', "").parse().ok()
    }
}

fn body_of(answer: &[u8]) -> Option<&[u8]> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(&answer[end + 4..])
}
