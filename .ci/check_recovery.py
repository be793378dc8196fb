"""Deploys recovery.yaml beside the receiver's stack, with crates/local-flinks as Flinks, and has it recover logins.
check_deploy.py runs it, with `sam build --config-env recovery`, the example `serve` of local-flinks and flinks-queues
built.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import subprocess
import time
from collections.abc import Callable, Iterator

import boto3
from samcli.yamlhelper import yaml_dump, yaml_parse

import stacks
from local_aws import receive_all
from stacks import sqs_client

STACK = "flinks-recovery"
FUNCTION = f"{STACK}-RecoveryFunction"
SERVE = "target/debug/examples/serve"
# What `cargo dev recover` runs.
TOOL = "target/debug/flinks-queues"
# A login whose data come later waits for at least two delays of 10 s.
SECONDS = 120
TAG = "order-7"
MIB = 1024 * 1024


def check_recovery(architecture: str, receiver: str, redelivery: str, aws_command_line: pathlib.Path) -> None:
    """`redelivery` is the name of the receiver's RedeliveryFunction."""
    before = boto3.client("cloudformation").describe_stacks(StackName=receiver)["Stacks"]
    value = boto3.client("ssm").get_parameter
    bucket = value(Name=f"/{receiver}/payload-bucket")["Parameter"]["Value"]
    queue = value(Name=f"/{receiver}/queues/accounts-detail/url")["Parameter"]["Value"]
    # Other checks received messages and left them there.
    sqs_client().purge_queue(QueueUrl=queue)
    with local_flinks() as flinks:
        outputs = deploy(architecture, receiver, flinks)
        check_imports(outputs, bucket)
        [mapping] = stacks.start_mappings(outputs["RecoveryFunctionName"])
        assert (mapping["EventSourceArn"], mapping["BatchSize"]) == (outputs["RecoveryQueueArn"], 1), mapping
        check_without_credentials(outputs, bucket)
        store_credentials(outputs, flinks, aws_command_line)

        logins = {login["username"]: login for login in flinks["logins"]}
        oversized, pending = logins["example_oversized"], logins["example_pending"]
        needs_user = logins["example_new_password"]
        recover(receiver, oversized)
        for login in (pending, needs_user):
            request(outputs, login)
        for login, stored_as in [(oversized, "claim-check"), (pending, "inline")]:
            check_recovered(queue, bucket, login, outcome_of(bucket, login, 1), stored_as)
        ended = outcome_of(bucket, needs_user, 1)
        assert (ended["outcome"], ended["code"]) == ("needs-user", "INVALID_PASSWORD"), ended
        assert ended["deliveryId"] is ended["storedAs"] is ended["bytes"] is None, ended
        check_dead_letter(outputs, needs_user)
        check_drained(outputs["RecoveryQueueUrl"])

        check_undelivered(outputs, queue, bucket, redelivery, oversized)
    check_log(flinks)
    check_alarms_and_dashboard(outputs)
    check_wrong_environment()
    after = boto3.client("cloudformation").describe_stacks(StackName=receiver)["Stacks"]
    assert before == after, f"the stack {receiver} changed: {before}, {after}"
    print("deployed the recovery: three logins have their outcome, and 8 MB arrived, also while SQS was down")


