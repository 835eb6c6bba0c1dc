"""A final step that writes a report, for protocols whose form offers it."""

from __future__ import annotations

from typing import Any, List

from pyworkflow.protocol import params

from repic_plugin.protocols.common.params import Fields

REPORT = "report.html"
HELP = {
    "writeReport": "extra/report.html, a single file with parameters, tables and figures for any "
    "browser. It can be switched on after the run: then press Continue.",
}


def define_report_param(form: params.Form) -> None:
    """The switch for the report."""
    fields = Fields(form, HELP)
    fields.value("writeReport", False, "Write a report", advanced=True)


class WritesReport:
    """Mix-in, before the Scipion class, for protocols with this parameter."""

    def _insertReportStep(self: Any, settings: str, **how: Any) -> List[int]:
        """Insert the step if the report is switched on."""
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
        """A line of the summary."""
        return [f"Report: {self._getExtraPath(REPORT)}"] if self.writeReport else []
