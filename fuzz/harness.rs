//! The program of `make fuzz`: libFuzzer calls the entry point that `ALCO_FUZZ` names. src/fuzz.rs has the entry points.

#![no_main]

use std::sync::LazyLock;

static ENTRY: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let wanted = std::env::var("ALCO_FUZZ").expect("ALCO_FUZZ names an entry point");
    let found = alco::fuzz::TARGETS.into_iter().find(|(name, _)| *name == wanted);
    found.unwrap_or_else(|| panic!("there is no entry point '{wanted}'")).1
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ENTRY(bytes));
