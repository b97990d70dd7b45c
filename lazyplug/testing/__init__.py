"""For tests of hosts and of plugins: planted sites, fakes, an index apart, laziness.

Nothing of it needs pytest; its fixtures are in `lazyplug.integrations.pytest`.
"""

from ._fakes import fake_extensions as fake_extensions
from ._fakes import manager_of as manager_of
from ._imports import nothing_imported as nothing_imported
from ._places import isolated_index as isolated_index
from ._places import site_folder as site_folder
from ._trees import Tree as Tree
from ._trees import dist as dist
from ._trees import plant as plant
