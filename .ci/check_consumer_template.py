"""Checks consumers/template.yaml as AWS translates it: see further_template.py.

Usage: check_consumer_template.py [--write]

--write replaces the IAM snapshots in .ci/iam-consumer/ by what the template says now. Read their diff before you commit it.
"""

import sys

from check_template import EXAMPLES, PSEUDO, Stack
from further_template import Further, main, mapping_faults, receivers_visibility_timeout, timeout_faults

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


def consumer_faults(stack: Stack, _parameters: dict[str, str]) -> list[str]:
    return mapping_faults(stack, {"ConsumerRole"})


def template_faults(template: dict) -> list[str]:
    timeout = template["Resources"]["ConsumerFunction"]["Properties"]["Timeout"]
    return timeout_faults(timeout, receivers_visibility_timeout())


def prepare(template: dict) -> None:
    """`sam build` puts the folder that it built in place of the choice."""
    template["Resources"]["ConsumerFunction"]["Properties"]["CodeUri"] = "."


def owner(parameters: dict[str, str]) -> str:
    source = parameters.get("QueueArn") or parameters.get("TopicArn")
    return source.split(":")[4] if source else PSEUDO["AWS::AccountId"]


if __name__ == "__main__":
    consumer = Further(
        "consumers/template.yaml", "iam-consumer", VARIANTS, consumer_faults, template_faults, prepare, owner
    )
    main(consumer, sys.argv[1:])
