"""
An installation contains the files of the source tree.

setuptools silently drops a file if its package or its extension is not listed in ``setup.cfg``. So these tests build
and install the real package.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from consent_mw import catalogue
from consent_mw.catalogue import prepared

ROOT = Path(__file__).resolve().parents[2]

#: The source of the scanner in C is only in the source archive, its library only in wheels of one platform.
COMPILED = (".c", ".so", ".pyd")
SCANNER = "consent_mw/html/_scan.c"

#: Runs inside the installation: imports every module, reads every asset, and reports their paths.
PROBE = """
import importlib, importlib.metadata, importlib.resources, json, pathlib, pkgutil
import consent_mw
import django
from django.conf import settings
from consent_mw.notice import assets

# Models and the admin can be imported only in a project.
apps = [f"django.contrib.{name}" for name in ("admin", "auth", "contenttypes")]
settings.configure(INSTALLED_APPS=[*apps, "consent_mw.django.editor"])
django.setup()
modules = [found.name for found in pkgutil.walk_packages(consent_mw.__path__, "consent_mw.")]
# Only Wagtail imports its hooks.
for module in sorted({*modules} - {"consent_mw.django.editor.wagtail_hooks"}):
    importlib.import_module(module)
root = assets.root()
files = [path for path in pathlib.Path(str(root)).rglob("*") if path.is_file() and path.suffix != ".pyc"]
print(json.dumps({
    "home": consent_mw.__file__,
    "assets": {path.relative_to(str(root)).as_posix(): len(path.read_bytes()) for path in files},
    "asset_home": str(root),
    "modules": modules,
    "typed": importlib.resources.files("consent_mw").joinpath("py.typed").is_file(),
    "version": importlib.metadata.version("consent_mw"),
}))
"""


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a program and return its output; show its errors if it fails."""
    texts = [str(part) for part in command]
    variables = {**os.environ, **environment}
    done = subprocess.run(texts, cwd=cwd, env=variables, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{command}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def tree() -> dict[str, Path]:
    """Return every file that an installation should contain, by its name there."""
    found: dict[str, Path] = {}
    for folder, target in (("consent_mw", "consent_mw"), ("static", "consent_mw/static")):
        for path in (ROOT / folder).rglob("*"):
            relative = path.relative_to(ROOT / folder)
            hidden = any(part.startswith(".") or part == "__pycache__" for part in relative.parts)
            if path.is_file() and not hidden and path.suffix not in COMPILED:
                found[f"{target}/{relative.as_posix()}"] = path
    return found


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the files that a build needs, so that it cannot take files from build folders of the tree."""
    target = tmp_path_factory.mktemp("source")
    for folder in ("consent_mw", "static"):
        shutil.copytree(ROOT / folder, target / folder, ignore=shutil.ignore_patterns("__pycache__", ".*", "*.so"))
    for file in ("pyproject.toml", "setup.cfg", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / file, target / file)
    return target


@pytest.fixture(scope="module")
def wheel(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the platform-independent wheel, offline."""
    target = tmp_path_factory.mktemp("wheel")
    command = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", target, copy)
    run(*command, cwd=target, CONSENT_MW_PURE="1")
    return next(target.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel in a fresh venv and return its interpreter; the sources are not importable."""
    home = tmp_path_factory.mktemp("venv") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", home, cwd=home.parent)
    python = home / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python)
    run(*pip, "install", "-q", "--no-index", "--no-deps", wheel, cwd=home.parent)
    # The required libraries come from the venv of the tests. Only its path is added: its .pth files, and with them an
    # editable installation of the sources, are not processed.
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=home.parent).strip())
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return python


@pytest.fixture(scope="module")
def probed(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """Run the probe inside the installation."""
    printed = run(installed, "-I", "-c", PROBE, cwd=tmp_path_factory.mktemp("elsewhere"))
    answer: dict[str, object] = json.loads(printed)
    return answer


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_tree(wheel: Path) -> None:
    """The wheel has every file of the tree, and only one more: the prepared catalogue."""
    assert wheel.name.endswith("-py3-none-any.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert sorted(names) == sorted([*tree(), "consent_mw/catalogue/prepared.bin"])


@pytest.mark.slow
def test_the_prepared_catalogue_of_the_wheel_counts(wheel: Path, tmp_path: Path) -> None:
    """The wheel's prepared catalogue matches its files, so an installation does not parse any of them."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            archive.extract(name, tmp_path)
    folder = tmp_path / "consent_mw/catalogue"
    made_from = prepared.digest(catalogue.each_source(folder))
    assert prepared.open_file(folder / prepared.FILE, made_from) == catalogue.load()


@pytest.mark.slow
def test_the_wheel_holds_the_bytes_of_the_tree(wheel: Path) -> None:
    """Each file in the wheel has the same bytes as in the tree."""
    archive = zipfile.ZipFile(wheel)
    differ = [name for name, path in tree().items() if archive.read(name) != path.read_bytes()]
    assert differ == []


@pytest.mark.slow
def test_the_source_archive_holds_every_file_too(copy: Path, tmp_path: Path) -> None:
    """A wheel can be built from the source archive: it has the same files, and the source of the scanner."""
    run(sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", tmp_path, copy, cwd=tmp_path)
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {name.replace("consent_mw/static/", "static/", 1) for name in tree()}
    assert sorted({*wanted, SCANNER} - names) == []


@pytest.mark.slow
@pytest.mark.parametrize("compiler", ["", "a-compiler-that-is-not-there"], ids=["with what is here", "without one"])
def test_a_build_needs_no_compiler(copy: Path, tmp_path: Path, compiler: str) -> None:
    """An installation has the scanner in C if it could be compiled, and is complete otherwise."""
    shutil.rmtree(copy / "build", ignore_errors=True)  # setuptools would pack the files of an earlier build
    command = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, copy)
    run(*command, cwd=tmp_path, CONSENT_MW_PURE="0", **({"CC": compiler} if compiler else {}))
    names = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    libraries = [name for name in names if name.startswith("consent_mw/html/_scan.") and name.endswith(COMPILED)]
    assert "consent_mw/html/scan.py" in names
    assert len(libraries) == (0 if compiler else int(can_compile(tmp_path)))


def can_compile(folder: Path) -> bool:
    """Return whether this machine has a C compiler and the headers of this Python."""
    source = folder / "probe.c"
    source.write_text("#include <Python.h>\n", encoding="utf-8")
    compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    command = [*compiler.split(), f"-I{sysconfig.get_paths()['include']}", "-c", str(source), "-o", str(folder / "x.o")]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@pytest.mark.slow
def test_the_installation_stands_alone(installed: Path, probed: dict[str, object]) -> None:
    """Code and assets of an installation come from the installation, not from a checkout."""
    home = str(installed.parent.parent)
    assert str(probed["home"]).startswith(home)
    assert str(probed["asset_home"]).startswith(home)


@pytest.mark.slow
def test_every_installed_module_can_be_imported(probed: dict[str, object]) -> None:
    """Each module of the tree is importable from the installation."""
    wanted = {
        name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for name in tree()
        if name.endswith(".py") and name != "consent_mw/__init__.py"
    }
    modules = probed["modules"]
    assert isinstance(modules, list)
    assert sorted(set(modules) - {"consent_mw.static"}) == sorted(wanted)


@pytest.mark.slow
def test_every_installed_asset_can_be_read(probed: dict[str, object]) -> None:
    """Each file of static/ can be read from the installation, at full length."""
    prefix = "consent_mw/static/"
    wanted = {
        name.removeprefix(prefix): path.stat().st_size for name, path in tree().items() if name.startswith(prefix)
    }
    assert probed["assets"] == wanted


@pytest.mark.slow
def test_the_installation_is_typed_and_knows_its_version(probed: dict[str, object]) -> None:
    """Type checkers find ``py.typed``, and the version is that of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (probed["typed"], probed["version"]) == (True, project["version"])


def test_every_folder_with_code_is_a_listed_package() -> None:
    """Every folder of modules is in the explicit list of packages in setup.cfg."""
    listed = (ROOT / "setup.cfg").read_text(encoding="utf-8").split("packages =")[1].split("package_dir")[0].split()
    folders = {name.rpartition("/")[0].replace("/", ".") for name in tree() if name.endswith(".py")}
    assert sorted(folders | {"consent_mw.static"}) == sorted(listed)


def test_the_changelog_has_a_section_for_the_version() -> None:
    """The changelog has a section for the version of pyproject.toml, or for unreleased changes."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{project['version']}]" in text
