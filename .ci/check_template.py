"""Translates template.yaml as AWS does, once for each variant that the documentation describes, and checks the result.

CloudFormation expands the language extensions, and SAM's transform turns the rest into plain resources. Both steps run
here with SAM's own code, without an AWS account. The result must match the resource schemas, have no dangling reference
and no import warning for the API definition, and have the reviewed IAM statements. It must publish a new version of the
receiver exactly when a parameter that the receiver depends on changes.

Usage: check_template.py [--write] [TEMPLATE]

--write replaces the IAM snapshots in .ci/iam/ with the current statements. Read their diff before you commit it.
"""

import copy
import fnmatch
import json
import logging
import pathlib
import re
import sys
from collections.abc import Callable, Collection

from boto3 import Session
from cfnlint.api import ManualArgs, lint
from samcli.lib.cfn_language_extensions.models import TemplateProcessingContext
from samcli.lib.cfn_language_extensions.processors import ForEachProcessor
from samcli.lib.cfn_language_extensions.sam_integration import expand_language_extensions
from samcli.lib.translate.sam_template_validator import SamTemplateValidator
from samcli.yamlhelper import yaml_parse
from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

SNAPSHOTS = pathlib.Path(__file__).with_name("iam")
RECEIVER = "ReceiverFunction"

# ---- The variants

# Values that match the parameters' patterns. Each parameter without AllowedValues or a range needs two values.
SECRET = "arn:aws:secretsmanager:ca-central-1:123456789012:secret:"
KMS_KEY = "arn:aws:kms:ca-central-1:123456789012:key/"
KEY_1 = KMS_KEY + "11111111-1111-1111-1111-111111111111"
KEY_2 = KMS_KEY + "22222222-2222-2222-2222-222222222222"
KEY_3 = KMS_KEY + "33333333-3333-3333-3333-333333333333"
CERTIFICATE_1 = "arn:aws:acm:ca-central-1:123456789012:certificate/11111111-1111-1111-1111-111111111111"
CERTIFICATE_2 = "arn:aws:acm:ca-central-1:123456789012:certificate/22222222-2222-2222-2222-222222222222"
EXAMPLES = {
    "SigningSecretArn": [SECRET + "given-AbCdEf", SECRET + "other-AbCdEf"],
    "PaySigningSecretArn": [SECRET + "given-pay-AbCdEf", SECRET + "other-pay-AbCdEf"],
    "SecretsKmsKeyArn": [KEY_1, KEY_2],
    "PreviousKeyDays": ["0", "14"],
    "ConsumerAccountIds": ["111122223333,444455556666", "111122223333"],
    "SharedPayloadKinds": ["Kyc,UploadFraud", "AccountsDetail,Investments,Pay,Unclassified"],
    "KmsKeyArn": [KEY_2, KEY_1],
    "ResponseTypeQueues": ["GetAccountsSummary=AccountsDetailQueue", "GetStatements=AccountsDetailQueue"],
    "AlarmTopicArn": ["arn:aws:sns:ca-central-1:123456789012:given", "arn:aws:sns:ca-central-1:123456789012:other"],
    "AlarmEmail": ["alarms@example.com", "others@example.com"],
    "AllowedSourceCidrs": ["192.0.2.0/24,2001:db8::/32", "198.51.100.0/24"],
    "FormerSecretArns": [f"{SECRET}former-AbCdEf,{SECRET}former-pay-AbCdEf", SECRET + "former-AbCdEf"],
    "FormerKmsKeyArns": [f"{KEY_3},{KEY_1}", KEY_3],
    "DeploymentId": ["2026-11-25", "again"],
    "DomainName": ["webhooks.example.com", "callbacks.example.com"],
    "CertificateArn": [CERTIFICATE_1, CERTIFICATE_2],
    "HostedZoneId": ["Z0123456789ABCDEFGHIJ", "Z9876543210ABCDEFGHIJ"],
    "CanaryUrl": ["https://webhooks.example.com/webhooks/flinks", "https://callbacks.example.com/webhooks/flinks"],
}


def given(*parameters: str, **others: str) -> dict[str, str]:
    return {name: EXAMPLES[name][0] for name in parameters} | others


