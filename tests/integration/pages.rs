//! The customer's pages: what they show, what they never reveal, and their headers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::json;
use tests::system::{Answer, SHORT_CHECKOUT, SHORT_LINK, System, eventually, id, link, now, order, paid, phone};

/// Returns the value of a directive in a page's Content-Security-Policy.
fn directive<'a>(page: &'a Answer, name: &str) -> &'a str {
    let policy = page.header("content-security-policy");
    let found = policy.split(';').map(str::trim).find_map(|directive| directive.strip_prefix(name));
    found.unwrap_or_else(|| panic!("no {name} in {policy}")).trim()
}

/// Asserts the headers that every page has, whatever its content.
fn assert_guarded(page: &Answer) {
    for (name, value) in [
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-robots-tag", "noindex"),
        ("x-content-type-options", "nosniff"),
        ("content-type", "text/html; charset=utf-8"),
        ("vary", "accept-language, cookie"),
    ] {
        assert_eq!(page.header(name), value, "{name}: {page:?}");
    }
    assert_eq!(directive(page, "default-src"), "'none'");
    assert_eq!(directive(page, "base-uri"), "'none'");
    assert_eq!(directive(page, "frame-ancestors"), "'none'");
    assert!(directive(page, "form-action").starts_with("'self'"));
    let policy = page.header("content-security-policy");
    for loose in ["unsafe-inline", "unsafe-eval", "*", "data:", "http:;", "https:;"] {
        assert!(!policy.contains(loose), "{policy}");
    }
    assert_eq!(page.header("set-cookie"), "");
}

/// Returns the address of a page's script, as the page contains it.
fn script(page: &Answer) -> &str {
    let (_, rest) = page.text().split_once("<script type=\"module\" src=\"").unwrap();
    rest.split('"').next().unwrap()
}

/// Requests the page behind a link with this header.
async fn page_with(system: &System, link: &str, name: &str, value: &str) -> Answer {
    Answer::of(system.request(Method::GET, link).header(name, value)).await
}

/// Returns the head of a page, which chat apps and search engines read before anybody opens the link.
fn head(page: &Answer) -> &str {
    let (head, _) = page.text().split_once("<body").unwrap();
    head
}

#[tokio::test]
async fn every_page_has_the_protective_headers() {
    let (system, short) = (System::shared(&[]).await, System::shared(SHORT_LINK).await);
    let alice = system.alice().await;
    let (live, canceled, settled) = (alice.sent().await, alice.sent().await, alice.sent().await);
    alice.cancel(id(&canceled)).await;
    assert_eq!(system.webhook(&paid(&settled, "pay_1", now())).await.status, 200);
    let bob = short.alice().await;
    let expired = bob.sent().await;
    bob.wait_for_history(id(&expired), "expired").await;
    let unknown = format!("{}/p/1111111111111111111111", system.base());
    for (link, status) in [
        (link(&live), 200),
        (link(&settled), 200),
        (link(&canceled), 410),
        (link(&expired), 410),
        (&unknown, 404),
        (&format!("{}/p/x", system.base()), 404),
    ] {
        let page = system.page(Method::GET, link).await;
        assert_eq!(page.status, status, "{page:?}");
        assert_guarded(&page);
        let head = system.page(Method::HEAD, link).await;
        assert_eq!(head.status, status);
        assert!(head.body.is_empty());
        assert_guarded(&head);
        // The length of what the GET would send, and not of the body that is left out.
        assert_eq!(head.header("content-length"), page.header("content-length"), "{link}");
        assert_ne!(head.header("content-length"), "0", "{link}");
        assert_eq!(head.header("content-security-policy"), page.header("content-security-policy"));
    }
    for link in [link(&canceled), link(&expired), &unknown] {
        assert_guarded(&system.press(link).await);
    }
    // Redirects to the checkout and back may neither be cached nor reveal the link as a referrer.
    for link in [link(&live), link(&settled)] {
        let redirect = system.press(link).await;
        assert_eq!(redirect.status, 303);
        assert_eq!(redirect.header("cache-control"), "no-store");
        assert_eq!(redirect.header("referrer-policy"), "no-referrer");
        assert!(redirect.body.is_empty());
    }
}

