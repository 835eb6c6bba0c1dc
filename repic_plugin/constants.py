"""Names stored in users' projects: never change one."""

from __future__ import annotations

# attributes of this plugin's coordinates
WEIGHT = "_repicWeight"
OVERLAP = "_repicOverlap"
SCORE = "_repicScore"
N_PICKERS = "_repicNumPickers"
PICKERS = "_repicPickers"
IMAGE_CLASS = "_repicImageClass"  # 2D class of the candidate's image; -1 without an image
IMAGE_CLASS_SCORE = "_repicImageClassScore"
FALSE_AGREEMENT = "_repicFalseAgreement"  # rate among particles of at least this weight
BY_HAND = "by hand"  # value of _repicPickers
PICK_SCORE = "_repicPickScore"
CORRELATION = "_repicCorrelation"  # with a template, or another figure of merit
TOPAZ_SCORE = "_topazScore"  # as its plugin writes it: a log-likelihood ratio

# attributes of this plugin's 2D classes, averages and members
IS_JUNK = "_repicIsJunk"
EXPLAINED = "_repicExplained"
CLASS_SIZE = "_repicSize"
DISSIMILARITY = "_repicDissimilarity"
PROBABILITY = "_repicProbability"
OFF_CENTRE = "_repicOffCentre"
# as RELION's plugin names them, so that protocols that sort classes by these find them
CLASS_SCORE = "_rlnPredictedClassScore"
CLASS_RESOLUTION = "_rlnEstimatedResolution"
CLASS_DISTRIBUTION = "_rlnClassDistribution"

# Attributes that picking protocols write, and how their scores become comparable: logistic for
# log-likelihood ratios, identity for probabilities, rank for figures of merit on no fixed scale
SCORE_ATTRIBUTES = {
    "_cryoloScore": "auto",
    TOPAZ_SCORE: "logistic",
    "_rlnAutopickFigureOfMerit": "rank",
    "_xmipp_goodRegionScore": "rank",
    "_xmipp_zScoreDeepLearning1": "auto",
    SCORE: "identity",
    CORRELATION: "rank",
    PICK_SCORE: "auto",
}