# The variants that the documentation describes. The first one has the template's defaults.
VARIANTS = {
    "default": {},
    "x86_64": given(Architecture="x86_64"),
    "given-secrets": given("SigningSecretArn", "PaySigningSecretArn", "SecretsKmsKeyArn"),
    "given-kms-key": given("KmsKeyArn"),
    "former-secrets-and-keys": given("FormerSecretArns", "FormerKmsKeyArns"),
    "all-at-once": given(Deployment="AllAtOnce"),
    "custom-domain": given("DomainName", "CertificateArn", "HostedZoneId"),
    "custom-domain-dns-elsewhere": given("DomainName", "CertificateArn", DefaultEndpoint="disabled"),
    "default-endpoint-disabled": given(DefaultEndpoint="disabled"),
    "consumers": given("ConsumerAccountIds"),
    "shared-payloads": given("ConsumerAccountIds", "SharedPayloadKinds"),
    "all-payloads-shared": given(
        "ConsumerAccountIds",
        SharedPayloadKinds="Kyc,AccountsDetail,Investments,Pay,UploadFraud,Unclassified",
    ),
    "alarm-email": given("AlarmEmail"),
    "given-alarm-topic": given("AlarmTopicArn"),
    "all-alarms": given(SilenceAlarmHours="26", AsciiAlarm="on"),
    "fewest-alarms": given(SilenceAlarmHours="0", AsciiAlarm="off"),
    "allow-list": given("AllowedSourceCidrs"),
    "canary": given("CanaryUrl"),
    "fips": given(UseFipsEndpoints="true", UseDualStackEndpoints="true"),
    # Queue names begin with the stack's name, and SQS allows 80 characters.
    "longest-stack-name": {"AWS::StackName": "s" * 50},
    "everything": given(*EXAMPLES, UseFipsEndpoints="true", DefaultEndpoint="disabled", SilenceAlarmHours="26"),
}

# CloudFormation's pseudo parameters, as for a stack in Canada.
PSEUDO = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "ca-central-1",
    "AWS::StackId": "arn:aws:cloudformation:ca-central-1:123456789012:stack/flinks-webhooks/"
    "11111111-1111-1111-1111-111111111111",
    "AWS::StackName": "flinks-webhooks",
    "AWS::URLSuffix": "amazonaws.com",
}
SESSION = Session(region_name=PSEUDO["AWS::Region"])
# The template must match the schemas of both: FIPS endpoints exist in the US and in Canada, Flinks in Canada.
REGIONS = ["ca-central-1", "us-east-1"]


def translate(template: dict, parameters: dict[str, str]) -> dict:
    """The template after CloudFormation's language extensions and SAM's transform."""
    # The same steps as `sam validate`, without its conversion to YAML, which takes longer than all the rest.
    validator = SamTemplateValidator(expand(template, parameters), None, region=SESSION.region_name)
    validator._replace_local_codeuri()
    translator = Translator(managed_policy_map=None, sam_parser=Parser(), plugins=[], boto_session=SESSION)
    try:
        # The translator has a list of AWS's managed policies. SAM would ask IAM for any other.
        translated = translator.translate(validator.sam_template, PSEUDO | parameters, get_managed_policy_map=dict)
    except InvalidDocumentException as error:
        raise ValueError("; ".join(str(cause) for cause in error.causes)) from error
    return json.loads(json.dumps(translated, default=str))


def expand(template: dict, parameters: dict[str, str]) -> dict:
    """Applies the language extensions: loops become resources, and parameters become their values.

    SAM's code for `sam build` does this. It also turns Fn::Sub and Fn::Join into text if they refer to a resource.
    CloudFormation cannot, because the resource has no name yet. So these functions are hidden from SAM.
    """
    if "AWS::LanguageExtensions" not in template.get("Transform", []):
        return copy.deepcopy(template)
    values = values_of(template, parameters)
    loops = TemplateProcessingContext(fragment=with_collections(copy.deepcopy(template), values))
    ForEachProcessor().process_template(loops)
    for section in {"Resources", "Outputs"} & loops.fragment.keys():
        loops.fragment[section] = keep(loops.fragment[section], values.keys())
    expanded = expand_language_extensions(loops.fragment, PSEUDO | parameters, enabled=True).expanded_template
    for section in {"Resources", "Outputs"} & loops.fragment.keys():
        expanded[section] = give_back(expanded[section], values)
    return expanded | {"Transform": "AWS::Serverless-2016-10-31"}


def with_collections(value, values: dict):
    """Replaces a parameter that is the collection of a loop with its value."""
    if isinstance(value, list):
        return [with_collections(part, values) for part in value]
    if not isinstance(value, dict):
        return value
    value = {key: with_collections(part, values) for key, part in value.items()}
    for key, loop in value.items():
        if key.startswith("Fn::ForEach::") and isinstance(loop[1], dict):
            value[key] = [loop[0], values[loop[1]["Ref"]], loop[2]]
    return value


KEPT = "Kept::"


def keep(value, known: Collection[str]):
    if isinstance(value, list):
        return [keep(part, known) for part in value]
    if not isinstance(value, dict):
        return value
    kept = {key: keep(part, known) for key, part in value.items()}
    for function in {"Fn::Sub", "Fn::Join"} & value.keys():
        if needs_resource(value, known):
            return {KEPT + function: kept[function]}
    return kept