#[tokio::test]
async fn the_policy_allows_the_pages_style_by_hash_and_only_own_script_files() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let sent = alice.sent().await;
    let page = system.page(Method::GET, link(&sent)).await;
    let (_, rest) = page.text().split_once("<style>").unwrap();
    let (style, _) = rest.split_once("</style>").unwrap();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, style.as_bytes());
    assert_eq!(directive(&page, "style-src"), format!("'sha256-{}'", STANDARD.encode(digest)));
    assert_eq!((directive(&page, "script-src"), directive(&page, "connect-src")), ("'self'", "'self'"));
    let html = page.text();
    assert!(html.contains(&format!("<script type=\"module\" src=\"{}\"></script>", script(&page))), "{html}");
    assert_eq!(html.matches("<script").count(), 1, "{html}");
    assert!(!html.contains("style=\"") && !html.contains("onclick") && !html.contains("<img"), "{html}");
    // Browsers also check the redirect that answers a form against `form-action`.
    let checkout = system.click(link(&sent)).await;
    let (self_only, origin) = directive(&page, "form-action").split_once(' ').unwrap();
    assert!(self_only == "'self'" && checkout.starts_with(origin), "{origin}: {checkout}");
}

#[tokio::test]
async fn a_live_page_shows_the_order_the_amount_the_time_left_and_one_button() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let sent = alice.sent().await;
    let page = system.page(Method::GET, link(&sent)).await;
    let html = page.text();
    for shown in ["10045", "R250.00", "2 x tickets", "Time left", alice.workspace.as_str()] {
        assert!(html.contains(shown), "{shown}: {html}");
    }
    assert!(html.contains(sent["link"]["expires_at"].as_str().unwrap()), "{html}");
    let (_, clock) = html.split_once("role=\"timer\"").unwrap();
    let clock = clock.split(['>', '<']).nth(1).unwrap();
    assert!(clock == "5:00" || clock.starts_with("4:"), "{clock}");
    assert_eq!(html.matches("<button").count(), 1, "{html}");
    assert_eq!(html.matches("<form method=\"post\"").count(), 1, "{html}");
    // The link passes through a chat, where previews must not reveal whom it is for.
    assert!(!html.contains(sent["customer"]["phone"].as_str().unwrap()) && !html.contains("Thandi"), "{html}");

    system.click(link(&sent)).await;
    let page = system.page(Method::GET, link(&sent)).await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("Time left") && page.text().matches("<button").count() == 1, "{page:?}");
    let clicked = alice.read(id(&sent)).await;
    assert!(page.text().contains(clicked["link"]["expires_at"].as_str().unwrap()), "{page:?}");
}

#[tokio::test]
async fn a_preview_shows_neither_amount_nor_name_nor_phone() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let (sent, canceled, settled) = (alice.sent().await, alice.sent().await, alice.sent().await);
    alice.cancel(id(&canceled)).await;
    assert_eq!(system.webhook(&paid(&settled, "pay_1", now())).await.status, 200);
    for request in [&sent, &canceled, &settled] {
        let page = system.page(Method::GET, link(request)).await;
        let head = head(&page);
        assert!(head.contains("og:title") && head.contains("og:description"), "{head}");
        let (before_style, rest) = head.split_once("<style>").unwrap();
        let (_, after_style) = rest.split_once("</style>").unwrap();
        for part in [before_style, after_style] {
            for secret in [
                "250",
                "25000",
                "R2",
                "ZAR",
                "Thandi",
                "Alice",
                "10045",
                "tickets",
                request["customer"]["phone"].as_str().unwrap(),
            ] {
                assert!(!part.contains(secret), "{secret}: {part}");
            }
        }
    }
}

