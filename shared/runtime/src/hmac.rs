//! HMAC-SHA256 (RFC 2104), as the signatures of webhooks are made of it.

use hmac_sha256::HMAC;

/// The code of a message that is made of these parts, one after another. Two messages whose parts run together have the same.
#[must_use]
pub fn code(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut hmac = HMAC::new(key);
    for part in parts {
        hmac.update(part);
    }
    hmac.finalize()
}

/// The same in hexadecimal, in lower case.
#[must_use]
pub fn hexadecimal(key: &[u8], parts: &[&[u8]]) -> String {
    code(key, parts).iter().fold(String::with_capacity(64), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(digit.into(), 16).unwrap_or_default());
        }
        text
    })
}

/// Takes as long for a near miss as for a wild one, so that a signature cannot be found a byte at a time.
#[must_use]
pub fn equal_in_constant_time(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test case 2 of RFC 4231.
    #[test]
    fn a_code_is_that_of_the_standard_however_its_message_is_divided() {
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hexadecimal(b"Jefe", &[b"what do ya want for nothing?"]), expected);
        assert_eq!(hexadecimal(b"Jefe", &[b"what do ya ", b"", b"want for nothing?"]), expected);
    }

    #[test]
    fn only_the_same_bytes_are_equal() {
        assert!(equal_in_constant_time(b"abc", b"abc"));
        for other in [b"abd".as_slice(), b"ab", b"abcd", b""] {
            assert!(!equal_in_constant_time(b"abc", other));
        }
    }
}