@contextlib.contextmanager
def local_flinks() -> Iterator[dict]:
    """Flinks' API on loopback during the block: its address, credentials and logins."""
    process = subprocess.Popen([SERVE, "0"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def deploy(architecture: str, receiver: str, flinks: dict) -> dict[str, str]:
    """The template allows only https: this Flinks has no certificate."""
    built = pathlib.Path(".aws-sam/recovery/template.yaml")
    template = yaml_parse(built.read_text())
    del template["Parameters"]["FlinksApiUrl"]["AllowedPattern"]
    local = built.with_name("local.yaml")
    local.write_text(yaml_dump(template))
    parameters = [f"Architecture={architecture}", f"ReceiverStack={receiver}", f"FlinksApiUrl={flinks['address']}"]
    parameters.append(f"FlinksCustomerId={flinks['customerId']}")
    return stacks.deploy(
        *(STACK, "--config-env", "recovery", "--template-file", str(local), "--parameter-overrides", *parameters),
    )


def check_imports(outputs: dict[str, str], bucket: str) -> None:
    pages = boto3.client("ssm").get_paginator("get_parameters_by_path").paginate(Path=f"/{STACK}", Recursive=True)
    found = {parameter["Name"]: parameter["Value"] for page in pages for parameter in page["Parameters"]}
    assert found == {
        f"/{STACK}/recovery-queue/url": outputs["RecoveryQueueUrl"],
        f"/{STACK}/recovery-queue/arn": outputs["RecoveryQueueArn"],
        f"/{STACK}/payload-bucket": bucket,
    }, found


def check_without_credentials(outputs: dict[str, str], bucket: str) -> None:
    """Until the credentials are stored, a request stays on its queue. This one was never there: it would be hidden for
    the rest of the check."""
    message = {
        **{"messageId": "m-1", "receiptHandle": "r", "body": json.dumps({"loginId": "l"}), "eventSource": "aws:sqs"},
        **{"eventSourceARN": outputs["RecoveryQueueArn"], "attributes": {}, "messageAttributes": {}},
    }
    payload = json.dumps({"Records": [message]})
    run = boto3.client("lambda").invoke(FunctionName=outputs["RecoveryFunctionName"], Payload=payload)
    response = json.load(run["Payload"])
    assert response == {"batchItemFailures": [{"itemIdentifier": "m-1"}]}, response
    assert not boto3.client("s3").list_objects_v2(Bucket=bucket, Prefix="recovery/").get("Contents")


def store_credentials(outputs: dict[str, str], flinks: dict, aws_command_line: pathlib.Path) -> None:
    """Runs the command in the output, as an operator who pastes the credentials and presses Enter."""
    credentials = json.dumps({"secretKey": flinks["secretKey"], "apiKey": flinks["apiKey"]}) + "\n"
    stored = subprocess.run(
        ["bash", "-c", outputs["StoreFlinksApiSecret"]],
        input=credentials,
        env=os.environ | {"PATH": f"{aws_command_line}:{os.environ['PATH']}"},
        text=True,
        capture_output=True,
    )
    assert stored.returncode == 0, f"{outputs['StoreFlinksApiSecret']} failed:\n{stored.stderr}"


def request(outputs: dict[str, str], login: dict) -> None:
    body = json.dumps({"loginId": login["id"], "tag": TAG})
    sqs_client().send_message(QueueUrl=outputs["RecoveryQueueUrl"], MessageBody=body)


def recover(receiver: str, login: dict) -> None:
    """A callback that API Gateway rejected because of its size arrives after one command."""
    command = [TOOL, "recover", "-", "--stack", receiver, "--recovery-stack", STACK, "--send", "--wait", "2", "--json"]
    line = json.dumps({"loginId": login["id"], "tag": TAG}) + "\n"
    # The tool finds the local AWS in the environment, as boto3 does.
    run = subprocess.run(command, input=line, capture_output=True, text=True, timeout=2 * SECONDS)
    assert run.returncode == 0, f"{run.stdout}{run.stderr}; log: {stacks.log_of(FUNCTION)}"
    recovered, summary = map(json.loads, run.stdout.splitlines())
    assert (recovered["loginId"], recovered["state"]) == (login["id"], "recovered"), recovered
    assert (recovered["storedAs"], recovered["lastRefresh"]) == ("claim-check", login["lastRefresh"]), recovered
    # API Gateway rejects a callback of this size.
    assert recovered["bytes"] > 6 * MIB and summary["complete"], run.stdout
    assert TAG not in run.stdout + run.stderr, run.stdout


def outcome_of(bucket: str, login: dict, number: int) -> dict:
    """Waits for this many outcomes of a login. Returns the last one."""
    s3, prefix = boto3.client("s3"), f"recovery/{hashlib.sha256(login['id'].encode()).hexdigest()}/"

    def found() -> list[str]:
        keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])]
        return sorted(key for key in keys if key.endswith(".json"))

    wait_for(lambda: len(found()) >= number, f"{login['username']} has no outcome {number}")
    assert len(found()) == number, found()
    stored = s3.get_object(Bucket=bucket, Key=found()[-1])
    assert stored["ContentType"] == "application/json", stored
    outcome = json.load(stored["Body"])
    started = outcome["startedAt"].replace("-", "").replace(":", "")
    assert f"{prefix}{started}.json" == found()[-1], outcome
    assert (outcome["loginId"], outcome["tag"]) == (login["id"], TAG), outcome
    return outcome


def check_recovered(queue: str, bucket: str, login: dict, outcome: dict, stored_as: str) -> None:
    """Checks the outcome of a login and its message on AccountsDetailQueue."""
    assert (outcome["outcome"], outcome["storedAs"]) == ("recovered", stored_as), outcome
    assert (outcome["queue"], outcome["code"]) == ("AccountsDetailQueue", None), outcome
    assert outcome["lastRefresh"] == login["lastRefresh"], outcome
    message = take(queue, outcome["deliveryId"])
    body, attributes = content(message, bucket), message["attributes"]
    assert (hashlib.sha256(body).hexdigest(), len(body)) == (outcome["deliveryId"], outcome["bytes"]), outcome
    assert body.startswith(b'{"ResponseType":"GetAccountsDetail",'), body[:80]
    payload = json.loads(body)
    assert payload["Login"]["Id"] == login["id"] and payload["HttpStatusCode"] == 200 and payload["Accounts"], login
    expected = {"ResponseType": "GetAccountsDetail", "SignatureForm": "api", "LoginId": login["id"], "Tag": TAG}
    assert expected.items() <= attributes.items(), attributes
    assert message["group"] == login["id"], message["group"]
    assert ("ExtendedPayloadSize" in attributes) == (len(body) > MIB), attributes


