"""Recovers the data of people who connected their bank, and whose callback never came. Copy this file.

A callback over 6 MB, or one that was lost, never reaches the receiver, so nobody can see that it is missing. But your
back end knows each LoginId: Flinks Connect puts it into the redirect. This file has three parts, for three places:

  expect(login_id, tag)   Your back end calls it when Connect redirects a person to you. It writes both to a table.
  arrived(payload)        Your consumer of AccountsDetailQueue calls it at the end of `process`. It marks the login.
  handler                 A Lambda function with a schedule (each five minutes). For each login that is overdue it puts a
                          request on RecoveryQueue, at most once in OVERDUE_MINUTES and at most MAX_REQUESTS times.

RecoveryFunction then fetches the data from Flinks, and they arrive on AccountsDetailQueue like those of a callback, but
without a Tag: find the person by the LoginId.

A LoginId that comes from a browser is only a claim until a payload confirms it. A signed-in attacker can name somebody
else's, and the data of that login then arrive. So a request has no tag, which would put the attacker's name on them.
Give data to a person only if your records say that the login is theirs, and never because they named it.

The table, with what each part may do (a CloudFormation template):

  ExpectedLoginsTable:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions:
        - {AttributeName: loginId, AttributeType: S}
        - {AttributeName: waiting, AttributeType: S}
        - {AttributeName: dueAt, AttributeType: N}
      KeySchema: [{AttributeName: loginId, KeyType: HASH}]
      GlobalSecondaryIndexes:
        - IndexName: overdue
          KeySchema: [{AttributeName: waiting, KeyType: HASH}, {AttributeName: dueAt, KeyType: RANGE}]
          Projection: {ProjectionType: ALL}
      TimeToLiveSpecification: {AttributeName: expiration, Enabled: true}

  expect, arrived: dynamodb:UpdateItem on the table.
  handler: dynamodb:UpdateItem on the table, dynamodb:Query on its index, sqs:SendMessage on RecoveryQueue. With a
  KmsKeyArn: kms:GenerateDataKey and kms:Decrypt on that key.

Environment:
  EXPECTED_LOGINS_TABLE  the table's name
  RECOVERY_QUEUE_URL     only for handler: SSM parameter /flinks-recovery/recovery-queue/url
  OVERDUE_MINUTES        default 45: Flinks repeats a callback that failed after 30 minutes
  MAX_REQUESTS           default 3
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator
from typing import Any

import boto3
from botocore.exceptions import ClientError

TABLE = os.environ["EXPECTED_LOGINS_TABLE"]
OVERDUE_SECONDS = int(os.environ.get("OVERDUE_MINUTES", "45")) * 60
MAX_REQUESTS = int(os.environ.get("MAX_REQUESTS", "3"))
# Flinks keeps the data of a login for 90 days.
KEPT_SECONDS = 90 * 24 * 60 * 60
# The handler starts nothing new in its last seconds.
LAST_MILLISECONDS = 5_000

log = logging.getLogger("recover_missing")
log.setLevel(logging.INFO)
dynamodb = boto3.client("dynamodb")
sqs = boto3.client("sqs")


def expect(login_id: str, tag: str | None = None) -> None:
    """Call it at Connect's redirect, with the `loginId` of its query.

    The query comes from a browser, so anybody can write anything there. Check before that the person is signed in and
    began to connect a bank a moment ago. Take the `tag` from your own server-side session, never from the query. The
    table keeps it for you, for example to ask the person to connect again. It says who named the LoginId, and not
    whose it is.

    A person may connect the same login again. Then its data are expected again. If the callback was faster than the
    redirect, they are recovered once although they are there, which does no harm.
    """
    now = int(time.time())
    update(
        login_id,
        "SET waiting = :yes, expectedAt = :now, dueAt = :due, requests = :none, expiration = :end"
        + (", tag = :tag REMOVE arrivedAt, gaveUpAt" if tag else " REMOVE tag, arrivedAt, gaveUpAt"),
        {
            ":yes": {"S": "yes"}, ":now": number(now), ":due": number(now + OVERDUE_SECONDS), ":none": number(0),
            ":end": number(now + KEPT_SECONDS), **({":tag": {"S": tag}} if tag else {}),
        },
    )


def arrived(payload: dict[str, Any]) -> None:
    """Call it when your consumer has processed a payload of the type AccountsDetail.

    A payload that says that Flinks could not get the data does not count. A login that nobody expected is ignored, such
    as one of a nightly refresh.
    """
    login_id = (payload.get("Login") or {}).get("Id")
    if payload.get("HttpStatusCode") == 200 and isinstance(login_id, str) and login_id:
        # They may arrive after the handler gave up.
        update(login_id, "SET arrivedAt = :now REMOVE waiting, dueAt, gaveUpAt", {":now": number(int(time.time()))},
               "attribute_exists(loginId)")


def handler(_event: Any, context: Any) -> dict[str, int]:
    """Asks for the data of each overdue login. The log has numbers, and neither a LoginId nor a tag."""
    queue_url = os.environ["RECOVERY_QUEUE_URL"]
    counts = {"sent": 0, "failed": 0, "gaveUp": 0}
    for item in overdue(context):
        login_id, due, requests = item["loginId"]["S"], item["dueAt"], int(item["requests"]["N"])
        now = int(time.time())
        # Only if nothing changed since the query: another run may have taken it, or the data may have arrived.
        unchanged = "attribute_exists(waiting) AND dueAt = :seen"
        if requests >= MAX_REQUESTS:
            if update(login_id, "SET gaveUpAt = :now REMOVE waiting, dueAt",
                      {":now": number(now), ":seen": due}, unchanged):
                counts["gaveUp"] += 1
            continue
        # First the new time and then the request: a crash between them costs a wait, and never a second request. Each
        # wait is twice as long as the one before, because a recovery can itself take hours.
        next_due = number(now + OVERDUE_SECONDS * 2**requests)
        if not update(login_id, "SET dueAt = :next ADD requests :one",
                      {":next": next_due, ":one": number(1), ":seen": due}, unchanged):
            continue
        try:
            sqs.send_message(QueueUrl=queue_url, MessageBody=json.dumps({"loginId": login_id}))
            counts["sent"] += 1
        except Exception as error:
            # It was not a request, so it does not count. The next one is as far away as after a request.
            update(login_id, "ADD requests :minus", {":minus": number(-1), ":seen": next_due}, unchanged)
            counts["failed"] += 1
            log.error("a request was not sent: %s", type(error).__name__)
    if counts["gaveUp"]:
        # An alarm can watch for this.
        log.error("gave up after %d requests each: %d logins", MAX_REQUESTS, counts["gaveUp"])
    log.info("done %s", counts)
    return counts


def overdue(context: Any) -> Iterator[dict[str, Any]]:
    """The logins whose time has come, the longest overdue first. The next run takes those that are left."""
    arguments = {
        "TableName": TABLE, "IndexName": "overdue", "KeyConditionExpression": "waiting = :yes AND dueAt <= :now",
        "ExpressionAttributeValues": {":yes": {"S": "yes"}, ":now": number(int(time.time()))},
    }
    while True:
        page = dynamodb.query(**arguments)
        for item in page["Items"]:
            if context.get_remaining_time_in_millis() < LAST_MILLISECONDS:
                return
            yield item
        if "LastEvaluatedKey" not in page:
            return
        arguments["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def update(login_id: str, expression: str, values: dict[str, Any], condition: str | None = None) -> bool:
    """Changes a login's item. False if the condition does not hold."""
    try:
        dynamodb.update_item(
            TableName=TABLE, Key={"loginId": {"S": login_id}}, UpdateExpression=expression,
            ExpressionAttributeValues=values, **({"ConditionExpression": condition} if condition else {}),
        )
        return True
    except ClientError as error:
        if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
            return False
        raise


def number(value: int) -> dict[str, str]:
    return {"N": str(value)}
