"""Scipion projects driven from outside: definition, record, environment, processes, watch."""

from __future__ import annotations

from repic_plugin.lazy import lazy_door

HOMES = {
    "CORRECTIONS": "corrections",
    "KIND": "definition",
    "LOCK": "record",
    "PROJECT_LOCK": "runs",
    "ProjectRuns": "runs",
    "RunFailed": "runs",
    "ScipionProject": "scipion_project",
    "Watch": "watch",
    "Workflow": "definition",
    "WorkflowProject": "project",
    "check_new_name": "environment",
    "check_protocols": "project",
    "check_same": "record",
    "locked": "record",
    "open_command": "environment",
    "open_project": "runs",
    "project_folder": "environment",
    "read_imports": "definition",
    "read_placeholders": "definition",
    "read_record": "record",
    "read_workflow": "definition",
    "set_common_environment": "environment",
    "set_user_environment": "environment",
    "template_names": "definition",
    "template_purpose": "definition",
}
__getattr__, __dir__ = lazy_door(__name__, HOMES)
