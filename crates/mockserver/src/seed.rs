//! Everything invented comes from here: reproducible dice, and a permutation that makes ids look random yet reversible.

/// Width of what [`Permutation`] permutes: ids keep within 12 digits with it.
const INDEX_BITS: u32 = 38;
const HALF_BITS: u32 = INDEX_BITS / 2;
const HALF_MASK: u64 = (1 << HALF_BITS) - 1;
const ROUNDS: u64 = 4;

/// Indices of people lie below this.
pub(crate) const INDEX_LIMIT: u64 = 1 << INDEX_BITS;

const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finaliser of splitmix64: every bit of the input moves every bit of the result.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// What a throw decides. Each use has its own sequence, so that drawing one more value for one of them moves no other.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Cities = 1,
    People,
    Wishes,
    Likes,
    Models,
    Cars,
    Bytes,
}

/// A reproducible sequence of throws for one thing (a person, a car).
#[derive(Debug)]
pub(crate) struct Dice {
    state: u64,
}

impl Dice {
    pub(crate) fn new(seed: u64, purpose: Purpose, which: u64) -> Self {
        let salted = mix(seed.wrapping_add(GOLDEN_GAMMA.wrapping_mul(purpose as u64)));
        Self { state: mix(salted ^ which.wrapping_mul(GOLDEN_GAMMA)) }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN_GAMMA);
        mix(self.state)
    }

    /// A number from 0 to `n` − 1; `n` is at least 1.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        debug_assert!(n > 0);
        // The high bits of a 128-bit product: quicker than a remainder, and as even for the small n used here.
        u64::try_from((u128::from(self.next()) * u128::from(n)) >> 64).expect("the product's high half fits")
    }

    pub(crate) fn between(&mut self, least: u32, most: u32) -> u32 {
        debug_assert!(least <= most);
        let offset = self.below(u64::from(most - least) + 1);
        least + u32::try_from(offset).expect("the offset is below a 32-bit span")
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        let chosen = self.below(choices.len() as u64);
        choices[usize::try_from(chosen).expect("an index of a slice in memory")]
    }
}

/// A seeded bijection on 0..[`INDEX_LIMIT`]: a Feistel network, so the way back needs no table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Permutation {
    seed: u64,
}

impl Permutation {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed: mix(!seed) }
    }

    fn round(self, round: u64, half: u64) -> u64 {
        mix(self.seed ^ (round << 32) ^ half) & HALF_MASK
    }

    pub(crate) fn forward(self, index: u64) -> u64 {
        debug_assert!(index < INDEX_LIMIT);
        let (mut left, mut right) = (index >> HALF_BITS, index & HALF_MASK);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ self.round(round, right));
        }
        (left << HALF_BITS) | right
    }

    pub(crate) fn back(self, permuted: u64) -> u64 {
        debug_assert!(permuted < INDEX_LIMIT);
        let (mut left, mut right) = (permuted >> HALF_BITS, permuted & HALF_MASK);
        for round in (0..ROUNDS).rev() {
            (left, right) = (right ^ self.round(round, left), left);
        }
        (left << HALF_BITS) | right
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_permutation_goes_there_and_back(seed: u64, index in 0..INDEX_LIMIT) {
            let permutation = Permutation::new(seed);
            let there = permutation.forward(index);
            prop_assert!(there < INDEX_LIMIT);
            prop_assert_eq!(permutation.back(there), index);
        }

        #[test]
        fn dice_stay_within_bounds(seed: u64, which: u64, n in 1..1_000_000u64) {
            prop_assert!(Dice::new(seed, Purpose::People, which).below(n) < n);
        }
    }

    #[test]
    fn dice_of_other_purpose_or_thing_fall_otherwise() {
        let first = |purpose, which| Dice::new(1, purpose, which).next();
        assert_eq!(first(Purpose::People, 1), first(Purpose::People, 1));
        assert_ne!(first(Purpose::People, 1), first(Purpose::People, 2));
        assert_ne!(first(Purpose::People, 1), first(Purpose::Wishes, 1));
    }
}