def needs_resource(value, known: Collection[str]) -> bool:
    if isinstance(value, list):
        return any(needs_resource(part, known) for part in value)
    if not isinstance(value, dict):
        return False
    if "Fn::Sub" in value and len(value) == 1:
        text, given_here = (value["Fn::Sub"], {}) if isinstance(value["Fn::Sub"], str) else value["Fn::Sub"]
        names = {match[1] for match in REFERENCE.finditer(text)}
        return bool(names - known - given_here.keys()) or needs_resource(given_here, known)
    if "Fn::GetAtt" in value or isinstance(value.get("Ref"), str) and value["Ref"] not in {*known, "AWS::NoValue"}:
        return True
    return any(needs_resource(part, known) for part in value.values())


def give_back(value, values: dict):
    if isinstance(value, list):
        return [give_back(part, values) for part in value]
    if not isinstance(value, dict):
        return value
    parts = {key.removeprefix(KEPT): give_back(part, values) for key, part in value.items()}
    return substitute(parts["Fn::Sub"], values) if KEPT + "Fn::Sub" in value else parts


# ---- CloudFormation's intrinsic functions

REFERENCE = re.compile(r"\$\{(?!!)([^}]+)\}")
NO_VALUE = object()


def substitute(argument, values: dict, refer: Callable[[str], None] = lambda _: None):
    """Evaluates Fn::Sub as far as the values are known. Reports the remaining references, to resources, to `refer`."""
    text, given_here = (argument, {}) if isinstance(argument, str) else argument
    left = {name: value for name, value in given_here.items() if isinstance(value, dict)}

    def replace(match: re.Match) -> str:
        name = match[1]
        if name in left:
            return match[0]
        if name in given_here or name in values:
            return plain(given_here[name] if name in given_here else values[name])
        refer(name.split(".")[0])
        return match[0]

    text = REFERENCE.sub(replace, text)
    if left:
        return {"Fn::Sub": [text, left]}
    return {"Fn::Sub": text} if REFERENCE.search(text) else text.replace("${!", "${")


def values_of(template: dict, parameters: dict[str, str]) -> dict:
    """The value of each parameter and pseudo parameter."""
    values = {name: parameters.get(name, value) for name, value in PSEUDO.items()}
    for name, definition in template.get("Parameters", {}).items():
        values[name] = parameter_value(definition, parameters.get(name, definition.get("Default", "")))
    return values


