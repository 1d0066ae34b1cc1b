//! Looking for a byte that is mostly a few bytes away, as the ends of a page's tags and values are.

use memchr::memchr;

/// Bytes that are looked at here, a word at a time, before it is worth the call of a search that takes 32 bytes at a time.
const NEAR: usize = 32;

const ONES: u64 = u64::MAX / 0xFF;

/// Where the first such byte is.
#[inline]
pub(super) fn find_near(byte: u8, bytes: &[u8]) -> Option<usize> {
    let wanted = ONES * u64::from(byte);
    let (words, _) = bytes.as_chunks::<8>();
    for (n, word) in words.iter().take(NEAR / 8).enumerate() {
        let different = u64::from_le_bytes(*word) ^ wanted;
        // The lowest bit that is set here is that of the first byte that is zero; above it may be others.
        let zeros = different.wrapping_sub(ONES) & !different & (ONES << 7);
        if zeros != 0 {
            return Some(n * 8 + zeros.trailing_zeros() as usize / 8);
        }
    }
    let seen = words.len().min(NEAR / 8) * 8;
    memchr(byte, &bytes[seen..]).map(|at| seen + at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_the_first_such_byte(
            byte in prop_oneof![Just(b'<'), any::<u8>()],
            mut bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'<'), Just(b'='), Just(b';'), Just(0), Just(0x80), Just(0xFF)], 0..80),
            none_before in 0..80_usize,
        ) {
            for b in bytes.iter_mut().take(none_before) {
                *b = if *b == byte { byte.wrapping_add(1) } else { *b };
            }
            prop_assert_eq!(find_near(byte, &bytes), bytes.iter().position(|b| *b == byte));
        }
    }
}
