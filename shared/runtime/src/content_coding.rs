//! Compression of responses for callers who take it (RFC 9110, section 8.4). Neither API Gateway's HTTP API nor
//! `lambda_http` compresses anything.

use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, ETAG, VARY};
use http::{HeaderMap, HeaderValue, Response};
use lambda_http::{Body, Request};
use std::io::Write as _;

/// The least length of a body that is compressed, in bytes. A shorter one fits into one packet either way.
const AT_LEAST: usize = 1_000;

/// The fastest level: a second in which an answer is compressed is paid for, and the best level saves a tenth more.
const LEVEL: Compression = Compression::fast();

/// Returns whether the client accepts gzip. Every browser lists `gzip` by name, so `*` is not evaluated; a client
/// refuses it only by naming it with a weight of zero (RFC 9110, section 12.5.3).
pub(crate) fn takes_gzip(request: &Request) -> bool {
    let values = request.headers().get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok()).unwrap_or(1.0);
        name.trim().eq_ignore_ascii_case("gzip") && weight > 0.0
    })
}

/// Compresses a response, if its client takes gzip and its body is a text of some length that is not compressed yet.
pub(crate) fn compressed(response: Response<Body>, takes_gzip: bool) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    let Body::Text(text) = body else { return Response::from_parts(parts, body) };
    if text.len() < AT_LEAST || !is_text(&parts.headers) || parts.headers.contains_key(CONTENT_ENCODING) {
        return Response::from_parts(parts, Body::Text(text));
    }
    vary(&mut parts.headers);
    // Writing into memory cannot fail.
    match takes_gzip.then(|| gzip(text.as_bytes())).and_then(Result::ok) {
        None => Response::from_parts(parts, Body::Text(text)),
        Some(bytes) => {
            debug_assert!(
                parts.headers.get(ETAG).is_none_or(|tag| tag.as_bytes().starts_with(b"W/")),
                "a strong entity tag names the bytes, which differ by their coding (RFC 9110, section 8.8.3)"
            );
            parts.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            Response::from_parts(parts, Body::Binary(bytes))
        }
    }
}

/// Says that the response depends on what its client takes, so that no cache hands one form to everybody. The API takes
/// one value of each header.
fn vary(headers: &mut HeaderMap) {
    let others = headers.get(VARY).and_then(|value| value.to_str().ok());
    let value = others.map(|others| HeaderValue::try_from(format!("{others}, accept-encoding")));
    let value = value.and_then(Result::ok).unwrap_or(HeaderValue::from_static("accept-encoding"));
    headers.insert(VARY, value);
}

fn is_text(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.starts_with("text/") || kind == "application/json" || kind.ends_with("+json")
}

fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), LEVEL);
    encoder.write_all(bytes)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use std::io::Read as _;

    fn request(encodings: Option<&str>) -> Request {
        let mut request = Request::new(Body::Empty);
        if let Some(encodings) = encodings {
            request.headers_mut().insert(ACCEPT_ENCODING, encodings.parse().unwrap());
        }
        request
    }

    fn response(content_type: &'static str, body: impl Into<Body>) -> Response<Body> {
        let mut response = Response::new(body.into());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        response.headers_mut().insert(VARY, HeaderValue::from_static("accept-language"));
        response
    }

    #[test]
    fn a_client_takes_gzip_if_it_names_it_without_a_weight_of_zero() {
        for (encodings, takes) in [
            (None, false),
            (Some("br"), false),
            (Some("gzip;q=0, br"), false),
            (Some("gzip; q=0.0"), false),
            (Some("gzip"), true),
            (Some("br, GZIP;q=0.5"), true),
        ] {
            assert_eq!(takes_gzip(&request(encodings)), takes, "{encodings:?}");
        }
    }

    #[test]
    fn pages_lists_and_problems_are_compressed_for_those_who_take_it() {
        let text = "a".repeat(AT_LEAST);
        for kind in ["text/html; charset=utf-8", "application/json", "application/problem+json"] {
            let answer = compressed(response(kind, text.clone()), true);
            assert_eq!(answer.headers()[CONTENT_ENCODING], "gzip", "{kind}");
            let mut read = String::new();
            GzDecoder::new(answer.body().as_ref()).read_to_string(&mut read).unwrap();
            assert_eq!(read, text);
            let plain = compressed(response(kind, text.clone()), false);
            assert!(!plain.headers().contains_key(CONTENT_ENCODING));
            assert_eq!(plain.body().as_ref(), text.as_bytes());
            for answer in [answer, plain] {
                assert_eq!(answer.headers()[VARY], "accept-language, accept-encoding");
            }
        }
    }

    #[test]
    fn a_short_body_another_type_and_what_is_compressed_stay_as_they_are() {
        let (short, long) = ("a".repeat(AT_LEAST - 1), "a".repeat(AT_LEAST));
        let mut coded = response("text/plain", long.clone());
        coded.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("br"));
        for answer in [
            response("text/html", short),
            response("text/html", Body::Empty),
            response("image/svg+xml", long.clone()),
            response("text/css", long.into_bytes()),
            coded,
        ] {
            let (headers, body) = (answer.headers().clone(), answer.body().as_ref().to_vec());
            let answer = compressed(answer, true);
            assert_eq!((answer.headers(), answer.body().as_ref()), (&headers, &*body));
        }
    }
}
