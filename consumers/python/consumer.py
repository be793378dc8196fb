"""A Lambda function that reads one queue of the Flinks webhook receiver. Copy this file, and write `process`.

Each message becomes an event with a type, whatever its size, and is processed once. A message that fails stays on the
queue, and the others of its batch are done. The mapping needs `FunctionResponseTypes: [ReportBatchItemFailures]`.

Environment:
  PAYLOAD_BUCKET     the receiver's bucket (output PayloadBucketName)
  IDEMPOTENCY_TABLE  a DynamoDB table with the key `id` (String) and TTL on `expiration`
  CONSUMER           the name of this consumer, if several share the table; it must stay the same
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    # For editors and type checkers: a TypedDict for each type, in the file beside this one. The function runs without it.
    from flinks_events import AccountsDetail, Kyc

PAYLOAD_BUCKET = os.environ["PAYLOAD_BUCKET"]
# A message can come back for 28 days: 14, and 14 more after a redrive. An undelivered payload comes later still.
REMEMBERED_SECONDS = 35 * 24 * 60 * 60

log = logging.getLogger("consumer")
log.setLevel(logging.INFO)
s3 = boto3.client("s3")


@dataclass(frozen=True)
class Event:
    """One callback of Flinks."""

    # The same for every retry. Use it as your key.
    delivery_id: str
    # Kyc, AccountsDetail, Investments, EftSessionStatus, FraudAlert, or Unknown.
    type: str
    # The payload: a dict of the type above. Flinks adds keys, and any of them may be absent or null. Amounts are int or
    # Decimal, never float. Unknown has any dict, or None if the payload is not a JSON object.
    payload: Any
    # The bytes that Flinks sent. They need not be UTF-8.
    body: bytes
    # The message attributes, by name.
    attributes: dict[str, str]


def process(event: Event) -> None:
    """Your code. Raise to have the message again; after five receives it is a dead letter.

    It can run twice for one event: if the function dies after the effect and before it is marked as done. Where that
    matters, give your own table a unique key on `event.delivery_id`, and write it in the same transaction as your data.
    Then you need no DynamoDB table, and can drop `once`.
    """
    match event.type:
        case "Kyc":
            kyc: Kyc = event.payload
            log.info("KYC with %d holders", len(kyc.get("Holders") or []))
        case "AccountsDetail":
            accounts: AccountsDetail = event.payload
            # HttpStatusCode is other than 200 if Flinks could not get the data.
            log.info("%d accounts", len(accounts.get("Accounts") or []))
        case "EftSessionStatus" if event.attributes.get("SignatureForm") != "pay":
            # The aggregation secret signed it, not the Pay secret. If your two secrets are not equally well protected,
            # check it with Flinks before you rely on it.
            log.warning("a payment status that the aggregation secret signed")
        case _:
            log.info("%s of %d bytes", event.type, len(event.body))


class BadMessage(Exception):
    """A message that cannot be opened. Its text may be logged: it holds nothing of the payload."""


def open_message(record: dict[str, Any], delivery_id: str) -> Event:
    """The event in an SQS record of Lambda. A claim check's payload comes from S3."""
    attributes = {name: value.get("stringValue") for name, value in record["messageAttributes"].items()}
    body = record["body"].encode()
    # Only this attribute makes a body a pointer: what Flinks sends may look like one.
    if "ExtendedPayloadSize" in attributes:
        body = fetch(body)
    if hashlib.sha256(body).hexdigest() != delivery_id:
        raise BadMessage("the payload is not the one of its DeliveryId")
    payload = read_json(body)
    return Event(delivery_id, type_of(payload, attributes.get("SignatureForm")), payload, body, attributes)