class Stack:
    """A translated template with its parameters' values: the existing resources and their properties.

    Only references to resources stay intrinsic functions. `faults` is complete once the stack has been built.
    """

    def __init__(self, translated: dict, parameters: dict[str, str]) -> None:
        self.faults: list[str] = []
        self._mappings = translated.get("Mappings", {})
        self._conditions = translated.get("Conditions", {})
        self._values = values_of(translated, parameters)
        self._all = translated["Resources"]
        self._live = {name for name, resource in self._all.items() if self._exists(resource)}
        self._place = ""
        self.resources = {name: self._body(f"Resources.{name}", self._all[name]) for name in sorted(self._live)}
        outputs = translated.get("Outputs", {})
        self.outputs = {
            name: self._body(f"Outputs.{name}", output) for name, output in outputs.items() if self._exists(output)
        }

    def template(self) -> dict:
        """The deployed template, without parameters and conditions."""
        return {"AWSTemplateFormatVersion": "2010-09-09", "Resources": self.resources, "Outputs": self.outputs}

    def _exists(self, resource: dict) -> bool:
        return "Condition" not in resource or self.condition({"Condition": resource["Condition"]})

    def _body(self, place: str, resource: dict) -> dict:
        self._place = place
        depends = resource.get("DependsOn", [])
        for name in [depends] if isinstance(depends, str) else depends:
            if name not in self._all:
                self.faults.append(f"{place} depends on {name}, which is not a resource")
        # These describe the resource and are not part of it.
        aside = ("Condition", "Metadata", "DependsOn")
        return {key: self.resolve(value) for key, value in resource.items() if key not in aside}

    def condition(self, value) -> bool:
        (function, argument), *_ = value.items()
        if function == "Condition":
            if argument not in self._conditions:
                self.faults.append(f"condition {argument} does not exist")
                return False
            return self.condition(self._conditions[argument])
        if function == "Fn::Equals":
            first, second = (self.resolve(part) for part in argument)
            return plain(first) == plain(second)
        if function == "Fn::Not":
            return not self.condition(argument[0])
        results = [self.condition(part) for part in argument]
        return any(results) if function == "Fn::Or" else all(results)

    def resolve(self, value):
        if isinstance(value, list):
            parts = [self.resolve(part) for part in value]
            return [part for part in parts if part is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (function, argument), *_ = value.items()
            if function == "Ref":
                return self._reference(argument)
            if function.startswith("Fn::"):
                return self._function(function.removeprefix("Fn::"), argument)
        parts = {key: self.resolve(part) for key, part in value.items()}
        return {key: part for key, part in parts.items() if part is not NO_VALUE}

    def _reference(self, name: str):
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in self._values:
            return self._values[name]
        self._must_exist(name)
        return {"Ref": name}

    def _must_exist(self, name: str) -> None:
        if name not in self._all:
            self.faults.append(f"{self._place} refers to {name}, which is neither a parameter nor a resource")
        elif name not in self._live:
            self.faults.append(f"{self._place} refers to {name}, which this variant does not have")

    def _function(self, function: str, argument):
        if function == "If":
            name, when_true, when_false = argument
            return self.resolve(when_true if self.condition({"Condition": name}) else when_false)
        if function == "GetAtt":
            name, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
            self._must_exist(name)
            return {"Fn::GetAtt": [name, attribute]}
        if function == "Sub":
            return substitute(self.resolve(argument), self._values, self._must_exist)
        argument = self.resolve(argument)
        if function == "FindInMap":
            mapping, first, second = (plain(part) for part in argument[:3])
            try:
                return self._mappings[mapping][first][second]
            except KeyError:
                self.faults.append(f"{self._place}: the mapping {mapping} has no {first}, {second}")
                return NO_VALUE
        if function == "Join" and all(not isinstance(part, dict) for part in argument[1]):
            return argument[0].join(plain(part) for part in argument[1])
        if function == "Split" and isinstance(argument[1], str):
            return argument[1].split(argument[0])
        if function == "Select" and isinstance(argument[1], list):
            return argument[1][int(argument[0])]
        return {f"Fn::{function}": argument}


def parameter_value(definition: dict, value):
    if definition["Type"] == "CommaDelimitedList":
        return [part.strip() for part in str(value).split(",")]
    return int(value) if definition["Type"] == "Number" and re.fullmatch(r"\d+", str(value)) else value


def plain(value) -> str:
    """The value as text, as CloudFormation compares and joins it."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(plain(part) for part in value) if isinstance(value, list) else str(value)


def readable(value):
    """The value with its references to resources as in Fn::Sub: ${KycQueue.Arn}."""
    if isinstance(value, list):
        return [readable(part) for part in value]
    if not isinstance(value, dict):
        return value
    value = {key: readable(part) for key, part in value.items()}
    if len(value) == 1:
        (function, argument), *_ = value.items()
        if function == "Ref":
            return f"${{{argument}}}"
        if function == "Fn::GetAtt":
            return f"${{{'.'.join(argument)}}}"
        if function == "Fn::Sub":
            text, given_here = (argument, {}) if isinstance(argument, str) else argument
            return REFERENCE.sub(lambda match: plain(given_here.get(match[1], match[0])), text)
        if function == "Fn::Join":
            return argument[0].join(plain(part) for part in argument[1])
    return value


# ---- The checks of one variant. Each returns its findings as texts


def parameter_faults(template: dict, parameters: dict[str, str]) -> list[str]:
    """Values that CloudFormation rejects."""
    faults = []
    for name, value in parameters.items():
        if name in PSEUDO:
            continue
        definition = template["Parameters"].get(name)
        if definition is None:
            faults.append(f"the template has no parameter {name}")
            continue
        pattern, allowed = definition.get("AllowedPattern", ".*"), definition.get("AllowedValues")
        parts = parameter_value(definition, value)
        for part in parts if isinstance(parts, list) else [parts]:
            fits = re.fullmatch(pattern.strip(), str(part)) and (allowed is None or str(part) in map(str, allowed))
            if definition["Type"] == "Number":
                fits = fits and definition.get("MinValue", 0) <= int(part) <= definition.get("MaxValue", int(part))
            if not fits:
                faults.append(f"the parameter {name} does not allow {part!r}")
    return faults


def leftover_faults(translated: dict) -> list[str]:
    """Loops that were not expanded, and ${...} that nothing replaces."""
    faults = []

    def walk(place: str, value, substituted=False) -> None:
        if isinstance(value, dict):
            for key, part in value.items():
                if key.startswith("Fn::ForEach"):
                    faults.append(f"{place}.{key} is a loop that was not expanded")
                walk(f"{place}.{key}", part, substituted or key == "Fn::Sub")
        elif isinstance(value, list):
            for index, part in enumerate(value):
                walk(f"{place}.{index}", part, substituted)
        elif isinstance(value, str) and not substituted and re.search(r"[$&]\{", value):
            faults.append(f"{place} holds {value[:80]!r}, which nothing replaces: Fn::Sub is missing")

    for section in ("Conditions", "Resources", "Outputs"):
        walk(section, translated.get(section, {}))
    return faults


def condition_faults(translated: dict) -> list[str]:
    """Missing conditions, also in parts that this variant does not use."""
    faults, conditions = [], translated.get("Conditions", {})

    def walk(place: str, value) -> None:
        if isinstance(value, dict):
            for key, part in value.items():
                name = part[0] if key == "Fn::If" else part if key == "Condition" else None
                if isinstance(name, str) and name not in conditions:
                    faults.append(f"{place}: condition {name} does not exist")
                walk(f"{place}.{key}", part)
        elif isinstance(value, list):
            for index, part in enumerate(value):
                walk(f"{place}.{index}", part)

    for section in ("Conditions", "Resources", "Outputs"):
        walk(section, translated.get(section, {}))
    return faults


def schema_faults(stack: Stack) -> list[str]:
    """cfn-lint's errors. Its warnings concern template.yaml itself, which .ci/run lints too."""
    text = json.dumps(stack.template(), indent=1, default=str)
    matches = lint(text, config=ManualArgs(regions=REGIONS))
    errors = [match for match in matches if match.rule.id.startswith("E")]
    return [f"{match.rule.id} at {'.'.join(map(str, match.path or []))}: {match.message}" for match in errors]


# The keywords that API Gateway imports into an HTTP API. It ignores others or warns about them. The sources in its
# developer guide are "Use OpenAPI definitions for HTTP APIs", "OpenAPI extensions for API Gateway" and the page of each
# extension. Before you add a keyword, look it up in that guide.
ROOT_KEYWORDS = {
    *("openapi", "info", "servers", "paths", "components", "security", "tags"),
    *("x-amazon-apigateway-cors", "x-amazon-apigateway-importexport-version"),
}
COMPONENT_KEYWORDS = {"securitySchemes", "x-amazon-apigateway-integrations"}
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "x-amazon-apigateway-any-method"}
OPERATION_KEYWORDS = {"operationId", "responses", "security", "x-amazon-apigateway-integration"}
SERVER_KEYWORDS = {"url", "description", "variables", "x-amazon-apigateway-endpoint-configuration"}
ENDPOINT_KEYWORDS = {"disableExecuteApiEndpoint", "ipAddressType"}
INTEGRATION_KEYWORDS = {
    *("type", "uri", "httpMethod", "payloadFormatVersion", "integrationSubtype", "timeoutInMillis", "credentials"),
    *("connectionId", "connectionType", "requestParameters", "responseParameters", "tlsConfig"),
}
INTEGRATION_TYPES = {"aws_proxy", "http_proxy"}


