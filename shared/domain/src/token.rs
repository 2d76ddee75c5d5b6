//! The secret token in a customer's link.

use crate::doors::{NoRandomness, Randomness};
use crate::invalid::Invalid;
use std::fmt;
use std::str::FromStr;

/// A link's token: 128 random bits, in base58 always 22 characters. Its holder may see and pay the request, so `Debug`
/// redacts it.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkToken([u8; 16]);

const LENGTH: usize = 22;

impl LinkToken {
    /// Generates a random token.
    ///
    /// # Errors
    /// [`NoRandomness`]
    pub fn random(randomness: &impl Randomness) -> Result<Self, NoRandomness> {
        let mut bytes = [0; 16];
        randomness.fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// Returns the token's text, for use in the link only.
    #[must_use]
    pub fn reveal(&self) -> String {
        let text = bs58::encode(self.0).into_string();
        // Base58 drops leading zeros that carry no byte of their own. Pad with `1`, its zero: links are recognizable by
        // a constant length.
        format!("{text:1>LENGTH$}")
    }
}

impl FromStr for LinkToken {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        const WRONG: Invalid = Invalid("is not a link token");
        if text.len() != LENGTH {
            return Err(WRONG);
        }
        // Base58 decodes each leading `1` to a zero byte, so only the last sixteen bytes count. Anything before them
        // must be zero: a larger number is rejected.
        let bytes = bs58::decode(text).into_vec().map_err(|_| WRONG)?;
        let (padding, value) = bytes.split_at_checked(bytes.len().saturating_sub(16)).ok_or(WRONG)?;
        if padding.iter().any(|byte| *byte != 0) {
            return Err(WRONG);
        }
        let mut token = [0; 16];
        token.get_mut(16 - value.len()..).ok_or(WRONG)?.copy_from_slice(value);
        let token = Self(token);
        // Each token has one text: reject any other text that decodes to the same bytes.
        if token.reveal() == text { Ok(token) } else { Err(WRONG) }
    }
}

impl fmt::Debug for LinkToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("LinkToken(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_token_has_22_characters_and_parses_to_itself(bytes: [u8; 16]) {
            let text = LinkToken(bytes).reveal();
            prop_assert_eq!(text.len(), 22);
            prop_assert!(text.parse::<LinkToken>().unwrap() == LinkToken(bytes));
        }

        #[test]
        fn no_text_breaks_the_parser(text in ".{0,40}") {
            if let Ok(token) = text.parse::<LinkToken>() {
                prop_assert_eq!(token.reveal(), text);
            }
        }
    }

    #[test]
    fn tokens_with_leading_zeros_keep_their_length() {
        for bytes in [
            [0; 16],
            [0xff; 16],
            {
                let mut b = [0; 16];
                b[15] = 1;
                b
            },
            {
                let mut b = [7; 16];
                b[0] = 0;
                b
            },
        ] {
            let text = LinkToken(bytes).reveal();
            assert_eq!(text.len(), 22);
            assert_eq!(text.parse::<LinkToken>().unwrap(), LinkToken(bytes));
        }
    }

    #[test]
    fn a_token_is_never_shown_in_a_log() {
        assert_eq!(format!("{:?}", LinkToken([1; 16])), "LinkToken(redacted)");
    }
}
