"""Loads the application that the command line names as ``module:attribute``, as gunicorn and uvicorn do."""

from __future__ import annotations

import ast
import sys
import sysconfig
import traceback
from contextlib import suppress
from importlib import import_module
from inspect import isfunction
from inspect import signature
from pathlib import Path
from typing import Any

from consent_mw.errors import ConsentError

__all__ = ["NoTarget", "load_app"]


class NoTarget(ConsentError):
    """The target cannot be found; the message says why, and what to write."""


def load_app(name: str) -> Any:
    """
    Return the application that ``module:attribute`` names.

    ``module:make()`` calls a function, with literal arguments if there are any, as for gunicorn.

    Raises:
        NoTarget: it does not exist, or it does not start; the message says where it failed.
    """
    module_name, _, attribute = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    path, args, kwargs = _named_call(name, attribute)
    if not (module_name and path):
        raise NoTarget(f"{name} names no application. Write module:attribute, as for gunicorn or uvicorn.")
    try:
        found: Any = import_module(module_name)
    except ModuleNotFoundError as error:
        raise NoTarget(f"{name}: {error}. Write module:attribute, and run this in the application's folder.") from None
    except (Exception, SystemExit) as error:
        raise NoTarget(f"{name} does not start: {_failure(error)}") from None
    try:
        for part in path.split("."):
            found = getattr(found, part)
    except AttributeError as error:
        raise NoTarget(f"{name}: {error}. Write module:attribute, as for gunicorn or uvicorn.") from None
    if args is not None:
        try:
            found = found(*args, **kwargs)
        except (Exception, SystemExit) as error:
            raise NoTarget(f"{name} does not start: {_failure(error)}") from None
    if not callable(found):
        raise NoTarget(f"{name} is {type(found).__name__}, which is not a WSGI or ASGI application.")
    if _is_factory(found):
        raise NoTarget(f"{name} is a function that takes no request. If it makes the application, write {name}(...).")
    return found


def _named_call(name: str, attribute: str) -> tuple[str, list[Any] | None, dict[str, Any]]:
    """Return the path to an attribute, with the arguments for calling it; None if it is not called."""
    path, is_call, _ = attribute.partition("(")
    if not is_call:
        return attribute, None, {}
    try:
        tree = ast.parse(attribute, mode="eval").body
        if not isinstance(tree, ast.Call):
            raise ValueError("no call")
        kwargs = {one.arg: ast.literal_eval(one.value) for one in tree.keywords if one.arg is not None}
        return path, [ast.literal_eval(one) for one in tree.args], kwargs
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        raise NoTarget(f"{name}: only a call with literal arguments can be made, such as create_app('test').") from None


def _is_factory(found: Any) -> bool:
    """Return whether a plain function cannot take a request, neither by WSGI (two arguments) nor by ASGI (three)."""
    if not isfunction(found):
        return False
    for number in (2, 3):
        with suppress(TypeError):
            signature(found).bind(*range(number))
            return False
    return True


def _failure(error: BaseException) -> str:
    """Return an error in one line, with the innermost line of a file that is not a library's or Python's own."""
    said = f"{type(error).__name__}: {error}".partition("\n")[0][:300] if str(error) else type(error).__name__
    if isinstance(error, SyntaxError) and error.filename:
        return said
    libraries = tuple(sysconfig.get_paths()[key] for key in ("stdlib", "purelib", "platlib"))
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((*libraries, "<")) and frame.filename != __file__
    ]
    return f"{said} ({frames[-1].filename}, line {frames[-1].lineno})" if frames else said
