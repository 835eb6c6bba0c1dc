"""2D classification of particles that are still arriving."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar, Dict, List

from pwem.objects import SetOfAverages, SetOfClasses2D, SetOfParticles
from pwem.protocols import ProtClassify2D
from pyworkflow import NEW
from pyworkflow.protocol import params

from repic_plugin.protocols.classification.output_format import ChoosesFormat, format_text
from repic_plugin.protocols.classification.streaming.follower import (
    LEAST_PER_CLASS,
    ClassFollower,
)
from repic_plugin.protocols.classification.streaming.form import define_params
from repic_plugin.protocols.classification.streaming.outputs import (
    AVERAGES,
    GOOD,
    REJECTED,
)
from repic_plugin.protocols.classification.streaming.settings import (
    FORM_PARAMS,
    check_form,
    n_to_start,
    output_values,
    sizes_at_rest,
    stream_values,
)
from repic_plugin.protocols.classification.streaming.summary import (
    METHODS,
    summary_lines,
    values_used,
)
from repic_plugin.protocols.classification.subsets import CLASSES, MakesClassSubsets
from repic_plugin.protocols.common.following.record import text_of
from repic_plugin.protocols.common.form_values import FormProtocol
from repic_plugin.protocols.common.unfinished_files import remove_unfinished


class ProtAckMeans2DStream(ChoosesFormat, FormProtocol, MakesClassSubsets, ProtClassify2D):
    """Classify particles into 2D classes while they arrive (ACK-means).

    As soon as enough particles are there, classes are made of them. Each further particle is
    assigned to the class that explains it best, averages are refreshed by new members, and classes
    are appended for views that appear later. Class numbers stay what they are.
    Use it behind a streaming extraction, to see the first classes within the hour and to pass on
    the particles of good classes during the session; for a set that is complete,
    2D classification (ACK-means) is the better choice.

    *Input*: extracted particles, with CTFs if available; the set may still grow.
    *Outputs*: outputParticles, the particles of good classes, outputRejected, the others, and
    outputAverages are open while the run follows its input; outputClasses comes at the end. In
    extra are session.html, a page that a browser can show during the session, and the
    files of the command (classes).
    *Main parameters*: the number of classes; how many particles, or how much time, the first
    classes wait for; whether all particles are classified again at the end; which classes are good
    (automatic, or by a minimum score).
    *Look at*: extra/session.html during the session, Analyze results at the end. Averages that
    take two views, or a share of rejected particles that grows, call for more classes.

    *Reference*: Xu et al. 2016, doi:10.1371/journal.pone.0167765.
    """

    _label = "2D classification in a stream (ACK-means)"
    _devStatus = NEW
    FORM_PARAMS: ClassVar = FORM_PARAMS
    _possibleOutputs: ClassVar = {
        CLASSES: SetOfClasses2D,
        AVERAGES: SetOfAverages,
        GOOD: SetOfParticles,
        REJECTED: SetOfParticles,
    }

    @classmethod
    def worksInStreaming(cls) -> bool:
        """True, so that Scipion starts the run while its input is open."""
        return True

    def _defineParams(self, form: params.Form) -> None:
        define_params(form)

    # ----------------------------------------------------------------- steps

    def _insertAllSteps(self) -> None:
        remove_unfinished(self)
        values, outputs = stream_values(self), output_values(self)
        inputs = {**sizes_at_rest(self.inputParticles.get()), **outputs}
        texts = (json.dumps(one, sort_keys=True) for one in (values, outputs, inputs))
        self._insertFunctionStep(self.classifyStep, *texts, needsGPU=False)

    def classifyStep(self, values: str, outputs: str, inputs: str) -> None:
        """Classify particles as they arrive, until the input is closed."""
        with self.labelled_errors():
            ClassFollower(self, json.loads(values), json.loads(outputs), inputs).run()

    # --------------------------------------------------------------- helpers

    def classes_folder(self) -> str:
        """Folder with averages and tables of the classes."""
        return str(self._getExtraPath("classes"))

    def page(self) -> str:
        """Page that a browser can show during the session."""
        return str(self._getExtraPath("session.html"))

    def box_px(self) -> int:
        """Side of the images."""
        return int(self.inputParticles.get().getDim()[0])

    # ------------------------------------------------------------------ info

    def _check(self) -> None:
        check_form(self)

    def _warnings(self) -> List[str]:
        n_classes, n_first = self.numberOfClasses.get(), n_to_start(self)
        if n_first < LEAST_PER_CLASS * n_classes:
            return [
                f"The first classes are made of fewer than {LEAST_PER_CLASS} particles each: "
                f"averages will be noisy. Increase {self.label('firstParticles')}."
            ]
        return []

    def _summary(self) -> List[str]:
        lines = summary_lines(self) or ["The classes are not ready yet."]
        if Path(self.page()).is_file():
            lines.append(f"Page: {self.page()}")
        return [*lines, *self._valueLines()]

    def _automatic(self) -> Dict[str, str]:
        first, values = {"firstParticles": str(n_to_start(self))}, values_used(self)
        return {**first, **values, "shiftOrder": format_text(self)} if values else first

    def _methods(self) -> List[str]:
        text = text_of(Path(self._getExtraPath(METHODS)))
        return [text] if text and hasattr(self, CLASSES) else []

    def _citations(self) -> List[str]:
        return ["Xu2016"]
