"""Configure Sphinx: `tox run -e docs` builds the site from the documents.

The documents are also read on GitHub. The source directory is the root of the
repository, so that the links between them work in both places.
"""

import re
from pathlib import Path

import lazyplug
import lazyplug._declared as lazyplug_declared

project = "lazyplug"
release = lazyplug.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
include_patterns = [
    "README.md",
    "CHANGELOG.md",
    "CODE_OF_CONDUCT.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/*.md",
    "examples/README.md",
    "examples/hosts/README.md",
    "packaging/README.md",
    "benchmarks/results/*.md",
]
root_doc = "docs/index"
default_role = "code"
myst_heading_anchors = 3
html_theme = "furo"
html_title = "lazyplug"
html_show_copyright = False
# The page at the root of the site, which redirects to the start page.
html_extra_path = ["site"]

autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
maximum_signature_line_length = 88
# In annotations: names of other projects, whose inventories are not loaded, and names
# that are not public.
nitpick_ignore_regex = [
    ("py:class", r"(?!lazyplug\.)\w+\..*|CompletionItem|Distribution|Path(Like)?"),
    ("py:class", r"(.*\.)?([MPTU]|On\w+|Options|Plugins|ConflictResolver)"),
    ("py:class", r"(.*\.)?(Acceleration|Bool|CallResult|Fake|PluginManager)"),
]

# autodoc reads the comments of attributes from the module in `__module__` of a class,
# and public classes name the package there.
modules = dict(line.split() for line in lazyplug._MODULES.strip().splitlines())
for name, thing in [(name, getattr(lazyplug, name)) for name in lazyplug.__all__]:
    thing.__module__ = f"lazyplug.{modules[name]}"
# Of what instances have, Python keeps no descriptions.
for name, *_ in lazyplug_declared.declarations():
    thing = (
        lazyplug.Manager
        if name in {"extensions", "excluded", "failures"}
        else lazyplug.Extension
    )
    if not hasattr(thing, name):
        setattr(thing, name, lazyplug_declared.describe(thing, name))


def add_site_only_parts(app, document, source):
    """Add the trees of the sidebar, and headings to the tables of results."""
    if document == root_doc:
        # Each list of the start page becomes a tree; pages in no list come last.
        link = re.compile(r"^- \[(.+?)\]\((.+?)\.md\)", re.MULTILINE)
        sections = [part.partition("\n") for part in source[0].split("\n## ")[1:]]
        trees = {caption: link.findall(text) for caption, _, text in sections}
        named = {"index", *(page for pages in trees.values() for _, page in pages)}
        files = {file.stem for file in Path(__file__).parent.glob("*.md")}
        trees["More"] = [(page.capitalize(), page) for page in sorted(files - named)]
        for caption, pages in trees.items():
            lines = [f"{title} <{page}>" for title, page in pages]
            lines[:0] = ["", "```{toctree}", ":hidden:", f":caption: {caption}", ""]
            source[0] += "\n".join([*lines, "```", ""])
    elif document.startswith("benchmarks/results/"):
        # Orphans: no tree has them, but docs/speed.md links to them.
        name = document.rpartition("/")[2]
        head = f"---\norphan: true\n---\n\n# {name.capitalize()}\n\n"
        source[0] = f"{head}{source[0]}\n\n![The same as a picture]({name}.svg)\n"


def without_private_bases(app, name, thing, options, bases):
    """Replace private base classes by their own base classes."""
    bases[:] = [
        base.__base__ if base.__name__.startswith("_") else base for base in bases
    ]


def setup(app):
    """Register the functions with Sphinx."""
    app.connect("source-read", add_site_only_parts)
    app.connect("autodoc-process-bases", without_private_bases)
