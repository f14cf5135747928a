//! Files that are served as they are, embedded in the binary.

use std::sync::LazyLock;

use xxhash_rust::xxh3::xxh3_64;

pub const STYLE: &str = include_str!("style.css");

/// Names the content of style.css: in its address, so that browsers may keep it, and as its ETag.
pub fn style_hash() -> &'static str {
    static HASH: LazyLock<String> = LazyLock::new(|| format!("{:016x}", xxh3_64(STYLE.as_bytes())));
    &HASH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_style_is_small_and_loads_nothing() {
        assert!(STYLE.len() < 20_200, "{} bytes", STYLE.len());
        for forbidden in ["url(", "@import", "@font-face"] {
            assert!(!STYLE.contains(forbidden), "{forbidden}");
        }
    }
}
