"""Runs consumer.py over the cases that all languages share, `../cases.json`, and looks at what it leaves behind.

It has a `process` of its own: tests of yours are in test_mine.py. `../README.md` describes the cases.
"""

import base64
import copy
import hashlib
import json
import logging
import os
import time
from decimal import Decimal

import boto3
import pytest

import consumer
from testing import (
    BUCKET,
    FOREIGN_BUCKET,
    TABLE,
    Context,
    key_of,
    lambda_event,
    payload_of,
    put_object,
    read_record,
    set_payload,
)

s3 = boto3.client("s3")
dynamodb = boto3.client("dynamodb")

# A crash with at most this time left is one whose lease the driver lets end.
SHORT_LEASE_MS = 1_000


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
    record = read_record(wanted["fixture"])
    payload = payload_of(record)
    if made := wanted.get("payload"):
        payload = made_payload(made)
        assert hashlib.sha256(payload).hexdigest() == made["sha256"]
        set_payload(record, payload)
    for bucket in [BUCKET, FOREIGN_BUCKET]:
        put_object(record, payload, bucket)
    return wanted.get("as", wanted["fixture"]), patched(record, wanted.get("patch", {}))


def made_payload(made: dict) -> bytes:
    if "base64" in made:
        return base64.b64decode(made["base64"])
    fill = made["bytes"] - len(made["prefix"]) - len(made["suffix"])
    return (made["prefix"] + made["fill"] * fill + made["suffix"]).encode()


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
        if context.remaining_ms <= SHORT_LEASE_MS:
            time.sleep(context.remaining_ms / 1000 + 0.05)
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
    return dynamodb.scan(TableName=os.environ["IDEMPOTENCY_TABLE"])["Items"]


def test_a_finished_delivery_is_remembered_for_35_days_and_nothing_of_it_is_kept(effects):
    consumer.handler(lambda_event("kyc"), Context())
    [item] = items()
    days = (int(item["expiration"]["N"]) - time.time()) / 86_400
    assert f"{days:.2f}" == "35.00"
    assert item["id"]["S"].startswith("flinks-consumer#")
    assert "Lefran" not in json.dumps(item)
    assert item.get("data", {}).get("S") in [None, "null"]


def test_the_lease_is_the_time_left_to_the_function(monkeypatch):
    leases = []
    monkeypatch.setattr(consumer, "process", lambda _event: leases.extend(items()))
    consumer.handler(lambda_event("kyc"), Context(7_000))
    [item] = leases
    lease = int(item["in_progress_expiration"]["N"]) / 1000 - time.time()
    assert 0 < lease <= 7


def test_logs_have_ids_and_no_payload(monkeypatch, caplog):
    def process(event):
        raise RuntimeError(event.body.decode())

    monkeypatch.setattr(consumer, "process", process)
    event = lambda_event("kyc")
    with caplog.at_level(logging.INFO):
        consumer.handler(event, Context())
    assert event["Records"][0]["messageId"] in caplog.text and "RuntimeError" in caplog.text
    assert "Lefran" not in caplog.text
