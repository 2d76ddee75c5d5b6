//! The look of a workspace's pages: its name, logo, colour and support contact, from the variable `BRANDING`.

use crate::page::ASSETS;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{Phone, WorkspaceId};
use http::{HeaderValue, Uri};
use runtime::{ConfigError, Environment};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

const VARIABLE: &str = "BRANDING";

/// The style sheet. It is inline, so that a page needs no second request and shows at once on a slow network. The
/// Content-Security-Policy allows it by its hash.
const STYLE: &str = include_str!(concat!(env!("OUT_DIR"), "/page.css"));

/// The background of the pages' card, in light and in dark mode. A brand's colour must stand out from both.
const CARDS: [Colour; 2] = [Colour(0xff, 0xff, 0xff), Colour(0x18, 0x1d, 0x26)];

/// The colour of pages whose brand sets none.
const COLOUR: Colour = Colour(0x1a, 0x66, 0xd6);

/// The brands of all workspaces, with a plain one for workspaces that have none.
#[derive(Debug)]
pub(crate) struct Brands {
    plain: Brand,
    of_workspaces: BTreeMap<WorkspaceId, Brand>,
}

/// The look of one workspace's pages.
#[derive(Debug)]
pub(crate) struct Brand {
    /// The workspace's name. If it is not set, the pages show the workspace's identifier.
    pub(crate) name: Option<String>,
    /// The URL of the logo.
    pub(crate) logo: Option<String>,
    /// The contact for customers with questions.
    pub(crate) support: Option<Support>,
    /// The style sheet with the brand's colour.
    pub(crate) style: String,
    /// The path below which every link's page is. It is absolute, because a page may be shown at a path with slashes
    /// added to it.
    pub(crate) pages: String,
    /// The path of the pages' script, absolute too.
    pub(crate) script: String,
    /// The Content-Security-Policy. It allows only what the page needs: its own files, its logo, and the checkout as
    /// the form's destination.
    pub(crate) policy: HeaderValue,
}

/// A contact: the URL of its link, and the text that the page shows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Support {
    pub(crate) address: String,
    pub(crate) text: String,
}

/// A workspace's settings as `BRANDING` holds them, not yet validated. Every one is optional.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    name: Option<String>,
    logo: Option<String>,
    colour: Option<String>,
    support: Option<String>,
}

impl Brands {
    /// Reads the brands from `BRANDING`. `checkout_origin` is the origin to which the pages' form may redirect, and
    /// `path_prefix` what all our paths begin with.
    ///
    /// # Errors
    /// A setting is invalid; the error names it.
    pub(crate) fn new(
        environment: &Environment,
        checkout_origin: &str,
        path_prefix: &str,
    ) -> Result<Self, ConfigError> {
        let text = environment.get("BRANDING").unwrap_or("{}");
        let settings: BTreeMap<WorkspaceId, Settings> = serde_json::from_str(text).map_err(|error| {
            // The error's own text is left out, because it may repeat a value.
            wrong(&format!(
                "a JSON object with an object for each workspace, whose members are texts called name, logo, colour or \
                 support, but is not in line {}, column {}",
                error.line(),
                error.column()
            ))
        })?;
        let brands = settings.into_iter().map(|(workspace, settings)| {
            let brand = Brand::new(settings, checkout_origin, path_prefix);
            let brand = brand.map_err(|expected| wrong(&format!("JSON in which, for {workspace}, {expected}")))?;
            Ok((workspace, brand))
        });
        Ok(Self {
            of_workspaces: brands.collect::<Result<_, ConfigError>>()?,
            plain: Brand::new(Settings::default(), checkout_origin, path_prefix).map_err(wrong)?,
        })
    }

    /// Returns the brand of a workspace. Returns the plain one if it has no brand or if the workspace is unknown.
    pub(crate) fn of(&self, workspace: Option<&WorkspaceId>) -> &Brand {
        workspace.and_then(|workspace| self.of_workspaces.get(workspace)).unwrap_or(&self.plain)
    }
}

fn wrong(expected: &str) -> ConfigError {
    Environment::invalid(VARIABLE, expected)
}

