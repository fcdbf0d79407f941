"""The README's current answer: the text between two markers, made from the view like every other report."""

from __future__ import annotations

import re

from compatmatrix.analysis.support import View
from compatmatrix.publish import labels
from compatmatrix.publish.markdown import escaped, to_do

BEGIN, END = "<!-- answer: made by `nox -s report` -->", "<!-- /answer -->"


def refreshed(text: str, view: View) -> str:
    """The README with today's answer between its markers; as it was, if it has none."""
    parts = re.split(f"({re.escape(BEGIN)}).*?({re.escape(END)})", text, maxsplit=1, flags=re.DOTALL)
    if len(parts) != 4:
        return text
    return "".join([parts[0], parts[1], "\n", answer(view), parts[2], parts[3]])


def answer(view: View) -> str:
    """The verdict, and what to do on the latest release."""
    lines = [f"**{escaped(labels.sentence(view))}**", ""]
    for release, recipe, silent in to_do(view):
        if view.latest and release.version == view.latest.version:
            title = escaped(f"{view.config.subject.title or view.config.subject.name} {release.version}")
            if recipe:
                lines.append(f"What works on {title}: [`{recipe.probe}`](probes/recipes/{recipe.file}).")
            if silent:
                names = ", ".join(f"`{probe.id}`" for probe in silent)
                lines.append(f"What runs there without an exception and learns nothing: {names}.")
            lines.append("")
    return "\n".join(lines)
