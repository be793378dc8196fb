"""Fails if modules of a package import each other, directly or through others, and names each import cycle.

Usage: check_modules.py PACKAGE...

PACKAGE is a folder with a Cargo.toml. The check reads the source text in src/ and follows `mod` from lib.rs, main.rs
and bin/.

A module imports another if it uses a name of it: in a `use`, in a path in its code (`crate::a::b`, `super::b`, `a::b`),
or as a method that the other adds to one of its types. The imported module is the one that defines the name, not those
on the way to it: a module that only declares its children and re-exports their names imports none of them. Code that
only tests compile (`#[cfg(test)]`) does not count.
"""

import pathlib
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

TOKEN = re.compile(
    r"""
      (?P<skip> \s+ | //[^\n]* )
    | (?P<comment> /\* )
    | (?P<raw> [bc]?r(?P<hashes>\#*)" .*? "(?P=hashes) )
    | (?P<string> [bc]?" (?: \\. | [^"\\] )* " )
    | b?' (?: \\[^']+ | \\' | [^'\\] ) '
    | '\w+
    | (?: r\# )? (?P<word> \w+ )
    | :: | .
    """,
    re.VERBOSE | re.DOTALL,
)
# A string that a derive reads as a path, such as `#[serde(with = "crate::time")]`.
PATH_IN_STRING = re.compile(r'"((?:crate|super|self)(?:::\w+)+)"')
OPEN, CLOSE = {"(": ")", "[": "]", "{": "}"}, set(")]}")
# These items end with a semicolon, even with braces inside. Other items end with a semicolon or with their braces.
ITEMS_WITH_SEMICOLON = {"use", "const", "static", "type", "let", "extern"}
DEFINING = {"fn", "struct", "enum", "union", "trait", "type", "const", "static", "macro_rules"}


@dataclass(frozen=True)
class Token:
    text: str
    line: int

    @property
    def is_word(self) -> bool:
        return self.text.isidentifier()


Path = tuple[str, ...]


@dataclass
class Use:
    """One name of a `use` declaration. The alias is `*` for all names of a module."""

    path: Path
    alias: str
    is_reexport: bool
    line: int


@dataclass
class Module:
    path: Path
    file: pathlib.Path
    # The folder with the files of its children.
    folder: pathlib.Path
    children: set[str] = field(default_factory=set)
    uses: list[Use] = field(default_factory=list)
    definitions: set[str] = field(default_factory=set)
    # Every path outside of the `use` declarations, with its line.
    mentions: dict[Path, int] = field(default_factory=dict)
    # The methods that it adds to a type, with the type's path as written.
    methods: list[tuple[Path, set[str]]] = field(default_factory=list)


