"""Runs recover_missing.py on the local DynamoDB and SQS of conftest.py, with a clock that the tests move."""

import contextlib
import json
import logging
import os
import types
import uuid

import boto3
import pytest
import yaml

TABLE = "expected-logins"
os.environ["EXPECTED_LOGINS_TABLE"] = TABLE

import recover_missing  # noqa: E402: it reads the environment

dynamodb = boto3.client("dynamodb")
sqs = boto3.client("sqs")

LOGIN = "6b818cd8-359f-41c8-2246-08de0113edf4"
OTHER = "5e115eac-1209-4f19-641c-08d6d484e2fe"
MINUTES = 60


def table_of_the_docstring() -> dict:
    """The properties of the table that a reader copies."""
    _, rest = recover_missing.__doc__.split("  ExpectedLoginsTable:\n")
    template = yaml.safe_load(rest.split("\n\n")[0])
    assert template["Type"] == "AWS::DynamoDB::Table"
    return template["Properties"]


class Desk:
    """The table, the queue and the clock."""

    def __init__(self, queue_url: str):
        self.queue_url = queue_url
        self.now = 1_790_000_000
        self.left_ms = 30_000

    def get_remaining_time_in_millis(self) -> int:
        return self.left_ms

    def run(self, after_minutes: int = 0) -> dict[str, int]:
        self.now += after_minutes * MINUTES
        return recover_missing.handler({}, self)

    def requests(self) -> list[dict]:
        """What was sent since the last call."""
        found = []
        while messages := sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return found


@pytest.fixture(autouse=True)
def desk(monkeypatch):
    with contextlib.suppress(dynamodb.exceptions.ResourceNotFoundException):
        dynamodb.delete_table(TableName=TABLE)
    dynamodb.create_table(TableName=TABLE, **{
        name: value for name, value in table_of_the_docstring().items() if name != "TimeToLiveSpecification"})
    queue_url = sqs.create_queue(QueueName=f"recovery-{uuid.uuid4()}")["QueueUrl"]
    desk = Desk(queue_url)
    monkeypatch.setenv("RECOVERY_QUEUE_URL", queue_url)
    monkeypatch.setattr(recover_missing, "time", types.SimpleNamespace(time=lambda: desk.now))
    return desk


def payload(login_id: str = LOGIN, **changed) -> dict:
    return {"ResponseType": "GetAccountsDetail", "HttpStatusCode": 200, "Login": {"Id": login_id}, **changed}


def test_a_login_whose_data_arrive_in_time_is_not_recovered(desk):
    recover_missing.expect(LOGIN)
    assert desk.run() == {"sent": 0, "failed": 0, "gaveUp": 0}
    recover_missing.arrived(payload())
    assert desk.run(after_minutes=1000) == {"sent": 0, "failed": 0, "gaveUp": 0}
    assert desk.requests() == []


def test_a_login_without_data_is_requested_when_it_is_overdue_without_a_tag(desk):
    recover_missing.expect(LOGIN, "user-1002")
    desk.now += 30 * MINUTES
    recover_missing.expect(OTHER)
    assert desk.run(after_minutes=14)["sent"] == 0
    assert desk.run(after_minutes=1)["sent"] == 1
    assert desk.requests() == [{"loginId": LOGIN}], "the tag is from somebody who only named the LoginId"
    assert desk.run(after_minutes=30)["sent"] == 1
    assert desk.requests() == [{"loginId": OTHER}]


