"""Translates fan-out.yaml as AWS does, once for each variant that the documentation describes, and checks the result: it
matches the resource schemas, has no dangling reference, and has the reviewed IAM statements.

Usage: check_fan_out_template.py [--write]

--write replaces the IAM snapshots in .ci/iam-fan-out/ with the current statements. Read their diff before you commit it.
"""

import logging
import pathlib
import sys

from samcli.yamlhelper import yaml_parse

from check_template import (
    Stack,
    condition_faults,
    coverage_faults,
    given,
    iam_statements,
    leftover_faults,
    output_faults,
    parameter_faults,
    role_faults,
    schema_faults,
    snapshot_faults,
    snapshots,
    translate,
    write_snapshots,
)

HERE = pathlib.Path(__file__).parent
SNAPSHOTS = HERE / "iam-fan-out"
ALL = "Kyc,AccountsDetail,Investments,Pay,UploadFraud,Unclassified"

VARIANTS = {
    "default": {"Kinds": "Kyc"},
    "all-kinds": {"Kinds": ALL},
    "publishing": {"Kinds": "Kyc", "Publishing": "on"},
    "consumers": {"Kinds": "Kyc", **given("ConsumerAccountIds")},
    "given-kms-key": {"Kinds": "Kyc", **given("KmsKeyArn")},
    "given-alarm-topic": {"Kinds": "Kyc", **given("AlarmTopicArn")},
    "other-receiver": {"Kinds": "Kyc", "ReceiverStack": "flinks-test"},
    "longest-stack-name": {"Kinds": ALL, "AWS::StackName": "s" * 50},
    "everything": {
        **{"Kinds": ALL, "Publishing": "on", "MaximumConcurrency": "1000", "LogRetentionDays": "3653"},
        **{"Architecture": "x86_64", "UseFipsEndpoints": "true", "UseDualStackEndpoints": "true"},
        **given("ConsumerAccountIds", "KmsKeyArn", "AlarmTopicArn"),
    },
}


def variant_faults(template: dict, parameters: dict[str, str]) -> tuple[list[str], Stack | None]:
    faults = parameter_faults(template, parameters)
    try:
        translated = translate(template, parameters)
    except Exception as error:  # SAM and the expansion raise many kinds, which all mean the same here
        return [*faults, f"not translatable: {error}"], None
    stack = Stack(translated, parameters)
    faults += [
        *stack.faults,
        *leftover_faults(translated),
        *condition_faults(translated),
        *role_faults(stack),
        *output_faults(stack),
        *schema_faults(stack),
        *kind_faults(stack, parameters),
    ]
    return list(dict.fromkeys(faults)), stack


def kind_faults(stack: Stack, parameters: dict[str, str]) -> list[str]:
    """Exactly the chosen kinds have a mapping and a topic, and the function reads only while it publishes."""
    faults, chosen = [], set(parameters["Kinds"].split(","))
    for suffix, of_type in [("Mapping", "AWS::Lambda::EventSourceMapping"), ("Topic", "AWS::SNS::Topic")]:
        found = {name.removesuffix(suffix) for name, body in stack.resources.items() if body["Type"] == of_type}
        if found != chosen:
            faults.append(f"the kinds with a {of_type} are {found}, not {chosen}")
    for kind in chosen:
        mapping = stack.resources[f"{kind}Mapping"]["Properties"]
        if mapping["Enabled"] != (parameters.get("Publishing") == "on"):
            faults.append(f"{kind}Mapping is enabled: {mapping['Enabled']}")
    return faults


def timeout_faults(template: dict, receiver: dict) -> list[str]:
    """A message is hidden for six times as long as the function may take, as AWS advises."""
    timeout = template["Resources"]["FanOutFunction"]["Properties"]["Timeout"]
    hidden = receiver["Parameters"]["VisibilityTimeoutSeconds"]["Default"]
    return [] if 6 * timeout <= hidden else [f"a timeout of {timeout} s, for a visibility timeout of {hidden} s"]


def main(arguments: list[str]) -> None:
    # SAM logs errors that it also raises, and hints that do not matter here.
    logging.disable(logging.CRITICAL)
    template = yaml_parse((HERE.parent / "fan-out.yaml").read_text())
    faults: dict[str, list[str]] = {}
    statements = {}
    for variant, parameters in VARIANTS.items():
        faults[variant], stack = variant_faults(template, parameters)
        if stack and "AWS::StackName" not in parameters:
            statements[variant] = iam_statements(stack)
    receiver = yaml_parse((HERE.parent / "template.yaml").read_text())
    faults["all variants together"] = coverage_faults(template, VARIANTS) + timeout_faults(template, receiver)
    if "default" in statements:
        files = snapshots(statements)
        if arguments == ["--write"]:
            write_snapshots(files, SNAPSHOTS)
        faults["IAM statements"] = snapshot_faults(files, SNAPSHOTS)
    lines = [f"{title}: {fault}" for title, found in faults.items() for fault in found]
    if lines:
        sys.exit("\n".join([*lines, f"fan-out.yaml: {len(lines)} faults"]))
    print(f"fan-out.yaml: {len(VARIANTS)} variants checked")


if __name__ == "__main__":
    main(sys.argv[1:])
