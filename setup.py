"""Packaging of the suite; tool settings live in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent


def read_requirements(name: str) -> list[str]:
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    return [line for line in map(str.strip, lines) if line and not line.startswith("#")]


TEST = [
    "aiosmtpd>=1.4.6",
    "asyncssh>=2.24",
    "coverage>=7.6",
    "hypothesis>=6.150",
    "prettytable>=3.10",
    "psycopg[binary]>=3.2",
    "PyMySQL>=1.1.1",
    "pytest>=8.3",
    "pytest-timeout>=2.3",
    "pytest-xdist>=3.6",
    "rich>=13.9",
]
LINT = [
    "mypy>=1.14",
    "ruff>=0.9",
    "types-paramiko",
    "types-PyYAML",
    "types-requests",
]
DOCS = ["furo>=2024.8.6", "sphinx>=8.1"]

setup(
    name="zuul-suite",
    version="0.1.0",
    description="Gating, builds and single-use nodes for a large multi-repository project",
    long_description=(HERE / "README.rst").read_text(encoding="utf-8"),
    long_description_content_type="text/x-rst",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(
        include=[
            "zuul",
            "zuul.*",
            "nodepool",
            "nodepool.*",
            "gearman_plugin_shim",
            "gearman_plugin_shim.*",
        ]
    ),
    package_data={
        "zuul": ["py.typed"],
        "zuul.daemon": ["static/*"],
        "zuul.lib.web": ["static/*"],
        "nodepool.daemon": ["static/*"],
    },
    install_requires=read_requirements("requirements.txt"),
    extras_require={"test": TEST, "lint": LINT, "docs": DOCS},
    entry_points={
        "console_scripts": [
            "zuul-server = zuul.cmd.server:main",
            "zuul-merger = zuul.cmd.merger:main",
            "zuul-cloner = zuul.cmd.cloner:main",
            "zuul = zuul.cmd.client:main",
            "gearman-plugin-shim = gearman_plugin_shim.cmd:main",
            "nodepool = nodepool.cmd.nodepool:main",
            "nodepoold = nodepool.cmd.nodepoold:main",
        ]
    },
)
