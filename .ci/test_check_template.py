"""Breaks a copy of the translated template in one place at a time. check_template.py must report each fault.

Usage: test_check_template.py [TEMPLATE]
"""

import copy
import logging
import pathlib
import sys
from collections.abc import Callable

import check_template as check
from samcli.yamlhelper import yaml_parse


def of_type(translated: dict, kind: str) -> dict:
    """The first resource of that type."""
    return next(resource for resource in translated["Resources"].values() if resource["Type"] == kind)


def body(translated: dict) -> dict:
    return of_type(translated, "AWS::ApiGatewayV2::Api")["Properties"]["Body"]


def route(translated: dict) -> dict:
    (methods, *_) = body(translated)["paths"].values()
    (operation, *_) = methods.values()
    return operation


def variables(translated: dict) -> dict:
    return translated["Resources"][check.RECEIVER]["Properties"]["Environment"]["Variables"]


def role(translated: dict) -> dict:
    """A function's role."""
    return next(
        resource["Properties"]
        for resource in translated["Resources"].values()
        if resource["Type"] == "AWS::IAM::Role" and "lambda.amazonaws.com" in str(resource["Properties"])
    )


def statements(translated: dict) -> list:
    return role(translated)["Policies"][0]["PolicyDocument"]["Statement"]


def add(mapping: dict, **entries) -> None:
    mapping.update(entries)


