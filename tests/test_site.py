"""The site of the documentation: what `make docs` builds, and what its pages show and say."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LOADED = re.compile(r'<(?:script|img|iframe|link rel="?stylesheet)[^>]*?(?:src|href)="?([^" >]+)')


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder that MkDocs has written; a warning of it would be an error."""
    pytest.importorskip("material", reason="no mkdocs-material; pip install -e '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return folder


def test_every_page_is_built_and_loads_its_own_files_only(site):
    built = [*site.rglob("*.html")]
    pages = {file.relative_to(ROOT / "docs").with_suffix("") for file in PAGES[1:]}
    names = {Path("index") if page.name == "README" else page for page in pages}
    assert names <= {file.relative_to(site).with_suffix("") for file in built}
    for file in built:
        loaded = LOADED.findall(file.read_text("utf-8"))
        assert loaded
        assert [one for one in loaded if re.match(r"(https?:)?//", one)] == [], file.name


def test_nothing_is_fetched_for_pages_that_are_opened_as_files(site):
    (script,) = (site / "assets" / "javascripts").glob("bundle.*.js")
    assert "iframe-worker/shim" not in script.read_text("utf-8")


def test_links_out_of_the_pages_lead_to_files_of_this_version(site):
    text = (site / "use" / "facility.html").read_text("utf-8")
    links = re.findall(r'href="?https://github.com/[^/]+/[^/]+/blob/v[\d.]+/([^" >#]+)', text)
    assert links
    assert all((ROOT / link).exists() for link in links)


def test_every_protocol_is_on_the_page_with_its_form():
    page = (ROOT / "docs" / "use" / "protocols.md").read_text("utf-8")
    menu = re.findall(r'"value": "(\w+)"', (ROOT / "repic_plugin" / "protocols.conf").read_text())
    script = (ROOT / "benchmarks" / "screenshots.py").read_text("utf-8")
    forms = dict(re.findall(r'^    "([\w-]+)": "(Prot\w+)",$', script, re.M))
    assert sorted(forms.values()) == sorted(menu)
    for name in forms:
        assert f"](../images/form-{name}.png)" in page, name
