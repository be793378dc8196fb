"""Checks that requirements*.txt, here and in consumers/python/, matches requirements*.in, as far as possible without an
index: each package in the .in file has that version, everything has a hash, and no file names an index.
"""

import pathlib
import re
import sys

HASH = r"--hash=sha256:[0-9a-f]{64}"
LOCKED = re.compile(rf"[\w.-]+==\S+( ; [^\\]+?)?( {HASH})+")


def requirements(text: str) -> list[str]:
    """The requirements, without comments and extras, with normalised names."""
    text = re.sub(r"(^|\s)#.*|\[.*?\]", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    lines = [re.sub(r"\s+", " ", line).strip() for line in text.splitlines()]
    return [re.sub(r"^[\w.-]+", lambda name: re.sub(r"[-_.]+", "-", name[0]).lower(), line) for line in lines if line]


def faults(wanted: str, locked: str) -> list[str]:
    found = requirements(locked)
    pins = {line.split(" ")[0] for line in found}
    missing = set(requirements(wanted)) - pins
    return [
        *(f"{line.split(' ')[0]} is not a version with sha256 hashes" for line in found if not LOCKED.fullmatch(line)),
        *(f"{pin} is not locked: run .ci/lock" for pin in sorted(missing)),
    ]


def test() -> None:
    hashes = [f"--hash=sha256:{digit * 64}" for digit in "01"]
    package = " \\\n    ".join(["boolean-py[a, b]==5.0 ; python_version < '4'", *hashes]) + "\n"
    assert not faults("# why\nBoolean.py[a]==5.0  # why", package + "    # via -r it.in\n")
    assert faults("boolean.py==5.1", package)
    assert faults("", "boolean-py==5.0\n")
    assert faults("", f"boolean-py>=5.0 {hashes[0]}\n")
    assert faults("", "--index-url https://index.example\n" + package)


def main() -> None:
    test()
    here = pathlib.Path(__file__).parent
    for wanted in sorted([*here.glob("requirements*.in"), *here.parent.glob("consumers/python/requirements*.in")]):
        locked = wanted.with_suffix(".txt")
        for fault in faults(wanted.read_text(), locked.read_text() if locked.exists() else ""):
            sys.exit(f"{locked.name}: {fault}")


if __name__ == "__main__":
    main()
