"""Figures: data in, a matplotlib Figure out; no Scipion and no Tk.

Figures have an Agg canvas: they need no screen and are unknown to pyplot. Functions are imported on
first use, so that matplotlib is loaded only where something is drawn.
"""

from __future__ import annotations

from repic_plugin.lazy import lazy_door

HOMES = {
    "BLUE": "colors",
    "BoxSet": "overlay_sets",
    "CONSENSUS_COLOR": "colors",
    "ClassChoice": "class_choice",
    "ConsensusDetails": "overlay_sets",
    "JUNK_COLOR": "colors",
    "LEAST_SCALE": "overlay_model",
    "Layer": "overlay",
    "MAX_MEMBERS": "class_members",
    "OpenImage": "overlay_picture",
    "OverlayModel": "overlay_model",
    "OverlayPicture": "overlay_picture",
    "PickerSubset": "agreement",
    "PreviewSettings": "preview",
    "ViewArea": "view_area",
    "agreement_figure": "agreement",
    "angular_distance_figure": "class_curves",
    "chance_figure": "chance",
    "class_sizes_figure": "class_curves",
    "comparison_figure": "class_curves",
    "contrast": "display",
    "convergence_figure": "class_curves",
    "default_low_pass_px": "display",
    "evaluation_figure": "scores",
    "for_display": "display",
    "fsc_figure": "fsc",
    "grey_tiles": "class_montage",
    "ground_size": "overlay_picture",
    "iterations_figure": "iterations",
    "members_figure": "class_members",
    "micrographs_figure": "micrographs",
    "montage_figure": "class_montage",
    "overlap_figure": "agreement",
    "overlay_figure": "overlay",
    "per_micrograph_figure": "scores",
    "picker_classes_figure": "picker_classes",
    "pickers_figure": "ensemble",
    "precision_recall_figure": "scores",
    "prepare_preview": "preview",
    "preview_consensus": "preview",
    "preview_text": "preview",
    "ranges_text": "class_choice",
    "registered_images": "class_members",
    "reliability_figure": "reliability",
    "score_bars_figure": "scores",
    "size_bars_figure": "class_curves",
    "subset_at": "agreement",
    "weights_figure": "weights",
}
__getattr__, __dir__ = lazy_door(__name__, HOMES)
