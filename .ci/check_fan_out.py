"""Deploys fan-out.yaml beside the receiver's stack with several subscribers, and has a callback reach each. One of them is
the consumer that check_consumer_deploy.py has deployed. check_deploy.py runs it, with `sam build --config-env fan-out`
done.

This local AWS lacks three things. It takes the dead-letter queue of a subscription, but sends nothing there (moto neither).
Its SNS stops at 256 KiB. Both are left to tests/receiver/fan_out.rs. And it has only the default values of a template's
parameters when it expands a loop.
"""

import hashlib
import json
import os
import pathlib
import subprocess
import time
from collections.abc import Callable

import boto3
import botocore.session
from samcli.yamlhelper import yaml_dump, yaml_parse

from check_consumer_deploy import check_subscribed_consumer, subscribe_consumer
from local_aws import receive_all

STACK = "flinks-fan-out"
ACCOUNT = "arn:aws:sqs:ca-central-1:000000000000:"
TEAMS = ["team-all", "team-failures", "team-gone"]
SECONDS = 60
MIB = 1024 * 1024


def check_fan_out(architecture: str, receiver: str, accept: Callable[[bytes], None]) -> None:
    """`accept` posts a body to the API as Flinks does, and returns once it is stored."""
    sqs = sqs_client()
    parameters = boto3.client("ssm")
    queue = parameters.get_parameter(Name=f"/{receiver}/queues/accounts-detail/url")["Parameter"]["Value"]
    # Other checks received messages and left them there.
    sqs.purge_queue(QueueUrl=queue)
    before = boto3.client("cloudformation").describe_stacks(StackName=receiver)["Stacks"]
    outputs = deploy(architecture, receiver, "off")
    topic = outputs["AccountsDetailTopicArn"]
    assert parameters.get_parameter(Name=f"/{STACK}/topics/accounts-detail/arn")["Parameter"]["Value"] == topic
    check_mappings(outputs["FanOutFunctionName"], receiver)
    subscribe_consumer(architecture, receiver, topic)
    # It waits on the queue: the function does not read it yet, and no team has subscribed.
    first, large, failed = payload(200, "first"), payload(200, "x" * 1_500_000), payload(403, "failed")
    accept(first)
    urls = {team: subscribe(team, topic, filter_of(team)) for team in TEAMS}
    sqs.delete_queue(QueueUrl=urls["team-gone"])
    deploy(architecture, receiver, "on")
    check_mappings(outputs["FanOutFunctionName"], receiver)

    bodies = {"team-all": [first, large, failed], "team-failures": [failed]}
    for body in (large, failed):
        accept(body)
    received = {team: receive(urls[team], len(expected)) for team, expected in bodies.items()}
    for team, expected in bodies.items():
        assert sorted(map(hash_of, expected)) == sorted(message["id"] for message in received[team]), received[team]
        for message in received[team]:
            assert content(message) in expected, f"{team}: {message}"
            attributes = message["attributes"]
            assert attributes["ResponseType"] == "GetAccountsDetail" and attributes["Tag"] == "order-7", attributes
            assert attributes["LoginId"] == message["group"] == "5e115eac-1209-4f19-641c-08d6d484e2fe", message
    check_drained(queue)

    # The receiver deduplicates nothing: a retry of Flinks reaches the teams again, with the same DeliveryId.
    accept(first)
    assert [message["id"] for message in receive(urls["team-all"], 1)] == [hash_of(first)]
    check_subscribed_consumer(accept)
    check_alarms(outputs)
    check_wrong_environment()
    after = boto3.client("cloudformation").describe_stacks(StackName=receiver)["Stacks"]
    assert before == after, f"the stack {receiver} changed: {before}, {after}"
    print("deployed the fan-out: each subscriber got what it asks for, byte for byte")


def sqs_client(**settings):
    """A client without the Extended Client, which another check adds to every client of boto3."""
    return botocore.session.Session().create_client("sqs", **settings)


def payload(status: int, title: str) -> bytes:
    login = {"Id": "5e115eac-1209-4f19-641c-08d6d484e2fe", "IsScheduledRefresh": False}
    fields = {"ResponseType": "GetAccountsDetail", "HttpStatusCode": status, "Login": login, "RequestId": "r"}
    return json.dumps(fields | {"Tag": "order-7", "Title": f"Zoé &+= {title}"}, ensure_ascii=False).encode()


