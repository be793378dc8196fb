"""Tests of your own `process`, to copy and change. conftest.py starts the local AWS that they use.

The names are files in `../fixtures/sqs`. `testing.py` has the rest of what a test needs.
"""

import pytest

import consumer
from testing import Context, event_with, fixtures, lambda_event


def test_a_claim_check_that_comes_twice_has_one_effect(caplog):
    with caplog.at_level("INFO"):
        for name in ["kyc-claim-check", "kyc-claim-check.retry"]:
            assert consumer.handler(lambda_event(name), Context()) == {"batchItemFailures": []}
    # What `process` did, once. In place of the log, look into your own database.
    assert caplog.messages.count("KYC with 1 holders") == 1


def test_a_payload_of_my_own(caplog):
    event = event_with(b'{"ResponseType":"KYC","HttpStatusCode":200,"Holders":[]}')
    with caplog.at_level("INFO"):
        assert consumer.handler(event, Context()) == {"batchItemFailures": []}
    assert "KYC with 0 holders" in caplog.messages


# If your `process` rejects other types, name the queue that it reads: fixtures("KycQueue"). `deeply-nested` is on it too,
# and Python cannot parse it: if your `process` also rejects Unknown, leave out that one.
@pytest.mark.parametrize("name", fixtures())
def test_your_process_takes_every_fixture(name):
    assert consumer.handler(lambda_event(name), Context()) == {"batchItemFailures": []}
