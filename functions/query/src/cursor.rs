//! Cursors: opaque texts that encode a position in a list.
//!
//! A cursor contains no workspace and no agent. Both come from the caller's own claims, so another caller's cursor
//! gives access to nothing more.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::ports::Position;
use runtime::Problem;

/// Encodes a position as a cursor.
pub(crate) fn write(position: Position) -> String {
    URL_SAFE_NO_PAD.encode(position.to_string())
}

/// Decodes a cursor to its position.
///
/// # Errors
/// [`Problem::InvalidCursor`] for any text that [`write`] does not produce.
pub(crate) fn read(cursor: &str) -> Result<Position, Problem> {
    let position =
        || -> Option<Position> { String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?.parse().ok() };
    position().filter(|position| write(*position) == cursor).ok_or(Problem::InvalidCursor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::PaymentRequestId;

    #[test]
    fn a_cursor_decodes_to_its_place() {
        let position = Position {
            created_at: "2026-01-05T10:00:00.123Z".parse().unwrap(),
            id: PaymentRequestId::new(&domain::Doors::default()).unwrap(),
        };
        assert_eq!(read(&write(position)).unwrap(), position);
    }

    #[test]
    fn any_other_text_is_not_a_cursor() {
        let right = write(Position {
            created_at: "2026-01-05T10:00:00Z".parse().unwrap(),
            id: PaymentRequestId::new(&domain::Doors::default()).unwrap(),
        });
        for text in ["", "x", "AAAA", &right[1..], &format!("{right}="), &"A".repeat(100_000), "ä"] {
            assert!(matches!(read(text), Err(Problem::InvalidCursor)), "{}", text.len());
        }
    }
}
