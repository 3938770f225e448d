//! A short name for a state.

use std::fmt::{self, Debug, Write};
use std::hash::{DefaultHasher, Hasher};

/// 128 bits of everything that `Debug` shows of a value. Two states that differ anywhere show
/// different texts (numbers are printed so that they read back the same); that two texts of some
/// ten million share 128 bits is not to be expected in the life of this machine.
pub(super) fn digest(value: &impl Debug) -> u128 {
    let mut text = Hashed(DefaultHasher::new(), DefaultHasher::new());
    // The second half differs from the first by what it begins with.
    text.1.write_u8(1);
    // Writing to a hasher can't fail, and the derived `Debug` has no other way to.
    let _infallible = write!(text, "{value:?}");
    u128::from(text.0.finish()) << 64 | u128::from(text.1.finish())
}

struct Hashed(DefaultHasher, DefaultHasher);

impl Write for Hashed {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        self.1.write(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_in_the_last_place_of_a_number_differs() {
        let next = f64::from_bits(0.1_f64.to_bits() + 1);
        assert_ne!(digest(&0.1_f64), digest(&next));
        assert_eq!(digest(&[1, 2]), digest(&[1, 2]));
        let digest = digest(&1);
        assert_ne!((digest >> 64) as u64, digest as u64);
    }
}
