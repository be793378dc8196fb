"""Writes the templates as JSON with their loops expanded, for the Rust tests and checkov, which do not look into loops.
Parameters and conditions stay unchanged. The fan-out has all six kinds.

Usage: expand_template.py            writes tests/data/template.expanded.json, fan-out.expanded.json and
                                     recovery.expanded.json
       expand_template.py --check    fails if one of them is out of date
"""

import json
import pathlib
import re
import sys

from samcli.lib.cfn_language_extensions.models import TemplateProcessingContext
from samcli.lib.cfn_language_extensions.processors import ForEachProcessor
from samcli.yamlhelper import yaml_parse

TEMPLATES = {
    "template.yaml": "tests/data/template.expanded.json",
    "fan-out.yaml": "tests/data/fan-out.expanded.json",
    "recovery.yaml": "tests/data/recovery.expanded.json",
}
KINDS = ["Kyc", "AccountsDetail", "Investments", "Pay", "UploadFraud", "Unclassified"]


def expand(template: dict) -> dict:
    for section in ("Conditions", "Resources", "Outputs"):
        for name, loop in template.get(section, {}).items():
            if name.startswith("Fn::ForEach::"):
                check_loop(name, *loop)
    context = TemplateProcessingContext(fragment=with_all_kinds(template))
    ForEachProcessor().process_template(context)
    mappings = template.get("Mappings", {})
    return {name: constants(section, mappings) for name, section in context.fragment.items()}


def with_all_kinds(node):
    """Gives each loop over the parameter Kinds all kinds."""
    if isinstance(node, list):
        return [with_all_kinds(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {name: with_all_kinds(value) for name, value in node.items()}
    for name, loop in node.items():
        if name.startswith("Fn::ForEach::") and loop[1] == {"Ref": "Kinds"}:
            node[name] = [loop[0], KINDS, loop[2]]
    return node


def check_loop(name: str, identifier: str, _values: list, body: dict) -> None:
    """Rejects a loop that SAM and CloudFormation expand differently. SAM replaces the loop's variable everywhere,
    CloudFormation only in the keys of the body, in Fn::Sub and in Ref."""

    def check(node) -> None:
        match node:
            case {"Fn::Sub": str()}:
                pass
            case {"Fn::Sub": [str(), variables]}:
                check(variables)
            case dict():
                check([*node.keys(), *node.values()])
            case list():
                for item in node:
                    check(item)
            case str():
                if re.search(rf"[$&]\{{{identifier}\}}", node):
                    raise SystemExit(f"{name}: CloudFormation does not expand {node!r}; write !Sub")

    check(list(body.values()))


def constants(node, mappings: dict):
    """Evaluates functions that have only constant arguments after a loop is expanded."""
    if isinstance(node, list):
        return [constants(item, mappings) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: constants(value, mappings) for key, value in node.items()}
    match node:
        case {"Fn::FindInMap": [str(name), str(first), str(second)]}:
            return mappings[name][first][second]
        case {"Fn::Sub": [str(text), dict(variables)]} if all(isinstance(value, str) for value in variables.values()):
            for variable, value in variables.items():
                text = text.replace(f"${{{variable}}}", value)
            return constants({"Fn::Sub": text}, mappings)
        case {"Fn::Sub": str(text)} if "${" not in text:
            return text
    return node


def main(mode: str = "") -> None:
    for template, path in TEMPLATES.items():
        file = pathlib.Path(path)
        expanded = json.dumps(expand(yaml_parse(pathlib.Path(template).read_text())), indent=1, ensure_ascii=False) + "\n"
        if mode != "--check":
            file.write_text(expanded)
        elif not file.exists() or file.read_text() != expanded:
            raise SystemExit(f"{file} is out of date: run python .ci/expand_template.py")


if __name__ == "__main__":
    main(*sys.argv[1:])
