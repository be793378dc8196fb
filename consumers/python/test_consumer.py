"""Runs consumer.py over the cases that all languages share, `../cases.json`, and looks at what it leaves behind.

`conftest.py` waits for a local S3 and a local DynamoDB, which do for AWS. `../README.md` describes the cases.
"""

import base64
import contextlib
import copy
import hashlib
import json
import logging
import os
import pathlib
import time
from decimal import Decimal

import boto3
import pytest

FOLDER = pathlib.Path(__file__).parent.parent
TABLE = json.loads((FOLDER / "cases.json").read_text("utf-8"))
BUCKET, FOREIGN_BUCKET = TABLE["bucket"], TABLE["foreignBucket"]
IDEMPOTENCY_TABLE = "idempotency"

os.environ.update(PAYLOAD_BUCKET=BUCKET, IDEMPOTENCY_TABLE=IDEMPOTENCY_TABLE)

import consumer  # noqa: E402: it reads the environment

s3 = boto3.client("s3")
dynamodb = boto3.client("dynamodb")


class Context:
    """What Lambda passes beside the event."""

    def __init__(self, remaining_ms: int = 30_000):
        self.remaining_ms = remaining_ms

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_ms


class Crash(BaseException):
    """The process ends: no code of the function sees it."""


class Effects:
    """In place of `process`: notes each event, or fails as the case wants it."""

    def __init__(self):
        self.events, self.fails, self.crashes = [], set(), set()

    def __call__(self, event: consumer.Event) -> None:
        if event.delivery_id in self.fails:
            raise RuntimeError("the effect fails")
        if event.delivery_id in self.crashes:
            raise Crash
        self.events.append(event)


@pytest.fixture(scope="session", autouse=True)
def buckets():
    for bucket in [BUCKET, FOREIGN_BUCKET]:
        with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou, s3.exceptions.BucketAlreadyExists):
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "ca-central-1"})


