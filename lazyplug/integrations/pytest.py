"""Fixtures for pytest: an index apart, site folders and fake extensions, for a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

# pytest has imported all that is imported here; the rest waits for a test to ask.
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from typing import Protocol

    from ..testing import Tree

    class Fake(Protocol):
        """The signature of `fake_extensions`."""

        def __call__(
            self,
            namespace: str,
            plugins: Mapping[str, object],
            *,
            keep_installed: bool = False,
        ) -> None:
            """Fake the extensions of a namespace."""


@pytest.fixture
def lazyplug_index(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Give the test an index of its own; return its folder.

    As `lazyplug.testing.isolated_index`.
    """
    from ..testing import _places

    folder = tmp_path_factory.mktemp("lazyplug-index")
    _places.isolate(monkeypatch, folder)
    yield folder
    _places.forget(folder)


@pytest.fixture
def lazyplug_site(
    lazyplug_index: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[[Tree], Path]]:
    """Return a function that installs a tree in a site folder, for the test.

    As `lazyplug.testing.site_folder`, with `lazyplug_index`.
    """
    from ..testing import _places

    root = tmp_path_factory.mktemp("lazyplug-site")

    def make(tree: Tree) -> Path:
        folder = root / str(len(list(root.iterdir())))
        return _places.install(monkeypatch, folder, tree)

    yield make
    _places.uninstall(root)


@pytest.fixture
def lazyplug_extensions(
    lazyplug_site: Callable[[Tree], Path], monkeypatch: pytest.MonkeyPatch
) -> Fake:
    """Return a function that fakes the extensions of a namespace, for the test.

    As `lazyplug.testing.fake_extensions`, with `lazyplug_index`.
    """
    from ..testing import _fakes

    def fake(
        namespace: str, plugins: Mapping[str, object], *, keep_installed: bool = False
    ) -> None:
        tree = _fakes.faked(monkeypatch, namespace, plugins, keep_installed)
        lazyplug_site(tree)

    return fake
