"""The structure of the package: permitted imports, the purity of the core, and the length of files."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Set
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "consent_mw"
LONGEST_FILE = 500

#: The layers, the lowest first. A part may import itself and the layers below it.
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"errors", "core", "public_suffix"}),
    frozenset({"html"}),
    frozenset({"http", "catalogue", "records", "stats", "on_change"}),
    frozenset({"notice", "cookies", "proof"}),
    frozenset({"config", "counting", "web"}),
    frozenset({"engine", "jobs"}),
    frozenset({"wsgi", "asgi", "audit"}),
    frozenset({"flask", "cli", "testing"}),
    frozenset({"django"}),
)

#: Parts without access to time, randomness, files or sockets: bytes and values in, bytes and values out.
PURE_ROOMS = ("core", "html", "http")

#: The modules in the root: public import paths, and those that every part needs.
LOOSE = frozenset({"__init__", "__main__", "asgi", "errors", "flask", "jobs", "on_change", "public_suffix", "wsgi"})

#: The modules that the pure parts may import: none that reads files, sockets or random numbers. ``datetime`` and
#: ``itsdangerous`` can read a clock; IMPURE_METHODS contains their calls that do.
PURE = frozenset(
    {
        "__future__",
        "abc",
        "base64",
        "binascii",
        "bisect",
        "codecs",
        "collections",
        "collections.abc",
        "contextlib",
        "contextvars",
        "copy",
        "datetime",
        "dataclasses",
        "enum",
        "fnmatch",
        "functools",
        "hashlib",
        "heapq",
        "html",
        "html.entities",
        "idna",
        "ipaddress",
        "itertools",
        "itsdangerous",
        "json",
        "math",
        "operator",
        "re",
        "string",
        "struct",
        "threading",
        "types",
        "typing",
        "unicodedata",
        "urllib.parse",
        "zlib",
    }
)

#: Public class names that two edges share: frozen, and distinguished by their import paths.
PUBLIC_TWICE = frozenset({"ConsentMiddleware"})

#: Built-in functions with side effects or access to the outside.
IMPURE_CALLS = frozenset({"open", "input", "print", "eval", "exec", "compile", "breakpoint", "__import__"})

#: Methods that read a clock.
IMPURE_METHODS = frozenset({"now", "today", "utcnow", "get_timestamp"})

#: Libraries that only some sites use, or that are heavy: the code that needs them imports them.
ON_DEMAND = (
    "flask",
    "werkzeug",
    "jinja2",
    "redis",
    "user_agents",
    "psycopg",
    "maxminddb",
    "dns",
    "brotli",
    "idna",
    "zstandard",
    "prometheus_client",
    "playwright",
    "websocket",
    "django",
    "starlette",
)


def sources(folder: Path) -> list[Path]:
    """Return the Python files under ``folder``."""
    return sorted(path for path in folder.rglob("*.py") if not {"__pycache__", "node_modules"} & {*path.parts})


def name(path: Path) -> str:
    """Return the path for a test id."""
    return path.relative_to(ROOT).as_posix()


def findings(paths: Iterable[Path], check: Callable[[Path], T]) -> dict[str, T]:
    """Return what ``check`` finds, by file. One test looks at all files, as most of a short test's time is pytest's."""
    return {name(path): found for path in paths if (found := check(path))}


def runtime_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk the tree without the blocks under ``if TYPE_CHECKING:``, which never run."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
            for other in node.orelse:
                yield other
                yield from runtime_nodes(other)
            continue
        yield node
        yield from runtime_nodes(node)


@functools.cache
def imports(path: Path) -> frozenset[str]:
    """Return the modules that ``path`` imports anywhere, including in functions."""
    found: set[str] = set()
    for node in runtime_nodes(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)}:{node.lineno}: a relative import"
            module = node.module or ""
            # "from consent_mw import config" imports a part, "from consent_mw.config import load" a name from a part.
            found.update(f"{module}.{alias.name}" for alias in node.names if module == "consent_mw")
            found.add(module)
    return frozenset(found)


def layer(part: str) -> int:
    """Return the number of the layer of ``part``, 0 at the bottom."""
    numbers = [number for number, parts in enumerate(LAYERS) if part in parts]
    assert numbers, f"consent_mw.{part} has no place in LAYERS (or it is a public name, which parts may not import)"
    return numbers[0]


def part_of(module: str) -> str:
    """Return the part of the package that ``module`` belongs to, or an empty string for another package."""
    head, _, rest = module.partition(".")
    return rest.partition(".")[0] if head == "consent_mw" else ""


def upward(path: Path, imported: Set[str]) -> list[str]:
    """Return the imports of ``path`` that do not point down."""
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    parts = {part_of(module) for module in imported} - {"", own}
    return sorted(part for part in parts if layer(part) >= layer(own))


PARTS = [path for path in sources(PACKAGE) if path.parent != PACKAGE or path.stem not in {"__init__", "__main__"}]
CORE = [path for room in PURE_ROOMS for path in sources(PACKAGE / room)]


def test_imports_point_down() -> None:
    """A part imports only parts of lower layers, and every part has a layer."""
    assert findings(PARTS, lambda path: upward(path, imports(path))) == {}


def test_an_upward_import_would_be_seen() -> None:
    """The check of the layers notices an import that points up, sideways, or at the package itself."""
    assert upward(PACKAGE / "html" / "match.py", {"consent_mw.config", "consent_mw.errors", "json"}) == ["config"]
    assert upward(PACKAGE / "web" / "app.py", {"consent_mw.engine", "consent_mw.notice.banner"}) == ["engine"]


def test_a_pure_room_imports_pure_modules_only() -> None:
    """A pure part imports only pure parts, the errors, and modules without access to the outside."""

    def impure(path: Path) -> list[str]:
        own = {module for module in imports(path) if part_of(module) in {*PURE_ROOMS, "errors"}}
        return sorted(imports(path) - own - PURE - {"consent_mw"})

    assert findings(CORE, impure) == {}


def impure_lines(text: str) -> list[str]:
    """Return the lines of a program that open a file, print, run text or read a clock."""
    found = []
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Call(func=ast.Name(id=called)) if called in IMPURE_CALLS:
                found.append(f"line {node.lineno}: {called}")
            case ast.Attribute(attr=called) if called in IMPURE_METHODS:
                found.append(f"line {node.lineno}: {called}")
            case ast.Name(id="TimestampSigner"):
                found.append(f"line {node.lineno}: TimestampSigner")
    return found


def test_a_pure_room_asks_nobody_for_time_chance_or_files() -> None:
    """A pure part calls no function that opens a file, prints, runs text or reads a clock."""
    assert findings(CORE, lambda path: impure_lines(path.read_text(encoding="utf-8"))) == {}


def test_what_is_impure_would_be_seen() -> None:
    """The check knows functions and methods, with and without a call."""
    text = "open('a')\nkeep = date.today\nTimestampSigner('k')\nself.open()"
    assert sorted(impure_lines(text)) == ["line 1: open", "line 2: today", "line 3: TimestampSigner"]


def cycles(graph: dict[str, set[str]]) -> list[str]:
    """Return the modules in import cycles: those left after repeatedly removing modules that import no other."""
    left = {module: set(imported) for module, imported in graph.items()}
    while free := [module for module, imported in left.items() if not imported & left.keys()]:
        for module in free:
            del left[module]
    while leaf := [module for module in left if not any(module in imported for imported in left.values())]:
        for module in leaf:
            del left[module]
    return sorted(left)


def at_import(path: Path, known: Set[str]) -> set[str]:
    """Return the modules among ``known`` that are imported when ``path`` is imported."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add(full if full in known else node.module or "")
    return found & known


