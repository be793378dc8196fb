"""Sends one event through the built function, with SAM's runtime interface emulator in place of Lambda.

Usage: check_bootstrap.py BOOTSTRAP EVENT QUEUE
"""

import base64
import json
import pathlib
import platform
import sys

import boto3
import samcli

from local_aws import PAY_SIGNING_SECRET, QUEUES, SIGNING_SECRET, free_port, post, receive_all, server


def main(bootstrap: str, event_file: str, queue: str) -> None:
    event = json.loads(pathlib.Path(event_file).read_text())
    body = event["body"].encode()
    if event["isBase64Encoded"]:
        body = base64.b64decode(body)

    aws_port = free_port()
    endpoint = f"http://127.0.0.1:{aws_port}"
    moto = str(pathlib.Path(sys.executable).with_name("moto_server"))
    with server([moto, "-H", "127.0.0.1", "-p", str(aws_port)], aws_port):
        sqs = boto3.client("sqs", endpoint_url=endpoint)
        urls = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in QUEUES}
        secrets = boto3.client("secretsmanager", endpoint_url=endpoint)
        secrets.create_secret(Name="signing", SecretString=SIGNING_SECRET)
        secrets.create_secret(Name="pay-signing", SecretString=PAY_SIGNING_SECRET)

        emulator_port, runtime_port = free_port(), free_port()
        emulator = [
            str(runtime_interface_emulator()),
            *["--runtime-interface-emulator-address", f"127.0.0.1:{emulator_port}"],
            *["--runtime-api-address", f"127.0.0.1:{runtime_port}"],
            str(pathlib.Path(bootstrap).resolve()),
        ]
        environment = {
            "AWS_ENDPOINT_URL": endpoint,
            "SIGNING_SECRET_ID": "signing",
            "PAY_SIGNING_SECRET_ID": "pay-signing",
            "KYC_QUEUE_URL": urls["KycQueue"],
            "ACCOUNTS_DETAIL_QUEUE_URL": urls["AccountsDetailQueue"],
            "INVESTMENTS_QUEUE_URL": urls["InvestmentsQueue"],
            "PAY_QUEUE_URL": urls["PayQueue"],
            "UPLOAD_FRAUD_QUEUE_URL": urls["UploadFraudQueue"],
            "UNCLASSIFIED_QUEUE_URL": urls["UnclassifiedQueue"],
            "PAYLOAD_BUCKET": "not-needed",
        }
        with server(emulator, emulator_port, **environment):
            invoke = f"http://127.0.0.1:{emulator_port}/2015-03-31/functions/function/invocations"
            _, response = post(invoke, json.dumps(event).encode(), {"Content-Type": "application/json"})
            status = json.loads(response).get("statusCode")
            assert status == 200, f"{event_file} got {response!r}"
            for name, url in urls.items():
                bodies = [message["Body"].encode() for message in receive_all(sqs, url)]
                assert bodies == ([body] if name == queue else []), f"{name} holds {len(bodies)} messages"
    print(f"{event_file}: got 200, and its {len(body)} bytes are on {queue}")


def runtime_interface_emulator() -> pathlib.Path:
    architecture = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return pathlib.Path(samcli.__file__).parent / "local" / "rapid" / f"aws-lambda-rie-{architecture}"


if __name__ == "__main__":
    main(*sys.argv[1:])
