"""Translates consumers/template.yaml as AWS would, once for each variant that the documentation describes, and checks the
result: valid against the resource schemas, no dangling reference, and the IAM statements as reviewed.

Usage: check_consumer_template.py [--write]

--write replaces the IAM snapshots in .ci/iam-consumer/ by what the template says now. Read their diff before you commit it.
"""

import logging
import pathlib
import sys

from samcli.yamlhelper import yaml_parse

from check_template import (
    EXAMPLES,
    PSEUDO,
    Stack,
    condition_faults,
    coverage_faults,
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
SNAPSHOTS = HERE / "iam-consumer"
OTHER_ACCOUNT = "444455556666"
RECEIVER = {
    "QueueArn": f"arn:aws:sqs:ca-central-1:{OTHER_ACCOUNT}:flinks-webhooks-KycQueue",
    "PayloadBucketName": "flinks-webhooks-payloadbucket-abcdefghijkl",
}
FAN_OUT = f"arn:aws:sns:ca-central-1:{PSEUDO['AWS::AccountId']}:flinks-fan-out-KycTopic"
FILTER = '{"HttpStatusCode":[{"numeric":["=",200]}]}'
KMS_KEY, TOPIC = EXAMPLES["KmsKeyArn"][0], EXAMPLES["AlarmTopicArn"][0]

# What the documentation says one can deploy.
VARIANTS = {
    "default": {"Kind": "Kyc"},
    "accounts-detail": {"Kind": "AccountsDetail"},
    "investments": {"Kind": "Investments"},
    "pay": {"Kind": "Pay"},
    "upload-fraud": {"Kind": "UploadFraud"},
    "unclassified": {"Kind": "Unclassified"},
    "python": {"Kind": "Kyc", "Language": "python"},
    "node": {"Kind": "Kyc", "Language": "node"},
    "x86_64": {"Kind": "Kyc", "Architecture": "x86_64"},
    "given-kms-key": {"Kind": "Kyc", "KmsKeyArn": KMS_KEY},
    "given-alarm-topic": {"Kind": "Kyc", "AlarmTopicArn": TOPIC},
    "other-receiver": {"Kind": "Kyc", "ReceiverStack": "flinks-test"},
    "other-account": {"Kind": "Kyc", **RECEIVER},
    "subscribed": {"Kind": "Kyc", "TopicArn": FAN_OUT},
    "subscribed-with-filter": {"Kind": "Kyc", "TopicArn": FAN_OUT, "FilterPolicy": FILTER},
    "subscribed-from-other-account": {
        **{"Kind": "Kyc", "TopicArn": FAN_OUT.replace(PSEUDO["AWS::AccountId"], OTHER_ACCOUNT)},
        **{"PayloadBucketName": RECEIVER["PayloadBucketName"]},
    },
    "everything": {
        **{"Kind": "Kyc", "KmsKeyArn": KMS_KEY, "AlarmTopicArn": TOPIC, "MaximumConcurrency": "1000"},
        **{"MemorySize": "10240", "Tracing": "PassThrough", "LogRetentionDays": "3653", **RECEIVER},
    },
}


def variant_faults(template: dict, parameters: dict[str, str]) -> tuple[list[str], Stack | None]:
    faults = parameter_faults(template, parameters)
    try:
        translated = translate(template, parameters)
    except Exception as error:  # SAM has many, and all of them mean the same here
        return [*faults, f"not translatable: {error}"], None
    stack = Stack(translated, parameters)
    source = parameters.get("QueueArn") or parameters.get("TopicArn")
    owner = source.split(":")[4] if source else PSEUDO["AWS::AccountId"]
    faults += [
        *stack.faults,
        *leftover_faults(translated),
        *condition_faults(translated),
        *role_faults(stack, owner),
        *output_faults(stack),
        *schema_faults(stack),
        *mapping_faults(stack),
    ]
    return list(dict.fromkeys(faults)), stack


def timeout_faults(template: dict, receiver: dict) -> list[str]:
    """A message is hidden for six times as long as the function may take, as AWS advises."""
    timeout = template["Resources"]["ConsumerFunction"]["Properties"]["Timeout"]
    hidden = receiver["Parameters"]["VisibilityTimeoutSeconds"]["Default"]
    return [] if 6 * timeout <= hidden else [f"a timeout of {timeout} s, for a visibility timeout of {hidden} s"]


def mapping_faults(stack: Stack) -> list[str]:
    """Lambda hands over one queue, takes failures one by one, and no more batches at once than it is told."""
    [mapping] = [r["Properties"] for r in stack.resources.values() if r["Type"] == "AWS::Lambda::EventSourceMapping"]
    faults = []
    if mapping.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
        faults.append("one failure of a batch fails all of it")
    if not mapping.get("ScalingConfig", {}).get("MaximumConcurrency"):
        faults.append("the mapping has no maximum concurrency")
    statements = [
        statement
        for policy in stack.resources["ConsumerRole"]["Properties"]["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Sid"] == "ConsumeQueue"
    ]
    if [statement["Resource"] for statement in statements] != [mapping["EventSourceArn"]]:
        faults.append(f"the role reads other queues than {mapping['EventSourceArn']}")
    return faults


def main(arguments: list[str]) -> None:
    # SAM logs what it then raises, and hints that concern nobody here.
    logging.disable(logging.CRITICAL)
    template = yaml_parse((HERE.parent / "consumers/template.yaml").read_text())
    # `sam build` puts the folder that it built in place of the choice.
    template["Resources"]["ConsumerFunction"]["Properties"]["CodeUri"] = "."
    faults: dict[str, list[str]] = {}
    statements = {}
    for variant, parameters in VARIANTS.items():
        faults[variant], stack = variant_faults(template, parameters)
        if stack:
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
        sys.exit("\n".join([*lines, f"consumers/template.yaml: {len(lines)} faults"]))
    print(f"consumers/template.yaml: {len(VARIANTS)} variants checked")


if __name__ == "__main__":
    main(sys.argv[1:])