def test_requests_are_at_least_45_minutes_apart_and_at_most_three(desk):
    recover_missing.expect(LOGIN)
    started, sent, results = desk.now, [], []
    for _ in range(0, 1000, 5):
        results.append(desk.run(after_minutes=5))
        sent += [(desk.now - started) // MINUTES] * len(desk.requests())
    assert sent == [45, 90, 180]
    assert sum(result["gaveUp"] for result in results) == 1
    [item] = dynamodb.scan(TableName=TABLE)["Items"]
    assert "gaveUpAt" in item and "waiting" not in item


def test_recovered_data_end_the_requests(desk):
    recover_missing.expect(LOGIN)
    desk.run(after_minutes=45)
    recover_missing.arrived(payload())
    assert desk.run(after_minutes=1000) == {"sent": 0, "failed": 0, "gaveUp": 0}


def test_data_that_arrive_after_the_handler_gave_up_count(desk):
    recover_missing.expect(LOGIN)
    for _ in range(4):
        result = desk.run(after_minutes=1000)
    assert result["gaveUp"] == 1
    recover_missing.arrived(payload())
    [item] = dynamodb.scan(TableName=TABLE)["Items"]
    assert "arrivedAt" in item and "gaveUpAt" not in item


def test_only_data_count_as_arrived(desk):
    recover_missing.expect(LOGIN)
    for failed in [
        payload(HttpStatusCode=401, FlinksCode="INVALID_LOGIN"), payload(HttpStatusCode=None), payload(Login=None),
        payload(Login={"Id": None}), payload(OTHER), {},
    ]:
        recover_missing.arrived(failed)
    assert desk.run(after_minutes=45)["sent"] == 1
    assert len(dynamodb.scan(TableName=TABLE)["Items"]) == 1, "nobody expected the other login"


def test_a_login_that_connects_again_is_expected_again(desk):
    recover_missing.expect(LOGIN, "first")
    recover_missing.arrived(payload())
    desk.now += 1000 * MINUTES
    recover_missing.expect(LOGIN)
    assert desk.run(after_minutes=45)["sent"] == 1
    assert len(desk.requests()) == 1
    [item] = dynamodb.scan(TableName=TABLE)["Items"]
    assert "tag" not in item, "the tag of the first time"


def test_a_failed_send_does_not_count_and_is_repeated_later(desk, monkeypatch, caplog):
    recover_missing.expect(LOGIN, "secret-tag")
    desk.now += 45 * MINUTES

    def fail(**_arguments):
        raise ConnectionError(LOGIN)

    with monkeypatch.context() as broken, caplog.at_level(logging.INFO):
        broken.setattr(recover_missing, "sqs", types.SimpleNamespace(send_message=fail))
        for _ in range(5):
            assert desk.run() == {"sent": 0, "failed": 1, "gaveUp": 0}
            assert desk.run(after_minutes=44)["failed"] == 0, "at most once in 45 minutes"
            desk.now += 1 * MINUTES
    assert desk.run()["sent"] == 1
    assert "ConnectionError" in caplog.text
    assert LOGIN not in caplog.text and "secret-tag" not in caplog.text


def test_two_runs_at_the_same_time_send_one_request(desk, monkeypatch):
    recover_missing.expect(LOGIN)
    desk.now += 45 * MINUTES
    seen = list(recover_missing.overdue(desk))
    monkeypatch.setattr(recover_missing, "overdue", lambda _context: iter(seen))
    assert [desk.run()["sent"], desk.run()["sent"]] == [1, 0]
    recover_missing.arrived(payload())
    assert desk.run() == {"sent": 0, "failed": 0, "gaveUp": 0}, "the data arrived after the query"


def test_a_run_without_time_leaves_the_rest_to_the_next(desk):
    for number in range(5):
        recover_missing.expect(f"login-{number}")
    desk.left_ms = 4_000
    assert desk.run(after_minutes=45)["sent"] == 0
    desk.left_ms = 30_000
    assert desk.run()["sent"] == 5


def test_an_item_expires_90_days_after_the_redirect(desk):
    assert table_of_the_docstring()["TimeToLiveSpecification"] == {"AttributeName": "expiration", "Enabled": True}
    recover_missing.expect(LOGIN)
    [item] = dynamodb.scan(TableName=TABLE)["Items"]
    assert int(item["expiration"]["N"]) - desk.now == 90 * 24 * 60 * MINUTES
