"""Checks fan-out.yaml as AWS translates it: see further_template.py.

Usage: check_fan_out_template.py [--write]

--write replaces the IAM snapshots in .ci/iam-fan-out/ with the current statements. Read their diff before you commit it.
"""

import sys

from check_template import Stack, given
from further_template import MAPPING, Further, main, mapping_faults, receivers_visibility_timeout, timeout_faults

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


def kind_faults(stack: Stack, parameters: dict[str, str]) -> list[str]:
    """Exactly the chosen kinds have a mapping and a topic, and the function reads only while it publishes."""
    faults, chosen = [], set(parameters["Kinds"].split(","))
    for suffix, of_type in [("Mapping", MAPPING), ("Topic", "AWS::SNS::Topic")]:
        found = {name.removesuffix(suffix) for name, body in stack.resources.items() if body["Type"] == of_type}
        if found != chosen:
            faults.append(f"the kinds with a {of_type} are {found}, not {chosen}")
    for kind in chosen:
        mapping = stack.resources[f"{kind}Mapping"]["Properties"]
        if mapping["Enabled"] != (parameters.get("Publishing") == "on"):
            faults.append(f"{kind}Mapping is enabled: {mapping['Enabled']}")
    return faults + mapping_faults(stack, {f"{kind}Policy" for kind in chosen})


def template_faults(template: dict) -> list[str]:
    timeout = template["Resources"]["FanOutFunction"]["Properties"]["Timeout"]
    return timeout_faults(timeout, receivers_visibility_timeout())


if __name__ == "__main__":
    main(Further("fan-out.yaml", "iam-fan-out", VARIANTS, kind_faults, template_faults), sys.argv[1:])
