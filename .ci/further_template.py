"""Checks a template beside the receiver's: translates it as AWS does, once for each variant that the documentation
describes. It must match the resource schemas, have no dangling reference, and have the reviewed IAM statements."""

import dataclasses
import logging
import pathlib
import sys
from collections.abc import Callable

from samcli.yamlhelper import yaml_parse

from check_template import (
    PSEUDO,
    Stack,
    condition_faults,
    coverage_faults,
    iam_statements,
    leftover_faults,
    output_faults,
    parameter_faults,
    retention_faults,
    role_faults,
    schema_faults,
    snapshot_faults,
    snapshots,
    translate,
    write_snapshots,
)

HERE = pathlib.Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class Further:
    path: str
    # The folder of the IAM snapshots, beside this file.
    snapshots: str
    # The parameters of each variant. The first one is named "default".
    variants: dict[str, dict[str, str]]
    # The faults of one variant that only this template can have.
    faults: Callable[[Stack, dict[str, str]], list[str]]
    # The faults of the template as a whole.
    template_faults: Callable[[dict], list[str]]
    # Changes the template before it is translated.
    prepare: Callable[[dict], object] = lambda _: None
    # The account that owns the receiver, by the variant's parameters.
    owner: Callable[[dict[str, str]], str] = lambda _: PSEUDO["AWS::AccountId"]


def variant_faults(further: Further, template: dict, parameters: dict[str, str]) -> tuple[list[str], Stack | None]:
    faults = parameter_faults(template, parameters)
    try:
        translated = translate(template, parameters)
    except Exception as error:  # SAM and the expansion raise many kinds, which all mean the same here
        return [*faults, f"not translatable: {error}"], None
    stack = Stack(translated, parameters)
    faults += [
        *stack.faults,
        *leftover_faults(translated),
        *condition_faults(translated),
        *role_faults(stack, further.owner(parameters)),
        *retention_faults(stack),
        *output_faults(stack),
        *schema_faults(stack),
        *further.faults(stack, parameters),
    ]
    return list(dict.fromkeys(faults)), stack


def timeout_faults(timeout: int, hidden: int) -> list[str]:
    """A message is hidden for six times as long as the function may take, as AWS advises."""
    return [] if 6 * timeout <= hidden else [f"a timeout of {timeout} s, for a visibility timeout of {hidden} s"]


def receivers_visibility_timeout() -> int:
    receiver = yaml_parse((HERE.parent / "template.yaml").read_text())
    return receiver["Parameters"]["VisibilityTimeoutSeconds"]["Default"]


def mapping_faults(stack: Stack, readers: set[str]) -> list[str]:
    """Lambda takes failures one by one, starts no more batches at once than it is told, and reads only queues that one of
    these roles or policies may consume."""
    faults = []
    readable = [
        statement["Resource"]
        for name in readers
        for document in documents(stack.resources[name]["Properties"])
        for statement in document["Statement"]
        if "sqs:ReceiveMessage" in statement["Action"]
    ]
    mappings = {name: r["Properties"] for name, r in stack.resources.items() if r["Type"] == MAPPING}
    for name, mapping in mappings.items():
        if mapping.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
            faults.append(f"{name}: one failure of a batch fails all of it")
        if not mapping.get("ScalingConfig", {}).get("MaximumConcurrency"):
            faults.append(f"{name} has no maximum concurrency")
    sources = [mapping["EventSourceArn"] for mapping in mappings.values()]
    if sorted(map(str, readable)) != sorted(map(str, sources)):
        faults.append(f"the mappings read {sources}, and the function may read {readable}")
    return faults


MAPPING = "AWS::Lambda::EventSourceMapping"


def documents(properties: dict) -> list[dict]:
    """The policy documents of a role or a policy."""
    of_role = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
    return of_role + ([properties["PolicyDocument"]] if "PolicyDocument" in properties else [])


def main(further: Further, arguments: list[str]) -> None:
    # SAM logs errors that it also raises, and hints that do not matter here.
    logging.disable(logging.CRITICAL)
    template = yaml_parse((HERE.parent / further.path).read_text())
    further.prepare(template)
    faults: dict[str, list[str]] = {}
    statements = {}
    for variant, parameters in further.variants.items():
        faults[variant], stack = variant_faults(further, template, parameters)
        if stack and not PSEUDO.keys() & parameters.keys():
            statements[variant] = iam_statements(stack)
    faults["all variants together"] = coverage_faults(template, further.variants) + further.template_faults(template)
    if "default" in statements:
        files, folder = snapshots(statements), HERE / further.snapshots
        if arguments == ["--write"]:
            write_snapshots(files, folder)
        faults["IAM statements"] = snapshot_faults(files, folder)
    lines = [f"{title}: {fault}" for title, found in faults.items() for fault in found]
    if lines:
        sys.exit("\n".join([*lines, f"{further.path}: {len(lines)} faults"]))
    print(f"{further.path}: {len(further.variants)} variants checked")