impl Brand {
    fn new(settings: Settings, checkout_origin: &str, path_prefix: &str) -> Result<Self, &'static str> {
        let name = settings.name.map(|name| {
            let right = (1..=100).contains(&name.chars().count()) && !name.contains(char::is_control);
            if right { Ok(name) } else { Err("name is 1 to 100 characters, none of them a control character") }
        });
        let logo = settings.logo.map(|address| match origin(&address) {
            Some(origin) => Ok((address, origin)),
            None => Err("logo is an address such as https://www.example.com/logo.svg"),
        });
        let colour = settings
            .colour
            .map(|text| Colour::parse(&text).ok_or("colour is # with six hexadecimal digits, such as #0b5cad"));
        let support = settings.support.map(|text| {
            Support::parse(&text).ok_or(
                "support is an e-mail address, a phone number in E.164 form or an address that begins with https://",
            )
        });
        let (logo, origin) = logo.transpose()?.unzip();
        let style = format!("{STYLE}{}", colour.transpose()?.unwrap_or(COLOUR).style());
        let hash = STANDARD.encode(Sha256::digest(&style));
        let images = origin.map(|origin| format!("img-src {origin}; ")).unwrap_or_default();
        // Browsers also check the target of a form's redirect against `form-action`
        // (https://www.w3.org/TR/CSP3/#directive-form-action), so it has to contain the provider's origin.
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; script-src 'self'; connect-src 'self'; {images}\
             form-action 'self' {checkout_origin}; base-uri 'none'; frame-ancestors 'none'"
        );
        Ok(Self {
            name: name.transpose()?,
            logo,
            support: support.transpose()?,
            style,
            pages: format!("{path_prefix}/p"),
            script: format!("{path_prefix}/p/assets/{}/page.js", ASSETS.version),
            policy: HeaderValue::from_str(&policy).map_err(|_| "every address is valid in a header")?,
        })
    }
}

/// Returns the origin of an `https` URL, in a form that is safe inside a Content-Security-Policy. Returns none for
/// any other scheme, and for a host with characters other than letters, digits, dots and hyphens.
fn origin(address: &str) -> Option<String> {
    let uri = address.parse::<Uri>().ok()?;
    let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
    let host = authority.host();
    let plain =
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    let bare = authority.as_str() == authority.port().map_or(host.to_owned(), |port| format!("{host}:{port}"));
    (scheme == "https" && plain && bare).then(|| format!("https://{authority}"))
}

impl Support {
    fn parse(text: &str) -> Option<Self> {
        let link = |scheme: &str| Some(Self { address: format!("{scheme}{text}"), text: text.to_owned() });
        if origin(text).is_some() {
            let text_shown = text.strip_prefix("https://").unwrap_or(text).trim_end_matches('/');
            return Some(Self { address: text.to_owned(), text: text_shown.to_owned() });
        }
        if Phone::from_record(text).is_ok() {
            return link("tel:");
        }
        let (name, host) = text.split_once('@')?;
        let plain = |part: &str, marks: &str| {
            !part.is_empty()
                && part.chars().all(|character| character.is_ascii_alphanumeric() || marks.contains(character))
        };
        // An e-mail address may hold other characters, but the link would have to encode them. No contact needs them.
        if plain(name, "._+-") && plain(host, ".-") { link("mailto:") } else { None }
    }
}

/// A colour in sRGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Colour(u8, u8, u8);

