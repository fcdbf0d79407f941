"""View -> what is known of a project's versions: of a pair, of the pairs that ranges admit, of an error. Pure.

A pair is a release of the subject beside a release of the map's companion. What was seen on another platform, on another
Python or with other versions of the other companions is said to be seen elsewhere, and is not known here.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain, product
from operator import ge, le

import msgspec
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from compatmatrix.analysis import errors, ranges, recommend
from compatmatrix.analysis.cells import CellView
from compatmatrix.analysis.errors import Explanation
from compatmatrix.analysis.grid import FAILS, UNTRIED, Kind, classify, grid, works
from compatmatrix.analysis.pythons import Pythons, pythons, refusal
from compatmatrix.analysis.ranges import InBrief
from compatmatrix.analysis.recommend import Bounds
from compatmatrix.analysis.standing import Environment, Evidence, PairStatus, RangeStatus, Standing, public, together
from compatmatrix.analysis.support import View
from compatmatrix.core.states import OutcomeState
from compatmatrix.core.text import alternatives, span

_ANYWHERE = Environment()


class Compatibility:
    """All that the records say, for programs.

    Attributes:
        subject: name of the package whose releases are examined.
        companion: name of the package whose versions are paired with them.
        as_of: day (UTC) of the newest record.
        grid: the map of all pairs.
    """

    def __init__(self, view: View) -> None:
        self.view = view
        self.grid = grid(view)
        self._goods: dict[tuple[object, ...], set[tuple[int, int]]] = {}
        self._known: dict[tuple[str, tuple[str, ...]], tuple[Standing, Kind, str]] = {}
        self._supported: dict[str, Bounds] = {}
        self.subject = view.config.subject.name
        self.companion = self.grid.companion
        self.as_of = view.as_of

    def pair(self, *, python: str = "", platform: str = "", needs: Sequence[str] = (), **versions: str) -> PairStatus:
        """What is known of two versions beside each other.

        Args:
            python: X.Y; empty for whichever it was seen on.
            platform: its name in the records, like ``linux-x86_64``; empty for whichever it was seen on.
            needs: ids of probes that must be supported, besides the controls.
            **versions: by package: the subject's and the companion's, and those of other companions that matter.

        Raises:
            ValueError: the subject or the companion is missing, a package is none of the recorded ones, a version is none,
                or a probe does not exist.
        """
        names = {canonicalize_name(name): name for name in self.view.config.recorded}
        given = {names.get(canonicalize_name(name), ""): version for name, version in versions.items()}
        if "" in given or not {self.subject, self.companion} <= given.keys():
            raise ValueError(f"give the versions of {self.subject} and {self.companion}; known are {', '.join(names)}")
        for version in given.values():
            try:
                Version(version)
            except InvalidVersion:
                raise ValueError(f"{version!r} is no version") from None
        self.check_probes(needs)
        subject, companion = given.pop(self.subject), given.pop(self.companion)
        pythons = (python,) if python else ()
        where = Environment(pythons=pythons, platform=platform, others=given, needs=tuple(needs))
        return self.status(subject, companion, where)

    def supported(self, probe: str) -> Bounds:
        """The releases of the subject on which a probe is supported.

        Raises:
            ValueError: the probe does not exist.
        """
        self.check_probes([probe])
        if probe not in self._supported:
            self._supported[probe] = recommend.bounds(self.view, probe)
        return self._supported[probe]

    def pythons(self, subject: str) -> str:
        """On which Pythons a release of the subject works, in words; empty where that was not examined."""
        found = (known.words for version, known in self._pythons.items() if Version(version) == Version(subject))
        return next(found, "")

    def explain(self, text: str) -> tuple[Explanation, ...]:
        """The errors on record that a text shows, a traceback or a line of one; empty where nothing is like it."""
        return errors.explain(self.errors, text)

    @cached_property
    def errors(self) -> Mapping[str, Explanation]:
        """Every error on record, by its signature."""
        return errors.on_record(self.view)

    def check_probes(self, probes: Iterable[str]) -> None:
        """Raises ValueError where a probe does not exist."""
        known = [probe.id for probe in self.view.probes]
        for probe in probes:
            if probe not in known:
                raise ValueError(f"{probe}: there is no such probe{alternatives(probe, known)}")

    def status(self, subject: str, companion: str, where: Environment) -> PairStatus:
        """What is known of a pair of versions in an environment."""
        versions = {self.subject: subject, self.companion: companion, **where.others}
        evidence = tuple(self._evidence(_pair(subject, companion), where))
        here = tuple(one for one in evidence if not one.differs)
        known = tuple(one for one in evidence if one.standing is not Standing.UNKNOWN)
        shown = here or known or evidence
        standing, reason = together(shown)
        if known and not here:
            reasons = [f"{one.standing.value} {' and '.join(one.differs)}" for one in known]
            standing, reason = Standing.ELSEWHERE, "; ".join(dict.fromkeys(reasons))
        if (refused := refusal(self.view, subject, where.pythons)) and refused not in reason:
            reason = f"{reason}; {refused}"
        status = PairStatus(
            versions=versions, standing=standing, reason=reason, evidence=shown, pythons=self.pythons(subject)
        )
        if standing is Standing.GOOD:
            return status
        return msgspec.structs.replace(
            status,
            nearest=self.nearest(subject, companion, where),
            works_with=self.works_with(subject, where),
            untried_with="" if refused else self._untried_with(subject, where),
            neighbors=() if known else tuple(self._neighbors(subject, companion, where)),
        )

    def ranges(self, subject: str, companion: str, where: Environment) -> RangeStatus:
        """What is known of the pairs that two specifiers admit; an empty specifier admits every stable release.

        Args:
            subject: specifier of the subject's releases.
            companion: of the companion's versions.
            where: the environment. Of other packages, its versions are those that are pinned: with another one, a pair is
                not known good. What is broken counts whatever they are.
        """
        stable = [release.version for release in self.view.releases if release.stable]
        rows = [version for version in self.grid.rows if ranges.admits(subject, version, stable)]
        columns = [version for version in self.grid.columns if ranges.admits(companion, version, self.grid.columns)]
        found = {pair: self._in_brief(_pair(*pair), where) for pair in product(rows, columns)}
        for pair, (standing, reason, here) in found.items():
            if here and standing is Standing.GOOD and where.others:
                seen = [one for one in self._evidence(_pair(*pair), where) if not one.differs]
                found[pair] = standing, reason, together(seen)[0] is Standing.GOOD
        refused = tuple(filter(None, (refusal(self.view, version, where.pythons) for version in rows)))
        return ranges.status({self.subject: subject, self.companion: companion}, found, self.grid, refused)

    @cached_property
    def _pythons(self) -> Mapping[str, Pythons]:
        return pythons(self.view)

    @cached_property
    def _cells(self) -> Mapping[tuple[Version, Version], tuple[CellView, ...]]:
        held: dict[tuple[Version, Version], list[CellView]] = defaultdict(list)
        for cell in self.view.cells:
            if companion := cell.versions.get(self.companion):
                held[_pair(cell.subject, companion)].append(cell)
        return {pair: tuple(cells) for pair, cells in held.items()}

    def judge(self, cell: CellView, needs: tuple[str, ...]) -> tuple[Standing, Kind, str]:
        """What a cell says of its pair wherever it ran, how far it gets, and why no further."""
        if (cell.id, needs) not in self._known:
            self._known[cell.id, needs] = self._judged(cell, needs)
        return self._known[cell.id, needs]

    def _judged(self, cell: CellView, needs: tuple[str, ...]) -> tuple[Standing, Kind, str]:
        kind, reason = classify(self.view, cell)
        words = f"{kind.value}: {reason}" if reason else kind.meaning
        controls = [probe.id for probe in self.view.probes if probe.control]
        if kind in FAILS or any(cell.counted(probe).state.negative for probe in controls):
            return Standing.BROKEN, kind, words
        if not works(self.view, cell):
            return Standing.UNKNOWN, kind, words
        lacking = {probe: cell.counted(probe) for probe in needs}
        lacking = {probe: found for probe, found in lacking.items() if found.state is not OutcomeState.SUPPORTED}
        for probe, found in sorted(lacking.items(), key=lambda one: not one[1].state.known):
            words = f"{probe}: {found.state.value}" + (f", {found.signature}" if found.signature else "")
            return (Standing.BROKEN if found.state.known else Standing.UNKNOWN), kind, words
        return Standing.GOOD, kind, ""

    def _evidence(self, pair: tuple[Version, Version], where: Environment) -> Iterator[Evidence]:
        for cell in self._cells.get(pair, ()):
            # Where no Python is asked about, those count that the releases are tested on.
            if cell.for_python and cell.python not in where.pythons:
                continue
            standing, kind, reason = self.judge(cell, where.needs)
            yield Evidence(
                standing=standing,
                kind=kind,
                reason=reason,
                python=cell.python,
                platform=cell.platform,
                versions=cell.versions,
                recorded=cell.recorded,
                differs=tuple(where.differences(cell)),
            )

    def _in_brief(self, pair: tuple[Version, Version], where: Environment) -> InBrief:
        """What is known of a pair whatever the other packages."""
        evidence = list(self._evidence(pair, msgspec.structs.replace(where, others={})))
        here = [one for one in evidence if not one.differs]
        if evidence and all(one.kind in UNTRIED for one in evidence):
            return None, "", True
        return (*together(here or evidence), bool(here))

    def nearest(self, subject: str, companion: str, where: Environment = _ANYWHERE) -> Mapping[str, str]:
        """Of the pairs that are known good, the one that changes one package only, with the fewest releases between."""
        (rows, columns), (row, column), good = self._versions, _pair(subject, companion), self._good(where)
        at, beside = bisect_left(rows, row), bisect_left(columns, column)
        in_row = {(at, j) for j in range(len(columns))} if rows[at : at + 1] == [row] else set()
        in_column = {(i, beside) for i in range(len(rows))} if columns[beside : beside + 1] == [column] else set()
        near = good & (in_row | in_column) or good
        if not near:
            return {}
        i, j = min(near, key=lambda one: (abs(one[0] - at) + abs(one[1] - beside), one[0] != at, -one[1], one[0]))
        config = self.view.config
        names = [self.subject, *(one.name for one in config.companions), *config.deciding(where.needs)]
        evidence = self._evidence((rows[i], columns[j]), msgspec.structs.replace(where, others={}))
        found = next(one for one in evidence if not one.differs and one.standing is Standing.GOOD)
        return {name: found.versions[name] for name in names if name in found.versions}

    @cached_property
    def _versions(self) -> tuple[list[Version], list[Version]]:
        """Those of the rows and of the columns."""
        return [*map(Version, self.grid.rows)], [*map(Version, self.grid.columns)]

    def _good(self, where: Environment) -> set[tuple[int, int]]:
        """The places of row and column of each pair that is known good."""
        key = (where.pythons, where.platform, where.needs, *where.others.items())
        if key not in self._goods:
            self._goods[key] = {
                (i, j)
                for (i, row), (j, column) in product(*map(enumerate, self._versions))
                if self._in_brief((row, column), where) == (Standing.GOOD, "", True)
            }
        return self._goods[key]

    def works_with(self, subject: str, where: Environment = _ANYWHERE) -> str:
        """The companion's versions that are known good beside a release of the subject, in words."""
        return ", ".join(map(span, self.good_runs(subject, where)))

    def good_runs(self, subject: str, where: Environment = _ANYWHERE) -> list[list[str]]:
        """The companion's versions that are known good beside a release of the subject, in runs of neighbors."""
        row = next((place for place, version in enumerate(self._versions[0]) if version == Version(subject)), None)
        if row is None:
            return []
        good = [column for place, column in enumerate(self.grid.columns) if (row, place) in self._good(where)]
        return self.grid.runs([*self.grid.rows][row], good)

    def _untried_with(self, subject: str, where: Environment) -> str:
        """The companion's versions that are known good beside a release on another Python, and were not examined on these."""
        good = chain(*self.good_runs(subject, msgspec.structs.replace(where, pythons=())))
        tried = {pair for pair, held in self._cells.items() if any(cell.python in where.pythons for cell in held)}
        return self.joined(subject, [one for one in good if where.pythons and _pair(subject, one) not in tried])

    def joined(self, subject: str, companions: Sequence[str]) -> str:
        """These of the companion's versions beside a release of the subject, neighbors drawn together, in words."""
        return self.grid.joined(subject, companions) if subject in self.grid.rows else ", ".join(companions)

    def _neighbors(self, subject: str, companion: str, where: Environment) -> Iterator[PairStatus]:
        """The nearest pairs on both sides of which something is known: of the same subject, else companion, else of neither."""
        asked = _pair(subject, companion)
        for rows, columns in (
            ([subject], self.grid.columns),
            (self.grid.rows, [companion]),
            (self.grid.rows, self.grid.columns),
        ):
            known = [
                (pair, found)
                for pair in product(rows, columns)
                if (found := self._in_brief(_pair(*pair), where))[0] in (Standing.GOOD, Standing.BROKEN)
            ]
            below = [one for one in known if all(map(le, _pair(*one[0]), asked))]
            above = [one for one in known if all(map(ge, _pair(*one[0]), asked))]
            for pair, (standing, reason, _) in (*below[-1:], *above[:1]):
                assert standing is not None
                yield PairStatus(
                    versions=dict(zip((self.subject, self.companion), pair, strict=True)),
                    standing=standing,
                    reason=reason,
                )
            if known:
                return


def _pair(subject: str, companion: str) -> tuple[Version, Version]:
    return public(subject), public(companion)
