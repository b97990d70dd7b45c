"""A monitor of tiny-nova, in a distribution of its own."""

from setuptools import find_packages, setup  # type: ignore[import-untyped]

setup(
    name="tiny-nova-ipmi",
    version="2.0",
    description="What a machine's own sensors tell tinynova",
    packages=find_packages(),
    python_requires=">=3.11",
    install_requires=["tiny-nova"],
    entry_points={
        "tinynova.compute.monitors.ipmi": ["sensors = tinynova_ipmi.sensors:Monitor"],
    },
)
