"""The check that an answer is as events/openapi.json describes it: its route, status, media type, headers and body.

The integration tests hold the functions against the same file. This check holds what stands in front of them as well: a
real gateway, with its authorizer and its own answers.
"""

import json
import pathlib
import re
import urllib.parse

import jsonschema_rs

FILE = pathlib.Path(__file__).parents[2] / "events" / "openapi.json"
GATEWAY = {"$ref": "#/components/responses/Gateway"}


def closed(description):
    """Returns the description with every named object closed, so that a member which nobody described is noticed."""
    for schema in description["components"]["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return description


def expression_of(pattern):
    """Returns the regular expression of a path: a parameter is one segment, and one with a plus sign is the rest."""
    parts = re.split(r"(\{[^}]*\})", pattern)
    written = [(".+" if part.endswith("+}") else "[^/]+") if part[:1] == "{" else re.escape(part) for part in parts]
    return re.compile("".join(written), re.DOTALL)


class Description:
    def __init__(self, file=FILE):
        self.root = closed(json.loads(file.read_text()))
        routes = [
            (path, method, operation) for path, item in self.root["paths"].items() for method, operation in item.items()
        ]
        routes += [(path, None, operation) for path, operation in self.root["x-any-method"].items()]
        #: Those first that come first at the gateway: the fewest parameters, a named method before all of them.
        self.routes = sorted(routes, key=lambda route: (route[0].endswith("+}"), route[0].count("{"), not route[1]))
        self.first = {path.split("/")[1] for path, _, _ in self.routes}
        self.validators = {}

    def resolved(self, value):
        while "$ref" in value:
            found = self.root
            for name in value["$ref"].removeprefix("#/").split("/"):
                found = found[name]
            value = found
        return value

    def operation(self, method, path):
        """Returns the name and the description of the operation behind a request; without a route it is a 404."""
        for pattern, of, operation in self.routes:
            if of in (method.lower(), None) and expression_of(pattern).fullmatch(path):
                return f"{method} {pattern}", operation
        return "a path without a route", {"responses": {"404": GATEWAY}}

    def differences(self, method, url, answer):
        """Returns what of an answer is not as described; a list that is empty if everything is."""
        path = urllib.parse.unquote(urllib.parse.urlsplit(url).path)
        # A preflight request is answered by the gateway alone. The other paths are the local runner's own.
        if method == "OPTIONS" or path.split("/")[1] not in self.first:
            return []
        name, operation = self.operation(method, path)
        responses = operation["responses"]
        described = responses.get(str(answer.status))
        if described is None and answer.status >= 400:
            described = responses.get("default")
        if described is None:
            return [f"{name} is not described to answer with {answer.status}"]
        described = self.resolved(described)
        name = f"{name} {answer.status}"
        for header, reference in described.get("headers", {}).items():
            if self.resolved(reference).get("required") and header.lower() not in answer.headers:
                return [f"{name} is described with the header {header}"]
        if method == "HEAD":
            return [f"{name} has a body"] if answer.body else []
        media_type = answer.headers.get("content-type", "").split(";")[0].strip()
        content = described.get("content")
        if content is None:
            return [f"{name} is described without a body"] if answer.body else []
        if media_type not in content:
            return [f"{name} is not described with {media_type!r}"]
        return self.of_body(f"{name} {media_type}", content[media_type], media_type, answer)

    def of_body(self, name, content, media_type, answer):
        if not media_type.endswith("json"):
            return []
        try:
            body = answer.json
        except ValueError as error:
            return [f"{name}: the body is not JSON: {error}"]
        codes = content.get("x-codes")
        if codes and (body.get("code") not in codes or body.get("status") != answer.status):
            return [f"{name} is not described with the problem {body.get('code')}"]
        # For generators of clients, `application/json` is described with both forms of a failure. Each answer has one.
        is_gateways = answer.status >= 400 and media_type == "application/json"
        schema = {"$ref": "#/components/schemas/GatewayMessage"} if is_gateways else content["schema"]
        if name not in self.validators:
            root = {"allOf": [schema], "components": self.root["components"]}
            self.validators[name] = jsonschema_rs.Draft202012Validator(root, validate_formats=True, mask="a value")
        errors = self.validators[name].iter_errors(body)
        return [f"{name}: {error.message} at {error.instance_path}" for error in errors]
