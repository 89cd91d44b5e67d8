//! Writes a count with the word that fits it.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;

/// `1 image`, `12 images`
pub fn count(count: impl TryInto<u64>, one: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    format!("{count} {}", plural(count, one))
}

/// The word for that many: `image` or `images`, `entry` or `entries`.
pub fn plural(count: u64, one: &str) -> String {
    match one.strip_suffix('y') {
        _ if count == 1 => one.to_owned(),
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{one}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_fits_the_number() {
        for (number, one, expected) in [
            (0_u64, "image", "0 images"),
            (1, "image", "1 image"),
            (2, "image", "2 images"),
            (1, "host key", "1 host key"),
            (2, "host key", "2 host keys"),
            (1, "entry", "1 entry"),
            (21, "entry", "21 entries"),
        ] {
            assert_eq!(count(number, one), expected);
        }
    }
}
