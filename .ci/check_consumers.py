"""Runs the tests of the consumers in Rust, Python and Node over their common table of cases, with `cargo dev up` for S3
and SQS, and moto_server for DynamoDB.

Usage: check_consumers.py FLINKS-DEV MOTO-SERVER CONSUMERS-PYTHON, with the tests in Rust compiled and the dependencies of
the other consumers installed.
"""

import contextlib
import os
import subprocess
import sys

from local_aws import free_port, server

# Each takes some ten seconds.
TIMEOUT_SECONDS = 300


def main(flinks_dev: str, moto_server: str, python: str) -> None:
    aws, dynamodb = free_port(), free_port()
    with contextlib.ExitStack() as servers:
        up = [flinks_dev, "up", "--json", "--port", "0", "--aws-listen", f"127.0.0.1:{aws}"]
        servers.enter_context(server(up, aws))
        servers.enter_context(server([moto_server, "-H", "127.0.0.1", "-p", str(dynamodb)], dynamodb))
        endpoints = {
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{aws}",
            "AWS_ENDPOINT_URL_SQS": f"http://127.0.0.1:{aws}",
            "AWS_ENDPOINT_URL_DYNAMODB": f"http://127.0.0.1:{dynamodb}",
        }
        rust = ["cargo", "test", "--quiet", "--locked", "--target-dir", "../../target", "--", "--ignored"]
        for folder, command in [
            ("consumers/rust", rust),
            ("consumers/python", [python, "-m", "pytest", "-q", "-p", "no:cacheprovider"]),
            ("consumers/node", ["node", "--test"]),
        ]:
            print(f"{folder}:", flush=True)
            subprocess.run(command, cwd=folder, env=os.environ | endpoints, timeout=TIMEOUT_SECONDS, check=True)


if __name__ == "__main__":
    main(*map(os.path.abspath, sys.argv[1:]))
