"""Checks the types of the consumers in Python and Node. Then runs the tests of all three over their common table of cases,
with the S3 of moto and again with that of `cargo dev up`. The tests start moto themselves: for Rust and Node it is the one
that MOTO_SERVER names.

Usage: check_consumers.py FLINKS-DEV CONSUMERS-PYTHON, with the tests in Rust compiled and the dependencies of the other
consumers installed.
"""

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile

from local_aws import free_port, server

# Each takes some ten seconds.
TIMEOUT_SECONDS = 300

CONSUMERS = pathlib.Path(__file__).parent.parent / "consumers"
RUST = ["cargo", "test", "--quiet", "--locked", "--target-dir", "../../target", "--", "--ignored"]
NODE = ["node", "--test"]

# Faults that a type checker must find: the file, what stands there, and what a team could write instead.
WRONG_TYPES = [
    ("python/consumer.py", 'kyc.get("Holders")', 'kyc.get("Holder")'),
    ("python/consumer.py", "len(accounts.get(", "len(accounts + accounts.get("),
    ("node/consumer.mjs", "event.payload.Holders?.length", "event.payload.Holder?.length"),
    ("node/mine.ts", "event.payload.Holders?.length", "event.payload.Holder?.length"),
    ("node/mine.ts", "?.Current?.value", "?.Current"),
]


def main(flinks_dev: str, python: str) -> None:
    pytest = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    mypy = [python, "-m", "mypy", "--cache-dir", os.devnull]
    tsc = ["node", "node_modules/typescript/bin/tsc"]
    for folder, checker in [("python", mypy), ("node", tsc)]:
        print(f"types of consumers/{folder}:", flush=True)
        run(folder, checker)
    check_wrong_types({"python": mypy, "node": tsc})
    with nobody() as endpoint:
        # An AWS that the machine knows is not used, not even for one service.
        environment = {f"AWS_ENDPOINT_URL{service}": endpoint for service in ["", "_S3", "_DYNAMODB"]}
        for folder, command in [("rust", RUST), ("python", pytest), ("node", NODE)]:
            print(f"consumers/{folder}:", flush=True)
            run(folder, command, **environment)
    s3 = free_port()
    with server([flinks_dev, "up", "--json", "--port", "0", "--aws-listen", f"127.0.0.1:{s3}"], s3):
        for folder, command in [("rust", RUST), ("python", pytest), ("node", NODE)]:
            print(f"consumers/{folder} with the S3 of `cargo dev up`:", flush=True)
            run(folder, command, S3_ENDPOINT=f"http://127.0.0.1:{s3}")
    # Without its own moto, no test may pass.
    for folder, command in [("rust", RUST), ("node", NODE)]:
        assert not succeeds(folder, command, MOTO_SERVER=shutil.which("false")), f"consumers/{folder} needs no moto"


def run(folder: str, command: list[str], **environment: str) -> None:
    environment = os.environ | environment
    subprocess.run(command, cwd=CONSUMERS / folder, env=environment, timeout=TIMEOUT_SECONDS, check=True)


def succeeds(folder: str, command: list[str], **environment: str) -> bool:
    finished = subprocess.run(
        command, cwd=CONSUMERS / folder, env=os.environ | environment, timeout=TIMEOUT_SECONDS, capture_output=True
    )
    return finished.returncode == 0


@contextlib.contextmanager
def nobody():
    """The endpoint of a server that nobody may call."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            listener.accept()
            raise AssertionError("a test used the endpoint of the environment instead of its own")


def check_wrong_types(checkers: dict[str, list[str]]) -> None:
    with tempfile.TemporaryDirectory() as copy:
        for folder in checkers:
            ignored = shutil.ignore_patterns("node_modules", "__pycache__")
            shutil.copytree(CONSUMERS / folder, pathlib.Path(copy, folder), ignore=ignored)
        pathlib.Path(copy, "node/node_modules").symlink_to(CONSUMERS.absolute() / "node/node_modules")
        for name, right, wrong in WRONG_TYPES:
            file = pathlib.Path(copy, name)
            source = file.read_text()
            assert right in source, f"{name} no longer has {right}"
            file.write_text(source.replace(right, wrong, 1))
            checker = checkers[file.parent.name]
            assert not succeeds(str(file.parent), checker), f"{wrong} in {name} has no fault for {checker[-1]}"
            file.write_text(source)


if __name__ == "__main__":
    main(*map(os.path.abspath, sys.argv[1:]))
