//! Settings that several functions share.

use crate::environment::{ConfigError, Environment};
use domain::country::UnknownCountry;
use domain::ports::Closes;
use domain::{AllowedCountries, CreationLimit, Limits};
use std::net::Ipv6Addr;
use std::time::Duration;

/// Reads the durations: `LINK_TTL_SECONDS` (default 300), `CHECKOUT_TTL_SECONDS` (900) and `RETENTION_DAYS` (365).
///
/// # Errors
/// [`ConfigError::Invalid`] if a variable is not a whole number within its bounds.
pub fn limits(environment: &Environment) -> Result<Limits, ConfigError> {
    // One day is the longest time that a provider keeps a payment page open.
    let seconds = |name, default| {
        environment.parse_or(name, default, "a whole number of seconds from 1 to 86400", |seconds: &u64| {
            (1..=86_400).contains(seconds)
        })
    };
    Ok(Limits {
        link: Duration::from_secs(seconds("LINK_TTL_SECONDS", 300)?),
        checkout: Duration::from_secs(seconds("CHECKOUT_TTL_SECONDS", 900)?),
        retention: retention(environment)?,
    })
}

/// Reads how the sandbox provider's payment pages close: `SANDBOX_CLOSES`, `on_demand` (the default), `at_its_time` or
/// `never`.
///
/// # Errors
/// [`ConfigError::Invalid`] for any other value.
pub fn sandbox_closes(environment: &Environment) -> Result<Closes, ConfigError> {
    match environment.get("SANDBOX_CLOSES") {
        None | Some("on_demand") => Ok(Closes::OnDemand),
        Some("at_its_time") => Ok(Closes::AtItsTime),
        Some("never") => Ok(Closes::Never),
        Some(_) => Err(Environment::invalid("SANDBOX_CLOSES", "on_demand, at_its_time or never")),
    }
}

/// Returns how long a request is kept after its end: `RETENTION_DAYS` (365).
///
/// # Errors
/// [`ConfigError::Invalid`] if the variable is not a whole number within its bounds.
pub fn retention(environment: &Environment) -> Result<Duration, ConfigError> {
    let days = environment.parse_or("RETENTION_DAYS", 365, "a whole number of days from 1 to 3650", |days: &u64| {
        (1..=3_650).contains(days)
    })?;
    Ok(Duration::from_hours(24 * days))
}

/// Reads how many requests an agent may create in a minute: `AGENT_REQUESTS_PER_MINUTE` (30; 0 for any number).
///
/// # Errors
/// [`ConfigError::Invalid`] if the variable is not a whole number within its bounds.
pub fn creation_limit(environment: &Environment) -> Result<CreationLimit, ConfigError> {
    let expected = "a whole number of requests from 0 to 10000, where 0 means no limit";
    let requests =
        environment.parse_or("AGENT_REQUESTS_PER_MINUTE", 30, expected, |requests: &u32| *requests <= 10_000)?;
    Ok(CreationLimit::per_minute(requests))
}

/// Reads the countries whose phone numbers requests may be sent to: `ALLOWED_COUNTRIES` (all).
///
/// # Errors
/// [`ConfigError::Invalid`] if a word is no country's code. The error names that word, which is no secret.
pub fn allowed_countries(environment: &Environment) -> Result<AllowedCountries, ConfigError> {
    let name = "ALLOWED_COUNTRIES";
    environment.get(name).unwrap_or_default().parse().map_err(|unknown: UnknownCountry| {
        let expected = format!("ISO 3166-1 codes of two letters, such as ZA, NG; {unknown}");
        Environment::invalid(name, &expected)
    })
}

/// Reads `PUBLIC_BASE_URL`, the base of the customer pages' URLs, and removes trailing slashes.
///
/// Links are made by appending a path. With a query, a fragment or a space in the base, every link would be dead; with
/// user information, chat apps would not show it as a link.
///
/// # Errors
/// [`ConfigError`] if the variable is missing or is not an `http` or `https` URL with a host, of scheme, host, port and
/// path alone.
pub fn public_base_url(environment: &Environment) -> Result<String, ConfigError> {
    const NAME: &str = "PUBLIC_BASE_URL";
    let text = environment.require(NAME)?.trim_end_matches('/');
    let expected = "an address such as https://pay.example.com, with nothing after its host, port and path";
    if is_base_url(text) { Ok(text.to_owned()) } else { Err(Environment::invalid(NAME, expected)) }
}

/// Returns whether a text consists of scheme, host, port and path, each as RFC 3986 has it.
fn is_base_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let is_port =
        |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|it| it > 0);
    let in_path = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&byte);
    (scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http"))
        && is_host(host)
        && port.is_none_or(is_port)
        && path.bytes().all(in_path)
}

/// Returns whether a text is a host's name or address.
fn is_host(host: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => host.split('.').all(is_label),
    }
}

/// Reads a variable that holds a URL, and removes trailing slashes.
///
/// # Errors
/// [`ConfigError`] if the variable is missing or is not an `http` or `https` URL with a host.
pub fn url(environment: &Environment, name: &str) -> Result<String, ConfigError> {
    let text = environment.require(name)?.trim_end_matches('/');
    match text.parse::<http::Uri>() {
        Ok(uri) if matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some() => Ok(text.to_owned()),
        _ => Err(Environment::invalid(name, "an address such as https://pay.example.com")),
    }
}
