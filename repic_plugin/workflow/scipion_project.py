"""Scipion projects made by a command. Importing this loads Scipion: its variables come before."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence, Tuple, Union

from pwem import Domain
from pyworkflow.object import Pointer
from pyworkflow.project import Manager

__all__ = ["ScipionProject"]

Output = Tuple[Any, str]


class ScipionProject:
    """A new project.

    Parameters
    ----------
    name : str

    Attributes
    ----------
    project : pyworkflow.project.Project
    """

    def __init__(self, name: str) -> None:
        self._protocols = Domain.getProtocols()
        Manager().createProject(name)
        self.project = Manager().loadProject(name)

    def run(self, class_name: str, label: str, inputs: Any = None, **values: Any) -> Any:
        """Launch a protocol and wait for its end.

        Parameters
        ----------
        class_name, label : str
        inputs : mapping, optional
            As of `launch`.
        **values
            Of the form.

        Returns
        -------
        Protocol
            As the project stored it.

        Raises
        ------
        ValueError
            If it fails.
        """
        return self.finished(self.launch(class_name, label, inputs, wait=True, **values))

    def launch(
        self,
        class_name: str,
        label: str,
        inputs: Optional[Mapping[str, Union[Output, Sequence[Output]]]] = None,
        *,
        wait: bool = False,
        **values: Any,
    ) -> Any:
        """Launch a protocol; `inputs` maps a parameter to a run and its output's name, or several.

        Returns
        -------
        Protocol
        """
        protocol = self.project.newProtocol(self._protocols[class_name], **values)
        protocol.setObjLabel(label)
        for name, source in (inputs or {}).items():
            parameter = getattr(protocol, name)
            if isinstance(source, tuple):
                parameter.set(source[0])
                parameter.setExtended(source[1])
            else:
                for run, output in source:
                    parameter.append(Pointer(run, extended=output))
        self.project.launchProtocol(protocol, wait=wait)
        return protocol

    def finished(self, protocol: Any) -> Any:
        """A run as the project stored it, once it has ended.

        Raises
        ------
        ValueError
            If it failed.
        """
        if not protocol.isFinished():
            raise ValueError(f"{protocol.getObjLabel()} failed: {protocol.getErrorMessage()}")
        return self.project.getProtocol(protocol.getObjId())

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
