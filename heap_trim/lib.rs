//! Gives the memory that was freed back to the system.
//!
//! glibc's malloc does so by itself only at the end of each heap: after a burst of answers, a small block that is in use there kept
//! more than 200 MB. Other systems' malloc need no help; FreeBSD's gives memory back after some seconds.

/// Gives back all pages on which nothing is in use. It takes microseconds where there are few, and some milliseconds for 200 MB.
#[cfg(target_env = "gnu")]
pub fn give_back() {
    unsafe extern "C" {
        // it has no precondition: it takes no pointer, and locks each heap by itself
        safe fn malloc_trim(pad: usize) -> i32;
    }
    malloc_trim(0);
}

/// Nothing to do.
#[cfg(not(target_env = "gnu"))]
pub fn give_back() {}

#[cfg(test)]
mod tests {
    #[test]
    fn it_may_be_called_at_any_time() {
        let kept: Vec<Vec<u8>> = (0..1000).map(|n| vec![n as u8; 100]).collect();
        super::give_back();
        assert!(kept.iter().enumerate().all(|(n, bytes)| bytes.iter().all(|byte| *byte == n as u8)));
    }
}
