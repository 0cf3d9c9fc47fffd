"""
An owner's entries: a folder of ``*.toml`` files in the format of the catalogue.

They are added to the built-in services; an entry with the id of a built-in service replaces it. An entry must not share
a signature with a built-in service that is not replaced, since the two could not be distinguished.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable

from consent_mw import catalogue
from consent_mw.core.model import Service
from consent_mw.errors import CatalogueError
from consent_mw.errors import Problem
from consent_mw.html.service_index import WithOwn

__all__ = ["built_in_texts", "joined", "read_folder", "texts_of"]


def built_in_texts() -> Mapping[str, str]:
    """Return the text of the catalogue's files by name."""
    return texts_of(resources.files("consent_mw.catalogue") / catalogue.SERVICES)


def texts_of(folder: Traversable, shown: str = "") -> Mapping[str, str]:
    """
    Return the text of each TOML file in a folder by name, in the order of the names.

    Args:
        folder: The folder; its subfolders are not read.
        shown: The prefix of file names in errors.

    Raises:
        CatalogueError: the folder or a file in it cannot be read, or it contains no TOML file.
    """
    problems: list[Problem] = []
    found: dict[str, str] = {}
    try:
        files = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".toml")), key=lambda one: one.name)
    except OSError as error:
        what = f"The folder cannot be read: {error.strerror or type(error).__name__}."
        raise CatalogueError(
            [Problem(shown or str(folder), what, "Name a folder that this process can read.")]
        ) from None
    for file in files:
        place = f"{shown}/{file.name}" if shown else file.name
        try:
            found[place] = file.read_bytes().decode("utf-8-sig")
        except OSError as error:
            what = f"The file cannot be read: {error.strerror or type(error).__name__}."
            problems.append(Problem(place, what, "Make it readable for this process."))
        except UnicodeDecodeError:
            problems.append(Problem(place, "The file is not UTF-8.", "Save it as UTF-8."))
    if not files:
        remedy = "Add a file such as own.toml; consent-mw catalogue new ID prints an entry."
        problems.append(Problem(shown or str(folder), "There is no .toml file in this folder.", remedy))
    if problems:
        raise CatalogueError(problems)
    return found


def read_folder(
    folder: Traversable, shown: str = "", *, beside: Mapping[str, Service] | None = None
) -> tuple[Service, ...]:
    """
    Return the services that an owner's folder defines.

    Args:
        folder: The folder with the files.
        shown: The name of the folder in errors.
        beside: The services that they are added to; None for the built-in ones.

    Raises:
        CatalogueError: with every problem of every file.
    """
    base = catalogue.load() if beside is None else beside
    return tuple(catalogue.parse(texts_of(folder, shown), beside=base.values()).values())


def joined(definitions: Iterable[Service], base: Mapping[str, Service] | None = None) -> Mapping[str, Service]:
    """
    Return every service that a site knows, by id.

    Args:
        definitions: The owner's services; each replaces a service with the same id.
        base: The services that they are added to; None for the built-in ones.
    """
    built_in = catalogue.load() if base is None else base
    own = {service.id: service for service in definitions}
    return WithOwn(built_in, own) if own else built_in
