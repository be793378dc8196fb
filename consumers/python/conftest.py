"""What the tests here share: a local AWS, and made-up credentials for it."""

import contextlib
import os
import socket
import time
from urllib.parse import urlsplit

import pytest

HELP = "start `moto_server -p 5055` and set AWS_ENDPOINT_URL=http://127.0.0.1:5055"


def wait_for(endpoint: str) -> None:
    """Until a server that was just started listens."""
    place = urlsplit(endpoint)
    if place.hostname not in ["127.0.0.1", "localhost"]:
        pytest.exit(HELP, returncode=2)
    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection((place.hostname, place.port or 80), 1):
            return
        time.sleep(0.1)
    pytest.exit(f"nothing listens at {endpoint}: {HELP}", returncode=2)


for service in ["S3", "DYNAMODB", "SQS"]:
    wait_for(os.environ.get(f"AWS_ENDPOINT_URL_{service}") or os.environ.get("AWS_ENDPOINT_URL", ""))

# Made up: the tests never use an account that this machine happens to know.
os.environ.pop("AWS_PROFILE", None)
os.environ.update(AWS_ACCESS_KEY_ID="fake", AWS_SECRET_ACCESS_KEY="fake", AWS_DEFAULT_REGION="ca-central-1")
