//! Route matching as an HTTP API does it: the method is equal, the path has the same number of segments, and a literal
//! segment takes precedence over a parameter.

use crate::cloud::template::Route;
use http::Method;
use percent_encoding::percent_decode_str;

/// The routes of the HTTP API.
#[derive(Debug)]
pub(super) struct Routes(Vec<Compiled>);

#[derive(Debug)]
struct Compiled {
    route: Route,
    segments: Vec<Segment>,
}

#[derive(Debug)]
enum Segment {
    Literal(String),
    Parameter(String),
}

/// A matched route with the values of its path parameters.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Match<'a> {
    pub(super) route: &'a Route,
    pub(super) parameters: Vec<(&'a str, String)>,
}

impl Routes {
    /// Sorts the template's routes for matching.
    pub(super) fn new(routes: &[Route]) -> Self {
        let mut compiled: Vec<_> = routes
            .iter()
            .map(|route| Compiled {
                segments: segments(&route.path).map(Segment::read).collect(),
                route: route.clone(),
            })
            .collect();
        // The first match wins, so that routes with the fewest parameters come first.
        compiled.sort_by_key(|compiled| compiled.segments.iter().filter(|segment| segment.is_parameter()).count());
        Self(compiled)
    }

    /// Finds the route for a request. `path` is still percent-encoded, so that an encoded slash stays within its
    /// segment.
    pub(super) fn find(&self, method: &Method, path: &str) -> Option<Match<'_>> {
        self.0.iter().filter(|compiled| compiled.route.method == *method).find_map(|compiled| compiled.matches(path))
    }
}

impl Compiled {
    fn matches(&self, path: &str) -> Option<Match<'_>> {
        let mut given = segments(path);
        let mut parameters = Vec::new();
        for segment in &self.segments {
            let given = given.next()?;
            match segment {
                Segment::Literal(literal) if literal == given => {}
                Segment::Parameter(name) if !given.is_empty() => {
                    parameters.push((name.as_str(), percent_decode_str(given).decode_utf8_lossy().into_owned()));
                }
                Segment::Literal(_) | Segment::Parameter(_) => return None,
            }
        }
        given.next().is_none().then_some(Match { route: &self.route, parameters })
    }
}

impl Segment {
    fn read(text: &str) -> Self {
        match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) => Self::Parameter(name.to_owned()),
            None => Self::Literal(text.to_owned()),
        }
    }

    fn is_parameter(&self) -> bool {
        matches!(self, Self::Parameter(_))
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> Routes {
        let route = |method: Method, path: &str| Route {
            method,
            path: path.to_owned(),
            function: "f".to_owned(),
            authorized: true,
        };
        Routes::new(&[
            route(Method::GET, "/requests/{id}"),
            route(Method::GET, "/requests/latest"),
            route(Method::POST, "/requests/{id}/cancel"),
        ])
    }

    fn found(method: &Method, path: &str) -> Option<(String, Vec<String>)> {
        let routes = routes();
        let found = routes.find(method, path)?;
        Some((found.route.path.clone(), found.parameters.into_iter().map(|(_, value)| value).collect()))
    }

    #[test]
    fn a_literal_segment_comes_before_a_parameter() {
        assert_eq!(found(&Method::GET, "/requests/latest"), Some(("/requests/latest".to_owned(), vec![])));
        assert_eq!(found(&Method::GET, "/requests/7"), Some(("/requests/{id}".to_owned(), vec!["7".to_owned()])));
    }

    #[test]
    fn parameters_are_decoded_within_their_segment() {
        for (given, decoded) in [("a%2Fb", "a/b"), ("%41%20", "A "), ("%FF", "\u{fffd}"), ("%", "%"), ("%2", "%2")] {
            let path = format!("/requests/{given}/cancel");
            assert_eq!(found(&Method::POST, &path).unwrap().1, [decoded], "{given}");
        }
    }

    #[test]
    fn any_other_path_has_no_route() {
        for path in ["/", "/requests", "/requests/", "/requests//cancel", "/requests/7/cancel/", "//requests/7", ""] {
            assert_eq!(found(&Method::GET, path), None, "{path}");
            assert_eq!(found(&Method::POST, path), None, "{path}");
        }
        assert_eq!(found(&Method::HEAD, "/requests/7"), None);
    }
}
