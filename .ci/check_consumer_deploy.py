"""Deploys consumers/template.yaml beside the receiver's stack, and has it consume what is posted to the API. check_deploy.py
runs it, with `sam build --config-env consumer` done.
"""

import hashlib
import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Callable

import boto3

STACK = "flinks-consumer"
SECONDS = 60


def check_consumer(architecture: str, receiver: str, accept: Callable[[bytes], None]) -> None:
    """`accept` posts a body to the API as Flinks does, and returns once it was answered 200."""
    # What other checks received and left there would come back.
    parameter = f"/{receiver}/queues/accounts-detail"
    queue = boto3.client("ssm").get_parameter(Name=f"{parameter}/url")["Parameter"]["Value"]
    arn = boto3.client("ssm").get_parameter(Name=f"{parameter}/arn")["Parameter"]["Value"]
    boto3.client("sqs").purge_queue(QueueUrl=queue)
    before = boto3.client("cloudformation").describe_stacks(StackName=receiver)["Stacks"]
    outputs = deploy(architecture, receiver)
    let_mapping_start(outputs["ConsumerFunctionName"], arn)
    bodies = [payload(b""), payload(b"x" * 1_500_000)]
    deliveries = [hashlib.sha256(body).hexdigest() for body in bodies]

    for body in bodies:
        accept(body)
    wait_for(lambda: logged("processed").keys() >= set(deliveries), "the posts were not processed")
    for body in bodies:
        accept(body)
    wait_for(lambda: logged("duplicate").keys() >= set(deliveries), "the duplicates did not arrive")
    for delivery in deliveries:
        times = logged("processed")[delivery]
        assert times == 1, f"{delivery} was processed {times} times"
    assert remembered(outputs["DeliveriesTableName"]) == {f"flinks-consumer#{id}": "COMPLETED" for id in deliveries}
    assert not logged("failed"), f"failed: {lines()}"
    assert "37700" not in json.dumps(lines()), f"an amount is logged: {lines()}"
    check_one_bad(queue, deliveries[0])
    check_alarms(receiver)
    check_wrong_environment(receiver)
    after = boto3.client("cloudformation").describe_stacks(StackName=receiver)["Stacks"]
    assert before == after, f"the stack {receiver} changed: {before}, {after}"
    print("the deployed consumer processed a small post and one of 1.5 MB once each")


def payload(title: bytes, status: int = 200) -> bytes:
    account = b'{"Title":"%b","Balance":{"Current":37700.25}}' % title
    return b'{"ResponseType":"GetAccountsDetail","HttpStatusCode":%d,"Accounts":[%b]}' % (status, account)


def subscribe_consumer(architecture: str, receiver: str, topic: str) -> None:
    """Moves the consumer from the receiver's queue to a queue of its own, which is subscribed to the topic."""
    wanted = '{"HttpStatusCode":[{"numeric":["=",200]}]}'
    outputs = deploy(architecture, receiver, f"TopicArn={topic}", f"FilterPolicy='{wanted}'")
    let_mapping_start(outputs["ConsumerFunctionName"], outputs["SubscribedQueueArn"])


def check_subscribed_consumer(accept: Callable[[bytes], None]) -> None:
    """Once the fan-out publishes, the consumer processes what its filter lets through."""
    processed = [payload(b"subscribed"), payload(b"y" * 1_500_000)]
    accept(payload(b"subscribed", status=403))
    for body in processed:
        accept(body)
    deliveries = {hashlib.sha256(body).hexdigest() for body in processed}
    wait_for(lambda: logged("processed").keys() >= deliveries, "the subscribed consumer did not process the posts")
    other = hashlib.sha256(payload(b"subscribed", status=403)).hexdigest()
    assert other not in logged("processed"), f"the filter let {other} through: {lines()}"