def hash_of(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def filter_of(team: str) -> dict:
    return {"HttpStatusCode": [{"anything-but": ["200"]}, {"numeric": [">=", 400]}]} if team == "team-failures" else {}


def deploy(architecture: str, receiver: str, publishing: str) -> dict[str, str]:
    """Runs the documented `sam deploy` without its question. Returns the stack's outputs."""
    built = pathlib.Path(".aws-sam/fan-out/template.yaml")
    template = yaml_parse(built.read_text())
    template["Parameters"]["Kinds"]["Default"] = "AccountsDetail,Kyc"
    local = built.with_name("local.yaml")
    local.write_text(yaml_dump(template))
    parameters = [f"Architecture={architecture}", "Kinds=AccountsDetail,Kyc", f"ReceiverStack={receiver}"]
    parameters.append(f"Publishing={publishing}")
    log = sam_deploy(
        *("--config-env", "fan-out", "--template-file", str(local), "--parameter-overrides", *parameters),
    )
    assert log.returncode == 0, f"sam deploy failed:\n{log.stdout}"
    stack = boto3.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def sam_deploy(*arguments: str) -> subprocess.CompletedProcess:
    # By default sam looks for the configuration beside the template.
    return subprocess.run(
        ["sam", "deploy", "--no-confirm-changeset", "--config-file", os.path.abspath("samconfig.toml"), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def check_mappings(function: str, receiver: str) -> None:
    functions = boto3.client("lambda")
    mappings = functions.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
    queues = {mapping["EventSourceArn"].removeprefix(f"{ACCOUNT}{receiver}-") for mapping in mappings}
    assert queues == {"AccountsDetailQueue", "KycQueue"}, queues
    for mapping in mappings:
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"], mapping
        # This local AWS keeps the number as text, and then the mapping does not start. Set it again, as a number.
        concurrency = int(mapping["ScalingConfig"]["MaximumConcurrency"])
        functions.update_event_source_mapping(UUID=mapping["UUID"], ScalingConfig={"MaximumConcurrency": concurrency})


def subscribe(team: str, topic: str, filter_policy: dict) -> str:
    """Subscribes a queue as docs/fan-out.md describes it. Returns the queue's URL."""
    sqs, sns = sqs_client(), boto3.client("sns")
    url = sqs.create_queue(QueueName=team)["QueueUrl"]
    dead_letters = sqs.create_queue(QueueName=f"{team}-dead-letters")["QueueUrl"]
    arns = [
        sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        for queue in (url, dead_letters)
    ]
    for queue, arn in zip((url, dead_letters), arns):
        statement = {
            **{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage"},
            **{"Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": topic}}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    attributes = {
        "RawMessageDelivery": "true",
        "RedrivePolicy": json.dumps({"deadLetterTargetArn": arns[1]}),
    }
    if filter_policy:
        attributes["FilterPolicy"] = json.dumps(filter_policy)
    subscribed = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arns[0], Attributes=attributes)
    found = sns.get_subscription_attributes(SubscriptionArn=subscribed["SubscriptionArn"])["Attributes"]
    assert found.items() >= attributes.items(), found
    return url


def receive(url: str, count: int) -> list[dict]:
    """Receives this many messages, and then no further one."""
    sqs, received, deadline = sqs_client(), [], time.monotonic() + SECONDS
    while len(received) < count:
        assert time.monotonic() < deadline, f"{url}: {len(received)} messages of {count}; log: {log()}"
        batch = sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
            WaitTimeSeconds=1,
        )
        received += batch.get("Messages", [])
    received += receive_all(sqs, url)
    assert len(received) == count, f"{url}: {len(received)} messages, not {count}"
    for message in received:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [
        {
            "id": message["MessageAttributes"]["DeliveryId"]["StringValue"],
            "attributes": {name: value["StringValue"] for name, value in message["MessageAttributes"].items()},
            "group": message["Attributes"].get("MessageGroupId"),
            "body": message["Body"],
        }
        for message in received
    ]


def content(message: dict) -> bytes:
    """The payload. All subscribers get the same claim check, and none deletes its object."""
    if "ExtendedPayloadSize" not in message["attributes"]:
        return message["body"].encode()
    _, pointer = json.loads(message["body"])
    return boto3.client("s3").get_object(Bucket=pointer["s3BucketName"], Key=pointer["s3Key"])["Body"].read()


def check_drained(url: str) -> None:
    """Lambda deletes what the bridge has published."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    deadline = time.monotonic() + SECONDS
    sqs = sqs_client()
    while any(map(int, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"].values())):
        assert time.monotonic() < deadline, f"messages are left: {log()}"
        time.sleep(0.5)


def log() -> list[str]:
    pages = boto3.client("logs").get_paginator("filter_log_events")
    group = f"/aws/lambda/{STACK}-FanOutFunction"
    return [event["message"] for page in pages.paginate(logGroupName=group) for event in page["events"]]


def check_alarms(outputs: dict[str, str]) -> None:
    """Checks that the alarms watch resources that exist."""
    alarms = boto3.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"{STACK}-")["MetricAlarms"]
    watched = {(alarm["MetricName"], alarm["Dimensions"][0]["Value"]) for alarm in alarms}
    topics = [f"{STACK}-AccountsDetailTopic", f"{STACK}-KycTopic"]
    of_topics = ["NumberOfNotificationsFailed", "NumberOfNotificationsRedrivenToDlq"]
    of_topics.append("NumberOfNotificationsFailedToRedriveToDlq")
    function = outputs["FanOutFunctionName"]
    expected = {(metric, topic) for metric in of_topics for topic in topics}
    expected |= {(metric, function) for metric in ("PublishFailures", "Errors", "Throttles")}
    assert watched == expected, watched ^ expected


def check_wrong_environment() -> None:
    """Checks that the receiver's environment rejects this template before anything changes."""
    log = sam_deploy("--template-file", ".aws-sam/fan-out/template.yaml")
    # SAM cannot expand the loops over Kinds, which has no value there.
    assert log.returncode != 0 and "Fn::ForEach::EachKind" in log.stdout, f"it was not rejected:\n{log.stdout}"