def take(queue: str, delivery_id: str) -> dict:
    """Takes a delivery from the queue. Others stay."""
    sqs, taken = sqs_client(), []

    def receive() -> bool:
        batch = sqs.receive_message(
            QueueUrl=queue,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
            VisibilityTimeout=5,
            WaitTimeSeconds=1,
        )
        for message in batch.get("Messages", []):
            attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
            if attributes["DeliveryId"] == delivery_id:
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
                group = message["Attributes"].get("MessageGroupId")
                taken.append({"attributes": attributes, "body": message["Body"], "group": group})
        return bool(taken)

    wait_for(receive, f"{delivery_id} is not on the queue")
    [message] = taken
    return message


def content(message: dict, bucket: str) -> bytes:
    if "ExtendedPayloadSize" not in message["attributes"]:
        return message["body"].encode()
    _, pointer = json.loads(message["body"])
    assert pointer["s3BucketName"] == bucket, pointer
    return boto3.client("s3").get_object(Bucket=bucket, Key=pointer["s3Key"])["Body"].read()


def check_dead_letter(outputs: dict[str, str], login: dict) -> None:
    [letter] = receive_all(sqs_client(), outputs["RecoveryDeadLetterQueueUrl"])
    assert json.loads(letter["Body"]) == {"loginId": login["id"], "tag": TAG}, letter
    attributes = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
    assert attributes == {"FlinksCode": "INVALID_PASSWORD", "Outcome": "needs-user"}, attributes


def check_drained(url: str) -> None:
    names = ["", "NotVisible", "Delayed"]
    names = [f"ApproximateNumberOfMessages{name}" for name in names]

    def is_empty() -> bool:
        attributes = sqs_client().get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return not any(map(int, attributes.values()))

    wait_for(is_empty, "requests are left")


def check_undelivered(outputs: dict[str, str], queue: str, bucket: str, redelivery: str, login: dict) -> None:
    """While SQS takes nothing, the payload goes to the bucket, and the redelivery sends it later."""
    prefix = "undelivered/AccountsDetailQueue/"
    # The function gets the URL of a queue that does not exist.
    with_environment(outputs["RecoveryFunctionName"], ACCOUNTS_DETAIL_QUEUE_URL=f"{queue}-is-down")
    request(outputs, login)
    outcome = outcome_of(bucket, login, 2)
    assert (outcome["outcome"], outcome["storedAs"]) == ("recovered", "undelivered"), outcome
    with_environment(outputs["RecoveryFunctionName"], ACCOUNTS_DETAIL_QUEUE_URL=queue)
    s3 = boto3.client("s3")
    waiting = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]]
    assert waiting == [f"{prefix}{outcome['deliveryId']}"], waiting
    did = json.load(boto3.client("lambda").invoke(FunctionName=redelivery)["Payload"])
    assert (did.get("sent"), did.get("left")) == (1, 0), f"the redelivery returned {did}"
    assert not s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents")
    check_recovered(queue, bucket, login, outcome | {"storedAs": "claim-check"}, "claim-check")


def with_environment(function: str, **changed: str) -> None:
    functions = boto3.client("lambda")
    variables = functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    functions.update_function_configuration(FunctionName=function, Environment={"Variables": variables | changed})


def check_log(flinks: dict) -> None:
    """The log names no login, no tag and no credential."""
    log = "\n".join(stacks.log_of(FUNCTION))
    assert "needs-user" in log and "INVALID_PASSWORD" in log, log
    secrets = [login[part] for login in flinks["logins"] for part in ("id", "username")]
    for secret in [*secrets, TAG, flinks["secretKey"], flinks["apiKey"]]:
        assert secret not in log, f"{secret} is in the log: {log}"


def check_alarms_and_dashboard(outputs: dict[str, str]) -> None:
    """Checks that the alarms watch resources that exist, and that the dashboard shows all of them."""
    cloudwatch = boto3.client("cloudwatch")
    alarms = cloudwatch.describe_alarms(AlarmNamePrefix=f"{STACK}-")["MetricAlarms"]
    watched = {dimension["Value"] for alarm in alarms for dimension in alarm["Dimensions"]}
    names = {outputs[f"{queue}Url"].rsplit("/", 1)[1] for queue in ("RecoveryQueue", "RecoveryDeadLetterQueue")}
    assert watched == names | {outputs["RecoveryFunctionName"]}, watched
    dashboard = json.loads(cloudwatch.get_dashboard(DashboardName=STACK)["DashboardBody"])
    shown = {alarm for widget in dashboard["widgets"] for alarm in widget["properties"].get("alarms", [])}
    assert shown == {alarm["AlarmArn"] for alarm in alarms}, shown


def check_wrong_environment() -> None:
    """Checks that the receiver's environment rejects this template before anything changes."""
    log = stacks.sam_deploy("--template-file", ".aws-sam/recovery/template.yaml")
    assert log.returncode != 0 and "FlinksApiUrl" in log.stdout.splitlines()[-1], f"it was not rejected:\n{log.stdout}"


def wait_for(condition: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{otherwise}; log: {stacks.log_of(FUNCTION)}"
        time.sleep(0.5)
