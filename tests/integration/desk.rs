//! The desk's pages over the gateway: their content, the sources they may load from, and the caching of their files.

use reqwest::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, VARY};
use reqwest::{Client, Response};
use tests::system::System;

fn client() -> Client {
    Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

async fn get(system: &System, path: &str) -> Response {
    client().get(format!("{}{path}", system.base())).send().await.unwrap()
}

fn header(response: &Response, name: reqwest::header::HeaderName) -> &str {
    response.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
}

/// Returns the addresses of the project's own files in a page.
fn files(page: &str) -> Vec<String> {
    let addresses = page.split(['"', '\'']).filter(|text| text.starts_with("/desk/assets/"));
    addresses.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_page_loads_only_its_own_files_and_is_revalidated() {
    let system = System::start(&[]).await;
    for path in ["/desk", "/desk/supervisor", "/desk/signed-in"] {
        let response = get(&system, path).await;
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(header(&response, CONTENT_TYPE), "text/html; charset=utf-8");
        assert_eq!(header(&response, CACHE_CONTROL), "no-cache");
        let policy = header(&response, CONTENT_SECURITY_POLICY).to_owned();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(policy.contains("script-src 'self';") && !policy.contains("unsafe"), "{policy}");
        let page = response.text().await.unwrap();
        assert!(!page.contains("<style") && !page.contains("style=\"") && !page.contains("<script>"), "{path}");
        let files = files(&page);
        assert!(!files.is_empty(), "{path}");
        for file in files {
            assert_eq!(get(&system, &file).await.status(), 200, "{file}");
        }
    }
}

#[tokio::test]
async fn a_file_is_immutable_and_compressed() {
    let system = System::start(&[]).await;
    let page = get(&system, "/desk").await.text().await.unwrap();
    let (mut before, mut after) = (0, 0);
    for file in files(&page) {
        let plain = get(&system, &file).await;
        assert_eq!(header(&plain, CACHE_CONTROL), "public, max-age=31536000, immutable");
        assert_eq!(header(&plain, VARY).split(", ").collect::<Vec<_>>(), ["accept-encoding", "origin"]);
        assert_eq!(header(&plain, CONTENT_ENCODING), "");
        let plain = plain.bytes().await.unwrap();

        let url = format!("{}{file}", system.base());
        let compressed = client().get(url).header("accept-encoding", "gzip, br").send().await.unwrap();
        assert_eq!(header(&compressed, CONTENT_ENCODING), "gzip");
        let compressed = compressed.bytes().await.unwrap();
        assert!(compressed.starts_with(&[0x1f, 0x8b]), "{file}");
        (before, after) = (before + plain.len(), after + compressed.len());
    }
    assert!(after < before / 2, "{before} bytes became {after}");
}

#[tokio::test]
async fn the_embedding_address_redirects_to_the_current_version() {
    let system = System::start(&[]).await;
    let response = get(&system, "/desk/element.js").await;
    assert_eq!((response.status().as_u16(), header(&response, CACHE_CONTROL)), (302, "no-cache"));
    let file = header(&response, LOCATION).to_owned();
    assert_eq!(file, format!("/desk/assets/{}/agent/element.js", desk::ASSETS.version));
    assert_eq!(get(&system, &file).await.status(), 200);
}

#[tokio::test]
async fn an_unknown_file_is_not_found() {
    let system = System::start(&[]).await;
    let version = desk::ASSETS.version;
    // What has no route, the gateway answers, and the function what it does not have.
    for (path, content_type) in [
        ("/desk/".to_owned(), "application/json"),
        ("/desk/elsewhere".to_owned(), "application/json"),
        (format!("/desk/assets/{version}"), "application/json"),
        (format!("/desk/assets/{version}/element.js"), "application/json"),
        (format!("/desk/assets/{version}/agent/nothing.js"), "application/problem+json"),
        (format!("/desk/assets/{version}/shared/element.js"), "application/problem+json"),
        (format!("/desk/assets/{version}/agent/..%2Fdesk.js"), "application/json"),
        (format!("/desk/assets/{version}/agent%2Felement.js/element.js"), "application/json"),
        ("/desk/assets/0123456789abcdef/agent/element.js".to_owned(), "application/problem+json"),
    ] {
        let response = get(&system, &path).await;
        assert_eq!(response.status(), 404, "{path}");
        assert_eq!(header(&response, CONTENT_TYPE), content_type, "{path}");
    }
}

#[tokio::test]
async fn other_sites_load_the_element_only_from_allowed_origins() {
    let system = System::start(&[("ALLOWED_ORIGINS", "https://chat.example.com")]).await;
    for (origin, allowed) in [("https://chat.example.com", true), ("https://evil.example.com", false)] {
        for path in ["/desk/element.js".to_owned(), format!("/desk/assets/{}/agent/element.js", desk::ASSETS.version)] {
            let url = format!("{}{path}", system.base());
            let response = client().get(url).header("origin", origin).send().await.unwrap();
            assert_eq!(response.headers().contains_key("access-control-allow-origin"), allowed, "{origin} {path}");
        }
    }
}

#[tokio::test]
async fn tokens_are_requested_only_from_the_configured_identity_provider() {
    let settings = [
        ("SIGN_IN", "oauth"),
        ("SIGN_IN_ISSUER", "https://id.example.com/pool"),
        ("SIGN_IN_CLIENT_ID", "\"><script>"),
        ("SIGN_IN_ENDPOINTS", "https://login.example.com"),
    ];
    let system = System::start(&settings).await;
    let response = get(&system, "/desk").await;
    let policy = header(&response, CONTENT_SECURITY_POLICY);
    let connect = policy.split("; ").find(|directive| directive.starts_with("connect-src")).unwrap();
    let live = system.base().replacen("http:", "ws:", 1);
    assert_eq!(connect, format!("connect-src 'self' https://id.example.com https://login.example.com {live}"));
    assert!(!response.text().await.unwrap().contains("<script>"));
}