def test_no_module_imports_itself_by_way_of_others() -> None:
    """The modules of the package form no cycle."""
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sources(PACKAGE)
    }
    graph = {module: at_import(path, modules.keys()) for module, path in modules.items()}
    assert cycles({"a": {"b"}, "b": {"a"}, "c": set(), "d": {"a"}}) == ["a", "b"]
    assert cycles(graph) == []


def test_no_other_module_stands_loose_in_the_root() -> None:
    """Every other module is in a part; the root only has public import paths and modules that every part needs."""
    assert {path.stem for path in PACKAGE.glob("*.py")} == LOOSE


def test_each_class_name_is_given_once() -> None:
    """No two classes of the package have the same name, so that a search finds the right one."""
    places: dict[str, list[str]] = {}
    for path in sources(PACKAGE):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(name(path))
    allowed = PUBLIC_TWICE
    assert {key: found for key, found in places.items() if len(found) > 1 and key not in allowed} == {}


def test_nobody_imports_the_demo_or_the_tests() -> None:
    """The product does not depend on other folders of the repository."""
    outside = {"demo_site", "benchmarks", "tests"}
    assert findings(PARTS, lambda path: {module.partition(".")[0] for module in imports(path)} & outside) == {}


def test_a_long_file_says_why() -> None:
    """A file over 500 lines states the reason in its first lines: 'long because …'."""
    files = [path for folder in ("consent_mw", "demo_site", "benchmarks", "tests") for path in sources(ROOT / folder)]
    files += [path for path in (ROOT / "static").rglob("*") if path.suffix in {".js", ".css"}]

    def unexplained(path: Path) -> str:
        lines = path.read_text(encoding="utf-8").splitlines()
        explained = len(lines) <= LONGEST_FILE or "long because" in "\n".join(lines[:15]).lower()
        return "" if explained else f"{len(lines)} lines"

    assert findings(files, unexplained) == {}