def api_faults(stack: Stack) -> list[str]:
    """Parts of the API definition that API Gateway would warn about. With FailOnWarnings a warning stops the deploy."""
    faults, routes = [], 0
    for name, resource in stack.resources.items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::ApiGatewayV2::Route":
            routes += 1
            target = re.fullmatch(r"integrations/\$\{(\w+)\}", readable(properties.get("Target", "")))
            if not target or stack.resources.get(target[1], {}).get("Type") != "AWS::ApiGatewayV2::Integration":
                faults.append(f"{name} has no integration")
        if resource["Type"] != "AWS::ApiGatewayV2::Api":
            continue
        if plain(properties.get("FailOnWarnings", False)) == "true":
            faults.append(f"{name} has FailOnWarnings: a warning of API Gateway would stop a deploy")
        body = properties.get("Body", {})
        routes += sum(len(METHODS & path.keys()) for path in body.get("paths", {}).values())
        faults += [f"{name}: {fault}" for fault in definition_faults(body)]
    return faults if routes else [*faults, "there is no API with a route"]


def definition_faults(body: dict) -> list[str]:
    faults = []

    def only(allowed: set[str], place: str, value: dict) -> None:
        faults.extend(f"HTTP APIs do not support {key} in {place}" for key in value.keys() - allowed)

    only(ROOT_KEYWORDS, "a definition", body)
    only(COMPONENT_KEYWORDS, "components", body.get("components", {}))
    for server in body.get("servers", []):
        only(SERVER_KEYWORDS, "servers", server)
        only(ENDPOINT_KEYWORDS, "servers", server.get("x-amazon-apigateway-endpoint-configuration", {}))
        if not server.get("url"):
            faults.append("an entry of servers has no url")
    for path, methods in body.get("paths", {}).items():
        only(METHODS, path, methods)
        for method, operation in methods.items():
            route = f"{method} {path}"
            only(OPERATION_KEYWORDS, route, operation)
            integration = operation.get("x-amazon-apigateway-integration")
            if not integration:
                faults.append(f"{route} has no integration")
                continue
            only(INTEGRATION_KEYWORDS, f"the integration of {route}", integration)
            if str(integration.get("type")).lower() not in INTEGRATION_TYPES:
                faults.append(f"HTTP APIs have no integration of type {integration.get('type')}, which {route} has")
            if not integration.get("uri") or not integration.get("payloadFormatVersion"):
                faults.append(f"the integration of {route} needs uri and payloadFormatVersion")
    return faults


# ---- IAM statements, reviewed as snapshots