def deploy(architecture: str, receiver: str, *more: str) -> dict[str, str]:
    """The documented `sam deploy` without its question, and the stack's outputs."""
    parameters = [f"Architecture={architecture}", "Kind=AccountsDetail", "Language=rust", f"ReceiverStack={receiver}"]
    parameters += more
    log = subprocess.run(
        ["sam", "deploy", "--config-env", "consumer", "--no-confirm-changeset", "--parameter-overrides", *parameters],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert log.returncode == 0, f"sam deploy failed:\n{log.stdout}"
    stack = boto3.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def let_mapping_start(function: str, queue: str) -> None:
    """This local AWS keeps a parameter's number as text, and its mapping then stands still: it gets the number anew."""
    functions = boto3.client("lambda")
    [mapping] = functions.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
    assert mapping["EventSourceArn"] == queue, mapping
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"], mapping
    concurrency = int(mapping["ScalingConfig"]["MaximumConcurrency"])
    functions.update_event_source_mapping(UUID=mapping["UUID"], ScalingConfig={"MaximumConcurrency": concurrency})


def lines() -> list[dict]:
    """What the function logged."""
    pages = boto3.client("logs").get_paginator("filter_log_events")
    group = f"/aws/lambda/{STACK}-ConsumerFunction"
    messages = [event["message"] for page in pages.paginate(logGroupName=group) for event in page["events"]]
    # What Lambda itself logs is not all JSON here.
    return [json.loads(message) for message in messages if message.startswith("{")]


def logged(message: str) -> Counter:
    """How often the function logged this, by DeliveryId."""
    return Counter(line.get("deliveryId") for line in lines() if line.get("message") == message)


def wait_for(condition: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{otherwise}: {lines()}"
        time.sleep(0.5)


def remembered(table: str) -> dict[str, str]:
    items = boto3.client("dynamodb").scan(TableName=table, ConsistentRead=True)["Items"]
    return {item["id"]["S"]: item["status"]["S"] for item in items}


def check_alarms(receiver: str) -> None:
    """What they watch is there."""
    watched = {
        dimension["Name"]: dimension["Value"]
        for alarm in boto3.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"{STACK}-")["MetricAlarms"]
        for dimension in alarm["Dimensions"]
    }
    assert watched.keys() == {"QueueName", "FunctionName"}, watched
    boto3.client("lambda").get_function(FunctionName=watched["FunctionName"])
    dead_letters = boto3.client("sqs").get_queue_url(QueueName=watched["QueueName"])["QueueUrl"]
    assert watched["QueueName"] == f"{receiver}-AccountsDetailDeadLetterQueue", dead_letters


def check_wrong_environment(receiver: str) -> None:
    """Deployed as the receiver, the consumer's template is rejected before anything changes."""
    log = subprocess.run(
        # Else sam looks for it beside the template.
        ["sam", "deploy", "--no-confirm-changeset", "--config-file", os.path.abspath("samconfig.toml")]
        + ["--template-file", ".aws-sam/consumer/template.yaml"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert log.returncode != 0 and "Kind" in log.stdout.splitlines()[-1], f"it was not rejected:\n{log.stdout}"


def check_one_bad(url: str, delivery: str) -> None:
    """A message that fails stays on the queue, and the good one beside it goes."""
    sqs = boto3.client("sqs")

    def left() -> int:
        name = "ApproximateNumberOfMessagesNotVisible"
        return int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])

    wait_for(lambda: left() == 0, "processed messages are left")
    duplicates = logged("duplicate")[delivery]
    sent = sqs.send_message_batch(
        QueueUrl=url,
        Entries=[
            {"Id": "bad", "MessageBody": "no attributes"},
            {
                "Id": "good",
                "MessageBody": "of a delivery that is done",
                "MessageAttributes": {"DeliveryId": {"DataType": "String", "StringValue": delivery}},
            },
        ],
    )
    assert not sent.get("Failed"), sent
    wait_for(lambda: logged("failed")[None] and logged("duplicate")[delivery] > duplicates, "not both were handed over")
    wait_for(lambda: left() == 1, "not the bad one alone is left")