class Crate:
    """The modules below one root file, and the meaning of their paths."""

    def __init__(self, root: pathlib.Path):
        self.modules: dict[Path, Module] = {}
        self.read(Module((), root, root.parent))

    def read(self, module: Module) -> None:
        tokens = list(tokenize(module.file.read_text(encoding="utf-8")))
        if any(is_test_only(attribute) for attribute in inner_attributes(tokens)):
            return
        self.modules[module.path] = module
        self.scan(module, tokens)

    def scan(self, module: Module, tokens: list[Token]) -> None:
        """Reads one module's tokens, including the bodies of functions."""
        position, depth, attributes, is_public = 0, 0, [], False
        while position < len(tokens):
            text = tokens[position].text
            after = tokens[position + 1].text if position + 1 < len(tokens) else ""
            if text == "#" and after in ("[", "!"):
                start = position + (1 if after == "[" else 2)
                end = closing(tokens, start)
                attributes.append(tokens[start + 1 : end])
                note_paths(module, tokens[start:end])
                position = end + 1
                continue
            if any(is_test_only(attribute) for attribute in attributes):
                position, attributes, is_public = item_end(tokens, position), [], False
                continue
            if text == "pub":
                is_public = True
                position = closing(tokens, position + 1) + 1 if after == "(" else position + 1
                continue
            # `use<'a>` is a bound and imports nothing.
            if text == "use" and after != "<":
                end = item_end(tokens, position)
                uses = parse_use(tokens[position + 1 : end - 1])
                module.uses += [Use(path, alias, is_public, tokens[position].line) for path, alias in uses]
                position = end
            elif text == "mod" and position + 2 < len(tokens) and tokens[position + 2].text in (";", "{"):
                position = self.scan_child(module, tokens, position, attributes)
            else:
                if text == "impl" and depth == 0:
                    note_methods(module, tokens, position)
                if text in DEFINING and depth == 0:
                    name = next((token.text for token in tokens[position + 1 :] if token.is_word), "")
                    module.definitions.add(name)
                depth += (text in OPEN) - (text in CLOSE)
                position = note_path(module, tokens, position)
            attributes, is_public = [], False

    def scan_child(self, module: Module, tokens: list[Token], position: int, attributes: list[list[Token]]) -> int:
        """Reads the child module that is declared at `position`. Returns the end of its declaration."""
        name = tokens[position + 1].text
        module.children.add(name)
        path = (*module.path, name)
        if tokens[position + 2].text == "{":
            end = closing(tokens, position + 2)
            self.modules[path] = Module(path, module.file, module.folder / name)
            self.scan(self.modules[path], tokens[position + 3 : end])
            return end + 1
        given = [attribute[2].text.strip('"') for attribute in attributes if attribute[0].text == "path"]
        if given:
            file = module.file.parent / given[0]
            self.read(Module(path, file, file.parent))
        else:
            nested, flat = module.folder / name / "mod.rs", module.folder / f"{name}.rs"
            self.read(Module(path, nested if nested.exists() else flat, module.folder / name))
        return position + 3

    def resolve(self, module: Module, path: Path, seen: frozenset = frozenset()) -> set[tuple[Path, bool]]:
        """The modules that define a path in a module. Each comes with whether the path means the module itself."""
        first, rest = path[0], path[1:]
        if first == "crate":
            return self.walk((), rest, seen)
        if first == "self":
            return self.walk(module.path, rest, seen)
        if first == "super":
            return self.walk(module.path[:-1], rest, seen)
        if first == "Self":
            return set()
        return self.walk(module.path, path, seen, is_known=True)

    def walk(self, start: Path, rest: Path, seen: frozenset, is_known: bool = False) -> set[tuple[Path, bool]]:
        """Resolves the rest of a path in the module at `start`. With `is_known`, only names that surely exist."""
        module = self.modules.get(start)
        if module is None or (start, rest) in seen:
            return set()
        seen |= {(start, rest)}
        if not rest:
            return {(start, True)}
        name, beyond = rest[0], rest[1:]
        if name in ("super", "self"):
            return self.walk(start[:-1] if name == "super" else start, beyond, seen)
        found = set()
        if name in module.children:
            found |= self.walk((*start, name), beyond, seen)
        for use in module.uses:
            if use.alias == name:
                for target, is_module in self.resolve_use(module, use, seen):
                    found |= self.walk(target, beyond, seen) if is_module else {(target, False)}
        if name in module.definitions:
            found.add((start, False))
        for use in module.uses:
            if use.alias == "*" and not found:
                for target, is_module in self.resolve_use(module, use, seen):
                    found |= self.walk(target, rest, seen, is_known=True) if is_module else set()
        return found or (set() if is_known else {(start, False)})

    def resolve_use(self, module: Module, use: Use, seen: frozenset = frozenset()) -> set[tuple[Path, bool]]:
        """Resolves a `use`. Without a module `a`, `use a;` means a crate of that name."""
        if use.path[0] == use.alias and use.path[0] not in module.children:
            return set()
        return self.resolve(module, use.path, seen)

    def imports(self) -> Iterator[tuple[pathlib.Path, pathlib.Path, int]]:
        """Every import: importing file, imported file, line."""
        for module in self.modules.values():
            for target, line in self.imported_by(module):
                file = self.modules[target].file
                if file != module.file:
                    yield module.file, file, line
            for type_path, methods in module.methods:
                for owner, is_module in self.resolve(module, type_path):
                    line = called(self.modules[owner], type_path[-1], methods)
                    if not is_module and line and self.modules[owner].file != module.file:
                        yield self.modules[owner].file, module.file, line

    def imported_by(self, module: Module) -> Iterator[tuple[Path, int]]:
        words = {path[0]: line for path, line in module.mentions.items()}
        for use in module.uses:
            if not use.is_reexport or use.alias in words:
                for target, _ in self.resolve_use(module, use):
                    yield target, words[use.alias] if use.is_reexport else use.line
            if use.alias == "*" and not use.is_reexport:
                for glob, is_module in self.resolve_use(module, use):
                    for word, line in words.items() if is_module else ():
                        for target, _ in self.walk(glob, (word,), frozenset(), is_known=True):
                            yield target, line
        for path, line in module.mentions.items():
            if len(path) > 1:
                for target, _ in self.resolve(module, path):
                    yield target, line