def iam_statements(stack: Stack) -> dict:
    """The IAM statements by resource: roles, and the policies of queues, buckets, topics and functions."""
    found = {}
    for name, resource in stack.resources.items():
        properties = readable(resource.get("Properties", {}))
        entry: dict = {"Type": resource["Type"]}
        if "AssumeRolePolicyDocument" in properties:
            entry["AssumedBy"] = as_list(properties["AssumeRolePolicyDocument"]["Statement"])
        if properties.get("ManagedPolicyArns"):
            entry["ManagedPolicies"] = properties["ManagedPolicyArns"]
        for policy in properties.get("Policies", []) if resource["Type"].startswith("AWS::IAM::") else []:
            entry.setdefault("Statements", []).extend(as_list(policy["PolicyDocument"]["Statement"]))
        if "PolicyDocument" in properties:
            entry["Statements"] = as_list(properties["PolicyDocument"]["Statement"])
        if resource["Type"] == "AWS::Lambda::Permission":
            entry |= properties
        if len(entry) > 1:
            found[name] = entry
    return found


def snapshots(statements: dict[str, dict]) -> dict[str, str]:
    """The files of .ci/iam/: the complete default variant, and the differences of the others."""
    base = statements["default"]
    files = {}
    for variant, found in statements.items():
        if variant != "default":
            changed = {name: entry for name, entry in found.items() if base.get(name) != entry}
            found = dict(sorted((changed | {name: None for name in base.keys() - found.keys()}).items()))
        files[f"{variant}.json"] = json.dumps(ordered(found), indent=2, default=str) + "\n"
    return files


def ordered(value):
    """The value with its keys in the usual order of a statement."""
    if isinstance(value, list):
        return [ordered(part) for part in value]
    if not isinstance(value, dict):
        return value
    first = ("Type", "AssumedBy", "ManagedPolicies", "Sid", "Effect", "Principal", "Action", "Resource")
    keys = [key for key in first if key in value] + sorted(value.keys() - first)
    return {key: ordered(value[key]) for key in keys}


def write_snapshots(files: dict[str, str], folder: pathlib.Path = SNAPSHOTS) -> None:
    folder.mkdir(exist_ok=True)
    for stale in folder.glob("*.json"):
        stale.unlink()
    for name, text in files.items():
        (folder / name).write_text(text)


def snapshot_faults(files: dict[str, str], folder: pathlib.Path = SNAPSHOTS) -> list[str]:
    committed = {path.name: path.read_text() for path in folder.glob("*.json")}
    check = pathlib.Path(sys.argv[0]).name
    return [
        f".ci/{folder.name}/{name} differs from the template: run .ci/{check} --write and read the diff"
        for name in sorted(committed.keys() | files.keys())
        if committed.get(name) != files.get(name)
    ]


# ---- Promises that only the translated template shows


def identity_statements(stack: Stack):
    """The statements of every role, each with a name for reports."""
    for name, resource in stack.resources.items():
        if resource["Type"].startswith("AWS::IAM::"):
            properties = readable(resource.get("Properties", {}))
            documents = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
            documents += [properties["PolicyDocument"]] if "PolicyDocument" in properties else []
            for document in documents:
                for statement in as_list(document["Statement"]):
                    yield f"{name}, statement {statement.get('Sid', 'without Sid')}", statement


def as_list(value) -> list:
    return value if isinstance(value, list) else [value]


def role_faults(stack: Stack, owner: str = PSEUDO["AWS::AccountId"]) -> list[str]:
    """Managed policies in the functions' roles, and S3 permissions for buckets of another account than `owner`."""
    faults = []
    for name, resource in stack.resources.items():
        properties = readable(resource.get("Properties", {}))
        if resource["Type"] == "AWS::IAM::Role" and "lambda.amazonaws.com" in json.dumps(
            properties["AssumeRolePolicyDocument"]
        ):
            faults += [f"{name} has the managed policy {arn}" for arn in properties.get("ManagedPolicyArns", [])]
    for place, statement in identity_statements(stack):
        actions = as_list(statement.get("Action", []))
        if any(str(action).startswith("s3:") for action in actions):
            equals = statement.get("Condition", {}).get("StringEquals", {})
            if equals.get("aws:ResourceAccount") != owner:
                faults.append(f"{place}: a bucket of another account could take this one's name (aws:ResourceAccount)")
    return faults


def retention_faults(stack: Stack) -> list[str]:
    """Policies that are deleted with the stack while their queue or bucket stays."""
    faults = []
    for name, resource in stack.resources.items():
        kinds = {"AWS::SQS::QueuePolicy": "Queues", "AWS::S3::BucketPolicy": "Bucket"}
        if resource["Type"] not in kinds:
            continue
        for target in as_list(resource["Properties"][kinds[resource["Type"]]]):
            kept = stack.resources.get(target.get("Ref") if isinstance(target, dict) else target, {})
            for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
                if kept.get(policy, "Delete") != "Delete" and resource.get(policy, "Delete") == "Delete":
                    faults.append(f"{name} is deleted with the stack ({policy}), while what it protects stays")
    return faults