#[tokio::test]
async fn an_ended_page_has_no_button_and_no_time_left() {
    let (system, short, checkout) =
        (System::shared(&[]).await, System::shared(SHORT_LINK).await, System::shared(SHORT_CHECKOUT).await);
    let alice = system.alice().await;
    let (canceled, refunded, settled) = (alice.sent().await, alice.sent().await, alice.sent().await);
    alice.cancel(id(&canceled)).await;
    alice.cancel(id(&refunded)).await;
    assert_eq!(system.webhook(&paid(&refunded, "pay_1", now())).await.status, 200);
    alice.wait_for(id(&refunded), "refunded").await;
    assert_eq!(system.webhook(&paid(&settled, "pay_1", now())).await.status, 200);
    let (bob, carol) = (short.alice().await, checkout.alice().await);
    let (unclicked, unpaid) = (bob.sent().await, carol.sent().await);
    checkout.click(link(&unpaid)).await;
    bob.wait_for_history(id(&unclicked), "expired").await;
    carol.wait_for_history(id(&unpaid), "expired").await;
    for (request, status, says) in [
        (&canceled, 410, "canceled"),
        (&refunded, 410, "sent the money back"),
        (&settled, 200, "Paid"),
        (&unclicked, 410, "expired"),
        (&unpaid, 410, "run out"),
    ] {
        let page = system.page(Method::GET, link(request)).await;
        assert_eq!(page.status, status, "{page:?}");
        let html = page.text();
        assert!(html.contains(says), "{says}: {html}");
        for gone in ["<button", "<form", "Time left", "http-equiv=\"refresh\""] {
            assert!(!html.contains(gone), "{gone}: {html}");
        }
    }
}

#[tokio::test]
async fn markup_in_texts_is_escaped() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let mut hostile = order(&phone());
    hostile["order_number"] = "<script>alert(1)</script>\"'&".into();
    hostile["description"] = "</dd></main><img src=x onerror=alert(1)>{{ 7*7 }}&lt;".into();
    hostile["customer"]["name"] = "<b>Thandi</b>".into();
    let sent = alice.sent_as(&hostile).await;
    let checkout = system.click(link(&sent)).await;
    for address in [link(&sent), &checkout] {
        let page = system.page(Method::GET, address).await;
        assert_eq!(page.status, 200);
        let html = page.text();
        for markup in ["<script>", "<img", "<b>", "</main><"] {
            assert!(!html.contains(markup), "{markup} in {html}");
        }
        // The text is shown as written: no markup is evaluated and no entity is resolved.
        let as_shown = html.replace("&#60;", "<").replace("&#62;", ">").replace("&#34;", "\"").replace("&#39;", "'");
        let as_shown = as_shown.replace("&#38;", "&");
        for text in ["order_number", "description"] {
            let text = hostile[text].as_str().unwrap();
            assert!(as_shown.contains(text), "{text} not in {html}");
        }
    }
}

#[tokio::test]
async fn amounts_are_formatted_by_the_rules_of_their_currency() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    for (amount, currency, written) in [
        (25_000, "ZAR", "R250.00"),
        (25_000, "JPY", "¥25,000"),
        (25_000, "KWD", "KWD\u{a0}25.000"),
        (99_999_999, "EUR", "€999,999.99"),
        (5, "USD", "$0.05"),
    ] {
        let phone = phone();
        let mut order = order(&phone);
        order["amount"] = json!(amount);
        order["currency"] = json!(currency);
        let sent = alice.sent_as(&order).await;
        let page = system.page(Method::GET, link(&sent)).await;
        assert!(page.text().contains(written), "{written}: {page:?}");
        let checkout = system.click(link(&sent)).await;
        let payment_page = system.page(Method::GET, &checkout).await;
        assert!(payment_page.text().contains(written), "{written}: {payment_page:?}");
        system.settle(&checkout, "succeeded").await;
        let texts = system.wait_for_texts(&phone, 2).await;
        let written = written.replace('\u{a0}', " ");
        assert!(texts.iter().all(|text| text.contains(&format!(" {written} "))), "{written}: {texts:?}");
    }
}

