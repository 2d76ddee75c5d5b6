//! The customer's pages: what they show, what they never reveal, and their headers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::limits::CALL_INTERVAL;
use domain::{Clock as _, Status, SystemClock};
use flate2::read::GzDecoder;
use http::Method;
use serde_json::json;
use std::io::Read as _;
use tests::handlers::Handlers;
use tests::provider::OnClose;
use tests::system::{Answer, SHORT_CHECKOUT, SHORT_LINK, System, all, id, link, now, order, paid, phone};

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
        ("vary", "accept-language, accept-encoding"),
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
    assert_eq!(html.matches("<form class=\"pay\" method=\"post\"").count(), 1, "{html}");
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
async fn pages_and_lists_are_compressed_for_those_who_take_it() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let sent = alice.sent_to(&phone()).await;
    // One request alone is too short to be compressed.
    alice.sent_to(&phone()).await;
    for path in [link(&sent), "/p/unknown", "/payment-requests"] {
        let plain = Answer::of(alice.request(Method::GET, path)).await;
        assert_eq!(plain.header("content-encoding"), "", "{path}");
        let compressed = alice.request(Method::GET, path).header("accept-encoding", "gzip").send().await.unwrap();
        assert_eq!(compressed.headers()["content-encoding"], "gzip", "{path}");
        assert_eq!(compressed.status().as_u16(), plain.status, "{path}");
        let compressed = compressed.bytes().await.unwrap();
        let mut read = Vec::new();
        GzDecoder::new(&*compressed).read_to_end(&mut read).unwrap();
        // The time left, and an address with the version, may differ; the length does not.
        assert_eq!(read.len(), plain.body.len());
        assert!(compressed.len() < plain.body.len() * 2 / 3, "{} of {}", compressed.len(), plain.body.len());
    }
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
        // The link's text is not sent any more once the customer has clicked.
        system.wait_for_texts(&phone, 1).await;
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
async fn the_page_of_a_clicked_request_depends_on_where_the_customer_comes_from() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let sent = alice.sent().await;
    let page = async |query: &str| system.page(Method::GET, &format!("{}{query}", link(&sent))).await;
    for query in ["", "?back", "?done"] {
        assert!(page(query).await.text().contains("Continue to payment"), "{query}: it is not clicked yet");
    }
    let pressed = system.press(&format!("{}?done", link(&sent))).await;
    assert_eq!((pressed.status, pressed.header("set-cookie")), (303, ""));
    for query in ["", "?back", "?back=1&utm_source=chat", "?session_id=cs_1&back", "?x=done", "?%20", "?a b&\"<"] {
        let unpaid = page(query).await;
        assert!(unpaid.status == 200 && unpaid.text().contains("You have not paid yet"), "{query}: {unpaid:?}");
        assert!(unpaid.text().contains("Go on to payment") && !unpaid.text().contains("confirmed"), "{query}");
        assert_guarded(&unpaid);
    }
    for query in ["?done", "?done=", "?session_id=cs_1&done=1&utm_source=chat", "?back&done", "?done&back"] {
        let done = page(query).await;
        assert!(done.status == 200 && done.text().contains("Your payment is being confirmed"), "{query}: {done:?}");
        assert!(!done.text().contains("You have not paid"), "{query}: {done:?}");
        assert_guarded(&done);
        // Without a script, its buttons lead to the check and back to the payment page.
        let path = link(&sent).strip_prefix(system.base()).unwrap();
        for action in [format!("action=\"{path}/check\""), format!("action=\"{path}\"")] {
            assert!(done.text().contains(&action), "{action}: {done:?}");
        }
        let same = page_with(&system, &format!("{}{query}", link(&sent)), "if-none-match", done.header("etag")).await;
        assert_eq!(same.status, 304, "{query}");
        let other = page_with(&system, link(&sent), "if-none-match", done.header("etag")).await;
        assert_eq!(other.status, 200, "{query}: another page");
    }
    assert_eq!(alice.read(id(&sent)).await["status"], "clicked", "a GET changes nothing");
}

