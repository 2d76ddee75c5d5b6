//! Static files embedded in a function's binary by the build-script crate `embed`, and the responses that serve them.

use crate::content_coding::takes_gzip;
use crate::problem::Problem;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderValue, Response};
use lambda_http::{Body, Request};

/// An embedded folder of static files.
#[derive(Debug, Clone, Copy)]
pub struct Assets {
    /// The folder's version, part of every file's URL. It is derived from the contents of all files, so that it changes
    /// whenever one of them does.
    pub version: &'static str,
    /// The files in the folder.
    pub files: &'static [Asset],
}

/// One embedded file, plain and compressed.
#[derive(Debug, Clone, Copy)]
pub struct Asset {
    /// The file's name within the folder.
    pub name: &'static str,
    /// The value of its `Content-Type` header.
    pub content_type: &'static str,
    /// The uncompressed content.
    pub bytes: &'static [u8],
    /// The content compressed with gzip (RFC 1952).
    pub gzip: &'static [u8],
}

impl Assets {
    /// Builds the response for a file of this version. Clients may cache it for a year without revalidation.
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
        // The API adds the allowed origin to responses for pages of other sites.
        headers.insert(VARY, HeaderValue::from_static("accept-encoding, origin"));
        if compressed {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::ACCEPT_ENCODING;

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
    fn a_file_is_compressed_for_a_client_that_accepts_it() {
        for (encodings, compressed) in [(None, false), (Some("br"), false), (Some("br, gzip"), true)] {
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
