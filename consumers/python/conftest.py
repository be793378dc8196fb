"""pytest reads this file first. It starts a local AWS on a free port, and sets the environment that consumer.py reads.

Every test starts with an empty idempotency table.
"""

import contextlib
import logging
import os

import boto3
import pytest
from moto.server import ThreadedMotoServer

from testing import BUCKET, FOREIGN_BUCKET

# The server runs in this process, so no other server can be in its place, and it ends with the tests.
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
HOST, PORT = server.get_host_and_port()
logging.getLogger("werkzeug").setLevel(logging.WARNING)  # otherwise it logs each request

# Made up: the tests never use an account or an endpoint that this machine happens to know.
for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
os.environ.update(
    AWS_ENDPOINT_URL=f"http://{HOST}:{PORT}",
    AWS_ACCESS_KEY_ID="fake",
    AWS_SECRET_ACCESS_KEY="fake",
    AWS_DEFAULT_REGION="ca-central-1",
    AWS_CONFIG_FILE=os.devnull,
    AWS_SHARED_CREDENTIALS_FILE=os.devnull,
    PAYLOAD_BUCKET=BUCKET,
    IDEMPOTENCY_TABLE="idempotency",
)
# Another S3 in place of moto's, such as that of `cargo dev up`.
if endpoint := os.environ.get("S3_ENDPOINT"):
    os.environ["AWS_ENDPOINT_URL_S3"] = endpoint
# consumer.py has a default for it, which the tests expect.
os.environ.pop("CONSUMER", None)


@pytest.fixture(scope="session", autouse=True)
def buckets():
    s3 = boto3.client("s3")
    for bucket in [BUCKET, FOREIGN_BUCKET]:
        # Another S3 may have it already.
        with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "ca-central-1"})


@pytest.fixture(autouse=True)
def idempotency_table():
    dynamodb = boto3.client("dynamodb")
    name = os.environ["IDEMPOTENCY_TABLE"]
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    yield
    dynamodb.delete_table(TableName=name)