LANGUAGE_EXTENSIONS, SAM = "AWS::LanguageExtensions", "AWS::Serverless-2016-10-31"
READ_ANY_BUCKET = {"Sid": "Any", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::a/*"}

NEVER = {"Fn::Equals": ["this", "that"]}

# The name of the fault, the function that causes it, and a part of the expected report.
Break = Callable[[dict], object]
FAULTS: list[tuple[str, Break, str]] = [
    (
        "FailOnWarnings left in",
        lambda t: add(of_type(t, "AWS::ApiGatewayV2::Api")["Properties"], FailOnWarnings=True),
        "has FailOnWarnings",
    ),
    (
        "a servers entry without url",
        lambda t: add(body(t), servers=[{"x-amazon-apigateway-endpoint-configuration": {}}]),
        "an entry of servers has no url",
    ),
    (
        "a route without integration",
        lambda t: route(t).pop("x-amazon-apigateway-integration"),
        "has no integration",
    ),
    (
        "an integration that only REST APIs have",
        lambda t: add(route(t)["x-amazon-apigateway-integration"], type="mock"),
        "no integration of type mock",
    ),
    (
        "request validation, which only REST APIs have",
        lambda t: add(route(t), requestBody={}),
        "HTTP APIs do not support requestBody",
    ),
    (
        "a gateway response, which only REST APIs have",
        lambda t: body(t).update({"x-amazon-apigateway-gateway-responses": {}}),
        "HTTP APIs do not support x-amazon-apigateway-gateway-responses",
    ),
    (
        "a dangling Ref",
        lambda t: add(variables(t), KYC_QUEUE_URL={"Ref": "NoSuchQueue"}),
        "refers to NoSuchQueue",
    ),
    (
        "a dangling Fn::GetAtt",
        lambda t: add(variables(t), KYC_QUEUE_URL={"Fn::GetAtt": ["NoSuchQueue", "Arn"]}),
        "refers to NoSuchQueue",
    ),
    (
        "a dangling Fn::Sub",
        lambda t: add(variables(t), KYC_QUEUE_URL={"Fn::Sub": "${NoSuchQueue.Arn}/*"}),
        "refers to NoSuchQueue",
    ),
    (
        "a dangling DependsOn",
        lambda t: add(t["Resources"][check.RECEIVER], DependsOn=["NoSuchRole"]),
        "depends on NoSuchRole",
    ),
    (
        "a dangling condition of a resource",
        lambda t: add(t["Resources"]["KycQueue"], Condition="NoSuchCondition"),
        "condition NoSuchCondition does not exist",
    ),
    (
        "a dangling condition in Fn::If",
        lambda t: add(variables(t), KYC_QUEUE_URL={"Fn::If": ["NoSuchCondition", "a", "b"]}),
        "condition NoSuchCondition does not exist",
    ),
    (
        "a reference to a resource of another variant",
        lambda t: add(t["Resources"]["KycQueue"], Condition="Never") or add(t["Conditions"], Never=NEVER),
        "refers to KycQueue, which this variant does not have",
    ),
    (
        "a loop's variable where nothing replaces it",
        lambda t: add(t["Resources"]["KycQueue"]["Properties"], QueueName="${Kind}Queue"),
        "Fn::Sub is missing",
    ),
    (
        "a permission for a bucket of any account",
        lambda t: statements(t).append(READ_ANY_BUCKET),
        "statement Any: a bucket of another account",
    ),
    (
        "a managed policy",
        lambda t: add(role(t), ManagedPolicyArns=["arn:aws:iam::aws:policy/ReadOnlyAccess"]),
        "has the managed policy arn:aws:iam::aws:policy/ReadOnlyAccess",
    ),
    (
        "a policy that is deleted while its queue stays",
        lambda t: of_type(t, "AWS::SQS::QueuePolicy").pop("DeletionPolicy", None),
        "is deleted with the stack (DeletionPolicy)",
    ),
    (
        "an export",
        lambda t: add(t["Outputs"]["KycQueueUrl"], Export={"Name": "kyc"}),
        "the output KycQueueUrl is exported",
    ),
    (
        "a deployment without a hook",
        lambda t: of_type(t, "AWS::Lambda::Alias")["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"].pop(
            "BeforeAllowTrafficHook", None
        ),
        "has no PreTraffic hook",
    ),
    (
        "a gradual deployment turned off",
        lambda t: of_type(t, "AWS::Lambda::Alias").pop("UpdatePolicy"),
        "gets all its traffic at once",
    ),
]


def small_template(*transforms: str) -> dict:
    """A receiver with a parameter that it depends on, and one that it does not."""
    return {
        "Transform": list(transforms),
        "Parameters": {name: {"Type": "Number", "Default": 256} for name in ("MemorySize", "Unrelated")},
        "Resources": {
            check.RECEIVER: {
                "Type": "AWS::Serverless::Function",
                "Properties": {
                    "AutoPublishAlias": "live",
                    "AutoPublishAliasAllProperties": True,
                    "CodeUri": ".",
                    "Handler": "bootstrap",
                    "MemorySize": {"Ref": "MemorySize"},
                    "Runtime": "provided.al2023",
                },
            }
        },
    }


def main(path: pathlib.Path) -> None:
    logging.disable(logging.CRITICAL)
    template = yaml_parse(path.read_text())
    translated = check.translate(template, {})
    missed = []

    def expect(broken: str, faults: list[str], reported: str) -> None:
        if not any(reported in fault for fault in faults):
            missed.append(broken)

    for broken, break_it, reported in FAULTS:
        copied = copy.deepcopy(translated)
        break_it(copied)
        expect(broken, check.translated_faults(copied, check.Stack(copied, {}), {}), reported)

    copied = copy.deepcopy(translated)
    add(copied["Resources"]["KycQueue"]["Properties"], VisibilityTimeout="soon")
    expect("a property of the wrong type", check.schema_faults(check.Stack(copied, {})), "KycQueue")

    before = check.iam_statements(check.Stack(translated, {}))
    copied = copy.deepcopy(translated)
    statements(copied).append(READ_ANY_BUCKET)
    changed = check.snapshots({"default": before, "changed": check.iam_statements(check.Stack(copied, {}))})
    expect("an additional IAM statement", [changed["changed.json"]], '"Sid": "Any"')
    changed["default.json"] += " "
    expect("a stale snapshot", check.snapshot_faults(changed), "default.json differs from the template")

    broken_template = copy.deepcopy(template)
    broken_template["Conditions"]["Always"] = {"Fn::Equals": ["this", "this"]}
    expect("a condition that no variant varies", check.coverage_faults(broken_template), "condition Always is true")
    expect("a value outside its parameter's rules", check.parameter_faults(template, {"MemorySize": "1"}), "MemorySize")

    broken_template = copy.deepcopy(template)
    broken_template["Parameters"]["Further"] = {"Type": "String", "Default": ""}
    faults = check.version_faults(broken_template, check.RECEIVER, {"Further"})
    expect("a parameter without example values", faults, "no values for the parameter Further")

    broken_template = copy.deepcopy(template)
    del broken_template["Resources"][check.RECEIVER]["Properties"]["Environment"]["Variables"]["ASCII_ENCODING"]
    faults = check.version_faults(broken_template, check.RECEIVER, set())
    expect("a parameter that the receiver has lost", faults, "AsciiEncoding does not reach")

    faults = check.version_faults(small_template(SAM), check.RECEIVER, {"MemorySize"})
    expect("a version id of unresolved properties", faults, "another MemorySize changes ReceiverFunction")
    resolving = small_template(LANGUAGE_EXTENSIONS, SAM)
    faults = check.version_faults(resolving, check.RECEIVER, {"MemorySize", "Unrelated"})
    assert not any("another" in fault for fault in faults), faults
    check.NOT_THE_FUNCTION.add("MemorySize")
    faults = check.version_faults(resolving, check.RECEIVER, {"MemorySize"})
    expect("a version that nothing asks for", faults, "another MemorySize publishes a version")

    if missed:
        sys.exit("not reported: " + "; ".join(missed))
    print(f"{len(FAULTS) + 9} faults in copies of {path.name}, all reported")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1] / "template.yaml")