#[tokio::test]
async fn a_receipt_shows_the_amount_and_the_time_of_payment() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let sent = alice.sent().await;
    system.settle(&system.click(link(&sent)).await, "succeeded").await;
    let payment = alice.wait_for(id(&sent), "paid").await["payment"].clone();
    let page = system.page(Method::GET, link(&sent)).await;
    for shown in ["R250.00", "10045", payment["reference"].as_str().unwrap(), payment["paid_at"].as_str().unwrap()] {
        assert!(page.text().contains(shown), "{shown}: {page:?}");
    }
}

#[tokio::test]
async fn a_link_that_was_never_issued_is_unknown() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let sent = alice.sent().await;
    let token = link(&sent).rsplit('/').next().unwrap();
    let swapped: String = token
        .chars()
        .map(|character| if character.is_lowercase() { character.to_ascii_uppercase() } else { character })
        .collect();
    for wrong in [
        "x",
        &token[1..],
        &format!("{token}x"),
        &format!("{token}%00"),
        &format!("{token}%20"),
        &swapped,
        "0000000000000000000000",
        "zzzzzzzzzzzzzzzzzzzzzz",
        "%F0%9F%8E%9F",
        &"1".repeat(5_000),
    ] {
        for method in [Method::GET, Method::POST] {
            let page = system.page(method, &format!("/p/{wrong}")).await;
            assert_eq!(page.status, 404, "{wrong}");
            assert_guarded(&page);
            assert!(!page.text().contains("<button"), "{page:?}");
        }
    }
    assert_eq!(alice.read(id(&sent)).await, sent);
}

#[tokio::test]
async fn punctuation_that_a_chat_app_added_to_a_link_changes_nothing() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    for mark in ["/", ".", ",", ")", "]", ">", "\"", "'", "!", "?", ";", ":", "//", ".)", "!!!", "/."] {
        // Not every mark may stand in a path as it is, and some apps encode what another has encoded.
        let once = mark.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
        let twice = once.replace('%', "%25");
        for written in [mark, &once, &once.to_lowercase(), &twice] {
            let sent = alice.sent().await;
            let link = format!("{}{written}", link(&sent));
            let page = system.page(Method::GET, &link).await;
            assert_eq!((page.status, page.text().contains("<button")), (200, true), "{written}");
            assert_guarded(&page);
            assert_eq!(system.page(Method::GET, script(&page)).await.status, 200, "{written}");
            let head = system.page(Method::HEAD, &link).await;
            assert_eq!((head.status, head.header("etag")), (200, page.header("etag")), "{written}");
            assert_eq!(alice.read(id(&sent)).await["status"], "sent", "{written}");
            assert_eq!(system.press(&link).await.status, 303, "{written}");
            assert_eq!(alice.read(id(&sent)).await["status"], "clicked", "{written}");
        }
    }
}

#[tokio::test]
async fn every_other_path_at_or_below_p_is_the_customers_404_page() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let sent = alice.sent().await;
    let token = link(&sent).rsplit('/').next().unwrap();
    let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    let paths = ["/p", "/p/", "/p//", "/p/x", "/p/x/y/z", "/p/.", "/p/%2F", "/p/assets", "/p/assets/0/page.js"];
    let below = [format!("/p/{token}/x"), format!("/p/{token}x."), format!("/p/x/{token}"), format!("/p/.{token}")];
    for path in paths.into_iter().chain(below.iter().map(String::as_str)) {
        for method in methods {
            let page = system.page(method.parse().unwrap(), path).await;
            assert_eq!(page.status, 404, "{method} {path}");
            assert_guarded(&page);
            assert!(method == "HEAD" || page.text().contains("</html>"), "{method} {path}: {page:?}");
        }
    }
    for method in ["PUT", "PATCH", "DELETE", "OPTIONS"] {
        for path in [link(&sent), &format!("{}.", link(&sent))] {
            let page = system.page(method.parse().unwrap(), path).await;
            assert_eq!(page.status, 404, "{method} {path}");
            assert_guarded(&page);
        }
    }
    assert_eq!(alice.read(id(&sent)).await, sent);
}

