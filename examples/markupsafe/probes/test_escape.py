"""What `escape` accepts. It is written in C, and since 3.0 called by a function in Python."""

import jinja2
import markupsafe
import pytest
from markupsafe import escape


@pytest.mark.probe(title="A text", group="escape", control=True)
def test_escape(check):
    """Does `escape("<a>")` give `&lt;a&gt;`?"""
    check.equal(str(escape("<a>")), "&lt;a&gt;")


@pytest.mark.probe(title="The C extension", group="escape")
def test_c_extension(check):
    """Is it C code that escapes?"""
    function = getattr(markupsafe, "_escape_inner", markupsafe.escape)
    check.equal(function.__module__, "markupsafe._speedups")


@pytest.mark.probe(
    title="A text of a subclass of str", group="escape", links=("https://github.com/pallets/markupsafe/issues/472",)
)
def test_str_subclass(check):
    """Can an object be escaped whose `__str__` returns an instance of a subclass of `str`?"""

    class Text(str):
        pass

    class Thing:
        def __str__(self):
            return Text("<a>")

    check.equal(str(escape(Thing())), "&lt;a&gt;")


@pytest.mark.probe(title="A proxy", group="escape", links=("https://github.com/pallets/markupsafe/issues/467",))
def test_proxy(check):
    """Can a proxy of a text be escaped, whose `__class__` is `str` and whose type is not?"""

    class Proxy:
        __class__ = str

        def __str__(self):
            return "<a>"

    check.equal(str(escape(Proxy())), "&lt;a&gt;")


@pytest.mark.probe(title="In a template of Jinja2", group="escape")
def test_template(check):
    """Does a template with `autoescape` escape a value?"""
    template = jinja2.Environment(autoescape=True).from_string("{{ value }}")
    check.equal(template.render(value="<a>"), "&lt;a&gt;")
