//! Static files that a function carries in itself, as the crate `embed` puts them there.

use crate::problem::Problem;
use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderValue, Response};
use lambda_http::{Body, Request};

/// A folder of files.
#[derive(Debug, Clone, Copy)]
pub struct Assets {
    /// Changes with every file, and is part of every address.
    pub version: &'static str,
    /// The files.
    pub files: &'static [Asset],
}

/// One file.
#[derive(Debug, Clone, Copy)]
pub struct Asset {
    /// Its name in the folder.
    pub name: &'static str,
    /// What it is.
    pub content_type: &'static str,
    /// It as it is.
    pub bytes: &'static [u8],
    /// It compressed (RFC 1952).
    pub gzip: &'static [u8],
}

impl Assets {
    /// A file of this version, for whoever asks to keep as long as they like.
    ///
    /// # Errors
    /// [`Problem::NotFound`] for another version or an unknown name.
    pub fn answer(&self, request: &Request, version: &str, name: &str) -> Result<Response<Body>, Problem> {
        let asset = self.files.iter().find(|asset| asset.name == name && version == self.version);
        let asset = asset.ok_or(Problem::NotFound)?;
        let compressed = takes_gzip(request);
        let mut response = Response::new(Body::Binary(if compressed { asset.gzip } else { asset.bytes }.to_vec()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
        // The API adds the origin that it allows to answers for other sites' pages.
        headers.insert(VARY, HeaderValue::from_static("accept-encoding, origin"));
        if compressed {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        Ok(response)
    }
}

/// Whether the answer may be compressed: every browser says `gzip`, and none refuses it by a weight of zero except in
/// as many words (RFC 9110, section 12.5.3).
fn takes_gzip(request: &Request) -> bool {
    let values = request.headers().get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok()).unwrap_or(1.0);
        name.trim().eq_ignore_ascii_case("gzip") && weight > 0.0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASSETS: Assets = Assets {
        version: "0123",
        files: &[Asset { name: "a.js", content_type: "text/javascript", bytes: b"plain", gzip: b"small" }],
    };

    fn asked(encodings: Option<&str>) -> Request {
        let mut request = Request::new(Body::Empty);
        if let Some(encodings) = encodings {
            request.headers_mut().insert(ACCEPT_ENCODING, encodings.parse().unwrap());
        }
        request
    }

    #[test]
    fn a_file_is_compressed_for_whoever_takes_that() {
        for (encodings, compressed) in [
            (None, false),
            (Some("br"), false),
            (Some("gzip;q=0, br"), false),
            (Some("gzip; q=0.0"), false),
            (Some("gzip"), true),
            (Some("br, GZIP;q=0.5"), true),
        ] {
            let response = ASSETS.answer(&asked(encodings), "0123", "a.js").unwrap();
            assert_eq!(response.headers().contains_key(CONTENT_ENCODING), compressed, "{encodings:?}");
            assert_eq!(response.body().as_ref(), if compressed { b"small" } else { b"plain" }, "{encodings:?}");
            assert_eq!(response.headers()[VARY], "accept-encoding, origin");
        }
    }

    #[test]
    fn another_version_or_name_is_not_found() {
        for (version, name) in [("0124", "a.js"), ("0123", "b.js"), ("", "a.js"), ("0123", "../a.js")] {
            assert!(matches!(ASSETS.answer(&asked(None), version, name), Err(Problem::NotFound)));
        }
    }
}
