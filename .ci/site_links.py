"""Hooks of MkDocs: where links lead, and that no page loads anything from elsewhere."""

import posixpath
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s#]+)(?=[)#])")
# what the theme would load for the search of pages that are opened as files
ELSEWHERE, NOTHING = "https://unpkg.com/iframe-worker/shim", "data:text/javascript,"


def on_page_markdown(markdown, page, config, files):
    """The text of a page whose links out of docs/ lead to the files of this version on GitHub.

    A link to no file is left as it is, and fails.
    """
    here = posixpath.join("docs", posixpath.dirname(page.file.src_uri))
    text = (ROOT / "repic_plugin" / "__init__.py").read_text("utf-8")
    version = re.search(r'__version__ = "(.+)"', text).group(1)

    def outer(match):
        path = posixpath.normpath(posixpath.join(here, match[1]))
        is_inner = path.startswith("docs/") and not (ROOT / path).is_dir()
        if is_inner or not (ROOT / path).exists():
            return match[1]
        return f"{config.repo_url}/blob/v{version}/{path}"

    return LINK.sub(outer, markdown)


def on_post_build(config):
    """Replace what the theme's script would load from elsewhere."""
    for script in Path(config.site_dir, "assets", "javascripts").glob("bundle.*.js"):
        text = script.read_text("utf-8")
        script.write_text(text.replace(ELSEWHERE, NOTHING), "utf-8")
