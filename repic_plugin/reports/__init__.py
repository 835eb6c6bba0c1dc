"""Results in, one self-contained HTML file out."""

from repic_plugin.lazy import lazy_door
from repic_plugin.reports.document import (
    Block,
    Folded,
    Fragment,
    Lines,
    Link,
    Section,
    Table,
    Warnings,
    render_report,
    write_pictures,
)
from repic_plugin.reports.folder import folder_sections
from repic_plugin.reports.pictures import Picture
from repic_plugin.reports.versions import made_by

__all__ = [
    "Block",
    "Folded",
    "Fragment",
    "Lines",
    "Link",
    "Picture",
    "Section",
    "Table",
    "Warnings",
    "folder_sections",
    "made_by",
    "render_report",
    "write_pictures",
]

# Those of `project` load Scipion.
HOMES = {
    "PickersByClass": "session",
    "SessionClasses": "class_tiles",
    "SessionHistory": "course",
    "SessionPage": "session",
    "project_sections": "project",
    "session_html": "session",
    "waiting_line": "course",
    "write_run_report": "project",
    "write_session_page": "session",
}
__getattr__, __dir__ = lazy_door(__name__, HOMES)
