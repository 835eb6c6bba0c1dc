"""A last step that writes a report, for protocols whose form offers one."""

from __future__ import annotations

from typing import Any, List

from pyworkflow.protocol import params
from pyworkflow.protocol.constants import LEVEL_ADVANCED

REPORT = "report.html"


def define_report_param(form: params.Form) -> None:
    """Whether a report is wanted."""
    form.addParam(
        "writeReport",
        params.BooleanParam,
        default=False,
        expertLevel=LEVEL_ADVANCED,
        label="Write a report",
        help="extra/report.html: one file with parameters, tables and pictures, to be opened in "
        "any browser. May be switched on later: press Continue.",
    )


class WritesReport:
    """What a protocol with this parameter needs; before its Scipion class among the bases."""

    def _insertReportStep(self: Any, settings: str, **how: Any) -> List[int]:
        """Insert the step if it is wanted."""
        if not self.writeReport:
            return []
        return [self._insertFunctionStep(self.reportStep, settings, needsGPU=False, **how)]

    def reportStep(self: Any, _settings: str) -> None:
        """Write the report."""
        from repic_plugin.reports import write_run_report  # noqa: PLC0415 - draws

        path = self._getExtraPath(REPORT)
        write_run_report(self, path)
        self.info(f"report: {path}")

    def _reportLines(self: Any) -> List[str]:
        """For the summary."""
        return [f"Report: {self._getExtraPath(REPORT)}"] if self.writeReport else []
