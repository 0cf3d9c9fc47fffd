"""
The functions and objects that a held script would define for other code in the page.

Some sites put a tracker's whole snippet into a function in one script, and
call it from another one. If the first script is held, the call fails, or is
lost if the caller first checks that the function exists. :func:`defined_in`
finds such functions, so that calls can be queued until the script may run.

Many scripts make their globals in a function that is called at once:

- what it returns becomes a global (``app = (function () { return { go: go }; })()``),
- or what it constructs (``app = new function () { this.go = ... }``),
- or the window is one of its parameters (``(function (w) { w.app = ... })(window)``).

Such a function is called an enclosure here. Its inner functions are collected by their names in it; their paths from
the window are known when the enclosure ends.

A vendor's snippet takes the name of its global as an argument, and some sites
choose another name. :func:`renamed_in` finds it.

A library in a page's own script often has the usual head for all module
systems. :func:`module_in` finds the global that it then has in a page.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace

from consent_mw.html.javascript import Lexer

__all__ = ["defined_in", "module_in", "renamed_in"]

#: A longer script is an application, not a snippet.
_LONGEST = 65_536
_MOST = 12

_NAME = r"[A-Za-z_$][\w$]*+"
_INPUTS = r"[^()]{0,400}+"
#: The tokens that open and close blocks, and those that tell something about the enclosing function.
_TOKEN = re.compile(
    rf"""(?P<close>\}})
      | (?<![\w$.])(?:
            (?>(?P<async>async\s++)?) function\s*+\*?+\s*+ (?>(?P<name>{_NAME})?) \s*+\((?P<inputs>{_INPUTS})\)\s*+\{{
          | class\s++ (?P<class>{_NAME}) [^{{}}]{{0,200}}+ \{{
          | return\s*+ (?P<returned>\{{)
          | return\b (?: \s*+ (?: (?P<promise>(?:new\s++Promise|Promise|import|fetch)\b)
                | (?P<value>(?P<returns>{_NAME}(?=\s*+[;}}])) | (?=[^\s;}}])) ) )?
          | (?P<path>{_NAME}(?>(?:\.{_NAME})*)) \s*+=\s*+ (?:
                (?>(?:{_NAME}(?>(?:\.{_NAME})*)\s*+\|\|\s*+)?)
                (?>(?P<new>new\s++)?) (?>(?:\(\s*+(?=function\b|async\b|\(|{_NAME}\s*+=>))?)
                (?>(?P<set_async>async\s++)?) (?:
                    function\s*+[\w$]*+\s*+ \((?P<set_inputs>{_INPUTS})\)
                  | (?:\((?P<arrow_inputs>{_INPUTS})\)|(?P<arrow_input>{_NAME})) \s*+=> )
                \s*+\{{
              | (?P<object>(?>(?:{_NAME}(?>(?:\.{_NAME})*)\s*+\|\|\s*+)?)\{{)
              | (?P<list>{_NAME}(?>(?:\.{_NAME})*)\s*+\|\|\s*+\[\s*+\]) )
          | (?>(?P<static>static\s++)?) (?>(?P<method_async>async\s++)?) (?P<method>{_NAME}) \s*+
            (?>(?: :\s*+ (?>(?P<value_async>async\s++)?) (?>(?:function\s*+[\w$]*+\s*+)?) )?)
            \((?P<method_inputs>{_INPUTS})\) \s*+(?>(?:=>\s*+)?) \{{ )
      | (?P<arguments>(?<![\w$.])arguments\b)
      | (?P<leaves>(?<![\w$])location\b | (?<![\w$.])(?>(?:window\.)?)open\s*+\( | \.submit\s*+\()
      | (?>(?:(?P<arrow>=>\s*+)|(?P<last>,\s*+))?) \{{""",
    re.VERBOSE | re.ASCII,
)
#: A member of an object whose value is a name: ``go`` or ``go: start``.
_REFERENCE = re.compile(rf"(?<![\w$.:])({_NAME})\s*+(?>(?::\s*+({_NAME})\s*+)?)(?=[,}}]|\Z)", re.ASCII)
#: The end of a function that returns its last name: ``return a.b = 1, a}``.
_LAST_NAME = re.compile(rf",\s*+({_NAME})\s*+;?\s*+\}}\Z", re.ASCII)
#: The call of the function that ended here, with its arguments.
_CALLED = re.compile(r"\s*+(?:\)\s*+)?\(([^()]{0,200}+)", re.ASCII)
#: In place of the name of an object that is returned where it is made.
_RETURNED = "return"
#: Statements with a block that look like methods.
_STATEMENTS = frozenset(["catch", "for", "if", "switch", "while", "with"])
_WINDOW = frozenset(["window", "self", "globalThis", "this"])
_THE_WINDOW = re.compile(r"(?:window|self|globalThis)\.")
#: Names that are not globals of a script: objects and event handlers of the browser, libraries, prototypes.
_NO_GLOBAL = re.compile(
    r"(?:document|navigator|location|history|console|module|exports|this|super|jQuery|\$|Object|Array|String|window|self"
    r"|globalThis)(?:\.|\Z)|(?:.*\.)?on[a-z]+\Z|.*\b(?:prototype|__proto__|constructor)\b",
    re.ASCII,
)

#: The arguments with which a snippet calls its own function: ``})(window, document, 'script', 'myLayer')``.
_ARGUMENTS = re.compile(r"\}\s*\)?\s*\(((?:[^()'\"]|'[^'\n]*'|\"[^\"\n]*\"){1,400})\)")
_QUOTED_NAME = re.compile(r"""(['"])([A-Za-z_$][\w$]*)\1""", re.ASCII)
#: What a library does without a module system, after it has asked for one: ``w.Name = make()``, ``make(w.Name = {})``.
_MODULE = re.compile(
    r"\bdefine\.amd\b(?s:.){1,400}?[\w$)\]]\.(?!exports\b|amd\b)([A-Za-z_$][\w$]{0,60})\s{0,9}=\s{0,9}"
    r"(?:[\w$]{1,60}\s{0,9}\(|\{\s{0,9}\}\s{0,9}\))",
    re.ASCII,
)
#: Names of elements and of browser objects.
_NO_QUEUE = frozenset({"script", "head", "body", "use", "text"})


def renamed_in(code: str, roots: Collection[str]) -> str:
    """
    Return the global that a snippet creates instead of its usual ones; empty if it creates one of these.

    Args:
        roots: The usual names of its global.
    """
    if len(code) > _LONGEST:
        return ""
    names = [name for call in _ARGUMENTS.finditer(code) for _, name in _QUOTED_NAME.findall(call.group(1))]
    names = [name for name in dict.fromkeys(names) if name not in _NO_QUEUE]
    return names[0] if len(names) == 1 and names[0] not in roots else ""


def module_in(code: str) -> str:
    """Return the global of a library that would also be a module (UMD); empty if the script is none."""
    found = _MODULE.search(code) if "define.amd" in code else None
    return found.group(1) if found else ""


@dataclass(slots=True)
class _Block:
    """A block of code and, if it is the body of a function, the facts about that function."""

    #: The path of the function from the window; empty if it cannot be reached from there.
    path: str = ""
    is_function: bool = False
    has_inputs: bool = False
    gives_promise: bool = False
    gives_value: bool = False
    leaves: bool = False
    #: The function constructs an instance of a class, or is a method of one.
    is_instance: bool = False
    #: The path of the object or class whose functions the block contains.
    owner: str = ""
    is_class: bool = False
    #: It is no block, but a list that may exist already: a queue.
    is_list: bool = False
    #: The name of the function or object in its enclosure, and that of the object whose functions the block contains.
    local: str = ""
    local_owner: str = ""
    #: The facts about a function that may be an enclosure.
    enclosure: _Enclosure | None = None


@dataclass(slots=True)
class _Enclosure:
    """What is known about a function that may be called where it is defined."""

    inputs: str
    #: Whether it constructs an object.
    is_new: bool
    functions: dict[str, _Block] = field(default_factory=dict)
    #: The members of the object that it returns, each with a name of the enclosure.
    members: dict[str, str] = field(default_factory=dict)

    def paths(self, path: str, arguments: str | None) -> Iterator[_Block]:
        """
        Yield the inner functions that can be reached from the window, with their paths.

        Args:
            path: The path from the window to what the enclosure returns or constructs; empty if it is not kept.
            arguments: The code of the arguments of its call; None if it is constructed without arguments.
        """
        results = {_RETURNED, self.members.get(""), "this" if self.is_new else None}
        passed = [one.strip() for one in (arguments or "").split(",")]
        windows = [
            name.strip() for name, given in zip(self.inputs.split(","), passed, strict=False) if given in _WINDOW
        ]
        for local, block in self.functions.items():
            first, _, rest = local.partition(".")
            if rest and first in windows and not _NO_GLOBAL.match(rest):
                yield replace(block, path=rest)
            elif path and rest and first in results:
                yield replace(block, path=f"{path}.{rest}")
        for member, local in self.members.items():
            if path and member and local in self.functions:
                yield replace(self.functions[local], path=f"{path}.{member}")


def defined_in(code: str) -> tuple[str, ...]:
    """
    Return the globals that a classic script defines for others, in the notation of ``static/queue.js``.

    A function has a plus sign before its path. A function without parameters has a question mark instead: it sets
    something up, and its call is replayed at most once. A function that returns a promise is listed with the methods of
    the promise. An object, to which other code may add settings, has braces after its path. A list that may exist
    before the script (``a = a || []``) has brackets.

    Functions that no queue can replace are left out: those that return other values, and those that navigate. If such a
    call fails, the browser itself follows the link or submits the form.
    """
    raw = code.encode()
    if len(raw) > _LONGEST or "{" not in code or Lexer(raw).code_among(()) is None:
        return ()
    words: dict[str, None] = {}
    count = 0
    for found in _functions(_without_data(raw)):
        if found.leaves or (found.gives_value and not found.gives_promise) or count >= _MOST:
            continue
        count += 1
        if found.owner or found.is_list:
            words[f"{found.owner}{{}}" if found.owner else f"{found.path}[]"] = None
            continue
        # A class may construct several instances, and each of them may be used more than once.
        many = found.has_inputs or found.is_instance
        path = f"{'+' if many else '?'}{found.path}"
        promise = found.gives_promise and "()" not in path
        words.update(dict.fromkeys([f"{path}().then", f"{path}().catch"] if promise else [path]))
    return tuple(words)


def _without_data(raw: bytes) -> str:
    """Return a script with empty strings in place of its strings, comments and regular expressions."""
    kept: list[bytes] = []
    at = 0
    for start, end in Lexer(raw).data():
        kept.append(raw[at:start])
        at = end
    return b'""'.join([*kept, raw[at:]]).decode()


def _functions(code: str) -> Iterator[_Block]:
    """Yield the functions and objects that can be reached from the window, in the order in which they end."""
    blocks: list[_Block] = []
    functions: list[_Block] = []
    at = 0
    for token in _TOKEN.finditer(code):
        said = token.groupdict()
        if blocks and blocks[-1].local_owner == _RETURNED:
            _note_references(functions, code, at, token.start())
        at = token.end()
        if said["close"]:
            yield from _ended(blocks, functions, code, at)
        elif token.group().endswith("{"):
            blocks.append(_opened(said, blocks, functions))
            functions += [blocks[-1]] if blocks[-1].is_function else []
        elif said["list"]:
            yield from _listed(said["path"] or "", outermost=not blocks, functions=functions)
        elif functions:
            _note_statement(functions[-1], said)


def _note_references(functions: list[_Block], code: str, start: int, end: int) -> None:
    """Note the members of a returned object that stand in a piece of code, and whose values are names."""
    enclosure = functions[-1].enclosure if functions else None
    if enclosure is not None:
        for member, name in _REFERENCE.findall(code[start:end]):
            enclosure.members[member] = name or member


def _note_statement(inner: _Block, said: Mapping[str, str | None]) -> None:
    """Note what a statement says about the function that contains it."""
    inner.has_inputs = inner.has_inputs or said["arguments"] is not None
    inner.leaves = inner.leaves or said["leaves"] is not None
    inner.gives_promise = inner.gives_promise or said["promise"] is not None
    inner.gives_value = inner.gives_value or said["value"] is not None
    if said["returns"] and inner.enclosure is not None:
        inner.enclosure.members[""] = said["returns"]


def _ended(blocks: list[_Block], functions: list[_Block], code: str, at: int) -> Iterator[_Block]:
    """Close a block, and yield what can be reached through it; its code ends before ``at``."""
    ended = blocks.pop() if blocks else _Block()
    if ended.is_function:
        functions.pop()
        if functions:
            functions[-1].leaves = functions[-1].leaves or ended.leaves
    outer = functions[-1].enclosure if functions else None
    if outer is not None and ended.local and ended.is_function:
        outer.functions.setdefault(ended.local, ended)
    if ended.enclosure is not None:
        called = _CALLED.match(code, at)
        if called or ended.enclosure.is_new:
            if ended.gives_value and (last := _LAST_NAME.search(code, max(0, at - 60), at)):
                ended.enclosure.members.setdefault("", last.group(1))
            yield from ended.enclosure.paths(ended.path, called and called.group(1))
            return
    if ended.path or (ended.owner and not ended.is_class):
        yield ended


def _listed(local: str, *, outermost: bool, functions: list[_Block]) -> Iterator[_Block]:
    """Yield a list that is assigned to a path, if it can be reached from the window."""
    made = _Block(_global(local, outermost), is_list=True, local=local)
    if made.path:
        yield made
    elif functions and (enclosure := functions[-1].enclosure) is not None:
        enclosure.functions.setdefault(local, made)


def _opened(said: Mapping[str, str | None], blocks: list[_Block], functions: list[_Block]) -> _Block:
    """Return the block that a token opens."""
    outermost = not blocks
    if said["class"]:
        return _Block(owner=said["class"] if outermost else "", is_class=True)
    if said["returned"] or (said["last"] and functions and blocks[-1] is functions[-1] and blocks[-1].gives_value):
        if functions:
            functions[-1].gives_value = True
        return _Block(local_owner=_RETURNED)
    if said["path"]:
        return _assigned(said, outermost)
    if said["method"] and said["method"] not in _STATEMENTS:
        return _method(said, blocks[-1] if blocks else _Block())
    if said["inputs"] is not None:
        name = said["name"] or ""
        made = _function(name if outermost else "", said["inputs"], said["async"])
        made.local = name
        if not name and not functions:
            made.enclosure = _Enclosure(said["inputs"], is_new=False)
        return made
    return _Block(is_function=said["arrow"] is not None)


def _assigned(said: Mapping[str, str | None], outermost: bool) -> _Block:
    """Return the block of a function or an object that is assigned to a path."""
    local = said["path"] or ""
    path = _global(local, outermost)
    if said["object"]:
        return _Block(owner=path, local_owner=local)
    inputs = said["set_inputs"] or said["arrow_inputs"] or said["arrow_input"] or ""
    made = _function(path, inputs, said["set_async"])
    made.local = local
    if path:
        made.enclosure = _Enclosure(inputs, is_new=said["new"] is not None)
    return made


def _method(said: Mapping[str, str | None], owner: _Block) -> _Block:
    """Return the block of a method in an object or a class."""
    name = said["method"] or ""
    made = _function(
        _path_of_method(owner, name, is_static=bool(said["static"])),
        said["method_inputs"],
        said["method_async"] or said["value_async"],
    )
    made.is_instance = owner.is_class and not said["static"]
    made.local = f"{owner.local_owner}.{name}" if owner.local_owner else ""
    return made


def _path_of_method(owner: _Block, name: str, *, is_static: bool) -> str:
    """Return the path from the window of a method of an object, of a class, or of what a class constructs."""
    if not owner.owner:
        return ""
    if is_static or not owner.is_class:
        return f"{owner.owner}.{name}"
    return owner.owner if name == "constructor" else f"{owner.owner}().{name}"


def _function(path: str, inputs: str | None, is_async: str | None) -> _Block:
    return _Block(path, is_function=True, has_inputs=bool((inputs or "").strip()), gives_promise=is_async is not None)


def _global(path: str, outermost: bool) -> str:
    """Return the path from the window of an assignment's target; empty if it cannot be reached from there."""
    name = _THE_WINDOW.sub("", path, count=1) if _THE_WINDOW.match(path) else path if outermost else ""
    return "" if _NO_GLOBAL.match(name) else name
