//! Cursors: a place in a list as text that means nothing to whoever holds it.
//!
//! A cursor names no workspace and no agent; those come from the caller's own claims, so one that is taken from
//! somebody else leads nowhere new.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::ports::Position;
use runtime::Problem;

/// The cursor of a place.
pub(crate) fn write(position: Position) -> String {
    URL_SAFE_NO_PAD.encode(position.to_string())
}

/// The place of a cursor.
///
/// # Errors
/// [`Problem::InvalidCursor`] for anything that [`write`] did not make.
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
    fn a_cursor_leads_back_to_its_place() {
        let position = Position {
            created_at: "2026-01-05T10:00:00.123Z".parse().unwrap(),
            id: PaymentRequestId::new(&domain::Doors::default()).unwrap(),
        };
        assert_eq!(read(&write(position)).unwrap(), position);
    }

    #[test]
    fn anything_else_is_no_cursor() {
        let right = write(Position {
            created_at: "2026-01-05T10:00:00Z".parse().unwrap(),
            id: PaymentRequestId::new(&domain::Doors::default()).unwrap(),
        });
        for text in ["", "x", "AAAA", &right[1..], &format!("{right}="), &"A".repeat(100_000), "ä"] {
            assert!(matches!(read(text), Err(Problem::InvalidCursor)), "{}", text.len());
        }
    }
}
