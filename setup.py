"""Packaging of scipion-em-repic-plugin."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
URL = "https://github.com/scipion-em/scipion-em-repic-plugin"
VERSION = re.search(
    r'__version__ = "(.+)"', (HERE / "repic_plugin" / "__init__.py").read_text("utf-8")
).group(1)


def long_description() -> str:
    """README.md with its relative links made absolute, to the files of this version."""
    text = (HERE / "README.md").read_text("utf-8")
    text = re.sub(r"(!\[[^]]*\])\((?![a-z]+:|#)", rf"\1({URL}/raw/v{VERSION}/", text)
    return re.sub(r"\]\((?![a-z]+:|#)", f"]({URL}/blob/v{VERSION}/", text)


setup(
    name="scipion-em-repic-plugin",
    version=VERSION,
    description="Consensus particle picking (REPIC) and 2D classification (ACK-means) for Scipion",
    long_description=long_description(),
    long_description_content_type="text/markdown",
    url=URL,
    project_urls={
        "Documentation": f"{URL}/blob/v{VERSION}/docs/README.md",
        "Changes": f"{URL}/blob/v{VERSION}/CHANGES.md",
        "Source": URL,
        "Issues": f"{URL}/issues",
    },
    keywords="cryo-EM, single particle analysis, particle picking, consensus, REPIC, "
    "2D classification, ACK-means, Scipion",
    license="GPL-3.0-or-later",
    packages=find_packages(include=["repic_plugin", "repic_plugin.*"]),
    package_data={
        "repic_plugin": [
            "repic_logo.png",
            "protocols.conf",
            "py.typed",
            "templates/*.json.template",
        ]
    },
    python_requires=">=3.8,<3.12",
    install_requires=[
        "gurobipy>=11",
        "mrcfile",
        "networkx>=3.1",
        "numba>=0.58",
        "numpy>=1.24",
        "psutil",
        "scipion-em>=3.11",
        "scipion-pyworkflow>=3.11",
        "scipy>=1.10",
        "threadpoolctl",
        "tqdm",
    ],
    extras_require={
        "docs": ["mkdocs>=1.5,<2", "mkdocs-material>=9.5"],
        "mpi": ["mpi4py>=4.1"],
        "scipion": ["scipion-app>=3.8"],
        "test": [
            "hypothesis",
            "mpi4py>=4.1",
            "mypy",
            "openmpi",
            "pytest",
            "pytest-timeout",
            "pytest-xdist",
            "ruff",
            "scipion-app>=3.8",
        ],
    },
    entry_points={
        "pyworkflow.plugin": ["repic_plugin = repic_plugin"],
        "console_scripts": ["repic-plugin = repic_plugin.cli:main"],
    },
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Environment :: X11 Applications",
        "Intended Audience :: Science/Research",
        "License :: OSI Approved :: GNU General Public License v3 or later (GPLv3+)",
        "Natural Language :: English",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.8",
        "Programming Language :: Python :: 3.9",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Topic :: Scientific/Engineering :: Bio-Informatics",
        "Topic :: Scientific/Engineering :: Image Processing",
        "Typing :: Typed",
    ],
)
