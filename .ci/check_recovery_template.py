"""Checks recovery.yaml as AWS translates it: see further_template.py.

Usage: check_recovery_template.py [--write]

--write replaces the IAM snapshots in .ci/iam-recovery/ with the current statements. Read their diff before you commit it.
"""

import json
import sys

from check_template import EXAMPLES, Stack, given, parameter_faults
from further_template import Further, main, mapping_faults, timeout_faults

FLINKS = {
    "FlinksApiUrl": "https://toolbox-api.private.fin.ag",
    "FlinksCustomerId": "43387ca6-0391-4c82-857d-70d95f087ecb",
}
SECRET = {"FlinksApiSecretArn": EXAMPLES["SigningSecretArn"][0]}
SENDERS = {"SenderAccountIds": EXAMPLES["ConsumerAccountIds"][0]}

VARIANTS = {
    "default": FLINKS,
    "given-secret": {**FLINKS, **SECRET},
    "given-secrets-kms-key": {**FLINKS, **given("SecretsKmsKeyArn")},
    "given-kms-key": {**FLINKS, **given("KmsKeyArn")},
    "senders": {**FLINKS, **SENDERS},
    "given-alarm-topic": {**FLINKS, **given("AlarmTopicArn")},
    "other-receiver": {**FLINKS, "ReceiverStack": "flinks-test"},
    "longest-stack-name": {**FLINKS, "AWS::StackName": "s" * 50},
    "everything": {
        **{**FLINKS, **SECRET, **SENDERS, "MaximumConcurrency": "100", "LogRetentionDays": "3653"},
        **{"Architecture": "x86_64", "UseFipsEndpoints": "true", "UseDualStackEndpoints": "true"},
        **given("SecretsKmsKeyArn", "KmsKeyArn", "AlarmTopicArn"),
        "QueueAgeAlarmMinutes": "2880",
    },
}


def recovery_faults(stack: Stack, _parameters: dict[str, str]) -> list[str]:
    faults = mapping_faults(stack, {"RecoveryRole"})
    body = stack.resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    shown = {alarm for widget in json.loads(body)["widgets"] for alarm in widget["properties"].get("alarms", [])}
    alarms = {f"${{{name}.Arn}}" for name, body in stack.resources.items() if body["Type"] == "AWS::CloudWatch::Alarm"}
    return faults + [f"on the dashboard or in the stack, but not in both: {alarm}" for alarm in shown ^ alarms]


def template_faults(template: dict) -> list[str]:
    faults = []
    resources, parameters = template["Resources"], template["Parameters"]
    timeout = resources["RecoveryFunction"]["Properties"]["Timeout"]
    faults += timeout_faults(timeout, resources["RecoveryQueue"]["Properties"]["VisibilityTimeout"])
    # What samconfig.toml has until somebody replaces it.
    for name, value in [("FlinksApiUrl", "https://INSTANCE-api.private.fin.ag"), ("FlinksCustomerId", "CUSTOMER-ID")]:
        if not parameter_faults(template, {name: value}):
            faults.append(f"{name} accepts {value}")
        if "Default" in parameters[name]:
            faults.append(f"{name} has a default")
    return faults


if __name__ == "__main__":
    main(Further("recovery.yaml", "iam-recovery", VARIANTS, recovery_faults, template_faults), sys.argv[1:])
