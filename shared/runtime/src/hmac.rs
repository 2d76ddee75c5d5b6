//! HMAC-SHA256 and HMAC-SHA512 (RFC 2104), the basis of webhook signatures, and comparison in constant time.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq;

/// Computes the HMAC-SHA256 of a message given in parts. Only the concatenation of the parts matters, not how the
/// message is divided.
///
/// # Panics
/// Never: HMAC accepts keys of every length.
#[must_use]
#[expect(clippy::expect_used, reason = "HMAC takes keys of every length (RFC 2104, section 2)")]
pub fn code(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    for part in parts {
        hmac.update(part);
    }
    hmac.finalize().into_bytes().into()
}

/// Computes the same HMAC as [`code`], in lower-case hexadecimal.
#[must_use]
pub fn hexadecimal(key: &[u8], parts: &[&[u8]]) -> String {
    hex::encode(code(key, parts))
}

/// Computes the HMAC-SHA512 of a message, in lower-case hexadecimal.
///
/// # Panics
/// Never: HMAC accepts keys of every length.
#[must_use]
#[expect(clippy::expect_used, reason = "HMAC takes keys of every length (RFC 2104, section 2)")]
pub fn hexadecimal_of_512_bits(key: &[u8], message: &[u8]) -> String {
    let mut hmac = Hmac::<Sha512>::new_from_slice(key).expect("a key of any length");
    hmac.update(message);
    hex::encode(hmac.finalize().into_bytes())
}

/// Compares two byte strings in a time that depends only on their lengths, so that a signature cannot be guessed byte
/// by byte.
#[must_use]
pub fn equal_in_constant_time(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test cases 2 and 6 of RFC 4231: a short key, and one that is longer than the hash function's block.
    #[test]
    fn a_code_matches_the_standard_however_the_message_is_split() {
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hexadecimal(b"Jefe", &[b"what do ya want for nothing?"]), expected);
        assert_eq!(hexadecimal(b"Jefe", &[b"what do ya ", b"", b"want for nothing?"]), expected);
        let expected = "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54";
        assert_eq!(hexadecimal(&[0xaa; 131], &[b"Test Using Larger Than Block-Size Key - Hash Key First"]), expected);
    }

    /// The same test cases, with the codes that RFC 4231 gives for HMAC-SHA512.
    #[test]
    fn a_code_of_512_bits_matches_the_standard() {
        let expected = "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
                        9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737";
        assert_eq!(hexadecimal_of_512_bits(b"Jefe", b"what do ya want for nothing?"), expected);
        let expected = "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352\
                        6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598";
        let message = b"Test Using Larger Than Block-Size Key - Hash Key First";
        assert_eq!(hexadecimal_of_512_bits(&[0xaa; 131], message), expected);
    }

    #[test]
    fn only_identical_bytes_are_equal() {
        assert!(equal_in_constant_time(b"abc", b"abc"));
        for other in [b"abd".as_slice(), b"ab", b"abcd", b""] {
            assert!(!equal_in_constant_time(b"abc", other));
        }
    }
}
