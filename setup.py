"""The packages: the four of the house, and config/, which travels in the wheel as gateway/_config.

Everything else is in pyproject.toml, which cannot both find packages and rename one.
"""

from setuptools import find_packages, setup

HOUSE = ("ledger", "gateway", "rig", "firmware")

setup(
    packages=[
        *find_packages(include=[pattern for name in HOUSE for pattern in (name, f"{name}.*")]),
        "gateway._config",
    ],
    package_dir={"gateway._config": "config"},
    package_data={
        "gateway._config": ["**/*"],
        "rig.report": ["*.j2", "*.css"],
        "rig.tags": ["*.j2", "*.css"],
    },
)
