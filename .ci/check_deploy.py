"""Deploys the template to a local AWS, posts callbacks and forgeries to its API, reads the deployed queues, and has an
undelivered payload delivered. Then deploys the recovery, a consumer and the fan-out beside it.

Usage: check_deploy.py MINISTACK ARCHITECTURE, after `sam build`, also with `--config-env consumer`,
`--config-env fan-out` and `--config-env recovery`, for that architecture.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import time

import boto3
from samcli.yamlhelper import yaml_dump, yaml_parse

import check_handlers
from check_consumer_deploy import check_consumer
from check_fan_out import check_fan_out
from check_recovery import check_recovery
from local_aws import (
    PAY_SIGNING_SECRET,
    QUEUES,
    SIGNING_SECRET,
    aggregation_signature,
    ascii_encoding,
    free_port,
    pay_signature,
    post,
    receive_all,
    server,
)

STACK = "flinks-webhooks"
JSON = "application/json; charset=utf-8"
# A wrong signature makes the receiver read its keys again, but not twice in 30 seconds.
KEY_REFRESH_SECONDS = 30
MIB = 1024 * 1024


@dataclasses.dataclass(frozen=True)
class Callback:
    """A callback, its queue, and the attributes of its message."""

    name: str
    body: bytes
    headers: dict[str, str]
    queue: str
    attributes: dict[str, str]
    claim_check: bool = False


def aggregation(name: str, body: bytes, queue: str, content_type: str = JSON, claim_check=False, **attributes: str):
    headers = {"Content-Type": content_type, "flinks-authenticity-key": aggregation_signature(body, SIGNING_SECRET)}
    return Callback(name, body, headers, queue, {"SignatureForm": "raw"} | attributes, claim_check)


def json_body(**fields) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode()


def callbacks() -> list[Callback]:
    login = {"Username": "sample", "IsScheduledRefresh": False, "Id": "5e115eac-1209-4f19-641c-08d6d484e2fe"}
    request_id = "1243c283-e0ca-4fda-a5e4-343068430190"
    holders = [{"Name": "Zoé Lefrançois"}]
    kyc = json_body(ResponseType="KYC", HttpStatusCode=200, Holders=holders, Login=login, RequestId=request_id)
    ascii_kyc = json_body(ResponseType="KYC", HttpStatusCode=200, Holders=holders, Tag="signed over its ASCII encoding")
    accounts = json_body(ResponseType="GetAccountsDetail", HttpStatusCode=200, Accounts=[], Login=login, Tag="order-7")
    large = json_body(ResponseType="GetAccountsDetail", Login=login, Accounts=["é" * 1000] * (5 * MIB // 2000))
    assert len(large) > 5 * MIB
    pay = json_body(sessionId="aadd08f2-0000-4000-8000-000000000001", status="Completed", statusDetails="EFT0301")
    return [
        aggregation("KYC", kyc, "KycQueue", ResponseType="KYC", LoginId=login["Id"], RequestId=request_id),
        Callback(
            "KYC, signed over its ASCII encoding",
            ascii_kyc,
            {
                "Content-Type": JSON,
                "flinks-authenticity-key": aggregation_signature(ascii_encoding(ascii_kyc.decode()), SIGNING_SECRET),
            },
            "KycQueue",
            {"SignatureForm": "ascii", "ResponseType": "KYC"},
        ),
        aggregation("GetAccountsDetail", accounts, "AccountsDetailQueue", Tag="order-7", HttpStatusCode="200"),
        aggregation("GetAccountsDetail of 5 MB", large, "AccountsDetailQueue", claim_check=True, LoginId=login["Id"]),
        aggregation("Investments", json_body(ResponseType="Investments", Accounts=[]), "InvestmentsQueue"),
        Callback(
            "Flinks Pay",
            pay,
            {"Content-Type": JSON, "X-Webhook-Signature": pay_signature(pay, PAY_SIGNING_SECRET)},
            "PayQueue",
            {"SignatureForm": "pay", "SessionId": "aadd08f2-0000-4000-8000-000000000001", "Status": "Completed"},
        ),
        aggregation("fraud alert", json_body(DocumentAnalysis=[{"Status": "High Risk"}]), "UploadFraudQueue"),
        aggregation("unknown ResponseType", json_body(ResponseType="Later"), "UnclassifiedQueue", ResponseType="Later"),
        aggregation("not JSON, not flagged as text", b"not JSON\r\n", "UnclassifiedQueue", "application/octet-stream"),
        aggregation("not UTF-8", b"\xff\xfe\x00", "UnclassifiedQueue", "application/octet-stream", claim_check=True),
    ]


def forgeries() -> dict[str, tuple[bytes, dict[str, str]]]:
    body = json_body(ResponseType="KYC", Tag="forged")
    right = aggregation_signature(body, SIGNING_SECRET)
    return {
        "no signature": (body, {}),
        "signature of another body": (body + b" ", {"flinks-authenticity-key": right}),
        "signature with another secret": (body, {"flinks-authenticity-key": aggregation_signature(body, "a guess")}),
        "two signatures": (
            body,
            {"flinks-authenticity-key": f"{right},{aggregation_signature(body, 'a guess')}"},
        ),
        "not a signature": (body, {"flinks-authenticity-key": "%%%"}),
        "the Pay secret for an aggregation signature": (
            body,
            {"flinks-authenticity-key": aggregation_signature(body, PAY_SIGNING_SECRET)},
        ),
        "the aggregation secret for a Pay signature": (
            body,
            {"X-Webhook-Signature": pay_signature(body, SIGNING_SECRET)},
        ),
    }


def main(ministack: str, architecture: str) -> None:
    subprocess.run([sys.executable, check_handlers.__file__, "--quiet", "--buffer"], check=True)
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    # The deployed function, boto3 and the commands below also find AWS here.
    os.environ["AWS_ENDPOINT_URL"] = endpoint
    settings = {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "LAMBDA_EXECUTOR": "local",  # the function is a process, not a container
        "IOT_MTLS_ENABLED": "0",  # would listen on all addresses
        "SFTP_ENABLED": "0",
    }
    with server([ministack], port, **settings):
        outputs = deploy(architecture)
        url, headers = f"{endpoint}/webhooks/flinks", {"Host": route(outputs, port)}
        check_imports(outputs)

        first, *others = callbacks()
        status, response = post(url, first.body, headers | first.headers)
        assert status == 401, f"before Flinks' secret was stored, a callback got {status} {response!r}"
        store_secrets(outputs, pathlib.Path(ministack).parent)
        wait_until_accepted(url, headers | first.headers, first.body)
        for callback in others:
            status, response = post(url, callback.body, headers | callback.headers)
            assert status == 200, f"{callback.name} got {status} {response!r}"
        for name, (body, signature) in forgeries().items():
            status, response = post(url, body, headers | {"Content-Type": JSON} | signature)
            assert status == 401, f"{name} got {status} {response!r}"

        check_deployment_check(outputs)
        check_messages(outputs, [first, *others])
        check_redelivery(outputs)
        check_redrive(outputs)
        check_dashboard()

        def accept(body: bytes) -> None:
            callback = aggregation("for the consumer", body, "AccountsDetailQueue")
            status, answer = post(url, body, headers | callback.headers)
            assert status == 200, f"{len(body)} bytes were answered {status} {answer!r}"

        # First, because the others consume AccountsDetailQueue.
        check_recovery(architecture, STACK, outputs["RedeliveryFunctionName"], pathlib.Path(ministack).parent)
        check_consumer(architecture, STACK, accept)
        check_fan_out(architecture, STACK, accept)
    print(f"deployed; {1 + len(others)} callbacks stored byte for byte, {len(forgeries())} forgeries rejected")


def deploy(architecture: str) -> dict[str, str]:
    """Runs README's `sam deploy` without its question. Returns the stack's outputs."""
    # By default sam looks for it beside the template.
    defaults = str(pathlib.Path("samconfig.toml").resolve())
    arguments = ["--config-file", defaults, "--template-file", str(local_template())]
    log = subprocess.run(
        ["sam", "deploy", "--no-confirm-changeset", *arguments, "--parameter-overrides", f"Architecture={architecture}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert log.returncode == 0, f"sam deploy failed:\n{log.stdout}"
    stack = boto3.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def local_template() -> pathlib.Path:
    """The built template without the parts that this local AWS does not support: CodeDeploy, saved log queries, and
    alarms on an expression, which watch one of its metrics instead. The local AWS transforms the template with the
    defaults of its parameters, so the default of `Deployment` changes."""
    built = pathlib.Path(".aws-sam/build/template.yaml")
    template = yaml_parse(built.read_text())
    template["Parameters"]["Deployment"]["Default"] = "AllAtOnce"
    section = template["Resources"]
    for name in [name for name in section if name.endswith(("Query", "::Queries"))]:
        assert {resource["Type"] for resource in resources({name: section[name]})} == {"AWS::Logs::QueryDefinition"}
        del section[name]
    for resource in resources(section):
        if resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in resource["Properties"]:
            watched = next(metric["MetricStat"] for metric in resource["Properties"].pop("Metrics") if "MetricStat" in metric)
            resource["Properties"] |= watched["Metric"] | {"Statistic": watched["Stat"], "Period": watched["Period"]}
    local = built.with_name("local.yaml")
    local.write_text(yaml_dump(template))
    return local


def resources(section: dict) -> list[dict]:
    """All resources, including those in loops."""
    found = []
    for name, resource in section.items():
        found += resources(resource[2]) if name.startswith("Fn::ForEach::") else [resource]
    return found


def route(outputs: dict[str, str], port: int) -> str:
    """Adds the route, which this local AWS does not read from the API's definition. Returns the API's host name."""
    api, functions = boto3.client("apigatewayv2"), boto3.client("lambda")
    function = functions.get_alias(FunctionName=outputs["ReceiverFunctionName"], Name="live")["AliasArn"]
    integration = api.create_integration(
        ApiId=outputs["WebhookApiId"],
        IntegrationType="AWS_PROXY",
        IntegrationUri=function,
        PayloadFormatVersion="2.0",
    )
    api.create_route(
        ApiId=outputs["WebhookApiId"],
        RouteKey="POST /webhooks/flinks",
        Target=f"integrations/{integration['IntegrationId']}",
    )
    return f"{outputs['WebhookApiId']}.execute-api.localhost:{port}"


def check_imports(outputs: dict[str, str]) -> None:
    """Checks that the parameters that consumers import exist and match the outputs."""
    parameters = {
        parameter["Name"]: parameter["Value"]
        for page in boto3.client("ssm")
        .get_paginator("get_parameters_by_path")
        .paginate(Path=f"/{STACK}", Recursive=True)
        for parameter in page["Parameters"]
    }
    imported = {outputs[f"{queue}{form}"] for queue in QUEUES for form in ("Url", "Arn")}
    imported.add(outputs["PayloadBucketName"])
    assert set(parameters.values()) == imported, f"the parameters are {parameters}"


def store_secrets(outputs: dict[str, str], aws_command_line: pathlib.Path) -> None:
    """Runs the commands in the outputs, as an operator who pastes a secret and presses Enter."""
    environment = os.environ | {"PATH": f"{aws_command_line}:{os.environ['PATH']}"}
    for output, secret in [("StoreSigningSecret", SIGNING_SECRET), ("StorePaySigningSecret", PAY_SIGNING_SECRET)]:
        stored = subprocess.run(
            ["bash", "-c", outputs[output]], input=secret + "\n", env=environment, text=True, capture_output=True
        )
        assert stored.returncode == 0, f"{outputs[output]} failed:\n{stored.stderr}"


def wait_until_accepted(url: str, headers: dict[str, str], body: bytes) -> None:
    deadline = time.monotonic() + 2 * KEY_REFRESH_SECONDS
    while (status := post(url, body, headers)[0]) != 200:
        assert status == 401 and time.monotonic() < deadline, f"the stored secret is not used: {status}"
        time.sleep(2)


def check_messages(outputs: dict[str, str], expected: list[Callback]) -> None:
    """Checks that each callback is on its queue once, byte for byte and with its attributes, and that the queues hold
    nothing else."""
    sqs, s3 = boto3.client("sqs"), boto3.client("s3")
    for queue in QUEUES:
        url = outputs[f"{queue}Url"]
        received = receive_all(sqs, url)
        belonging = [callback for callback in expected if callback.queue == queue]
        assert len(received) == len(belonging), f"{queue} holds {len(received)} messages, not {len(belonging)}"
        messages = {message["MessageAttributes"]["DeliveryId"]["StringValue"]: message for message in received}
        for callback in belonging:
            message = messages[hashlib.sha256(callback.body).hexdigest()]
            attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
            missing = callback.attributes.items() - attributes.items()
            assert not missing, f"{callback.name}: {missing} not in {attributes}"
            assert "ReceivedAt" in attributes, f"{callback.name}: {attributes}"
            body = message["Body"].encode()
            if callback.claim_check:
                assert attributes["ExtendedPayloadSize"] == str(len(callback.body)), f"{callback.name}: {attributes}"
                _, pointer = json.loads(body)
                assert pointer["s3BucketName"] == outputs["PayloadBucketName"], f"{callback.name}: {pointer}"
                body = s3.get_object(Bucket=pointer["s3BucketName"], Key=pointer["s3Key"])["Body"].read()
            assert body == callback.body, f"{callback.name}: {len(body)} bytes stored, {len(callback.body)} sent"
            if len(callback.body) > MIB:
                check_extended_client(sqs, url, message, callback.body)


def check_extended_client(sqs, url: str, message: dict, body: bytes) -> None:
    """Checks that a consumer with the stock library gets the payload instead of the pointer."""
    import sqs_extended_client  # noqa: F401 -- importing it replaces boto3's SQS clients

    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    extended = boto3.client("sqs")
    received = extended.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
    assert [payload["Body"].encode() for payload in received] == [body], "the Extended Client read something else"


def check_deployment_check(outputs: dict[str, str]) -> None:
    """Checks that the deployment check accepts the deployed version. A stand-in replaces CodeDeploy, which is not part
    of this local AWS."""
    functions, codedeploy = boto3.client("lambda"), check_handlers.CodeDeploy()
    alias = functions.get_alias(FunctionName=outputs["ReceiverFunctionName"], Name="live")
    check_handlers.load(
        "DeploymentCheckFunction",
        functions,
        codedeploy,
        NEW_VERSION=f"{outputs['ReceiverFunctionName']}:{alias['FunctionVersion']}",
        REDELIVERY=outputs["RedeliveryFunctionName"],
        ALLOWED_SOURCE_CIDRS="",
    )({"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "e-1"})
    assert [report["status"] for report in codedeploy.reports] == ["Succeeded"], codedeploy.reports


def check_redelivery(outputs: dict[str, str]) -> None:
    """Checks that a run puts an undelivered payload on its queue and removes its object."""
    sqs, s3 = boto3.client("sqs"), boto3.client("s3")
    body = json_body(ResponseType="KYC", Tag="undelivered")
    undelivered = {"Bucket": outputs["PayloadBucketName"], "Key": f"undelivered/KycQueue/{hashlib.sha256(body).hexdigest()}"}
    s3.put_object(Body=body, Metadata={"signature-form": "raw", "received-at": "2026-01-31T12:00:00Z"}, **undelivered)
    run = boto3.client("lambda").invoke(FunctionName=outputs["RedeliveryFunctionName"])
    did = json.load(run["Payload"])
    assert (did.get("sent"), did.get("left")) == (1, 0), f"the redelivery returned {did}"
    received = [message["Body"].encode() for message in receive_all(sqs, outputs["KycQueueUrl"])]
    assert body in received, f"KycQueue holds {received}"
    left = s3.list_objects_v2(Bucket=outputs["PayloadBucketName"], Prefix="undelivered/").get("Contents")
    assert not left, f"still there: {left}"


def check_dashboard() -> None:
    """Checks that the dashboard is JSON once its references are resolved, and that it shows all alarms of the stack."""
    cloudwatch = boto3.client("cloudwatch")
    dashboard = json.loads(cloudwatch.get_dashboard(DashboardName=STACK)["DashboardBody"])
    shown = {alarm for widget in dashboard["widgets"] for alarm in widget["properties"].get("alarms", [])}
    there = {alarm["AlarmArn"] for alarm in cloudwatch.describe_alarms(MaxRecords=100)["MetricAlarms"]}
    assert shown == there, f"on the dashboard or in the stack, but not in both: {shown ^ there}"


def check_redrive(outputs: dict[str, str]) -> None:
    """Checks that a message that no consumer can process ends on its queue's dead-letter queue."""
    sqs = boto3.client("sqs")
    for queue in QUEUES:
        url, dead_letter_url = outputs[f"{queue}Url"], outputs[f"{queue.removesuffix('Queue')}DeadLetterQueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody=queue)
        receives = 0
        while sqs.receive_message(QueueUrl=url, VisibilityTimeout=0).get("Messages"):
            receives += 1
            assert receives <= 5, f"{queue} still delivers the message"
        dead = [message["Body"] for message in receive_all(sqs, dead_letter_url)]
        assert (receives, dead) == (5, [queue]), f"{queue}: {receives} receives, then {dead}"


if __name__ == "__main__":
    main(*sys.argv[1:])
