"""Topaz, through scipion-em-topaz."""

from __future__ import annotations

from typing import Any, ClassVar, Dict, List, Mapping, Optional

from pyworkflow.object import Pointer
from pyworkflow.utils import getListFromRangeString

from repic_plugin.pickers.base import PICK, TRAIN, NewProtocol, Picker, PickerFailed
from repic_plugin.pickers.environments import activation_problem, output_of, plugin_of

ACTIVATION = "TOPAZ_ENV_ACTIVATION"
# The following as in REPIC's iterative mode (Cameron et al. 2024, supplement and scripts).
SCALE = 4
EXPECTED_FACTOR = 1.25
RESNET16 = 1
# there ten epochs of 1000 minibatches, here one epoch, see `_option_problems`
TRAIN_FLAGS = {
    "--no-pretrained": "",
    "--units": "64",
    "--minibatch-size": "64",
    "--epoch-size": "10000",
}
# Topaz's default: radius of a particle in px of the downscaled micrograph
TRAIN_RADIUS_PX = 3
MIN_SCORE = -6.0
# choices of the plugin's forms
NEW_MODEL, PREVIOUS_MODEL, GENERAL_MODEL = 0, 0, 1
# one micrograph, the minimum, as one epoch leaves nothing to select by testing
TEST_PERCENT = 1
MIN_MICROGRAPHS = 2
BATCH_SIZE = 32
# Newer versions of torch load trained models only on request, see Topaz's issue 244.
LOADS_MODELS = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
LOAD_CHECK = (
    "import os, importlib.metadata as m; "
    "source = m.distribution('topaz-em').locate_file('topaz/model/factory.py').read_text(); "
    "torch = tuple(map(int, m.version('torch').split('.')[:2])); "
    "loads = torch < (2, 6) or 'weights_only' in source "
    f"or os.environ.get('{LOADS_MODELS}') in ('1', 'y', 'yes', 'true'); "
    "print('yes' if loads else 'no')"
)


class TopazPicker(Picker):
    """Topaz: a convolutional network that learns from positive and unlabelled regions.

    Without a GPU it falls back to the CPU, on which the 10,000 minibatches of the paper take hours,
    and those of the option ``trainExtra=--epoch-size 300`` minutes. Flags that ``trainExtra`` does
    not name keep their values.
    """

    name = "topaz"
    title = "Topaz"
    score_attribute = "_topazScore"
    score_transform = "logistic"
    suggested_threshold = 0.0
    protocols: ClassVar[Mapping[str, str]] = {TRAIN: "TopazProtTraining", PICK: "TopazProtPicking"}
    model_class = "TopazModel"
    plugin = "scipion-em-topaz"
    uses_gpu = True

    def problems(self) -> List[str]:
        """Reasons why it cannot run here."""
        return super().problems() or self._environment_problems()

    def training(self, new: NewProtocol, micrographs: Pointer, labels: Pointer) -> Any:
        """A protocol that trains the network from random weights."""
        n_micrographs = _micrographs_with_labels(labels)
        if n_micrographs < MIN_MICROGRAPHS:
            raise PickerFailed(
                f"{self.settings.label} needs labels on at least {MIN_MICROGRAPHS} micrographs, "
                f"for training and testing, got {n_micrographs}; train on more micrographs"
            )
        protocol = self._protocol(
            new,
            TRAIN,
            modelInitialization=NEW_MODEL,
            modelFit=RESNET16,
            micsForTraining=n_micrographs,
            radius=TRAIN_RADIUS_PX,
            numEpochs=1,
            numPartPerImg=max(1, round(EXPECTED_FACTOR * self.settings.n_expected)),
            kfold=TEST_PERCENT,
            **self._shared(),
        )
        protocol.trainExtra.set(_with_train_flags(protocol.trainExtra.get() or ""))
        protocol.inputMicrographs.copy(micrographs)
        protocol.inputCoordinates.copy(labels)
        return protocol

    def picking(self, new: NewProtocol, micrographs: Pointer, model: Optional[Pointer]) -> Any:
        """A protocol that picks, by default with Topaz's general model."""
        box_px = self.settings.box_size_px
        protocol = self._protocol(
            new,
            PICK,
            modelInitialization=GENERAL_MODEL if model is None else PREVIOUS_MODEL,
            radius=max(1, round(box_px / 2 / self._scale())),
            boxSize=box_px,
            threshold=MIN_SCORE,
            **self._shared(),
        )
        protocol.inputMicrographs.copy(micrographs)
        if model is not None:
            protocol.prevTopazModel.copy(model)
        return protocol

    def _shared(self) -> Dict[str, Any]:
        # Training uses one GPU only, and picking with several reads some micrographs twice. An
        # empty list would leave a placeholder in the command.
        gpus = getListFromRangeString(self.settings.gpus or "0")
        return {
            "scale": SCALE,
            "numberOfThreads": self.settings.n_threads,
            "gpuList": str(gpus[0]),
            "streamingBatchSize": BATCH_SIZE,
        }

    def _scale(self) -> int:
        options = self._options()
        return int(options.get((PICK, "scale"), options.get(("", "scale"), SCALE)))

    def _option_problems(self) -> List[str]:
        problems = super()._option_problems()
        epochs = [value for (_, name), value in self._options().items() if name == "numEpochs"]
        if any(value != "1" for value in epochs):
            problems.append(
                f"option numEpochs={epochs[0]}: {self.plugin} may not use the last of several "
                "epochs; lengthen the single epoch instead: trainExtra=--epoch-size 20000"
            )
        return problems

    def _environment_problems(self) -> List[str]:
        plugin = plugin_of(self.protocols[TRAIN])
        problem = activation_problem(plugin, ACTIVATION, "topaz", "topaz")
        if problem is None:
            activation = plugin.getVar(ACTIVATION)
            if output_of(plugin, activation, f'python -c "{LOAD_CHECK}"') == "no":
                problem = (
                    "this version of Topaz cannot load its trained models with this version of "
                    f"torch; append to {ACTIVATION} in scipion.conf: && export {LOADS_MODELS}=1"
                )
        return [] if problem is None else [f"{self.settings.label}: {problem}"]


def _micrographs_with_labels(labels: Pointer) -> int:
    coordinates = labels.get()
    if coordinates is None or not coordinates.getSize():
        return 0
    return len(coordinates.aggregate(["COUNT"], "_micId", ["_micId"]))


def _with_train_flags(given: str) -> str:
    """The user's flags of ``topaz train``, and those of the adapter that they do not override."""
    names = {word.partition("=")[0] for word in given.split()}
    if "--pretrained" in names:
        names.add("--no-pretrained")
    kept = [f"{flag} {value}" for flag, value in TRAIN_FLAGS.items() if flag not in names]
    return " ".join(" ".join([given, *kept]).split())
