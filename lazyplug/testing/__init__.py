"""Help to test hosts and plugins: temporary sites, fakes, indexes, import checks.

Nothing here needs pytest; the fixtures for it are in `lazyplug.integrations.pytest`.
"""

from ._fakes import fake_extensions as fake_extensions
from ._fakes import manager_of as manager_of
from ._imports import nothing_imported as nothing_imported
from ._places import isolated_index as isolated_index
from ._places import site_directory as site_directory
from ._trees import Tree as Tree
from ._trees import dist as dist
from ._trees import plant as plant