#[tokio::test]
async fn a_press_is_a_click_whatever_the_form_contains() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    for (content_type, body) in [
        ("application/x-www-form-urlencoded", "a=1&b=%FF"),
        ("text/plain", "x"),
        ("multipart/form-data; boundary=x", "--x--"),
        ("application/octet-stream", "\u{0}\u{1}"),
    ] {
        let sent = alice.sent().await;
        let press = system.request(Method::POST, link(&sent)).header("content-type", content_type).body(body);
        assert_eq!(Answer::of(press).await.status, 303, "{content_type}");
        assert_eq!(alice.read(id(&sent)).await["status"], "clicked");
    }
    let sent = alice.sent().await;
    let too_much = system.request(Method::POST, link(&sent)).body("x".repeat(16 * 1024 + 1));
    let page = Answer::of(too_much).await;
    assert_eq!(page.status, 413);
    assert_guarded(&page);
    assert_eq!(alice.read(id(&sent)).await, sent);
}

#[tokio::test]
async fn a_page_is_in_the_language_that_the_browser_requests() {
    let system = System::shared(&[]).await;
    let sent = system.alice().await.sent().await;
    for (asked, language, direction, button) in [
        ("de", "en", "ltr", "Continue to payment"),
        ("fr-CA,fr;q=0.9,en;q=0.8", "fr", "ltr", "Continuer vers le paiement"),
        ("ar-EG", "ar", "rtl", "المتابعة إلى الدفع"),
    ] {
        let page = page_with(&system, link(&sent), "accept-language", asked).await;
        assert_eq!(page.header("content-language"), language);
        let html = page.text();
        assert!(html.contains(&format!("<html lang=\"{language}\" dir=\"{direction}\">")), "{html}");
        assert!(html.contains(button) && html.contains("R250.00") && html.contains("10045"), "{html}");
    }
    let unknown = page_with(&system, "/p/x", "accept-language", "fr").await;
    assert!(unknown.status == 404 && unknown.text().contains("Nous ne connaissons pas ce lien"), "{unknown:?}");
}

#[tokio::test]
async fn a_browser_that_returns_from_the_provider_is_recognized() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let sent = alice.sent().await;
    let pressed = system.press(link(&sent)).await;
    let (cookie, attributes) = pressed.header("set-cookie").split_once(';').unwrap();
    let token = link(&sent).rsplit('/').next().unwrap();
    assert_eq!(attributes, format!(" Path=/p/{token}; Max-Age=900; HttpOnly; SameSite=Lax"));
    assert!(!cookie.contains(token) && !cookie.contains(id(&sent)), "{cookie}");

    let back = page_with(&system, link(&sent), "cookie", &format!("other=1; {cookie}")).await;
    assert!(back.text().contains("Waiting for confirmation"), "{back:?}");
    assert!(system.page(Method::GET, link(&sent)).await.text().contains("Your payment page is open"));
    for nonsense in ["to_checkout=", "to_checkout=x", "to_checkout=99999999999999999999", "to_checkout"] {
        let page = page_with(&system, link(&sent), "cookie", nonsense).await;
        assert!(page.text().contains("Your payment page is open"), "{nonsense}: {page:?}");
    }

    // After a decline, the old cookie predates the failure and has no effect; the cookie of the next press does.
    system.settle(pressed.header("location"), "declined").await;
    let declined = eventually("the failed attempt", async || {
        let page = page_with(&system, link(&sent), "cookie", cookie).await;
        if page.text().contains("declined") { Ok(page) } else { Err(format!("{page:?}")) }
    })
    .await;
    assert!(declined.text().contains("Your card was declined") && !declined.text().contains("card_declined"));
    let again = system.press(link(&sent)).await;
    let cookie = again.header("set-cookie").split(';').next().unwrap();
    let back = page_with(&system, link(&sent), "cookie", cookie).await;
    assert!(back.text().contains("Waiting for confirmation"), "{back:?}");

    // A press after the payment sets no cookie.
    system.settle(again.header("location"), "succeeded").await;
    alice.wait_for(id(&sent), "paid").await;
    let pressed = system.press(link(&sent)).await;
    assert_eq!((pressed.status, pressed.header("set-cookie")), (303, ""));
}

