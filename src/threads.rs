//! Names, starts and watches threads: the one place where a thread of alco begins.
//!
//! Invariant: the end of a watched thread is an event, also after a panic, so no thread dies unseen.

use std::thread;

use crossbeam_channel::Sender;

/// The end of a watched thread, sent by the thread itself, panicking or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    pub name: String,
    pub panicked: bool,
}

/// Sends the end of its thread when it is dropped.
struct EndNotice {
    name: String,
    ends: Sender<End>,
}

impl Drop for EndNotice {
    fn drop(&mut self) {
        // the receiver is gone once the process is about to end
        let _ = self.ends.send(End { name: std::mem::take(&mut self.name), panicked: thread::panicking() });
    }
}

/// Starts a thread that ends by itself, such as one for a client's connection.
///
/// # Errors
/// The system's error, with the thread's name: `cannot start thread http-client: …`.
pub fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), String> {
    let started = thread::Builder::new().name(name.to_owned()).spawn(work);
    started.map(drop).map_err(|error| format!("cannot start thread {name}: {error}"))
}

/// Starts a thread whose end is sent to `ends`.
///
/// # Errors
/// As `spawn`.
pub fn spawn_watched(name: &str, ends: &Sender<End>, work: impl FnOnce() + Send + 'static) -> Result<(), String> {
    let notice = EndNotice { name: name.to_owned(), ends: ends.clone() };
    spawn(name, move || {
        let _notice = notice;
        work();
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_an_event_by_panic_too() {
        let (ends, ended) = crossbeam_channel::unbounded();
        spawn_watched("quiet", &ends, || {}).expect("a thread");
        assert_eq!(ended.recv(), Ok(End { name: "quiet".to_owned(), panicked: false }));
        spawn_watched("loud", &ends, || panic!("on purpose")).expect("a thread");
        assert_eq!(ended.recv(), Ok(End { name: "loud".to_owned(), panicked: true }));
    }
}