#: The code that handles a request for a page, from the edge to the insertions.
REQUEST_PATH = [
    path
    for part in ("wsgi.py", "asgi.py", "flask.py", "django", "engine", "core", "html", "http", "notice", "cookies")
    for path in ([PACKAGE / part] if part.endswith(".py") else sources(PACKAGE / part))
] + [PACKAGE / "counting" / "tally.py"]
MOST_PARAMETERS = 5
#: Not part of the request path: the construction of an engine at start-up.
BESIDE_THE_PATH = frozenset({"Engine.__init__", "Tally.__init__"})


def parameters(tree: ast.AST, owner: str = "") -> Iterator[tuple[str, int]]:
    """Yield the functions of a module with their numbers of parameters, without ``self`` and ``cls``."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            given = node.args
            names = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
            count = len([one for one in names if one not in ("self", "cls")])
            yield f"{owner}{node.name}", count + bool(given.vararg) + bool(given.kwarg)
            yield from parameters(node, f"{owner}{node.name}.")
        else:
            yield from parameters(node, f"{node.name}." if isinstance(node, ast.ClassDef) else owner)


def test_no_function_of_the_request_path_takes_many_parameters() -> None:
    """Related values are passed as one object, so that a reader can follow a page through the code."""

    def many(path: Path) -> list[str]:
        found = parameters(ast.parse(path.read_text(encoding="utf-8")))
        return [key for key, count in found if count > MOST_PARAMETERS and key not in BESIDE_THE_PATH]

    assert findings(REQUEST_PATH, many) == {}


def test_many_parameters_would_be_seen() -> None:
    """The check counts every kind of parameter, in methods and in nested functions."""
    text = "class A:\n def b(self, c, /, d, *e, f, **g):\n  def h(i): pass"
    assert dict(parameters(ast.parse(text))) == {"A.b": 5, "A.b.h": 1}


def test_importing_the_package_brings_no_optional_library() -> None:
    """Importing all public names loads none of the libraries that only some sites or requests need."""
    program = "import sys; from consent_mw import *; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert sorted(set(ON_DEMAND) & set(done.stdout.split())) == []