def tokenize(source: str) -> Iterator[Token]:
    position, line = 0, 1
    while position < len(source):
        match = TOKEN.match(source, position)
        end = match.end()
        if match["comment"]:
            depth = 1
            while depth and (mark := re.compile(r"/\*|\*/").search(source, end)):
                depth += 1 if mark[0] == "/*" else -1
                end = mark.end()
        elif not match["skip"]:
            yield Token(match["word"] or match[0], line)
        line += source.count("\n", position, end)
        position = end


def closing(tokens: list[Token], start: int) -> int:
    """The position where the bracket that opens at `start` closes."""
    depth = 0
    for position in range(start, len(tokens)):
        depth += (tokens[position].text in OPEN) - (tokens[position].text in CLOSE)
        if depth == 0:
            return position
    return len(tokens) - 1


def item_end(tokens: list[Token], start: int) -> int:
    """The position after the item, field or statement that starts at `start`."""
    position = start
    while tokens[position].text == "pub":
        position = closing(tokens, position + 1) + 1 if tokens[position + 1].text == "(" else position + 1
    needs_semicolon = tokens[position].text in ITEMS_WITH_SEMICOLON and tokens[position + 1].text != "fn"
    while position < len(tokens):
        text = tokens[position].text
        if text == ";" or (text == "," and not needs_semicolon):
            return position + 1
        if text in CLOSE:
            return position
        if text in OPEN:
            position = closing(tokens, position)
            if text == "{" and not needs_semicolon:
                return position + 1
        position += 1
    return position


def inner_attributes(tokens: list[Token]) -> Iterator[list[Token]]:
    position = 0
    while [token.text for token in tokens[position : position + 3]] == ["#", "!", "["]:
        end = closing(tokens, position + 2)
        yield tokens[position + 3 : end]
        position = end + 1


def is_test_only(attribute: list[Token]) -> bool:
    texts = [token.text for token in attribute]
    return texts == ["cfg", "(", "test", ")"] or texts[:5] == ["cfg", "(", "all", "(", "test"]


def parse_use(tokens: list[Token]) -> Iterator[tuple[Path, str]]:
    """The path and the alias of each name in `a::{b, c as d, self, *}`."""
    if tokens and tokens[0].text == "::":
        return
    prefix: list[str] = []
    for position, token in enumerate(tokens):
        if token.text == "{":
            for part in split(tokens[position + 1 : closing(tokens, position)]):
                for path, alias in parse_use(part):
                    path = (*prefix, *path)
                    if path[-1] == "self" and len(path) > 1:
                        path, alias = path[:-1], path[-2] if alias == "self" else alias
                    yield path, alias
            return
        if token.text == "*":
            yield tuple(prefix), "*"
            return
        if token.text == "as":
            yield tuple(prefix), tokens[position + 1].text
            return
        if token.is_word:
            prefix.append(token.text)
    if prefix:
        yield tuple(prefix), prefix[-1]


def split(tokens: list[Token]) -> Iterator[list[Token]]:
    """The parts between commas, outside of brackets."""
    part, depth = [], 0
    for token in tokens:
        depth += (token.text in OPEN) - (token.text in CLOSE)
        if token.text == "," and depth == 0:
            yield part
            part = []
        else:
            part.append(token)
    yield part


def note_paths(module: Module, tokens: list[Token]) -> None:
    position = 0
    while position < len(tokens):
        position = note_path(module, tokens, position)


