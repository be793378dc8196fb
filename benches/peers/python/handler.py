"""A Flinks receiver with boto3, written as its users write one: clients and secrets at import, body parsed with json."""

import base64
import hashlib
import hmac
import json
import os
import uuid
from datetime import datetime, timezone

import boto3

MAX_MESSAGE_BYTES = 1_048_576

sqs = boto3.client("sqs")
s3 = boto3.client("s3")
secrets_manager = boto3.client("secretsmanager")


def secret(variable):
    return secrets_manager.get_secret_value(SecretId=os.environ[variable])["SecretString"].encode()


SIGNING_SECRET = secret("SIGNING_SECRET_ID")
PAY_SIGNING_SECRET = secret("PAY_SIGNING_SECRET_ID")


def handler(event, context):
    body = event.get("body") or ""
    body = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()
    form = signature_form(event["headers"], body)
    if form is None:
        return answer(401, {"error": "unauthorized"})
    payload = parsed(body)
    delivery_id = hashlib.sha256(body).hexdigest()
    attributes = attributes_of(form, payload, delivery_id)
    message = {
        "QueueUrl": os.environ[f"{kind(form, payload)}_QUEUE_URL"],
        "MessageAttributes": attributes,
    }
    group = payload.get("sessionId") if form == "pay" else (payload.get("Login") or {}).get("Id")
    if group:
        message["MessageGroupId"] = group

    if not body or len(body) + size_of(attributes) > MAX_MESSAGE_BYTES:
        pointer = {"s3BucketName": os.environ["PAYLOAD_BUCKET"], "s3Key": f"{delivery_id}/{uuid.uuid4()}"}
        s3.put_object(Bucket=pointer["s3BucketName"], Key=pointer["s3Key"], Body=body)
        message["MessageBody"] = json.dumps(["software.amazon.payloadoffloading.PayloadS3Pointer", pointer])
        attributes["ExtendedPayloadSize"] = {"DataType": "Number", "StringValue": str(len(body))}
    else:
        message["MessageBody"] = body.decode()
    sqs.send_message(**message)
    print(json.dumps({"level": "INFO", "message": "stored", "deliveryId": delivery_id, "bytes": len(body)}))
    return answer(200, {"status": "stored"})


def signature_form(headers, body):
    if pay := headers.get("x-webhook-signature"):
        return "pay" if is_signed(PAY_SIGNING_SECRET, body, bytes.fromhex(pay.removeprefix("sha256="))) else None
    signature = base64.b64decode(headers.get("flinks-authenticity-key", ""))
    if is_signed(SIGNING_SECRET, body, signature):
        return "raw"
    # As in .NET, a character with two UTF-16 units becomes two question marks.
    text = body.decode("utf-8", "replace")
    ascii_encoding = "".join(c if c < "\x80" else "?" if c < "\U00010000" else "??" for c in text).encode()
    return "ascii" if is_signed(SIGNING_SECRET, ascii_encoding, signature) else None


def is_signed(key, body, signature):
    return hmac.compare_digest(hmac.new(key, body, hashlib.sha256).digest(), signature)


def parsed(body):
    try:
        payload = json.loads(body)
    except ValueError:
        return {}
    return payload if isinstance(payload, dict) else {}


def kind(form, payload):
    if form == "pay":
        return "PAY"
    kinds = {"KYC": "KYC", "GetAccountsDetail": "ACCOUNTS_DETAIL", "Investments": "INVESTMENTS"}
    if found := kinds.get(payload.get("ResponseType")):
        return found
    if payload.get("DocumentAnalysis"):
        return "UPLOAD_FRAUD"
    if payload.get("sessionId") and payload.get("status"):
        return "PAY"
    return "UNCLASSIFIED"


def attributes_of(form, payload, delivery_id):
    login = payload.get("Login") or {}
    texts = {
        "DeliveryId": delivery_id,
        "SignatureForm": form,
        "ReceivedAt": datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "ResponseType": payload.get("ResponseType"),
        "Tag": payload.get("Tag"),
    }
    if form == "pay":
        texts |= {"SessionId": payload.get("sessionId"), "Status": payload.get("status")}
    else:
        texts |= {"LoginId": login.get("Id"), "RequestId": payload.get("RequestId")}
    if "IsScheduledRefresh" in login:
        texts["ScheduledRefresh"] = "true" if login["IsScheduledRefresh"] else "false"
    attributes = {
        name: {"DataType": "String", "StringValue": value}
        for name, value in texts.items()
        if isinstance(value, str) and 1 <= len(value.encode()) <= 256
    }
    if isinstance(code := payload.get("HttpStatusCode"), int):
        attributes["HttpStatusCode"] = {"DataType": "Number", "StringValue": str(code)}
    return attributes


def size_of(attributes):
    return sum(
        len(name) + len(value["DataType"]) + len(value["StringValue"].encode()) for name, value in attributes.items()
    )


def answer(status, body):
    return {"statusCode": status, "headers": {"content-type": "application/json"}, "body": json.dumps(body)}
