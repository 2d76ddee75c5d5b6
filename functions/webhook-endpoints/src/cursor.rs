//! Cursors: opaque texts that encode a place in an endpoint's log. The endpoint is not in it, so that another one's
//! cursor gives access to nothing more.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::ports::DeliveryPlace;
use runtime::Problem;

/// Encodes a place as a cursor.
pub(crate) fn write(place: &DeliveryPlace) -> String {
    URL_SAFE_NO_PAD.encode(format!("{} {}", place.occurred_at, place.event))
}

/// Decodes a cursor to its place.
///
/// # Errors
/// [`Problem::InvalidCursor`] for any text that [`write`] does not produce.
pub(crate) fn read(cursor: &str) -> Result<DeliveryPlace, Problem> {
    let place = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
        let (occurred_at, event) = text.split_once(' ')?;
        Some(DeliveryPlace { occurred_at: occurred_at.parse().ok()?, event: event.parse().ok()? })
    };
    place().filter(|place| write(place) == cursor).ok_or(Problem::InvalidCursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_decodes_to_its_place_and_any_other_text_is_none() {
        let place = DeliveryPlace {
            occurred_at: "2026-01-05T10:00:00.123Z".parse().unwrap(),
            event: "0199-a#12".parse().unwrap(),
        };
        let right = write(&place);
        assert_eq!(read(&right).unwrap(), place);
        for text in ["", "x", "AAAA", &right[1..], &format!("{right}="), &"A".repeat(100_000), "ä"] {
            assert!(matches!(read(text), Err(Problem::InvalidCursor)), "{}", text.len());
        }
    }
}