@pytest.fixture(autouse=True)
def idempotency_table():
    with contextlib.suppress(dynamodb.exceptions.ResourceNotFoundException):
        dynamodb.delete_table(TableName=IDEMPOTENCY_TABLE)
    dynamodb.create_table(
        TableName=IDEMPOTENCY_TABLE,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


@pytest.fixture
def effects(monkeypatch):
    effects = Effects()
    monkeypatch.setattr(consumer, "process", effects)
    return effects


def patched(value, patch):
    """JSON Merge Patch (RFC 7396)."""
    if not isinstance(patch, dict):
        return patch
    value = dict(value) if isinstance(value, dict) else {}
    for key, change in patch.items():
        if change is None:
            value.pop(key, None)
        else:
            value[key] = patched(value.get(key), change)
    return value


def record_of(wanted: str | dict) -> tuple[str, dict]:
    """The label of a record, and the record. Its object is in both buckets."""
    if isinstance(wanted, str):
        wanted = {"fixture": wanted}
    [record] = json.loads((FOLDER / f"fixtures/sqs/{wanted['fixture']}.json").read_text("utf-8"))["Records"]
    payload = None
    if "ExtendedPayloadSize" in record["messageAttributes"]:
        payload = (FOLDER / "fixtures/objects" / BUCKET / key_of(record)).read_bytes()
    if made := wanted.get("payload"):
        payload = made_payload(made)
        assert hashlib.sha256(payload).hexdigest() == made["sha256"]
        record["messageAttributes"]["DeliveryId"]["stringValue"] = made["sha256"]
        record["messageAttributes"]["ExtendedPayloadSize"]["stringValue"] = str(len(payload))
    if payload is not None:
        for bucket in [BUCKET, FOREIGN_BUCKET]:
            s3.put_object(Bucket=bucket, Key=key_of(record), Body=payload)
    return wanted.get("as", wanted["fixture"]), patched(record, wanted.get("patch", {}))


def made_payload(made: dict) -> bytes:
    if "base64" in made:
        return base64.b64decode(made["base64"])
    fill = made["bytes"] - len(made["prefix"]) - len(made["suffix"])
    return (made["prefix"] + made["fill"] * fill + made["suffix"]).encode()


def key_of(record: dict) -> str:
    return json.loads(record["body"])[1]["s3Key"]


def run(batch: dict, effects: Effects) -> dict | None:
    """Hands a batch to the handler, and compares what was processed. Returns the records by their labels."""
    records = dict(record_of(wanted) for wanted in batch["records"])
    ids = {label: (record.get("messageAttributes") or {}).get("DeliveryId", {}).get("stringValue")
           for label, record in records.items()}
    for label in batch.get("objectsGone", []):
        s3.delete_object(Bucket=BUCKET, Key=key_of(records[label]))
    effects.events = []
    effects.fails = {ids[label] for label in batch.get("effectFails", [])}
    effects.crashes = {ids[label] for label in batch.get("crashes", [])}
    event = {"Records": copy.deepcopy(list(records.values()))}
    context = Context(batch.get("remainingMs", 30_000))
    if effects.crashes:
        with pytest.raises(Crash):
            consumer.handler(event, context)
        time.sleep(0.05)  # so that a lease of a millisecond is over
        return
    response = consumer.handler(event, context)
    failed = {failure["itemIdentifier"] for failure in response["batchItemFailures"]}
    assert failed == {records[label]["messageId"] for label in batch["failed"]}
    expected = [(processed["type"], ids[processed["record"]]) for processed in batch["processed"]]
    assert [(event.type, event.delivery_id) for event in effects.events] == expected
    for event, processed in zip(effects.events, batch["processed"]):
        assert hashlib.sha256(event.body).hexdigest() == event.delivery_id
        for pointer, text in processed.get("values", {}).items():
            assert same(value_at(event.payload, pointer), text), pointer


def value_at(value, pointer: str):
    """JSON Pointer (RFC 6901), without its escapes."""
    for part in pointer.split("/")[1:]:
        value = value[int(part) if isinstance(value, list) else part]
    return value


def same(value, text: str | None) -> bool:
    if isinstance(value, int | Decimal):
        return Decimal(value) == Decimal(text)
    return value == text


@pytest.mark.parametrize("case", TABLE["cases"], ids=lambda case: case["name"])
def test_case(case, effects):
    for batch in case["batches"]:
        if "event" in batch:
            with pytest.raises(ValueError):
                consumer.handler(batch["event"], Context())
            assert effects.events == []
        else:
            run(batch, effects)


def items() -> list[dict]:
    return dynamodb.scan(TableName=IDEMPOTENCY_TABLE)["Items"]


def test_a_finished_delivery_is_remembered_for_35_days_and_nothing_of_it_is_kept(effects):
    _, record = record_of("kyc")
    consumer.handler({"Records": [record]}, Context())
    [item] = items()
    days = (int(item["expiration"]["N"]) - time.time()) / 86_400
    assert f"{days:.2f}" == "35.00"
    assert item["id"]["S"].startswith("flinks-consumer#")
    assert "Lefran" not in json.dumps(item)
    assert item.get("data", {}).get("S") in [None, "null"]


def test_the_lease_is_the_time_left_to_the_function(monkeypatch):
    leases = []
    monkeypatch.setattr(consumer, "process", lambda _event: leases.extend(items()))
    _, record = record_of("kyc")
    consumer.handler({"Records": [record]}, Context(7_000))
    [item] = leases
    lease = int(item["in_progress_expiration"]["N"]) / 1000 - time.time()
    assert 0 < lease <= 7


def test_logs_have_ids_and_no_payload(monkeypatch, caplog):
    def process(event):
        raise RuntimeError(event.body.decode())

    monkeypatch.setattr(consumer, "process", process)
    _, record = record_of("kyc")
    with caplog.at_level(logging.INFO):
        consumer.handler({"Records": [record]}, Context())
    assert record["messageId"] in caplog.text and "RuntimeError" in caplog.text
    assert "Lefran" not in caplog.text


def test_the_process_of_the_example_takes_every_fixture():
    for file in sorted((FOLDER / "fixtures/sqs").glob("*.json")):
        _, record = record_of(file.stem)
        assert consumer.handler({"Records": [record]}, Context()) == {"batchItemFailures": []}, file.stem
