"""Helpers of the checks: servers on loopback that end with the check, and Flinks' signatures."""

import base64
import contextlib
import hashlib
import hmac
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

# Fake credentials: a check must never use an account that the machine knows.
os.environ.pop("AWS_PROFILE", None)
os.environ.update(
    AWS_ACCESS_KEY_ID="fake",
    AWS_SECRET_ACCESS_KEY="fake",
    AWS_REGION="ca-central-1",
    AWS_DEFAULT_REGION="ca-central-1",
    AWS_CONFIG_FILE=os.devnull,
    AWS_SHARED_CREDENTIALS_FILE=os.devnull,
    AWS_EC2_METADATA_DISABLED="true",
    SAM_CLI_TELEMETRY="0",
)

# The secrets that sign the files in events/.
SIGNING_SECRET = "sample-signing-secret-never-deploy"
PAY_SIGNING_SECRET = "sample-pay-signing-secret-never-deploy"

QUEUES = ["KycQueue", "AccountsDetailQueue", "InvestmentsQueue", "PayQueue", "UploadFraudQueue", "UnclassifiedQueue"]


def aggregation_signature(body: bytes, secret: str) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()


def pay_signature(body: bytes, secret: str) -> str:
    return "sha256=" + hmac.digest(secret.encode(), body, hashlib.sha256).hex().upper()


def ascii_encoding(text: str) -> bytes:
    """A text in .NET's ASCII encoding: each UTF-16 unit beyond ASCII becomes a question mark."""
    utf16 = text.encode("utf-16-le")
    units = [int.from_bytes(utf16[at : at + 2], "little") for at in range(0, len(utf16), 2)]
    return bytes(unit if unit < 0x80 else ord("?") for unit in units)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def server(command: list[str], port: int, **environment: str):
    """Runs a server during the block, and shows the end of its log if the block fails."""
    with tempfile.TemporaryFile() as log:
        # A separate process group, so that the server's child processes end with it.
        process = subprocess.Popen(
            command,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            wait_until_open(port, process)
            yield
        except BaseException:
            log.seek(0)
            print(f"--- the last lines of {command[0]}:", file=sys.stderr)
            print(log.read().decode(errors="replace")[-4000:], file=sys.stderr)
            raise
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def wait_until_open(port: int, process: subprocess.Popen, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise RuntimeError(f"nothing listens on port {port}")


def post(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    """Posts a request. Returns the status and body of the response, also for an error status."""
    request = urllib.request.Request(url, body, headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def receive_all(sqs, queue_url: str) -> list[dict]:
    """Receives all messages on a queue."""
    received = []
    while batch := sqs.receive_message(
        QueueUrl=queue_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], WaitTimeSeconds=1
    ).get("Messages"):
        received += batch
    return received