def fetch(pointer: bytes) -> bytes:
    """The payload that a claim check points to: bytes, because it need not be text."""
    try:
        name, place = json.loads(pointer)
        bucket, key = place["s3BucketName"], place["s3Key"]
    except (ValueError, TypeError, KeyError):
        raise BadMessage("ExtendedPayloadSize is there, and the body is no pointer") from None
    if name != "software.amazon.payloadoffloading.PayloadS3Pointer":
        raise BadMessage("the body is a pointer of another format")
    # Whoever can send to the queue chooses the bucket in the pointer.
    if bucket != PAYLOAD_BUCKET:
        raise BadMessage("the pointer names another bucket than PAYLOAD_BUCKET")
    try:
        payload: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        # NoSuchKey if the object is gone; AccessDenied, if this function may not list the bucket.
        raise BadMessage(f"S3 did not return the payload: {error.response['Error']['Code']}") from None
    return payload


def read_json(body: bytes) -> dict[str, Any] | None:
    """The JSON object in a payload, with exact amounts; None if it is something else."""
    try:
        # Explicitly UTF-8: json.loads would guess an encoding from bytes.
        value = json.loads(body.decode("utf-8-sig"), parse_float=Decimal, parse_constant=no_json)
    except (ValueError, ArithmeticError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def no_json(_constant: str) -> None:
    raise ValueError("NaN and Infinity are not JSON")


def type_of(payload: dict[str, Any] | None, signature_form: str | None) -> str:
    """The receiver's own rules: the signature, then ResponseType, then the shape."""
    if payload is None:
        return "Unknown"
    # A key with null counts as absent.
    is_session = payload.get("sessionId") is not None and payload.get("status") is not None
    if signature_form == "pay":
        return "EftSessionStatus" if is_session else "Unknown"
    if signature_form == "api":
        return "AccountsDetail"
    named = {"KYC": "Kyc", "GetAccountsDetail": "AccountsDetail", "Investments": "Investments"}
    response_type = payload.get("ResponseType")
    if isinstance(response_type, str) and response_type in named:
        return named[response_type]
    if payload.get("DocumentAnalysis") is not None:
        return "FraudAlert"
    return "EftSessionStatus" if is_session else "Unknown"


# Deduplication. `once` claims the DeliveryId first and opens the message only then: a finished one is done, even if its
# object is gone. A claim that fails is taken back. One whose function died ends with the function's time (the lease).
idempotency = IdempotencyConfig(expires_after_seconds=REMEMBERED_SECONDS)


@idempotent_function(
    data_keyword_argument="delivery_id",
    config=idempotency,
    persistence_store=DynamoDBPersistenceLayer(table_name=os.environ["IDEMPOTENCY_TABLE"]),
    # Without it, a renamed function would process everything again.
    key_prefix=os.environ.get("CONSUMER", "flinks-consumer"),
)
def once(*, delivery_id: str, record: dict[str, Any]) -> None:
    # No return value: Powertools would write it to the table.
    process(open_message(record, delivery_id))


def handle_record(record: dict[str, Any]) -> None:
    delivery_id = (record.get("messageAttributes") or {}).get("DeliveryId", {}).get("stringValue")
    ids = {"message": record["messageId"], "delivery": delivery_id}
    try:
        if not delivery_id:
            raise BadMessage("the message has no attribute DeliveryId, so it cannot be deduplicated")
        once(delivery_id=delivery_id, record=record)
        log.info("done %s", ids)
    except Exception as error:
        # Only ids, and the texts of this file: another error may quote bank data.
        reason = error if isinstance(error, BadMessage) else type(error).__name__
        log.error("failed %s: %s", ids, reason)
        raise


# A list of failures even if every record fails: an exception would say less, and hold up the whole batch.
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def handler(event: dict[str, Any], context: Any) -> Any:
    # Lambda would take an empty list of failures for success, and delete the messages.
    records = event.get("Records")
    if not isinstance(records, list) or not records or any(r.get("eventSource") != "aws:sqs" for r in records):
        raise ValueError("this is no event of an SQS queue")
    idempotency.register_lambda_context(context)
    return process_partial_response(event=event, record_handler=handle_record, processor=processor, context=context)
