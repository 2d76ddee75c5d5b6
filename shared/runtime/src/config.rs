//! Settings that several functions share.

use crate::environment::{ConfigError, Environment};
use domain::Limits;
use std::time::Duration;

/// The time limits: `LINK_TTL_SECONDS` (300), `CHECKOUT_TTL_SECONDS` (900) and `RETENTION_DAYS` (365).
///
/// # Errors
/// One that is not a whole number within its bounds.
pub fn limits(environment: &Environment) -> Result<Limits, ConfigError> {
    // A day is the longest that a provider keeps a payment page open.
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

/// Returns how long a request is kept after its end: `RETENTION_DAYS` (365).
///
/// # Errors
/// Not a whole number within its bounds.
pub fn retention(environment: &Environment) -> Result<Duration, ConfigError> {
    let days = environment.parse_or("RETENTION_DAYS", 365, "a whole number of days from 1 to 3650", |days: &u64| {
        (1..=3_650).contains(days)
    })?;
    Ok(Duration::from_hours(24 * days))
}

/// `PUBLIC_BASE_URL`, where the customer's pages are, without a slash at its end.
///
/// # Errors
/// Missing, or no `http` or `https` address.
pub fn public_base_url(environment: &Environment) -> Result<String, ConfigError> {
    url(environment, "PUBLIC_BASE_URL")
}

/// A variable that holds an address, without a slash at its end.
///
/// # Errors
/// Missing, or no `http` or `https` address.
pub fn url(environment: &Environment, name: &str) -> Result<String, ConfigError> {
    let text = environment.require(name)?.trim_end_matches('/');
    match text.parse::<http::Uri>() {
        Ok(uri) if matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some() => Ok(text.to_owned()),
        _ => Err(Environment::invalid(name, "an address such as https://pay.example.com")),
    }
}