#[tokio::test]
async fn the_cookie_is_secure_if_the_pages_use_https() {
    let system = System::start(&[("PUBLIC_BASE_URL", "https://pay.example.com/stage")]).await;
    let sent = system.alice().await.sent().await;
    let token = link(&sent).rsplit('/').next().unwrap();
    let pressed = system.press(&format!("/p/{token}")).await;
    assert!(pressed.header("set-cookie").contains(&format!("; Path=/stage/p/{token}; ")), "{pressed:?}");
    assert!(pressed.header("set-cookie").ends_with("; SameSite=Lax; Secure"), "{pressed:?}");
    system.stop().await;
}

#[tokio::test]
async fn a_cached_page_is_not_sent_again_until_it_changes() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let sent = alice.sent().await;
    let page = system.page(Method::GET, link(&sent)).await;
    let tag = page.header("etag").to_owned();
    let version = tag.strip_prefix("W/\"").and_then(|tag| tag.strip_suffix('"')).unwrap();
    assert!(page.text().contains(&format!("data-version=\"{version}\"")), "{page:?}");
    assert_eq!(system.page(Method::HEAD, link(&sent)).await.header("etag"), tag);
    let strong = tag.trim_start_matches("W/").to_owned();
    for known in [
        tag.clone(),
        strong.clone(),
        "*".to_owned(),
        format!("W/\"x\", {tag}"),
        format!("\"x\",{strong}"),
        format!("{strong}, W/\"x\""),
        format!("\"a, b\" , , \t{strong}\t"),
    ] {
        for method in [Method::GET, Method::HEAD] {
            let same = Answer::of(system.request(method, link(&sent)).header("if-none-match", &known)).await;
            assert_eq!((same.status, same.body.len(), same.header("etag")), (304, 0, tag.as_str()));
            assert_eq!((same.header("cache-control"), same.header("vary")), ("no-store", "accept-language, cookie"));
        }
    }
    for other in
        ["", "\"x\"", "W/", version, &strong[1..], &format!("\"a,{version}\""), &format!("w/{strong}"), "\"*\""]
    {
        let shown = Answer::of(system.request(Method::GET, link(&sent)).header("if-none-match", other)).await;
        assert_eq!((shown.status, shown.header("etag")), (200, tag.as_str()), "{other}");
        assert!(shown.text().contains("</html>"), "{other}: {shown:?}");
    }
    // Every one of several headers counts, and one that is not text hides no other.
    let twice = system.request(Method::GET, link(&sent)).header("if-none-match", &b"\"\xe4\""[..]);
    assert_eq!(Answer::of(twice.header("if-none-match", &strong)).await.status, 304);
    let among = [b"\"\xe4\", ".as_slice(), strong.as_bytes()].concat();
    let among = system.request(Method::GET, link(&sent)).header("if-none-match", among);
    assert_eq!(Answer::of(among).await.status, 304);
    let unknown = format!("{}/p/{}", system.base(), "4".repeat(22));
    assert_eq!(page_with(&system, &unknown, "if-none-match", "*").await.status, 404, "there is no page to know");
    alice.cancel(id(&sent)).await;
    let canceled = page_with(&system, link(&sent), "if-none-match", &tag).await;
    assert_eq!(canceled.status, 410);
    // The page of an ended request is sent again in full, whatever `If-None-Match` says (RFC 9110, section 13.2.1).
    let again = page_with(&system, link(&sent), "if-none-match", canceled.header("etag")).await;
    assert_eq!((again.status, again.text()), (410, canceled.text()));
    assert_eq!(page_with(&system, link(&sent), "if-none-match", "*").await.status, 410);
    // `If-None-Match` does not stop the button.
    let sent = alice.sent().await;
    let tag = system.page(Method::GET, link(&sent)).await.header("etag").to_owned();
    let press = Answer::of(system.request(Method::POST, link(&sent)).header("if-none-match", tag)).await;
    assert_eq!(press.status, 303);
}