def output_faults(stack: Stack) -> list[str]:
    """Exports. An export cannot be deleted while another stack imports it, and no other account can import it."""
    return [f"the output {name} is exported" for name, output in stack.outputs.items() if "Export" in output]


def deployment_faults(stack: Stack, gradual: bool) -> list[str]:
    """Gradual deployments without a hook that CodeDeploy may invoke first."""
    faults = []
    aliases = {name: r for name, r in stack.resources.items() if r["Type"] == "AWS::Lambda::Alias"}
    for name, alias in aliases.items():
        update = alias.get("UpdatePolicy", {}).get("CodeDeployLambdaAliasUpdate")
        if not gradual:
            faults += [f"{name} is deployed by CodeDeploy, although all traffic moves at once"] if update else []
            continue
        if not update:
            faults.append(f"{name} gets all its traffic at once")
            continue
        hook = readable(update.get("BeforeAllowTrafficHook", "")).strip("${}")
        function = stack.resources.get(hook, {})
        if function.get("Type") != "AWS::Lambda::Function":
            faults.append(f"{name} has no PreTraffic hook")
            continue
        group = stack.resources[readable(update["DeploymentGroupName"]).strip("${}")]
        role = stack.resources.get(readable(group["Properties"]["ServiceRoleArn"]).strip("${}").split(".")[0], {})
        function_name = readable(function["Properties"].get("FunctionName", ""))
        # AWSCodeDeployRoleForLambda lets CodeDeploy invoke only functions with this name.
        if not function_name.startswith("CodeDeployHook_") and not may_invoke(role, hook, function_name):
            faults.append(f"CodeDeploy may not invoke {hook}")
    return faults


def may_invoke(role: dict, function: str, function_name: str) -> bool:
    arn = f"arn:aws:lambda:{PSEUDO['AWS::Region']}:{PSEUDO['AWS::AccountId']}:function:{function_name}"
    for policy in readable(role.get("Properties", {})).get("Policies", []):
        for statement in as_list(policy["PolicyDocument"]["Statement"]):
            if "lambda:InvokeFunction" in as_list(statement["Action"]) and statement["Effect"] == "Allow":
                for resource in as_list(statement["Resource"]):
                    if fnmatch.fnmatchcase(arn, resource) or resource.startswith(f"${{{function}.Arn}}"):
                        return True
    return False


# ---- Versions of the receiver

# A version is published when its logical id in the translated template changes. SAM derives that id from the function's
# properties. These properties of AWS::Serverless::Function do not become properties of the function:
NOT_THE_FUNCTION = {
    *("AssumeRolePolicyDocument", "AutoPublishAlias", "AutoPublishAliasAllProperties", "AutoPublishCodeSha256"),
    *("Connectors", "DeploymentPreference", "EventInvokeConfig", "Events", "FunctionUrlConfig", "PermissionsBoundary"),
    *("Policies", "PropagateTags", "ProvisionedConcurrencyConfig", "RolePath", "VersionDeletionPolicy"),
    *("VersionDescription",),
}
# These are also checked by name, in case the receiver loses one of them.
RECEIVER_PARAMETERS = {
    *("AllowedSourceCidrs", "Architecture", "AsciiEncoding", "DeploymentId", "MemorySize", "PaySigningSecretArn"),
    *("PreviousKeyDays", "ResponseTypeQueues", "SigningSecretArn", "UseDualStackEndpoints", "UseFipsEndpoints"),
}


def parameters_of(template: dict, function: str) -> set[str]:
    """The parameters that reach the function's properties, directly or through a condition."""
    names: set[str] = set()
    conditions = template.get("Conditions", {})

    def walk(value) -> None:
        if isinstance(value, list):
            for part in value:
                walk(part)
        elif isinstance(value, dict):
            for key, part in value.items():
                if key == "Ref" and isinstance(part, str):
                    names.add(part)
                elif key == "Fn::Sub":
                    names.update(match[1] for match in REFERENCE.finditer(part if isinstance(part, str) else part[0]))
                name = part[0] if key == "Fn::If" else part if key == "Condition" else None
                walk(conditions.get(name) if isinstance(name, str) else None)
                walk(part)

    properties = template.get("Globals", {}).get("Function", {}) | template["Resources"][function]["Properties"]
    walk({key: value for key, value in properties.items() if key not in NOT_THE_FUNCTION})
    return names & template["Parameters"].keys()


def other_values(name: str, definition: dict) -> list[str]:
    """Values that differ from the default. An empty list means that EXAMPLES needs some."""
    default = str(definition.get("Default", ""))
    if "AllowedValues" in definition:
        others = [str(value) for value in definition["AllowedValues"] if str(value) != default]
        return [others[0], others[-1]] if len(others) > 1 else others
    if name in EXAMPLES:
        return EXAMPLES[name]
    if definition["Type"] == "Number":
        others = [definition.get("MinValue", 0), definition.get("MaxValue", 1_000_000)]
        return [str(value) for value in others if str(value) != default]
    return []


