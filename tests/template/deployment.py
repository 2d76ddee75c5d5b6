"""The deployment template as AWS receives it, and what the code needs from it."""

import json
import logging
import re
import subprocess
from functools import cached_property
from pathlib import Path

from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

# The translator warns about usage metrics without a destination.
logging.getLogger("samtranslator").setLevel(logging.ERROR)

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "infra/template.yaml"


class Deployment:
    """A template's text, its translation by AWS's own translator, and accessors for the rules."""

    def __init__(self, text):
        self.text = text
        template = yaml_parse(text)
        # The translator expects functions that were built and uploaded.
        template["Globals"]["Function"]["CodeUri"] = "s3://bucket/key"
        self.resources = Translator({}, Parser()).translate(template, {})["Resources"]

    def of_type(self, kind):
        return {name: body for name, body in self.resources.items() if body["Type"] == kind}

    def properties(self, kind):
        return {name: body["Properties"] for name, body in self.of_type(kind).items()}

    @cached_property
    def functions(self):
        """Returns every function's properties, by the name of its binary."""
        return {
            body["Metadata"]["BuildProperties"]["Binary"]: body["Properties"]
            for body in self.of_type("AWS::Lambda::Function").values()
        }

    @cached_property
    def logical_names(self):
        """Returns every function's binary, by its name in the template."""
        functions = self.of_type("AWS::Lambda::Function")
        return {name: body["Metadata"]["BuildProperties"]["Binary"] for name, body in functions.items()}

    @cached_property
    def http_api(self):
        """Returns the properties of the one API for HTTP. The other is that of live updates."""
        (api,) = (api for api in self.properties("AWS::ApiGatewayV2::Api").values() if "Body" in api)
        return api

    @cached_property
    def routes(self):
        """Returns every route's method and path, with whether it requires a token and the function that answers."""
        routes = {}
        for path, methods in self.http_api["Body"]["paths"].items():
            for method, route in methods.items():
                uri = route["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
                function = self.logical_names[re.search(r"\$\{(\w+)\.Arn\}", uri).group(1)]
                method = method.removeprefix("x-amazon-apigateway-").removesuffix("-method")
                routes[f"{method.upper()} {path}"] = (route.get("security") != [{"NONE": []}], function)
        return routes

    def role(self, function):
        """Returns the properties of a function's role."""
        return self.resources[reference(self.functions[function]["Role"])]["Properties"]

    def statements(self, function):
        """Yields the statements of a function's role, with actions and resources as lists."""
        for policy in self.role(function).get("Policies", []):
            for statement in every_case(policy["PolicyDocument"]["Statement"]):
                yield statement, as_list(statement.get("Action", [])), every_case(statement.get("Resource", []))

    def alarm_metrics(self):
        """Yields (alarm, namespace, metric, function) for every metric that an alarm watches."""
        for name, alarm in self.properties("AWS::CloudWatch::Alarm").items():
            metrics = [alarm] + [
                entry["MetricStat"]["Metric"] for entry in alarm.get("Metrics", []) if "MetricStat" in entry
            ]
            for metric in metrics:
                if "MetricName" in metric:
                    dimensions = {entry["Name"]: entry["Value"] for entry in metric["Dimensions"]}
                    function = self.logical_names.get(reference(dimensions.get("FunctionName")))
                    yield name, metric["Namespace"], metric["MetricName"], function

    def dashboard_metrics(self):
        """Yields (namespace, metric) for every metric on a dashboard, with the shorthand for "as above" expanded."""
        for dashboard in self.properties("AWS::CloudWatch::Dashboard").values():
            for widget in json.loads(dashboard["DashboardBody"]["Fn::Sub"])["widgets"]:
                above = []
                for line in widget["properties"]["metrics"]:
                    parts = [part for part in line if isinstance(part, str)]
                    if parts[0] == "...":
                        parts = above[: len(above) - len(parts) + 1] + parts[1:]
                    above = [above[place] if part == "." else part for place, part in enumerate(parts)]
                    yield above[0], above[1]


def as_list(value):
    return value if isinstance(value, list) else [value]


def every_case(value):
    """Returns every possible value as a list: every branch of its conditions."""
    cases = []
    for one in as_list(value):
        if isinstance(one, dict) and "Fn::If" in one:
            cases += [
                case for branch in one["Fn::If"][1:] for case in every_case(branch) if case != {"Ref": "AWS::NoValue"}
            ]
        else:
            cases.append(one)
    return cases


def reference(value):
    """Returns the resource or parameter that a !Ref or !GetAtt names."""
    if isinstance(value, dict):
        if "Ref" in value:
            return value["Ref"]
        if "Fn::GetAtt" in value:
            attribute = value["Fn::GetAtt"]
            return attribute[0] if isinstance(attribute, list) else attribute.split(".")[0]
    return None


def binaries():
    """Returns every binary below functions/ with its package, as Cargo reports them."""
    command = ["cargo", "metadata", "--no-deps", "--format-version", "1", "--locked", "--offline"]
    metadata = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
    return {
        target["name"]: package["name"]
        for package in metadata["packages"]
        if (ROOT / "functions") in Path(package["manifest_path"]).parents
        for target in package["targets"]
        if "bin" in target["kind"]
    }


def emitted_metrics():
    """Returns every metric that the code can emit."""
    names = re.findall(r'Self::\w+ => "(\w+)"', (ROOT / "shared/runtime/src/telemetry.rs").read_text())
    assert names, "no metric found in telemetry.rs"
    return set(names)


def emitting_functions(metric):
    """Returns the functions whose sources emit a metric, or that use what emits it: a store, or a client of others."""
    sign = f"Metric::{metric}"
    if sign in (ROOT / "shared/adapters/src/https.rs").read_text():
        reads = Variables()
        return {name for name in binaries() if "TRUSTED_CERTIFICATES" in reads.of_function(name)}
    for folder, store in (("dynamodb", "DynamoDbStore"), ("webhooks", "WebhooksTable")):
        sources = (ROOT / "shared/adapters/src" / folder).glob("*.rs")
        if any(f"Metric::{metric}" in path.read_text() for path in sources):
            sign = store
    sources = (ROOT / "functions").glob("*/src/**/*.rs")
    return {path.relative_to(ROOT / "functions").parts[0] for path in sources if sign in path.read_text()}


class Variables:
    """The environment variables that each function reads, found in the sources.

    A variable is read where an `&Environment` is at hand: in a function that takes `environment: &Environment`, and is
    named there in capitals. From a deployed function's `function(environment)` the search follows every call that hands
    `environment` on.
    """

    DEFINITION = re.compile(r"^([ ]*)(?:pub(?:\([a-z]+\))? )?fn (\w+)\(\s*environment: &Environment", re.MULTILINE)
    OWNER = re.compile(r"^(?:impl(?:<[^>]*>)? (?:[\w:]+ for )?|pub trait )(\w+)", re.MULTILINE)
    CALL = re.compile(r"((?:\w+::)*\w+)\(\s*environment\b(?!\.)(?:,\s*\"(\w+)\")?")
    NAME = re.compile(r'"([A-Z][A-Z0-9_]{2,})"')

    def __init__(self):
        self.bodies = {}
        for path in [*(ROOT / "shared").glob("*/src/**/*.rs"), *(ROOT / "functions").glob("*/src/**/*.rs")]:
            text = path.read_text().split("#[cfg(test)]\nmod tests {")[0]
            module = path.stem
            if module in ("lib", "mod"):
                module = path.relative_to(ROOT).parts[1 if path.parts[-4] == "functions" else -2]
            for found in self.DEFINITION.finditer(text):
                owner = module
                if found.group(1):
                    owner = [type_.group(1) for type_ in self.OWNER.finditer(text, 0, found.start())][-1]
                self.bodies[owner, found.group(2)] = (module, body_after(text, found.end()))

    def of_function(self, function):
        """Returns every variable that a deployed function reads. For a secret, it is the one with the ARN."""
        found, open_, seen = set(), [(function, "function")], set()
        while open_:
            key = open_.pop()
            if key in seen:
                continue
            seen.add(key)
            module, body = self.bodies[key]
            names = set(self.NAME.findall(body))
            # The macro, which is no function, takes the environment along.
            if "client_config!(" in body:
                open_.append(("Trust", "of"))
            for path, secret in self.CALL.findall(body):
                *above, name = path.split("::")
                owner = above[-1] if above else module
                owner = key[0] if owner == "Self" else owner
                if name == "configured":
                    # A service's endpoint, whose variables no deployment has.
                    continue
                if (owner, name) == ("SecretSource", "from_environment"):
                    names = names - {secret} | {f"{secret}_ARN"}
                elif (owner, name) in self.bodies:
                    open_.append((owner, name))
                else:
                    raise LookupError(f"{function}: {path}(environment) is defined nowhere")
            # Lambda sets its own variables. The others with this prefix are for tests.
            found |= {name for name in names if not name.startswith("AWS_")}
        return found


def body_after(text, start):
    """Returns the block that opens after `start`, up to its matching brace."""
    opening = text.index("{", start)
    depth = 0
    for place in range(opening, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[opening:place]
    raise ValueError("a block without an end")
