//! The events of the HTTP API, in its payload format 2.0
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>).
//!
//! `lambda_http` reads them strictly: a claim that is not a text, or a header that is not ASCII, costs the whole event,
//! and a raw space in the query string, a broken host, or a body that is not base64 makes it panic. So the events are
//! read here, and `lambda_http` gets only what it can take.

use crate::caller::Claims;
use crate::function::InvocationError;
use crate::json::{Document, Object};
use crate::problem::Problem;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{COOKIE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_http::request::LambdaRequest;
use lambda_http::{Body, Request};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// The most bytes of a path or a query string. The API takes 10,240 for the request line and all headers
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html>).
const ADDRESS_AT_MOST: usize = 20 * 1024;

/// The bytes that cannot stand in a request's query string (RFC 3986, section 3.4), but come from clients that do not
/// encode them.
const QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');
/// The same for a path, which the API hands on decoded.
const PATH: &AsciiSet = &QUERY.add(b'?').add(b'`').add(b'{').add(b'}').add(b'\\').add(b'^').add(b'|');

/// Marks a request whose body cannot be decoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UndecodableBody;

/// The reason why an event is not handed to its function.
#[derive(Debug)]
pub(crate) enum NoRequest {
    /// The event is not one of the API, so that nobody waits for an HTTP response.
    NotOfTheApi(InvocationError),
    /// No request can be built of it.
    Refused(Problem),
}

/// Reads the request in an event.
///
/// # Errors
/// [`NoRequest`]
pub(crate) fn read(event: &str) -> Result<Request, NoRequest> {
    let document = Document::new(event.as_bytes());
    let root = document.object().map_err(|error| NoRequest::NotOfTheApi(InvocationError::unreadable(&error)))?;
    let Some(context) = root.object("requestContext") else {
        return Err(NoRequest::NotOfTheApi(InvocationError::Event("it has no requestContext".to_owned())));
    };
    let mut event = ApiGatewayV2httpRequest::default();
    event.request_context.http.method = method(&context)?;
    event.request_context.route_key = context.optional("routeKey").filter(|key: &String| is_route_key(key));
    event.raw_path = Some(address(&path(&root), PATH)?);
    event.raw_query_string = Some(address(&root.optional::<String>("rawQueryString").unwrap_or_default(), QUERY)?);
    event.path_parameters = root.object("pathParameters").unwrap_or_default().texts().collect();
    event.headers = headers(&root);
    let mut request = Request::from(LambdaRequest::ApiGatewayV2(event));
    // What `lambda_http` would not take as it is.
    if let Some(jwt) = context.object("authorizer").and_then(|authorizer| authorizer.object("jwt")) {
        request.extensions_mut().insert(Claims::new(&jwt.object("claims").unwrap_or_default()));
    }
    match body(&root) {
        Some(body) => *request.body_mut() = body,
        None => drop(request.extensions_mut().insert(UndecodableBody)),
    }
    Ok(request)
}

fn method(context: &Object<'_>) -> Result<Method, NoRequest> {
    let method: Option<String> = context.object("http").and_then(|http| http.optional("method"));
    let method = method.and_then(|method| method.parse().ok());
    method.ok_or(NoRequest::Refused(Problem::MalformedBody("The request has no method.")))
}

/// Returns whether a text is a route's key: a method and a path of plain words and parameters, or `$default`. It is
/// logged, so that nothing else may pass for one.
fn is_route_key(key: &str) -> bool {
    let in_path = |byte: u8| byte.is_ascii_lowercase() || b"/{}.+_-".contains(&byte);
    key == "$default"
        || key.split_once(' ').is_some_and(|(method, path)| {
            method.len() <= 7 && method.bytes().all(|byte| byte.is_ascii_uppercase()) && path.bytes().all(in_path)
        })
}

/// Returns the path, which always begins with a slash.
fn path(root: &Object<'_>) -> String {
    let path: String = root.optional("rawPath").unwrap_or_default();
    if path.starts_with('/') { path } else { format!("/{path}") }
}

/// Encodes what cannot stand in this part of an address.
///
/// # Errors
/// It is longer than anything that the API hands on.
fn address(part: &str, encoded: &'static AsciiSet) -> Result<String, NoRequest> {
    let part = utf8_percent_encode(part, encoded).to_string();
    if part.len() > ADDRESS_AT_MOST {
        return Err(NoRequest::Refused(Problem::MalformedBody("The address of the request is too long.")));
    }
    Ok(part)
}

/// Reads the headers, and leaves out those that HTTP has no room for. Every cookie becomes a header of its own, so that
/// none can hide another.
fn headers(root: &Object<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in root.object("headers").unwrap_or_default().texts() {
        let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value.as_bytes()))
        else {
            continue;
        };
        // `lambda_http` would make a URL of the host and the forwarded protocol, which no function reads.
        if name != HOST && name != "x-forwarded-proto" {
            headers.append(name, value);
        }
    }
    for cookie in root.list("cookies") {
        let cookie = serde_json::from_str::<String>(cookie.get()).ok();
        let cookie = cookie.and_then(|cookie| HeaderValue::from_bytes(cookie.as_bytes()).ok());
        headers.extend(cookie.map(|cookie| (COOKIE, cookie)));
    }
    headers
}

/// Reads the body; `None` if it cannot be decoded.
fn body(root: &Object<'_>) -> Option<Body> {
    let Some(raw) = root.raw("body") else { return Some(Body::Empty) };
    let text: String = serde_json::from_str(raw.get()).ok()?;
    if root.optional("isBase64Encoded").unwrap_or(false) {
        Some(Body::Binary(STANDARD.decode(text).ok()?))
    } else {
        Some(Body::Text(text))
    }
}
