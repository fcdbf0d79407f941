"""The command `init`: asks the index for a library, and writes a project that tests it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata

from packaging.utils import canonicalize_name

from compatmatrix import __version__
from compatmatrix.cli import options
from compatmatrix.cli.context import Context
from compatmatrix.cli.options import DONE
from compatmatrix.config.tables import Index
from compatmatrix.core.errors import InfrastructureError, UserError
from compatmatrix.core.text import shortened, without_credentials
from compatmatrix.core.untrusted_files import temporary
from compatmatrix.index import releases, wheel_modules, wheel_tags
from compatmatrix.publish import scaffold, write
from compatmatrix.resolve import uv

PYTHONS = ("3.11", "3.12", "3.13")
"""What a new matrix lists besides the Python that runs this, as far as the library has wheels for it."""

MOST = 10
"""How many releases a new matrix has: few enough to try it out."""

_UNKNOWN = "OWNER/REPOSITORY"


def init(context: Context, chosen: options.Init) -> int:
    """Write the files of a new matrix beside ``--config``; none that is there is replaced."""
    folder = chosen.config.parent
    for name in ("matrix.toml", "noxfile.py", "probes"):
        if (folder / name).exists():
            raise UserError(f"{folder / name} is there already; to start elsewhere: --config FOLDER/matrix.toml")
    start, modules = _start(context, chosen)
    project = scaffold.files(start)
    kept = [path for path in project if (folder / path).exists()]
    write.write(folder, {path: content for path, content in project.items() if path not in kept})
    for path in project:
        context.say(f"{'kept as it was' if path in kept else 'written'}: {folder / path}")
    for text in _remarks(start, modules):
        context.say(text)
    return DONE


def _start(context: Context, chosen: options.Init) -> tuple[scaffold.Start, Sequence[str]]:
    """What the index says of the library, and the modules in its newest wheel."""
    name, index, platform = chosen.name, context.config.index, context.config.platform[context.platform]
    pythons = tuple(dict.fromkeys(["{}.{}".format(*sys.version_info), *PYTHONS]))
    files = releases.fetch(index, [name], context.cache / "index", context.say)[canonicalize_name(name)]
    admitted = {
        release.version: [python for python in pythons if wheel_tags.admits(release, python, platform)]
        for release in releases.releases(files)
        if release.stable
    }
    versions = [version for version, fitting in admitted.items() if fitting][-MOST:]
    if not versions:
        raise UserError(f"{name}: no release has a wheel for Python {', '.join(pythons)} on {context.platform}")
    newest = versions[-1]
    modules = _modules(f"{name}=={newest}", admitted[newest][0], platform, index)
    module = wheel_modules.main_module(name, modules)
    if module is None:
        raise UserError(f"{name} {newest}: its wheel holds no module that could be imported")
    engine = chosen.engine or this_engine()
    start = scaffold.Start(
        name=name,
        module=module,
        releases=f">={versions[0]}",
        pythons=tuple(python for python in pythons if any(python in admitted[version] for version in versions)),
        index=without_credentials(chosen.index or ""),
        engine=engine,
        engine_in_ci=f"compatmatrix=={__version__}" if "file:" in engine else engine,
        workflows=workflows(engine),
    )
    return start, modules


def this_engine() -> str:
    """The requirement that gives exactly the engine that runs: where it was installed from (PEP 610), else its version."""
    text = metadata.distribution("compatmatrix").read_text("direct_url.json")
    if not text:
        return f"compatmatrix=={__version__}"
    origin = json.loads(text)
    url = without_credentials(origin["url"])
    if vcs := origin.get("vcs_info"):
        url = f"{vcs['vcs']}+{url}@{vcs['commit_id']}"
    return f"compatmatrix@{url}" + (f"#subdirectory={origin['subdirectory']}" if origin.get("subdirectory") else "")


def workflows(engine: str) -> str:
    """``owner/name@reference`` of the repository on GitHub that an engine is from."""
    if found := re.search(r"git\+https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?(?:@([^#]+))?(?:#|$)", engine):
        return f"{found[1]}@{found[2] or 'main'}"
    addresses = "\n".join(metadata.metadata("compatmatrix").get_all("Project-URL") or [])
    found = re.search(r"^Repository, https://github\.com/([\w.-]+/[\w.-]+)$", addresses, re.MULTILINE)
    return f"{found[1] if found else _UNKNOWN}@v{__version__}"


def _modules(requirement: str, python: str, platform: str, index: Index) -> Sequence[str]:
    """The modules that a wheel brings; nothing of it is run."""
    target = ["--python", sys.executable, "--python-version", python, "--python-platform", platform]
    with temporary() as folder:
        try:
            uv.run(["pip", "install", "--no-deps", "--only-binary", ":all:", "--target", folder, *target,
                    *uv.index_arguments(index), requirement])  # fmt: skip
        except uv.Refused as refusal:
            raise InfrastructureError(f"{requirement} could not be installed: {refusal}") from None
        installed = list(metadata.distributions(path=[str(folder)]))
        return wheel_modules.modules(str(file) for one in installed for file in one.files or ())


def _remarks(start: scaffold.Start, modules: Sequence[str]) -> Iterator[str]:
    """What `init` decided and what it could not know."""
    others = [module for module in modules if module != start.module and not module.startswith("_")]
    besides = f"; its wheel also holds {shortened(others)}" if others else ""
    yield f"{start.name}{start.releases} on Python {', '.join(start.pythons)}; imported as {start.module}{besides}"
    if "file:" in start.engine:
        yield f"noxfile.py installs the engine from this machine ({start.engine}); --engine REQUIREMENT names another"
    if start.workflows.startswith(_UNKNOWN):
        yield f"this engine does not say where its workflows are: put their repository in place of {_UNKNOWN}"
    yield "next: nox -s matrix"
