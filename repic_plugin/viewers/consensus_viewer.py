"""Weights, agreement and overlaps of a consensus."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tkinter import messagebox
from typing import Any, Callable, ClassVar, Dict, List, Optional

import numpy as np
from matplotlib.figure import Figure
from pwem.objects import EMSet, SetOfCoordinates
from pwem.protocols import ProtParticlePicking
from pyworkflow.viewer import DESKTOP_TKINTER, View, Viewer

from repic_plugin.consensus import GOOD_CLASS, Agreement, EnsembleModel, SmallerGroups
from repic_plugin.convert import is_main_set
from repic_plugin.formats import (
    TABLE_NAMES,
    ConsensusTables,
    JudgedMicrographs,
    PickerClasses,
    read_agreement,
    read_consensus_tables,
    read_ensemble,
    read_micrograph_quality,
    read_picker_classes,
    read_smaller_groups,
)
from repic_plugin.plots import (
    agreement_figure,
    chance_figure,
    micrographs_figure,
    overlap_figure,
    picker_classes_figure,
    pickers_figure,
    subset_at,
    weights_figure,
)
from repic_plugin.protocols import ProtRepicConsensus
from repic_plugin.viewers.figure_window import FigureWindow
from repic_plugin.viewers.messages import sentence

SUBSET = "Subset"


class RepicConsensusViewer(Viewer):  # type: ignore[misc]
    """Distribution of weights, agreement of pickers and overlap of their boxes.

    For a probabilistic consensus, precision and recall of the pickers come first, and with images
    the 2D classes of each picker's picks.

    Scipion opens the first viewer by name, among those that target the class itself before those
    that target a base class. This one targets a base class, so that the micrographs come first. It
    is in the context menu of the outputs.
    """

    _label = "weights and agreement"
    _name = "Weights and agreement (REPIC)"
    _environments: ClassVar = [DESKTOP_TKINTER]
    _targets: ClassVar = [ProtParticlePicking, EMSet]

    @classmethod
    def can_handle_this_instance(cls, instance: Any) -> bool:
        """Whether an object is a consensus or its output."""
        return isinstance(instance, ProtRepicConsensus) or _folder(instance) is not None

    def _visualize(self, obj: Any, **kwargs: Any) -> List[View]:
        folder = _folder(obj)
        if folder is None:
            return [self.infoMessage("There is no consensus yet; run the protocol first.")]
        try:
            return [consensus_window(self.getTkRoot(), obj, self.protocol)]
        except ValueError as error:
            return [self.errorMessage(str(error))]


def consensus_window(root: Any, obj: Any, protocol: Any = None) -> FigureWindow:
    """The window of a consensus protocol, or of its output.

    Raises
    ------
    ValueError
        If its tables are missing or damaged.
    """
    source = obj if isinstance(obj, ProtRepicConsensus) else protocol
    chosen = getattr(source, "numParticles", None)
    label = obj.getObjLabel() if source is None else source.getObjLabel()
    folder = _folder(obj)
    if folder is None:
        raise ValueError("the tables of the consensus are missing; run the protocol again")
    tables = read_consensus_tables(folder)
    pictures = consensus_pictures(
        tables,
        chosen=chosen.get() if chosen is not None else None,
        ensemble=read_ensemble(folder),
        beyond_chance=read_agreement(folder),
        classes=read_picker_classes(folder),
        micrographs=read_micrograph_quality(folder),
        smaller=read_smaller_groups(folder, tables.picker_names),
    )
    title = f"{label}: weights and agreement"
    if not isinstance(source, ProtRepicConsensus):
        return FigureWindow(root, title, pictures)
    title += " (click on a column of the agreement to make a subset of it)"
    smaller = read_smaller_groups(folder, tables.picker_names)
    on_click = {"agreement": partial(offer_subset, source, tables, smaller=smaller)}
    return FigureWindow(root, title, pictures, on_click)


def offer_subset(
    protocol: ProtRepicConsensus,
    found: ConsensusTables,
    event: Any,
    smaller: Optional[SmallerGroups] = None,
) -> None:
    """Ask whether to make a subset of the column of the agreement plot that was clicked."""
    subset = subset_at(
        event.inaxes,
        event.xdata,
        found.members,
        len(found.picker_names),
        found.n_unmatched,
        smaller,
    )
    if subset is None:
        return
    names = [found.picker_names[i] for i in subset.pickers]
    above = {"parent": event.canvas.get_tk_widget()}  # else behind the window that was clicked
    if not subset.in_consensus and len(names) > 1:
        messagebox.showinfo(SUBSET, _not_kept(protocol, names, subset.count), **above)
        return
    what = f"{subset.count:,} particles that were found by {', '.join(names)} and nobody else"
    if not subset.in_consensus:
        what = f"picks of {names[0]} that are not in the consensus"
    question = f"Start a run that makes a set of the {what}?"
    if not messagebox.askyesno(SUBSET, question, **above):
        return
    try:
        run = protocol.create_subset(names, in_consensus=subset.in_consensus)
    except ValueError as error:
        messagebox.showerror(SUBSET, sentence(error), **above)
        return
    messagebox.showinfo(SUBSET, f'The run "{run.getObjLabel()}" has been started.', **above)


def _not_kept(protocol: ProtRepicConsensus, names: List[str], count: int) -> str:
    """Why there is no set of groups that are not in the consensus, and what makes one."""
    return (
        f"{count:,} places were found by {', '.join(names)} and nobody else. They are not in this "
        f"consensus: a copy of the run in mode quorum keeps them with "
        f"{protocol.label('quorum')} {len(names)}, and {protocol.label('patterns')} makes a set of "
        "them alone."
    )


def consensus_pictures(
    found: ConsensusTables,
    *,
    chosen: Optional[int] = None,
    ensemble: Optional[EnsembleModel] = None,
    beyond_chance: Optional[Agreement] = None,
    classes: Optional[PickerClasses] = None,
    micrographs: Optional[JudgedMicrographs] = None,
    smaller: Optional[SmallerGroups] = None,
) -> Dict[str, Callable[[], Figure]]:
    """Figures of a consensus by name.

    Parameters
    ----------
    found : ConsensusTables
    chosen : int, optional
        Number of particles per micrograph that the user has set.
    ensemble : EnsembleModel, optional
        Model of a probabilistic consensus, whose pickers and warnings come first.
    beyond_chance : Agreement, optional
    classes : PickerClasses, optional
        Of a consensus with images.
    micrographs : JudgedMicrographs, optional
        Absent in results of earlier versions.
    smaller : SmallerGroups, optional
        Likewise, and where every pair of pickers is enough.
    """
    cut = f"{found.n_cut:,} particles were discarded: "
    pictures: Dict[str, Callable[[], Figure]] = {}
    if ensemble is not None:
        n_micrographs = len(found.micrograph_names)
        pictures["pickers"] = partial(pickers_figure, ensemble, found.weight, n_micrographs)
    if classes is not None:
        pictures["pickers by class"] = partial(
            picker_classes_figure,
            classes.averages,
            classes.share,
            classes.counts,
            classes.picker_names,
            good_share=GOOD_CLASS,
            is_filtered=classes.is_filtered,
        )
    pictures.update(
        {
            "weights" if ensemble is None else "probabilities": partial(
                weights_figure,
                found.ranking,
                found.micrograph,
                n_members=found.n_members,
                rank_by=found.rank_by,
                chosen=chosen or None,
                is_probability=ensemble is not None,
                title=cut + "these were kept" if found.n_cut else None,
            ),
            "agreement": partial(
                agreement_figure,
                found.members,
                found.picker_names,
                found.n_unmatched,
                smaller=smaller,
                title=cut + "their picks count as unmatched" if found.n_cut else None,
            ),
        }
    )
    if not np.isnan(found.overlap).any():  # tables of earlier versions have none
        pictures["overlaps"] = partial(overlap_figure, found.overlap, found.n_members)
    if beyond_chance is not None:
        pictures["beyond chance"] = partial(chance_figure, beyond_chance)
    if micrographs is not None:
        pictures["micrographs"] = partial(
            micrographs_figure, micrographs.quality, micrographs.thresholds
        )
    return pictures


def _folder(obj: Any) -> Optional[Path]:
    """Folder of the tables; None if there are none."""
    if isinstance(obj, ProtRepicConsensus):
        folder = Path(obj._getExtraPath())
    elif isinstance(obj, SetOfCoordinates) and is_main_set(obj):
        folder = Path(obj.getFileName()).parent / "extra"
    else:
        return None
    return folder if all((folder / name).is_file() for name in TABLE_NAMES) else None
