"""Writes metric_directions.json: of each metric whether greater or less of it is better, as torchmetrics says
(`higher_is_better`), for metric_directions_test.cpp.

Run it with the tests' Python: .deps/python/bin/python tests/reference/metric_directions.py
"""
import json
import pathlib

import torchmetrics as tm
from torchmetrics.image import PeakSignalNoiseRatio, StructuralSimilarityIndexMeasure
from torchmetrics.segmentation import DiceScore, MeanIoU
from torchmetrics.text import Perplexity

classes = {"task": "multiclass", "num_classes": 3}
known = {
    "Accuracy": tm.Accuracy(**classes), "AUROC": tm.AUROC(**classes), "Precision": tm.Precision(**classes),
    "AveragePrecision": tm.AveragePrecision(**classes), "Recall": tm.Recall(**classes),
    "F1Score": tm.F1Score(**classes), "JaccardIndex": tm.JaccardIndex(**classes),
    "CohenKappa": tm.CohenKappa(**classes), "ConfusionMatrix": tm.ConfusionMatrix(**classes),
    "CalibrationError": tm.CalibrationError(**classes), "MeanIoU": MeanIoU(num_classes=3),
    "DiceScore": DiceScore(num_classes=3), "MeanAbsoluteError": tm.MeanAbsoluteError(),
    "MeanAbsolutePercentageError": tm.MeanAbsolutePercentageError(), "MeanSquaredError": tm.MeanSquaredError(),
    "RootMeanSquaredError": tm.MeanSquaredError(squared=False), "R2Score": tm.R2Score(),
    "MeanMetric": tm.MeanMetric(), "PearsonCorrCoef": tm.PearsonCorrCoef(),
    "SpearmanCorrCoef": tm.SpearmanCorrCoef(), "Perplexity": Perplexity(),
    "PeakSignalNoiseRatio": PeakSignalNoiseRatio(data_range=1.0),
    "StructuralSimilarityIndexMeasure": StructuralSimilarityIndexMeasure(data_range=1.0),
}
found = {name: getattr(metric, "higher_is_better", None) for name, metric in known.items()}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(found, indent=1) + "\n")
