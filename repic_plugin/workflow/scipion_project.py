"""Scipion projects of commands. Set the environment first: importing this loads Scipion."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Optional, Sequence, Tuple, Union

from pyworkflow.object import Pointer
from pyworkflow.project import Manager
from pyworkflow.protocol import Protocol

from repic_plugin.workflow.runs import ProjectRuns

Output = Tuple[Any, str]


class ScipionProject(ProjectRuns):
    """A new project and its runs.

    Parameters
    ----------
    name : str
    """

    def __init__(self, name: str) -> None:
        Manager().createProject(name)
        super().__init__(Manager().loadProject(name))

    def run(
        self,
        class_name: str,
        label: str,
        inputs: Optional[Mapping[str, Union[Output, Sequence[Output]]]] = None,
        looked: Callable[[Protocol], None] = lambda _: None,
        **values: Any,
    ) -> Protocol:
        """A completed run of a protocol.

        Parameters
        ----------
        class_name, label : str
        inputs : mapping, optional
            A run and the name of its output, or several, by parameter.
        looked : callable
            As of `wait`.
        **values
            Of the form.

        Raises
        ------
        RunFailed
            If it cannot start or fails; a ValueError.
        """
        protocol = self.new(class_name, **values)
        protocol.setObjLabel(label)
        for name, source in (inputs or {}).items():
            parameter = getattr(protocol, name)
            if isinstance(source, tuple):
                parameter.set(source[0])
                parameter.setExtended(source[1])
            else:
                for run, output in source:
                    parameter.append(Pointer(run, extended=output))
        self.start(protocol)
        self.wait(protocol, looked)
        return protocol

    def micrographs(self, folder: Any, pixel_size_angstrom: float) -> Output:
        """Import the MRC files of a folder."""
        run = self.run(
            "ProtImportMicrographs",
            "micrographs",
            filesPath=str(folder),
            filesPattern="*.mrc",
            samplingRate=pixel_size_angstrom,
        )
        return run, "outputMicrographs"

    def picks(self, label: str, folder: Any, micrographs: Output, box_size_px: int = 0) -> Output:
        """Import a picker's files."""
        run = self.run(
            "ProtRepicImportPicks",
            label,
            {"inputMicrographs": micrographs},
            picksFolder=str(folder),
            boxSize=box_size_px,
        )
        return run, "outputCoordinates"