def version_of(translated: dict, function: str) -> list[str]:
    return [name for name in translated["Resources"] if re.fullmatch(f"{function}Version[0-9a-f]{{10}}", name)]


def version_faults(template: dict, function: str, parameters: set[str] | None = None) -> list[str]:
    """Checks all parameters, or only the given ones, one at a time."""
    before = version_of(translate(template, {}), function)
    if len(before) != 1:
        return [f"{function} publishes {len(before)} versions"]
    reaching = parameters_of(template, function)
    faults = []
    if function == RECEIVER:
        faults += [f"{name} does not reach {function}" for name in sorted(RECEIVER_PARAMETERS - reaching)]
    for name, definition in template["Parameters"].items():
        if parameters is not None and name not in parameters:
            continue
        values = other_values(name, definition)
        if not values:
            faults.append(f"EXAMPLES in .ci/check_template.py has no values for the parameter {name}")
            continue
        for value in values:
            faults += parameter_faults(template, {name: value})
        ids = [before] + [version_of(translate(template, {name: value}), function) for value in values]
        different = {tuple(version) for version in ids}
        if name in reaching and len(different) != len(ids):
            faults.append(f"another {name} changes {function} but publishes no version, so live traffic never gets it")
        if name not in reaching and len(different) != 1:
            faults.append(f"another {name} publishes a version of {function}, which it does not change")
    return faults


def published_functions(template: dict) -> list[str]:
    functions = [
        name
        for name, resource in template["Resources"].items()
        if isinstance(resource, dict) and "AutoPublishAlias" in resource.get("Properties", {})
    ]
    return sorted({RECEIVER, *functions})


# ---- All checks


def variant_faults(template: dict, parameters: dict[str, str]) -> tuple[list[str], Stack | None]:
    faults = parameter_faults(template, parameters)
    try:
        translated = translate(template, parameters)
    except Exception as error:  # SAM and the expansion raise many kinds, which all mean the same here
        return [*faults, f"not translatable: {error}"], None
    stack = Stack(translated, parameters)
    faults += translated_faults(translated, stack, parameters) + schema_faults(stack)
    return list(dict.fromkeys(faults)), stack


def translated_faults(translated: dict, stack: Stack, parameters: dict[str, str]) -> list[str]:
    return [
        *stack.faults,
        *leftover_faults(translated),
        *condition_faults(translated),
        *api_faults(stack),
        *role_faults(stack),
        *retention_faults(stack),
        *output_faults(stack),
        *deployment_faults(stack, gradual=parameters.get("Deployment") != "AllAtOnce"),
    ]


def coverage_faults(template: dict, variants: dict[str, dict[str, str]] | None = None) -> list[str]:
    """Conditions that have the same value in every variant, so that a part of the template is never checked."""
    met: dict[str, set[bool]] = {name: set() for name in template.get("Conditions", {})}
    for parameters in (variants or VARIANTS).values():
        stack = Stack(template | {"Resources": {}, "Outputs": {}}, parameters)
        for name in met:
            met[name].add(stack.condition({"Condition": name}))
    return [
        f"condition {name} is {str(next(iter(results))).lower()} in every variant"
        for name, results in met.items()
        if len(results) == 1
    ]


def main(arguments: list[str]) -> None:
    write = "--write" in arguments
    paths = [argument for argument in arguments if argument != "--write"]
    path = pathlib.Path(paths[0] if paths else pathlib.Path(__file__).parents[1] / "template.yaml")
    # SAM logs errors that it also raises, and hints that do not matter here.
    logging.disable(logging.CRITICAL)
    template = yaml_parse(path.read_text())

    faults: dict[str, list[str]] = {}
    statements = {}
    for variant, parameters in VARIANTS.items():
        found, stack = variant_faults(template, parameters)
        # A fault of the defaults is in every variant. Report it once.
        faults[variant] = [fault for fault in found if variant == "default" or fault not in faults["default"]]
        if stack and not PSEUDO.keys() & parameters.keys():
            statements[variant] = iam_statements(stack)
    faults["all variants together"] = coverage_faults(template)
    if "default" in statements:
        files = snapshots(statements)
        if write:
            write_snapshots(files)
        faults["IAM statements"] = snapshot_faults(files)
        for function in published_functions(template):
            faults[f"versions of {function}"] = version_faults(template, function)

    total = sum(map(len, faults.values()))
    for title, found in faults.items():
        for fault in found:
            print(f"{title}: {fault}")
    if total:
        print(f"{path.name}: {total} faults")
        sys.exit(1)
    print(f"{path.name}: {len(VARIANTS)} variants and {len(template['Parameters'])} parameters checked")


if __name__ == "__main__":
    main(sys.argv[1:])