#[tokio::test]
async fn the_script_is_immutable_under_a_name_with_its_hash() {
    let system = System::shared(&[]).await;
    let sent = system.alice().await.sent().await;
    let page = system.page(Method::GET, link(&sent)).await;
    let path = script(&page).to_owned();
    for (encoding, content_encoding) in [("identity", ""), ("br, gzip", "gzip"), ("gzip;q=0", "")] {
        let script = page_with(&system, &path, "accept-encoding", encoding).await;
        assert_eq!((script.status, script.header("content-encoding")), (200, content_encoding), "{encoding}");
        assert_eq!(script.header("content-type"), "text/javascript; charset=utf-8");
        assert_eq!(script.header("cache-control"), "public, max-age=31536000, immutable");
        assert!(script.header("vary").contains("accept-encoding"));
        assert_eq!(script.header("x-content-type-options"), "nosniff");
        let compressed = script.body.starts_with(&[0x1f, 0x8b]);
        assert_eq!(compressed, content_encoding == "gzip", "{encoding}");
    }
    let (version, _) = path.rsplit_once('/').unwrap();
    for wrong in ["/p/assets/0/page.js", &format!("{version}/page.css"), &format!("{version}/..%2Fpage.js")] {
        let missing = system.page(Method::GET, wrong).await;
        assert_eq!((missing.status, missing.header("cache-control")), (404, "no-store"), "{wrong}");
    }
}

#[tokio::test]
async fn a_brand_is_on_every_page_of_its_workspace_and_on_no_other() {
    let branding = json!({ "branded": { "name": "Acme <Tickets>", "logo": "https://cdn.example/logo.svg?a=1&b=2",
                                        "colour": "#ffd700", "support": "help@acme.example" } });
    let system = System::start(&[("BRANDING", &branding.to_string())]).await;
    let (alice, bob) = (system.user("branded", "alice", "agent").await, system.user("plain", "bob", "agent").await);
    let (live, canceled, settled) = (alice.sent().await, alice.sent().await, alice.sent().await);
    alice.cancel(id(&canceled)).await;
    assert_eq!(system.webhook(&paid(&settled, "pay_1", now())).await.status, 200);
    for request in [&live, &canceled, &settled] {
        let page = system.page(Method::GET, link(request)).await;
        let html = page.text();
        for shown in [
            "<bdi>Acme &#60;Tickets&#62;</bdi>",
            "<img src=\"https://cdn.example/logo.svg?a=1&#38;b=2\" alt=\"Acme &#60;Tickets&#62;\" height=\"40\">",
            "<a href=\"mailto:help@acme.example\">",
            "--brand:#ffd700;--on-brand:#000000",
        ] {
            assert!(html.contains(shown), "{shown}: {html}");
        }
        assert_eq!(directive(&page, "img-src"), "https://cdn.example");
        let (_, rest) = html.split_once("<style>").unwrap();
        let digest =
            aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, rest.split_once("</style>").unwrap().0.as_bytes());
        assert_eq!(directive(&page, "style-src"), format!("'sha256-{}'", STANDARD.encode(digest)));
    }
    for page in [system.page(Method::GET, link(&bob.sent().await)).await, system.page(Method::GET, "/p/x").await] {
        assert!(!page.header("content-security-policy").contains("img-src"));
        assert!(!page.text().contains("<img") && !page.text().contains("acme.example"), "{page:?}");
    }
    system.stop().await;
}