impl Colour {
    fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
        let [_, red, green, blue] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
        digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(Self(red, green, blue))
    }

    /// Returns WCAG 2.2's relative luminance, <https://www.w3.org/TR/WCAG22/#dfn-relative-luminance>.
    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let channel = f64::from(channel) / 255.0;
            if channel <= 0.04045 { channel / 12.92 } else { ((channel + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.0) + 0.7152 * linear(self.1) + 0.0722 * linear(self.2)
    }

    /// Returns WCAG 2.2's contrast ratio, <https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio>.
    fn contrast(self, other: Self) -> f64 {
        let (one, other) = (self.luminance(), other.luminance());
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    /// Returns the colour of readable text on this one: white where its contrast is at least 4.5, black otherwise. Any
    /// colour too light for white text contrasts enough with black.
    fn of_text_on(self) -> Self {
        const WHITE: Colour = Colour(0xff, 0xff, 0xff);
        if self.contrast(WHITE) >= 4.5 { WHITE } else { Self(0, 0, 0) }
    }

    /// Returns the CSS custom properties that depend on the brand. A button gets a visible edge on any card with which
    /// its own colour has a contrast below 3 (WCAG 2.2, success criterion 1.4.11).
    fn style(self) -> String {
        let [light, dark] = CARDS.map(|card| {
            let edge = if self.contrast(card) >= 3.0 { self.css() } else { "var(--soft)".to_owned() };
            format!(":root{{--card:{};--edge:{edge}}}", card.css())
        });
        let (brand, text) = (self.css(), self.of_text_on().css());
        format!(
            ":root{{--brand:{brand};--on-brand:{text}}}{light}@media screen and (prefers-color-scheme:dark){{{dark}}}\n"
        )
    }

    fn css(self) -> String {
        format!("#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brands(branding: &str) -> Result<Brands, String> {
        let environment = Environment::default().with("BRANDING", branding);
        Brands::new(&environment, "https://provider.example", "").map_err(|error| error.to_string())
    }

    fn brand(settings: &str) -> Brand {
        let mut brands = brands(&format!("{{\"acme\":{settings}}}")).unwrap();
        brands.of_workspaces.remove(&"acme".parse().unwrap()).unwrap()
    }

    #[test]
    fn a_brand_applies_to_its_workspace_and_other_workspaces_have_none() {
        let brands =
            brands(r#"{ "acme": { "name": "Acme Tickets", "logo": "https://cdn.example:8443/logo.svg" } }"#).unwrap();
        let (acme, other) = ("acme".parse().unwrap(), "other".parse().unwrap());
        let acme = brands.of(Some(&acme));
        assert_eq!(acme.name.as_deref(), Some("Acme Tickets"));
        assert!(acme.policy.to_str().unwrap().contains("; img-src https://cdn.example:8443; "), "{:?}", acme.policy);
        for plain in [brands.of(Some(&other)), brands.of(None)] {
            assert!(plain.name.is_none() && plain.logo.is_none() && plain.support.is_none());
            assert!(!plain.policy.to_str().unwrap().contains("img-src"));
        }
    }

    #[test]
    fn a_support_contact_becomes_the_right_kind_of_link() {
        for (text, address, shown) in [
            ("help+vip@acme.example", "mailto:help+vip@acme.example", "help+vip@acme.example"),
            ("+27215550100", "tel:+27215550100", "+27215550100"),
            ("https://acme.example/help/", "https://acme.example/help/", "acme.example/help"),
        ] {
            let wanted = Support { address: address.to_owned(), text: shown.to_owned() };
            assert_eq!(Support::parse(text), Some(wanted), "{text}");
        }
    }

    #[test]
    fn an_invalid_setting_is_named_and_its_value_is_not() {
        for (branding, named) in [
            ("acme", "line 1, column 1"),
            ("[]", "a JSON object"),
            (r#"{"acme":{"color":"SECRET"}}"#, "colour"),
            (r#"{"acme":"SECRET"}"#, "a JSON object"),
            (r#"{"a#b":{}}"#, "a JSON object"),
            (r#"{"acme":{"colour":"SECRET"}}"#, "for acme, colour is"),
            (r##"{"acme":{"colour":"#+12345"}}"##, "for acme, colour is"),
            (r##"{"acme":{"colour":"#0b5"}}"##, "for acme, colour is"),
            (r#"{"acme":{"name":""}}"#, "for acme, name is"),
            (r#"{"acme":{"name":"a\nb"}}"#, "for acme, name is"),
            (r#"{"acme":{"logo":"http://acme.example/SECRET"}}"#, "for acme, logo is"),
            (r#"{"acme":{"logo":"https://"}}"#, "for acme, logo is"),
            (r#"{"acme":{"logo":"https://a;script-src/x"}}"#, "for acme, logo is"),
            (r#"{"acme":{"logo":"https://user@acme.example/x"}}"#, "for acme, logo is"),
            (r#"{"acme":{"logo":"data:image/png;base64,SECRET"}}"#, "for acme, logo is"),
            (r#"{"acme":{"support":"javascript:SECRET"}}"#, "for acme, support is"),
            (r#"{"acme":{"support":"SECRET?subject=x@acme.example"}}"#, "for acme, support is"),
            (r#"{"acme":{"support":"0215550100"}}"#, "for acme, support is"),
        ] {
            let error = brands(branding).unwrap_err();
            assert!(error.contains("BRANDING") && error.contains(named), "{branding}: {error}");
            assert!(!error.contains("SECRET"), "{branding}: {error}");
        }
    }

    #[test]
    fn the_button_and_its_text_have_enough_contrast_in_any_colour() {
        let channels = [0x00, 0x33, 0x66, 0x77, 0x80, 0x99, 0xcc, 0xff];
        for red in channels {
            for (green, blue) in channels.iter().flat_map(|green| channels.map(|blue| (*green, blue))) {
                let colour = Colour(red, green, blue);
                assert!(colour.contrast(colour.of_text_on()) >= 4.5, "{colour:?}");
                for card in CARDS {
                    assert!(
                        colour.contrast(card) >= 3.0 || colour.style().contains("--edge:var(--soft)"),
                        "{colour:?}"
                    );
                }
            }
        }
        assert!((Colour(0, 0, 0).contrast(Colour(255, 255, 255)) - 21.0).abs() < 1e-9);
    }

    #[test]
    fn the_policy_allows_the_style_with_the_brands_colour() {
        let (blue, gold) = (brand(r##"{"colour":"#0B5CAD"}"##), brand(r##"{"colour":"#ffd700"}"##));
        assert!(blue.style.contains("--brand:#0b5cad;--on-brand:#ffffff"), "{}", blue.style);
        assert!(gold.style.contains("--brand:#ffd700;--on-brand:#000000"), "{}", gold.style);
        for brand in [&blue, &gold] {
            let hash = STANDARD.encode(Sha256::digest(&brand.style));
            assert!(brand.policy.to_str().unwrap().contains(&format!("style-src 'sha256-{hash}';")));
        }
        assert_ne!(blue.policy, gold.policy);
    }
}
