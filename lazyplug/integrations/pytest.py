"""Define pytest fixtures: an isolated index, site directories, fake extensions."""

from __future__ import annotations

from typing import TYPE_CHECKING

# pytest itself imports what is imported here; the rest is deferred until a test needs
# it.
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
    """Give the test its own index in a temporary directory; return the directory.

    This fixture does the same as `lazyplug.testing.isolated_index`. Raises RuntimeError
    if the process ignores the variables `LAZYPLUG_*`.
    """
    from ..testing import _places  # deferred: few tests need it

    directory = tmp_path_factory.mktemp("lazyplug-index")
    _places.isolate(monkeypatch, directory)
    yield directory
    _places.forget(directory)


@pytest.fixture
def lazyplug_site(
    lazyplug_index: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[[Tree], Path]]:
    """Return a function that installs a tree in a site directory, for the test.

    The function does the same as `lazyplug.testing.site_directory`, and returns the
    directory. The fixture uses `lazyplug_index`. No plugin is imported.
    """
    from ..testing import _places  # deferred: few tests need it

    root = tmp_path_factory.mktemp("lazyplug-site")

    def make(tree: Tree) -> Path:
        directory = root / str(len(list(root.iterdir())))
        return _places.install(monkeypatch, directory, tree)

    yield make
    _places.uninstall(root)


@pytest.fixture
def lazyplug_extensions(
    lazyplug_site: Callable[[Tree], Path], monkeypatch: pytest.MonkeyPatch
) -> Fake:
    """Return a function that fakes the extensions of a namespace, for the test.

    The function does the same as `lazyplug.testing.fake_extensions`. The fixture uses
    `lazyplug_index`.
    """
    from ..testing import _fakes  # deferred: few tests need it

    def fake(
        namespace: str, plugins: Mapping[str, object], *, keep_installed: bool = False
    ) -> None:
        tree = _fakes.faked(monkeypatch, namespace, plugins, keep_installed)
        lazyplug_site(tree)

    return fake
