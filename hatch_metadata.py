"""Describe the distribution to a package index: project URLs and long description.

All links begin with `repository` in pyproject.toml, the only place that names it.
"""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class RepositoryMetadataHook(MetadataHookInterface):
    """Set the fields `urls` and `readme` of the project."""

    def update(self, metadata: "dict[str, Any]") -> None:
        """Derive both fields from the repository, the version and README.md."""
        repository = self.config["repository"]
        files = f"{repository}/blob/v{metadata['version']}"
        metadata["urls"] = {
            "Repository": repository,
            "Documentation": f"{files}/docs/index.md",
            "Changelog": f"{files}/CHANGELOG.md",
            "Issues": f"{repository}/issues",
        }
        readme = Path(self.root, "README.md").read_text(encoding="utf-8")
        text = with_absolute_links(readme, files)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}


def with_absolute_links(text: str, files: str) -> str:
    """Return Markdown whose links and pictures work outside of the repository.

    >>> with_absolute_links("[a](docs/a.md) ![b](b.svg)", "https://host/blob/v1")
    '[a](https://host/blob/v1/docs/a.md) ![b](https://host/raw/v1/b.svg)'
    """
    pictures = files.replace("/blob/", "/raw/")
    text = re.sub(r"(!\[[^\]]*\])\((?!https?:)", rf"\1({pictures}/", text)
    return re.sub(r"\]\((?!https?:)", f"]({files}/", text)
