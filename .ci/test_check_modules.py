"""Writes small packages with and without an import cycle. check_modules.py must tell them apart.

Usage: test_check_modules.py
"""

import pathlib
import sys
import tempfile

import check_modules as check

# The name of the case, the files below src/, and the files of the cycle.
CASES: list[tuple[str, dict[str, str], set[str]]] = [
    (
        "two modules through `use crate::`",
        {"lib.rs": "mod a;\nmod b;", "a.rs": "use crate::b::B;\npub struct A;", "b.rs": "use crate::a::A;\npub struct B;"},
        {"a.rs", "b.rs"},
    ),
    (
        "through a third module",
        {
            "lib.rs": "mod a; mod b; mod c; mod d;",
            "a.rs": "use crate::b::f; pub fn f() {}",
            "b.rs": "use crate::c::f as g; pub fn f() {}",
            "c.rs": "use super::{d::D, a::{self}}; pub fn f() { a::f() }",
            "d.rs": "pub struct D;",
        },
        {"a.rs", "b.rs", "c.rs"},
    ),
    (
        "through paths inside of functions",
        {"main.rs": "mod a; mod b;", "a.rs": "pub fn f() { crate::b::f() }", "b.rs": "pub fn f() { super::a::f() }"},
        {"a.rs", "b.rs"},
    ),
    (
        "a parent that calls a child that uses its type",
        {"lib.rs": "mod a;", "a.rs": "mod b; pub struct A; fn f(a: &A) { b::f(a) }", "a/b.rs": "pub fn f(_: &super::A) {}"},
        {"a.rs", "a/b.rs"},
    ),
    (
        "the same with mod.rs and a nested list",
        {
            "lib.rs": "mod a;",
            "a/mod.rs": "mod b;\nuse self::b::{\n    c::{\n        f,\n    },\n};\npub struct A;",
            "a/b/mod.rs": "pub mod c;",
            "a/b/c.rs": "use super::super::A;\npub fn f(_: &A) {}",
        },
        {"a/mod.rs", "a/b/c.rs"},
    ),
    (
        "a method that a child adds to its parent's type",
        {
            "lib.rs": "mod a;",
            "a.rs": "mod b; pub struct A<T>(T); impl<T> A<T> { fn f(&self) { self.g() } }",
            "a/b.rs": "use super::A; impl<T: Fn() -> u8> A<T> where T: Copy { pub fn g(&self) {} }",
        },
        {"a.rs", "a/b.rs"},
    ),
    (
        "names that the root re-exports",
        {
            "lib.rs": "mod a; mod b; pub use a::A; pub use b::*;",
            "a.rs": "use crate::B; pub struct A;",
            "b.rs": "use crate::A; pub struct B;",
        },
        {"a.rs", "b.rs"},
    ),
    (
        "all names of a module at once",
        {"lib.rs": "mod a; mod b;", "a.rs": "use crate::b::*; pub struct A;", "b.rs": "use super::a::*; pub struct B;"},
        {"a.rs", "b.rs"},
    ),
    (
        "a name that is re-exported and used",
        {"lib.rs": "mod a;", "a.rs": "mod b; pub use b::B; pub struct A(B);", "a/b.rs": "pub struct B(Option<Box<super::A>>);"},
        {"a.rs", "a/b.rs"},
    ),
    (
        "a path in a string for a derive, and one between type parameters",
        {
            "lib.rs": "mod a; mod b;",
            "a.rs": '#[derive(Serialize)] struct S { #[serde(with = "crate::b")] at: u64 } pub struct A;',
            "b.rs": "fn f() -> Vec::<crate::a::A> { Vec::new() }",
        },
        {"a.rs", "b.rs"},
    ),
    (
        "in a program of src/bin",
        {"bin/p/main.rs": "mod a; mod b;", "bin/p/a.rs": "use crate::b::f;", "bin/p/b.rs": "use crate::a; pub fn f() {}"},
        {"bin/p/a.rs", "bin/p/b.rs"},
    ),
    (
        "no cycle: a parent that declares and re-exports",
        {
            "lib.rs": "pub mod a; pub use a::B;",
            "a.rs": "//! As [`B`] does.\nmod b; mod c; pub use b::B; pub(crate) use self::c::C;",
            "a/b.rs": "use super::C; pub struct B;",
            "a/c.rs": "pub struct C;",
        },
        set(),
    ),
    (
        "no cycle: tests, comments and strings",
        {
            "lib.rs": "mod a; mod b;",
            "a.rs": "use crate::b::B; pub struct A;",
            "b.rs": "/* use crate::a::A; /* nested */ */ // crate::a::A\n/// [`crate::a::A`]\npub struct B;\n"
            "fn f<'a>(_: &'a str) -> (char, &'static str, u8) { ('\"', r#\"\" crate::a::A \"#, b'\\'') }\n"
            "#[cfg(test)] use crate::a::A;\n#[cfg(test)] mod tests;\n#[cfg(test)] mod more { use crate::a::A; }\n"
            "#[cfg(test)] impl B { fn g() { crate::a::A; } }",
            "b/tests.rs": "use crate::a::A;",
        },
        set(),
    ),
    (
        "no cycle: other crates and fields with the same name",
        {
            "lib.rs": "mod a; mod b;",
            "a.rs": "use crate::b::B; pub struct A;",
            "b.rs": "use ::a::A; use a; pub struct B { a: u8 } fn f(b: B) { b.a; ::a::f(); std::a::f() }",
        },
        set(),
    ),
]


def main() -> None:
    wrong = []
    for name, files, expected in CASES:
        with tempfile.TemporaryDirectory() as folder:
            source = pathlib.Path(folder, "src")
            for file, text in files.items():
                (source / file).parent.mkdir(parents=True, exist_ok=True)
                (source / file).write_text(text, encoding="utf-8")
            reports = check.check(pathlib.Path(folder))
            reported = {file for file in files for report in reports if f"{source / file}:" in report}
        if reported != expected:
            wrong.append(f"{name}: expected {sorted(expected)}, reported {sorted(reported)}")
    with tempfile.TemporaryDirectory() as folder:
        if not check.check(pathlib.Path(folder)):
            wrong.append("a folder without a package is not reported")
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"{len(CASES)} packages checked, with the right result for each")


if __name__ == "__main__":
    main()
