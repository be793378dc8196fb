"""What tests of a consumer need: the fixtures as Lambda hands them over, and the context of an invocation.

conftest.py starts the local AWS that this uses. `../README.md` describes the fixtures.
"""

import hashlib
import json
import pathlib

import boto3

FOLDER = pathlib.Path(__file__).parent.parent
TABLE = json.loads((FOLDER / "cases.json").read_text("utf-8"))
BUCKET, FOREIGN_BUCKET = TABLE["bucket"], TABLE["foreignBucket"]


class Context:
    """What Lambda passes beside the event."""

    def __init__(self, remaining_ms: int = 30_000):
        self.remaining_ms = remaining_ms

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_ms


def lambda_event(*fixtures: str) -> dict:
    """The event with the messages of these fixtures. The payloads of claim checks are in the bucket."""
    records = [read_record(name) for name in fixtures]
    for record in records:
        put_object(record, payload_of(record))
    return {"Records": records}


def event_with(payload: bytes, fixture: str = "kyc-claim-check") -> dict:
    """The event with the message of a fixture, and with a payload of yours. The other attributes are the fixture's."""
    record = read_record(fixture)
    set_payload(record, payload)
    put_object(record, payload)
    return {"Records": [record]}


def fixtures(queue: str = "") -> list[str]:
    """The names of all fixtures, or of those on one queue, such as `KycQueue`."""
    names = sorted(file.stem for file in (FOLDER / "fixtures/sqs").glob("*.json"))
    return [name for name in names if read_record(name)["eventSourceARN"].endswith(queue)]


def read_record(fixture: str) -> dict:
    [record] = json.loads((FOLDER / f"fixtures/sqs/{fixture}.json").read_text("utf-8"))["Records"]
    return record


def payload_of(record: dict) -> bytes | None:
    """The object that a claim check points to."""
    if "ExtendedPayloadSize" not in record["messageAttributes"]:
        return None
    return (FOLDER / "fixtures/objects" / BUCKET / key_of(record)).read_bytes()


def set_payload(record: dict, payload: bytes) -> None:
    attributes = record["messageAttributes"]
    attributes["DeliveryId"]["stringValue"] = hashlib.sha256(payload).hexdigest()
    if "ExtendedPayloadSize" in attributes:
        attributes["ExtendedPayloadSize"]["stringValue"] = str(len(payload))
    else:
        record["body"] = payload.decode()


def put_object(record: dict, payload: bytes | None, bucket: str = BUCKET) -> None:
    """Puts the payload of a claim check where its pointer says."""
    if "ExtendedPayloadSize" in record["messageAttributes"]:
        boto3.client("s3").put_object(Bucket=bucket, Key=key_of(record), Body=payload)


def key_of(record: dict) -> str:
    return json.loads(record["body"])[1]["s3Key"]