#[tokio::test]
async fn a_check_leads_back_to_the_page_of_whoever_is_done() {
    let system = System::shared(&[]).await;
    let alice = system.alice().await;
    let check = async |link: &str| system.page(Method::POST, &format!("{link}/check")).await;
    let (clicked, canceled) = (alice.sent().await, alice.sent().await);
    system.click(link(&clicked)).await;
    alice.cancel(id(&canceled)).await;
    for request in [&clicked, &clicked, &canceled] {
        let before = alice.read(id(request)).await;
        // The punctuation of a chat app does no harm here either.
        for link_as_typed in [link(request).to_owned(), format!("{}.", link(request)), format!("{}%2C", link(request))]
        {
            let checked = check(&link_as_typed).await;
            assert_eq!((checked.status, checked.body.len()), (303, 0));
            assert_eq!(checked.header("location"), format!("{}?done", link(request)));
            assert_eq!(checked.header("cache-control"), "no-store");
            assert_eq!(checked.header("referrer-policy"), "no-referrer");
        }
        assert_eq!(alice.read(id(request)).await, before, "nobody has paid");
    }
    for unknown in ["/p/1111111111111111111111", "/p/x", "/p"] {
        let page = check(&format!("{}{unknown}", system.base())).await;
        assert_eq!(page.status, 404, "{unknown}");
        assert_guarded(&page);
    }
    let too_much = system.request(Method::POST, &format!("{}/check", link(&clicked))).body("x".repeat(16 * 1024 + 1));
    assert_eq!(Answer::of(too_much).await.status, 413);
    for method in ["GET", "HEAD", "PUT", "DELETE"] {
        for below in ["check", "check/", "check/x", "Check"] {
            let page = system.page(method.parse().unwrap(), &format!("{}/{below}", link(&clicked))).await;
            assert_eq!(page.status, 404, "{method} {below}");
            assert_guarded(&page);
        }
    }
    assert_eq!(check(&format!("{}/check", link(&clicked))).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_records_what_the_provider_knows_as_its_report_would() {
    let handlers = Handlers::start().await;
    for (state, status) in [
        (OnClose::Paid(SystemClock.now(), 25_000), Status::Paid),
        (OnClose::Processing(SystemClock.now(), 25_000), Status::Processing),
        (OnClose::Failed, Status::Expired),
        // A payment of another amount is never recorded.
        (OnClose::Paid(SystemClock.now(), 24_999), Status::Clicked),
    ] {
        let (id, token) = handlers.clicked().await;
        handlers.provider.on_close(&id, state.clone());
        let checked = handlers.check(&token).await;
        assert_eq!(checked.status, 303, "{state:?}");
        assert_eq!(checked.headers["location"], format!("https://pay.example.com/p/{token}?done"), "{state:?}");
        assert_eq!(handlers.stored(&id).await.status, status, "{state:?}");
    }
    assert_eq!(handlers.check("1111111111111111111111").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_the_provider_does_not_answer_leads_back_all_the_same() {
    let handlers = Handlers::start().await;
    let (id, token) = handlers.clicked().await;
    handlers.provider.set_unreachable(true);
    assert_eq!(handlers.check(&token).await.status, 303);
    let page = handlers.open_with(&token, "done").await;
    assert!(page.body.as_str().unwrap().contains("Your payment is being confirmed"), "{page:?}");
    assert_eq!(handlers.stored(&id).await.status, Status::Clicked);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_checks_and_presses_calls_the_provider_once() {
    let handlers = Handlers::start().await;
    let (_, token) = handlers.clicked().await;
    let before = handlers.provider.calls().len();
    let storm = (0..20).map(|number| {
        let (handlers, token) = (&handlers, &token);
        async move { if number % 2 == 0 { handlers.check(token).await } else { handlers.click(token).await } }
    });
    for answer in all(storm).await {
        assert_eq!(answer.status, 303, "{answer:?}");
    }
    assert_eq!(handlers.provider.calls().len() - before, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_press_right_after_one_that_failed_is_asked_to_wait_three_seconds() {
    let handlers = Handlers::start().await;
    let (_, token) = handlers.sent().await;
    handlers.provider.set_unreachable(true);
    let failed = handlers.click(&token).await;
    assert_eq!((failed.status, &failed.headers["retry-after"]), (503, &json!("1")));
    assert!(failed.body.as_str().unwrap().contains("Try again"), "{failed:?}");
    // The first press is not counted, so that the second may find the provider back.
    assert_eq!(handlers.click(&token).await.headers["retry-after"], "1");
    let calls = handlers.provider.calls().len();
    let busy = handlers.click(&token).await;
    assert_eq!((busy.status, &busy.headers["retry-after"]), (503, &json!("3")));
    let page = busy.body.as_str().unwrap();
    assert!(page.contains("Your payment page is being prepared") && !page.contains("<button"), "{page}");
    assert_eq!(handlers.provider.calls().len(), calls, "the provider is not called");
    handlers.provider.set_unreachable(false);
    let later = handlers.at(SystemClock.now().saturating_add(CALL_INTERVAL));
    assert_eq!(later.click(&token).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_will_not_change_asks_nobody_to_try_again() {
    for (status, refused) in [(400, true), (401, true), (403, true), (503, false)] {
        let url = tests::serve(
            axum::Router::new()
                .fallback(move || async move { (axum::http::StatusCode::from_u16(status).unwrap(), "{}") }),
        );
        let handlers = Handlers::with_variables(300, 900, &[("SANDBOX_PROVIDER_URL", url.await)]).await;
        let (id, token) = handlers.sent().await;
        for _ in 0..2 {
            let answer = handlers.click(&token).await;
            let page = answer.body.as_str().unwrap();
            assert_eq!(answer.status, if refused { 502 } else { 503 }, "{status}");
            assert_eq!(answer.headers["retry-after"].is_null(), refused, "{status}: {answer:?}");
            assert_eq!(page.contains("The problem is on our side"), refused, "{status}: {page}");
            assert_eq!(page.contains("<button"), !refused, "{status}: {page}");
        }
        assert_eq!(handlers.stored(&id).await.status, Status::Clicked);
    }
    let unreadable = tests::serve(axum::Router::new().fallback(|| async { "what is this" })).await;
    let handlers = Handlers::with_variables(300, 900, &[("SANDBOX_PROVIDER_URL", unreadable)]).await;
    let (_, token) = handlers.sent().await;
    assert_eq!(handlers.click(&token).await.status, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_that_the_time_to_pay_is_over_before_the_end_is_written() {
    let handlers = Handlers::with_limits(300, 1).await;
    let (id, token) = handlers.clicked().await;
    handlers.provider.set_unreachable(true);
    tests::until(handlers.stored(&id).await.deadline).await;
    for query in ["", "back", "done"] {
        let page = handlers.open_with(&token, query).await;
        let text = page.body.as_str().unwrap();
        assert_eq!(page.status, 200, "{query}");
        assert!(text.contains("The time to pay is over") && text.contains(" data-watched"), "{query}: {text}");
        assert!(!text.contains("You have not been charged") && !text.contains("class=\"pay\""), "{query}: {text}");
    }
    // The provider does not answer, so a press is told no more.
    let pressed = handlers.click(&token).await;
    assert_eq!(pressed.status, 200);
    assert!(pressed.body.as_str().unwrap().contains("The time to pay is over"), "{pressed:?}");
    assert_eq!(handlers.stored(&id).await.status, Status::Clicked);
    // Once the provider answers, the press writes the end and is told.
    handlers.provider.set_unreachable(false);
    tokio::time::sleep(CALL_INTERVAL).await;
    let pressed = handlers.click(&token).await;
    assert_eq!(pressed.status, 410, "{pressed:?}");
    assert!(pressed.body.as_str().unwrap().contains("You have not been charged"), "{pressed:?}");
    assert_eq!(handlers.stored(&id).await.status, Status::Expired);
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
            assert_eq!((same.header("cache-control"), same.header("vary")), ("no-store", "accept-language"));
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
