"""Send drivers as extensions to the workers of a Dask cluster, and load them there."""

import os
from pathlib import Path

from lazyplug.testing import dist
from tests.support.children import python
from tests.support.fixtures import PlantSite
from tests.support.pickling import PLUGIN, POINTS

PROGRAM = """
import os, sys
from dask.distributed import Client, LocalCluster
from lazyplug import DriverManager, ExtensionManager

def call(extension, number):
    return extension.plugin(number), os.getpid()

def call_obj(extension, number):
    return extension.obj(number), os.getpid()

def remove(directory):
    sys.path.remove(directory)

def main(directory):
    square = DriverManager("g", "square").extensions[0]
    (thrice,) = [e for e in ExtensionManager("g", invoke_on_load=True, invoke_args=(1,))
                 if e.name == "thrice"]
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with cluster, Client(cluster) as client:
        results = client.gather(client.map(call, [square] * 40, range(40)))
        assert [found for (found, _), _ in results] == [n * n for n in range(40)]
        assert all(loaded_in == worker for (_, loaded_in), worker in results)
        assert os.getpid() not in {worker for _, worker in results}
        (found, _), _ = client.submit(call_obj, thrice, 4).result()
        assert found == 13
        assert "plug_square" not in sys.modules
        print("done", flush=True)
        client.restart()
        client.run(remove, directory)
        try:
            client.submit(call, square, 4, pure=False).result()
        except ModuleNotFoundError as error:
            print(error, *getattr(error, "__notes__", ()))

if __name__ == "__main__":
    main(sys.argv[1])
"""


def test_drivers_are_mapped_over_workers_and_a_missing_module_is_reported(
    site: PlantSite, tmp_path: Path
) -> None:
    directory = site(
        {"plug_square.py": PLUGIN, **dist("shapes", "2.5", entry_points=POINTS)}
    )
    file = tmp_path / "program.py"
    file.write_text(PROGRAM, encoding="utf-8")
    known = os.environ.get("PYTHONPATH")
    path = os.pathsep.join(filter(None, [str(directory), known]))
    done = python(str(file), str(directory), env={"PYTHONPATH": path})
    first, _, error = done.stdout.partition("\n")
    assert first == "done", done.stderr
    assert "No module named 'plug_square'" in error
    assert "declared by shapes 2.5 in" in error