def note_path(module: Module, tokens: list[Token], start: int) -> int:
    """Records the path that starts at `start`, if any. Returns the position after it."""
    before = tokens[start - 1].text if start else ""
    found = PATH_IN_STRING.fullmatch(tokens[start].text)
    names, position = (found[1].split("::") if found else []), start
    while position < len(tokens) and tokens[position].is_word:
        names.append(tokens[position].text)
        position += 1
        if position + 1 >= len(tokens) or tokens[position].text != "::" or not tokens[position + 1].is_word:
            break
        position += 1
    if before == "." and tokens[start - 2].text == "self":
        names.insert(0, "self.")
    # A name after `::` belongs to a longer path or another crate. A name after a dot is a field or a method.
    if names and (before not in ("::", ".") or names[0] == "self."):
        module.mentions.setdefault(tuple(names), tokens[start].line)
    return max(position, start + 1)


def note_methods(module: Module, tokens: list[Token], start: int) -> None:
    """Records the functions of an `impl TYPE` block without a trait."""
    position, angles, in_type, type_path = start + 1, 0, True, []
    while tokens[position].text != "{":
        text = tokens[position].text
        if text == "for" and angles == 0 and in_type:
            return
        # The `>` of an arrow closes no bracket.
        is_arrow = text == ">" and tokens[position - 1].text in ("-", "=")
        angles += (text == "<") - (text == ">" and not is_arrow)
        in_type = in_type and text != "where"
        if tokens[position].is_word and angles == 0 and in_type:
            type_path.append(text)
        position += 1
    body = tokens[position : closing(tokens, position)]
    names = {name.text for word, name in zip(body, body[1:]) if word.text == "fn"}
    if type_path:
        module.methods.append((tuple(type_path), names))


def called(owner: Module, type_name: str, methods: set[str]) -> int | None:
    """The line where a type's own module calls one of the methods that another module adds to the type."""
    lines = (owner.mentions.get((word, method)) for word in (type_name, "Self", "self.") for method in methods)
    return next((line for line in lines if line), None)


def cycles(imports: dict[pathlib.Path, dict[pathlib.Path, int]]) -> list[set[pathlib.Path]]:
    """The largest sets of files that all import each other, directly or through others."""

    def reachable(start: pathlib.Path) -> set[pathlib.Path]:
        found, waiting = set(), [start]
        while waiting:
            for file in imports.get(waiting.pop(), {}):
                if file not in found:
                    found.add(file)
                    waiting.append(file)
        return found

    reach = {file: reachable(file) for file in imports}
    found: list[set[pathlib.Path]] = []
    for file in sorted(imports):
        if file in reach[file] and not any(file in cycle for cycle in found):
            found.append({other for other in reach[file] if file in reach.get(other, ())})
    return found


def roots(package: pathlib.Path) -> list[pathlib.Path]:
    source = package / "src"
    files = [source / "lib.rs", source / "main.rs", *source.glob("bin/*.rs"), *source.glob("bin/*/main.rs")]
    return [file for file in files if file.exists()]


def check(package: pathlib.Path) -> list[str]:
    """Returns one report for each import cycle."""
    imports: dict[pathlib.Path, dict[pathlib.Path, int]] = defaultdict(dict)
    if not roots(package):
        return [f"{package}: no src/lib.rs, no src/main.rs and nothing in src/bin"]
    for root in roots(package):
        for importer, imported, line in Crate(root).imports():
            imports[importer].setdefault(imported, line)
    reports = []
    for cycle in cycles(imports):
        lines = [f"{len(cycle)} modules import each other in a cycle:"]
        lines += [
            f"  {importer}:{line} imports {imported}"
            for importer in sorted(cycle)
            for imported, line in sorted(imports[importer].items())
            if imported in cycle
        ]
        reports.append("\n".join(lines))
    return reports


def main() -> int:
    packages = [pathlib.Path(folder) for folder in sys.argv[1:]]
    if not packages:
        print(__doc__, file=sys.stderr)
        return 2
    reports = [report for package in packages for report in check(package)]
    for report in reports:
        print(report, file=sys.stderr)
    if not reports:
        print(f"no import cycle in {', '.join(map(str, packages))}")
    return 1 if reports else 0


if __name__ == "__main__":
    sys.exit(main())
