"""What the checks of the stacks beside the receiver's share."""

import os
import subprocess

import boto3
import botocore.session


def deploy(stack: str, *arguments: str) -> dict[str, str]:
    """Runs the documented `sam deploy` without its question. Returns the stack's outputs."""
    log = sam_deploy(*arguments)
    assert log.returncode == 0, f"sam deploy failed:\n{log.stdout}"
    [deployed] = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in deployed["Outputs"]}


def sam_deploy(*arguments: str) -> subprocess.CompletedProcess:
    # By default sam looks for the configuration beside the template.
    return subprocess.run(
        ["sam", "deploy", "--no-confirm-changeset", "--config-file", os.path.abspath("samconfig.toml"), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def start_mappings(function: str) -> list[dict]:
    """Returns the function's mappings from queues. This local AWS keeps their concurrency as text, and then a mapping does
    not start: it gets the number again."""
    functions = boto3.client("lambda")
    mappings = functions.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
    for mapping in mappings:
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"], mapping
        concurrency = int(mapping["ScalingConfig"]["MaximumConcurrency"])
        functions.update_event_source_mapping(UUID=mapping["UUID"], ScalingConfig={"MaximumConcurrency": concurrency})
    return mappings


def sqs_client(**settings):
    """A client without the Extended Client, which another check adds to every client of boto3."""
    return botocore.session.Session().create_client("sqs", **settings)


def log_of(function: str) -> list[str]:
    """The messages in a function's log group, which is named after the function."""
    pages = boto3.client("logs").get_paginator("filter_log_events")
    return [event["message"] for page in pages.paginate(logGroupName=f"/aws/lambda/{function}") for event in page["events"]]
