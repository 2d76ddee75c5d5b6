//! Route matching as an HTTP API does it
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html>): a route whose whole
//! path matches takes precedence over one that ends with the rest of a path. Among those, a literal segment takes
//! precedence over a parameter, and a method over any method.

use crate::cloud::template::{Methods, Route};
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
    /// All that is left of the path, of any number of segments.
    Rest(String),
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
        // The first match wins.
        compiled.sort_by_key(Compiled::rank);
        Self(compiled)
    }

    /// Finds the route for a request. `path` is [decoded](decoded).
    pub(super) fn find(&self, method: &Method, path: &str) -> Option<Match<'_>> {
        let mut routes = self.0.iter().filter(|compiled| compiled.route.methods.contains(method));
        routes.find_map(|compiled| compiled.matches(path))
    }
}

/// Decodes a request's path as an HTTP API does before it chooses a route. So an encoded slash divides segments, and
/// everything from an encoded question mark on is lost (captured in us-west-2 by
/// <https://github.com/hotsock/voker/pull/8>).
pub(super) fn decoded(path: &str) -> String {
    let mut path = percent_decode_str(path).decode_utf8_lossy().into_owned();
    if let Some(end) = path.find('?') {
        path.truncate(end);
    }
    path
}

impl Compiled {
    /// Returns the route's place in the order of precedence, the lowest first.
    fn rank(&self) -> (bool, usize, bool) {
        let greedy = self.segments.iter().any(|segment| matches!(segment, Segment::Rest(_)));
        let parameters = self.segments.iter().filter(|segment| !matches!(segment, Segment::Literal(_))).count();
        (greedy, parameters, self.route.methods == Methods::Any)
    }

    fn matches(&self, path: &str) -> Option<Match<'_>> {
        let mut given = segments(path);
        let mut parameters = Vec::new();
        for segment in &self.segments {
            let first = given.next()?;
            match segment {
                Segment::Literal(literal) if literal == first => {}
                Segment::Parameter(name) if !first.is_empty() => parameters.push((name.as_str(), first.to_owned())),
                Segment::Rest(name) => {
                    let rest = given.by_ref().fold(first.to_owned(), |rest, segment| rest + "/" + segment);
                    parameters.push((name.as_str(), rest));
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
            Some(name) => match name.strip_suffix('+') {
                Some(name) => Self::Rest(name.to_owned()),
                None => Self::Parameter(name.to_owned()),
            },
            None => Self::Literal(text.to_owned()),
        }
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> Routes {
        let route = |methods: Methods, path: &str| Route {
            methods,
            path: path.to_owned(),
            function: "f".to_owned(),
            authorized: true,
        };
        Routes::new(&[
            route(Methods::Any, "/files/{proxy+}"),
            route(Methods::Any, "/files"),
            route(Methods::One(Method::GET), "/files/{name}"),
            route(Methods::One(Method::GET), "/files/{name}/{version}/raw"),
            route(Methods::One(Method::GET), "/requests/{id}"),
            route(Methods::One(Method::GET), "/requests/latest"),
            route(Methods::One(Method::POST), "/requests/{id}/cancel"),
        ])
    }

    fn found(method: &Method, path: &str) -> Option<(String, Vec<String>)> {
        let routes = routes();
        let found = routes.find(method, &decoded(path))?;
        Some((found.route.key(), found.parameters.into_iter().map(|(_, value)| value).collect()))
    }

    fn route(key: &str, parameters: &[&str]) -> (String, Vec<String>) {
        (key.to_owned(), parameters.iter().map(|&parameter| parameter.to_owned()).collect())
    }

    #[test]
    fn a_literal_segment_comes_before_a_parameter() {
        assert_eq!(found(&Method::GET, "/requests/latest"), Some(route("GET /requests/latest", &[])));
        assert_eq!(found(&Method::GET, "/requests/7"), Some(route("GET /requests/{id}", &["7"])));
    }

    #[test]
    fn the_rest_of_a_path_is_for_whatever_has_no_route_of_its_own() {
        assert_eq!(found(&Method::GET, "/files/a"), Some(route("GET /files/{name}", &["a"])));
        assert_eq!(found(&Method::GET, "/files/a/1/raw"), Some(route("GET /files/{name}/{version}/raw", &["a", "1"])));
        for (method, path, rest) in [
            (Method::PUT, "/files/a", "a"),
            (Method::HEAD, "/files/a", "a"),
            (Method::GET, "/files/", ""),
            (Method::GET, "/files/a/", "a/"),
            (Method::GET, "/files//", "/"),
            (Method::GET, "/files/a/1/raws", "a/1/raws"),
            (Method::GET, "/files/a%2Fb", "a/b"),
        ] {
            assert_eq!(found(&method, path), Some(route("ANY /files/{proxy+}", &[rest])), "{method} {path}");
        }
        assert_eq!(found(&Method::DELETE, "/files"), Some(route("ANY /files", &[])));
        assert_eq!(found(&Method::DELETE, "/filesystem"), None);
    }

    #[test]
    fn the_path_is_decoded_before_a_route_is_chosen() {
        for (given, parameter) in [("%41%20", "A "), ("%FF", "\u{fffd}"), ("%", "%"), ("%2", "%2"), ("7%3Fx", "7")] {
            let path = format!("/requests/{given}");
            assert_eq!(found(&Method::GET, &path), Some(route("GET /requests/{id}", &[parameter])), "{given}");
        }
        assert_eq!(found(&Method::POST, "/requests%2F7/cancel"), Some(route("POST /requests/{id}/cancel", &["7"])));
        for path in ["/requests/a%2Fb/cancel", "/requests/%2F/cancel", "/requests/7%3F/cancel"] {
            assert_eq!(found(&Method::POST, path), None, "{path}");
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
