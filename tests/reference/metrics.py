"""Writes metrics.json, the reference numbers of metrics_test.cpp, from torchmetrics and scikit-learn.

Run it with the tests' Python: .deps/python/bin/python tests/reference/metrics.py
Where both libraries have a metric, they must agree before a number is written.
"""
import json
import math
import pathlib
import warnings

import numpy as np
import sklearn.metrics as sk
import torch
import torchmetrics as tm
from torchmetrics.segmentation import DiceScore

warnings.filterwarnings("ignore")
torch.set_default_dtype(torch.float64)
torch.Tensor.float = torch.Tensor.double  # torchmetrics divides counts in float32
random = np.random.default_rng(7)

CLASSES, ABSENT = 5, 3


def steps(*shape):
    """Scores in steps of 1/8: many ties, and short decimal forms."""
    return random.integers(0, 9, shape) / 8


def classes(*shape, absent=ABSENT):
    present = [c for c in range(CLASSES) if c != absent]
    return random.choice(present, shape)


def with_ignored(target, number):
    target = target.copy()
    target.reshape(-1)[::3] = number
    return target


DATA, CASES = {}, []


def data(name, output, target):
    DATA[name] = (output, target)


def case(given, config, expected, agrees=None):
    """`expected`: a number, or results by suffix. `agrees`: the same from the other library."""
    if not isinstance(expected, dict):
        expected = {"": expected}
    expected = {suffix: float(value) for suffix, value in expected.items()}
    if agrees is not None:
        theirs = agrees if isinstance(agrees, dict) else {"": agrees}
        assert theirs.keys() == expected.keys(), (config, theirs, expected)
        for suffix, value in theirs.items():
            np.testing.assert_allclose(value, expected[suffix], rtol=1e-12, err_msg=str(config))
    CASES.append({"data": given, "metric": config,
                  "results": {k: None if math.isnan(v) else v for k, v in expected.items()}})


def by_class(values, first=0):
    return {str(first + i): v for i, v in enumerate(np.asarray(values).tolist())}


def run(metric, name, output=None):
    given, target = DATA[name]
    output = given if output is None else output
    metric.update(torch.tensor(output), torch.tensor(target))
    return metric.compute()


def kept(name, ignore):
    """Predicted and actual classes of what is not ignored."""
    output, target = DATA[name]
    predicted = output.argmax(1) if output.ndim > target.ndim else output
    return predicted[target != ignore], target[target != ignore]


data("classes", steps(23, CLASSES), classes(23))
data("classes, ignored", steps(23, CLASSES), with_ignored(classes(23), -1))
data("class numbers", classes(23, absent=0), classes(23))
data("binary", steps(23), random.integers(0, 2, 23))
data("binary, [N, 1]", steps(23, 1), random.integers(0, 2, 23))
labels = random.integers(0, 2, (23, 4))
labels[:, 2] = 0
data("labels", steps(23, 4), labels)
data("labels, ignored", steps(23, 4), with_ignored(labels, -1))
data("pixels", steps(7, CLASSES, 6, 5), classes(7, 6, 5))
data("pixels, ignored", steps(7, CLASSES, 6, 5), with_ignored(classes(7, 6, 5), 255))
data("pixel numbers, ignored", classes(7, 6, 5, absent=0), with_ignored(classes(7, 6, 5), 255))
data("numbers", random.normal(2, 1, 23).round(3), random.normal(2, 1, 23).round(3))
data("several numbers", random.normal(2, 1, (23, 3)).round(3), random.normal(2, 1, (23, 3)).round(3))
data("images", random.uniform(0, 1, (5, 3, 13, 12)).round(3), random.uniform(0, 1, (5, 3, 13, 12)).round(3))
data("tokens", random.normal(0, 2, (6, 5, 9)).round(3), random.integers(0, 9, (6, 5)))
data("tokens, ignored", random.normal(0, 2, (6, 5, 9)).round(3),
     with_ignored(random.integers(0, 9, (6, 5)), -100))

# From here on generators of their own, so that the numbers above stay as they are.
more_random = np.random.default_rng(8)
logits = np.loadtxt(pathlib.Path(__file__).with_name("auroc_logits.txt"))
data("logits", logits[:, :-1].astype(np.float32), logits[:, -1].astype(np.int64))
# Several of the largest have a probability that rounds to 1 in float32.
data("large logits", more_random.normal(0, 12, (40, 4)).astype(np.float32), more_random.integers(0, 4, 40))
data("large logits, ignored", more_random.normal(0, 12, (40, 4)).astype(np.float32),
     with_ignored(more_random.integers(0, 4, 40), -100))
data("binary logits", more_random.normal(0, 12, 40).astype(np.float32), more_random.integers(0, 2, 40))
data("label logits", more_random.normal(0, 12, (40, 3)).astype(np.float32), more_random.integers(0, 2, (40, 3)))
shares = more_random.dirichlet(np.ones(CLASSES) / 3, 23)
data("mixed classes", steps(23, CLASSES), shares.round(6) / shares.round(6).sum(1, keepdims=True))
data("one-hot classes", steps(23, CLASSES), np.eye(CLASSES)[classes(23)])
data("real labels", steps(23, 4), labels.astype(np.float64))
data("probabilities", more_random.dirichlet(np.ones(CLASSES), 60).astype(np.float32),
     more_random.integers(0, CLASSES, 60))
data("probabilities, ignored", more_random.dirichlet(np.ones(CLASSES), 60).astype(np.float32),
     with_ignored(more_random.integers(0, CLASSES, 60), -1))
data("pixel logits", more_random.normal(0, 3, (4, 3, 5, 6)).astype(np.float32), more_random.integers(0, 3, (4, 5, 6)))
data("binary probabilities", more_random.uniform(0, 1, 60).round(1), more_random.integers(0, 2, 60))
data("related numbers", more_random.normal(2, 1, 23).round(1), more_random.normal(2, 1, 23).round(1))
data("far numbers", more_random.normal(1e7, 1, 23).round(1), more_random.normal(-3e8, 1, 23).round(1))
data("constant numbers", np.full(23, 0.5), more_random.normal(2, 1, 23).round(1))
# Far from 0: a difference of squares would lose the spread.
for mean in (1e5, 1e7, 1.75e9, 1e10):
    far_random = np.random.default_rng(int(mean))
    far = (mean + far_random.normal(0, 1, (64, 2))).round(3)
    data(f"numbers around {mean:g}", (far + far_random.normal(0, 0.3, far.shape)).round(3), far)
# Logits as a model begins with them, most within 0 and 1 of their label; a batch may hold none beyond.
logit_random = np.random.default_rng(9)
for name, shape in (("binary", (60,)), ("label", (60, 4)), ("label map", (6, 3, 4, 5))):
    small = logit_random.normal(0.4, 0.5, shape)
    data(f"small {name} logits", small.astype(np.float32), (small + logit_random.normal(0, 0.5, shape) > 0.4).astype(np.int64))
    data(f"{name} probabilities of logits", (1 / (1 + np.exp(-small))).astype(np.float32), DATA[f"small {name} logits"][1])
# The only output beyond 1 is left out: it tells of several labels, not of one.
for name, shape in (("binary", (24,)), ("label", (24, 3))):
    inside, answers = logit_random.uniform(0, 1, shape).astype(np.float32), logit_random.integers(0, 2, shape)
    inside.reshape(-1)[0], answers.reshape(-1)[0] = 5, -1
    data(f"{name} outputs, one beyond ignored", inside, answers)
data("tokens second", random.normal(0, 2, (6, 9, 5)).round(3), random.integers(0, 9, (6, 5)))
data("tokens in a grid, last", random.normal(0, 2, (3, 2, 5, 9)).round(3), random.integers(0, 9, (3, 2, 5)))

# ---- accuracy, in percent
for given, ignore in (("classes", None), ("classes, ignored", -1), ("pixels, ignored", 255)):
    config = {"type": "Accuracy"} | ({} if ignore is None else {"ignore_index": ignore})
    predicted, target = kept(given, ignore)
    metric = tm.Accuracy(task="multiclass", num_classes=CLASSES, ignore_index=ignore)
    case(given, config, 100 * run(metric, given), 100 * sk.accuracy_score(target, predicted))
for given, task in (("binary", "binary"), ("labels", "multilabel")):
    metric = tm.Accuracy(task=task, num_labels=4, threshold=0.3)
    case(given, {"type": "Accuracy", "threshold": 0.3}, 100 * run(metric, given))

# ---- targets that are probabilities: the class of the highest; one-hot or mixed, all metrics agree
for given in ("mixed classes", "one-hot classes"):
    output, target = DATA[given]
    numbers = target.argmax(1)
    for config, metric, factor in (
            ({"type": "Accuracy"}, tm.Accuracy(task="multiclass", num_classes=CLASSES), 100),
            ({"type": "Accuracy", "topk": 2}, None, 100),
            ({"type": "F1Score", "average": "macro"}, tm.F1Score(task="multiclass", num_classes=CLASSES, average="macro"), 1),
            ({"type": "CohenKappa"}, tm.CohenKappa(task="multiclass", num_classes=CLASSES), 1),
            ({"type": "JaccardIndex"}, tm.JaccardIndex(task="multiclass", num_classes=CLASSES), 1)):
        if metric is None:
            case(given, config, 100 * sk.top_k_accuracy_score(numbers, output - np.arange(CLASSES) * 1e-9, k=2, labels=range(CLASSES)))
            continue
        metric.update(torch.tensor(output), torch.tensor(numbers))
        for task in ("auto", "multiclass"):
            case(given, config | {"task": task}, factor * metric.compute())
    case(given, {"type": "AUROC", "average": "weighted"}, sk.roc_auc_score(
        np.eye(CLASSES)[numbers][:, [c for c in range(CLASSES) if (numbers == c).any()]],
        output[:, [c for c in range(CLASSES) if (numbers == c).any()]], average="weighted"))
metric = tm.Accuracy(task="multilabel", num_labels=4)
metric.update(torch.tensor(DATA["real labels"][0]), torch.tensor(labels))
for task in ("auto", "multilabel"):
    case("real labels", {"type": "Accuracy", "task": task}, 100 * metric.compute())
    for name, theirs in (("F1Score", sk.f1_score), ("JaccardIndex", sk.jaccard_score)):
        case("real labels", {"type": name, "average": "weighted", "task": task},
             theirs(labels, DATA["real labels"][0] > 0.5, average="weighted", zero_division=0))
case("one-hot classes", {"type": "Accuracy", "task": "multilabel"},
     100 * sk.accuracy_score(DATA["one-hot classes"][1].reshape(-1), DATA["one-hot classes"][0].reshape(-1) > 0.5))
case("classes, ignored", {"type": "Accuracy", "topk": 2, "ignore_index": -1}, 100 * sk.top_k_accuracy_score(
    kept("classes, ignored", -1)[1],
    (DATA["classes, ignored"][0] - np.arange(CLASSES) * 1e-9)[DATA["classes, ignored"][1] != -1], k=2, labels=range(CLASSES)))

# ---- precision, recall, F1
OF_COUNTS = {"Precision": sk.precision_score, "Recall": sk.recall_score, "F1Score": sk.f1_score}
for name, theirs in OF_COUNTS.items():
    for given, ignore in (("classes", None), ("classes, ignored", -1), ("pixels, ignored", 255),
                          ("class numbers", None)):
        for average in ("micro", "macro", "weighted", "none"):
            config = {"type": name, "average": average, "num_classes": CLASSES}
            if ignore is not None:
                config["ignore_index"] = ignore
            metric = getattr(tm, name)(task="multiclass", num_classes=CLASSES, average=average,
                                       ignore_index=ignore)
            value = run(metric, given)
            predicted, target = kept(given, ignore)
            other = theirs(target, predicted, average=None if average == "none" else average,
                           labels=range(CLASSES) if average == "none" else None, zero_division=0)
            several = average == "none"
            case(given, config, by_class(value) if several else value,
                 by_class(other) if several else other)
    case("classes", {"type": name}, run(getattr(tm, name)(task="multiclass", num_classes=CLASSES), "classes"))
    for given in ("binary", "binary, [N, 1]"):
        output, target = DATA[given]
        for threshold in (0.5, 0.2):
            metric = getattr(tm, name)(task="binary", threshold=threshold)
            case(given, {"type": name, "threshold": threshold}, run(metric, given, output.reshape(-1)),
                 theirs(target, output.reshape(-1) > threshold))
    for given, ignore in (("labels", None), ("labels, ignored", -1)):
        for average in ("micro", "macro", "weighted", "none"):
            config = {"type": name, "average": average, "task": "multilabel", "num_classes": 4}
            if ignore is not None:
                config["ignore_index"] = ignore
            metric = getattr(tm, name)(task="multilabel", num_labels=4, average=average, ignore_index=ignore)
            value = run(metric, given)
            output, target = DATA[given]
            several = average == "none"
            other = None if ignore is not None else theirs(
                target, output > 0.5, average=None if several else average, zero_division=0)
            case(given, config, by_class(value) if several else value,
                 by_class(other) if several and other is not None else other)

# ---- confusion matrix, kappa
for given, ignore in (("classes", None), ("classes, ignored", -1), ("pixel numbers, ignored", 255)):
    predicted, target = kept(given, ignore)
    more = {"num_classes": CLASSES} | ({} if ignore is None else {"ignore_index": ignore})
    for normalize in ("none", "true", "pred", "all"):
        metric = tm.ConfusionMatrix(task="multiclass", num_classes=CLASSES, normalize=normalize, ignore_index=ignore)
        other = sk.confusion_matrix(target, predicted, labels=range(CLASSES),
                                    normalize=None if normalize == "none" else normalize)
        cells = [(i, j) for i in range(CLASSES) for j in range(CLASSES)]
        value = run(metric, given)
        case(given, {"type": "ConfusionMatrix", "normalize": normalize} | more,
             {f"{i}_{j}": value[i, j] for i, j in cells}, {f"{i}_{j}": other[i, j] for i, j in cells})
    for weights in ("none", "linear", "quadratic"):
        metric = tm.CohenKappa(task="multiclass", num_classes=CLASSES, weights=weights, ignore_index=ignore)
        case(given, {"type": "CohenKappa", "weights": weights} | more, run(metric, given),
             sk.cohen_kappa_score(target, predicted, labels=range(CLASSES),
                                  weights=None if weights == "none" else weights))
case("binary", {"type": "CohenKappa"}, run(tm.CohenKappa(task="binary"), "binary"))
matrix = run(tm.ConfusionMatrix(task="binary"), "binary")
case("binary", {"type": "ConfusionMatrix", "task": "binary"},
     {f"{i}_{j}": matrix[i, j] for i in range(2) for j in range(2)})

# ---- AUROC, average precision. torchmetrics counts the AUROC of an absent class as 0, scikit-learn
# refuses it: here it is left out.
def ranking(name, scores, target):
    if name == "AveragePrecision":
        return sk.average_precision_score(target, scores) if target.any() else math.nan
    return sk.roc_auc_score(target, scores) if target.any() and not target.all() else math.nan


for name in ("AUROC", "AveragePrecision"):
    for given, ignore in (("classes", None), ("classes, ignored", -1), ("pixels, ignored", 255),
                          ("labels", None), ("labels, ignored", -1)):
        output, target = DATA[given]
        labelled = given.startswith("labels")
        count = output.shape[1]
        values, positives = [], []
        for c in range(count):
            of_class = target[:, c] if labelled else target
            use = of_class != (math.inf if ignore is None else ignore)
            positive = of_class[use] == (1 if labelled else c)
            values.append(ranking(name, output[:, c][use], positive))
            positives.append(positive.sum())
        values, positives = np.array(values), np.array(positives)
        known = ~np.isnan(values)
        assert not known.all(), given
        averages = {"macro": values[known].mean(), "none": by_class(values),
                    "weighted": np.average(values[known], weights=positives[known])}
        for average, expected in averages.items():
            config = {"type": name, "average": average, "num_classes": count}
            if ignore is not None:
                config["ignore_index"] = ignore
            agrees = None
            if average == "weighted" and labelled and name == "AveragePrecision":
                agrees = run(tm.AveragePrecision(task="multilabel", num_labels=4, average=average,
                                                 ignore_index=ignore), given)
            case(given, config, expected, agrees)
    output, target = DATA["binary"]
    case("binary", {"type": name}, ranking(name, output, target), run(getattr(tm, name)(task="binary"), "binary"))

# Logits: one batch of torchmetrics tells. Its AUROC of an absent class (0) is left out, as above.
for given, ignore in (("logits", None), ("large logits", None), ("large logits, ignored", -100),
                      ("pixel logits", None), ("probabilities", None)):
    output, target = DATA[given]
    count = output.shape[1]
    occurs = [c for c in range(count) if (target[target != ignore] == c).any()]
    for name in ("AUROC", "AveragePrecision"):
        metric = getattr(tm, name)(task="multiclass", num_classes=count, average="none", ignore_index=ignore)
        config = {"type": name} | ({} if ignore is None else {"ignore_index": ignore})
        value = run(metric, given)[occurs].mean()
        for option in ([{}, {"logits": "auto"}] + ([{"logits": True}] if given != "probabilities" else [{"logits": False}])):
            case(given, config | option, value)
        if given == "probabilities":  # logits that happen to lie within 0 and 1
            metric = getattr(tm, name)(task="multiclass", num_classes=count)
            case(given, config | {"logits": True}, run(metric, given, torch.tensor(output).softmax(1).numpy()))
        if given == "logits":  # each column by itself
            case(given, config | {"logits": False}, np.mean([ranking(name, output[:, c], target == c) for c in occurs]))
for name in ("AUROC", "AveragePrecision"):
    case("binary logits", {"type": name}, run(getattr(tm, name)(task="binary"), "binary logits"))
    case("binary logits", {"type": name, "logits": False}, ranking(name, *DATA["binary logits"]))
    case("label logits", {"type": name}, run(getattr(tm, name)(task="multilabel", num_labels=3), "label logits"))

# ---- calibration error; of logits in float64, since here the probabilities are not rounded
for given in ("logits", "large logits, ignored", "pixel logits", "binary logits"):
    data("exact " + given, DATA[given][0].astype(np.float64), DATA[given][1])
for given, ignore in (("probabilities", None), ("probabilities, ignored", -1), ("exact logits", None),
                      ("exact large logits, ignored", -100), ("exact pixel logits", None)):
    for norm in ("l1", "l2", "max"):
        for bins in (15, 4):
            metric = tm.CalibrationError(task="multiclass", num_classes=DATA[given][0].shape[1], n_bins=bins, norm=norm,
                                         ignore_index=ignore)
            config = {"type": "CalibrationError", "norm": norm, "n_bins": bins}
            if ignore is not None:
                config["ignore_index"] = ignore
            value = run(metric, given)
            case(given, config, value)
            case(given, config | {"logits": "logits" in given}, value)
for given in ("binary probabilities", "exact binary logits"):
    for norm in ("l1", "l2", "max"):
        case(given, {"type": "CalibrationError", "norm": norm},
             run(tm.CalibrationError(task="binary", norm=norm), given))

# ---- overlap
for given, ignore in (("pixels", None), ("pixels, ignored", 255), ("pixel numbers, ignored", 255), ("pixels", 1)):
    more = {"num_classes": CLASSES} | ({} if ignore is None else {"ignore_index": ignore})
    for average in ("micro", "macro", "weighted", "none"):
        metric = tm.JaccardIndex(task="multiclass", num_classes=CLASSES, average=average, ignore_index=ignore)
        value = run(metric, given)
        if ignore == 1 and average == "none":
            value[1] = 0  # the ignored class
        case(given, {"type": "JaccardIndex", "average": average} | more,
             by_class(value) if average == "none" else value)
    if ignore == 1:
        continue
    predicted, target = kept(given, ignore)
    for background in (True, False):
        present = [c for c in np.union1d(predicted, target) if background or c > 0]
        each = sk.jaccard_score(target, predicted, labels=range(CLASSES), average=None)
        occurs = set(np.union1d(predicted, target).tolist())
        results = {str(c): each[c] if c in occurs else math.nan
                   for c in range(0 if background else 1, CLASSES)}
        mean = sk.jaccard_score(target, predicted, labels=present, average="macro")
        case(given, {"type": "MeanIoU", "include_background": background} | more, mean)
        case(given, {"type": "MeanIoU", "include_background": background, "per_class": True} | more,
             results | {"": mean})
for average in ("micro", "macro", "weighted"):
    metric = tm.JaccardIndex(task="multilabel", num_labels=4, average=average)
    case("labels", {"type": "JaccardIndex", "average": average}, run(metric, "labels"))
case("binary", {"type": "JaccardIndex"}, run(tm.JaccardIndex(task="binary"), "binary"))

for given, ignore in (("pixels", None), ("pixels, ignored", 255), ("pixel numbers, ignored", 255)):
    output, target = (torch.tensor(t) for t in DATA[given])
    predicted = output.argmax(1) if output.ndim > target.ndim else output
    use = target != (-1 if ignore is None else ignore)
    one_hot = [torch.nn.functional.one_hot(torch.where(use, t, 0), CLASSES) * use.unsqueeze(-1)
               for t in (predicted, target)]
    one_hot = [t.movedim(-1, 1) for t in one_hot]
    for average in ("micro", "macro", "weighted", "none"):
        for level in ("samplewise", "global"):
            for background in (True, False):
                metric = DiceScore(CLASSES, include_background=background, average=average, aggregation_level=level)
                metric.update(*one_hot)
                value = metric.compute()
                config = {"type": "DiceScore", "average": average, "aggregation_level": level,
                          "include_background": background, "num_classes": CLASSES}
                if ignore is not None:
                    config["ignore_index"] = ignore
                case(given, config, by_class(value, 0 if background else 1) if average == "none" else value)

# ---- numbers
for given in ("numbers", "several numbers"):
    output, target = DATA[given]
    case(given, {"type": "MeanAbsoluteError"}, run(tm.MeanAbsoluteError(), given),
         sk.mean_absolute_error(target, output))
    case(given, {"type": "MeanSquaredError"}, run(tm.MeanSquaredError(), given),
         sk.mean_squared_error(target, output))
    root = run(tm.MeanSquaredError(squared=False), given)
    case(given, {"type": "MeanSquaredError", "squared": False}, root)
    case(given, {"type": "RootMeanSquaredError"}, root)
    case(given, {"type": "MeanMetric", "mapping": {"value": "output"}}, output.mean())
    for multioutput in ("uniform_average", "variance_weighted", "raw_values"):
        for adjusted in (0, 3):
            value = run(tm.R2Score(multioutput=multioutput, adjusted=adjusted), given)
            several = value.ndim > 0 and value.numel() > 1
            other = None if adjusted else sk.r2_score(target, output, multioutput=multioutput)
            case(given, {"type": "R2Score", "multioutput": multioutput, "adjusted": adjusted},
                 by_class(value) if several else value,
                 None if other is None else by_class(other) if several else np.squeeze(other))

for given in ("numbers", "several numbers"):
    output, target = DATA[given]
    case(given, {"type": "MeanAbsolutePercentageError"}, run(tm.MeanAbsolutePercentageError(), given),
         sk.mean_absolute_percentage_error(target, output))
for given in ("numbers", "several numbers", "related numbers", "far numbers"):
    outputs = 3 if given == "several numbers" else 1
    for name in ("PearsonCorrCoef", "SpearmanCorrCoef"):
        value = run(getattr(tm, name)(num_outputs=outputs), given)
        case(given, {"type": name}, by_class(value) if outputs > 1 else value)
case("constant numbers", {"type": "PearsonCorrCoef"}, run(tm.PearsonCorrCoef(), "constant numbers"))
case("constant numbers", {"type": "SpearmanCorrCoef"}, run(tm.SpearmanCorrCoef(), "constant numbers"))

for mean in (1e5, 1e7, 1.75e9, 1e10):
    given = f"numbers around {mean:g}"
    output, target = DATA[given]
    for multioutput in ("uniform_average", "variance_weighted", "raw_values"):
        other = sk.r2_score(target, output, multioutput=multioutput)
        case(given, {"type": "R2Score", "multioutput": multioutput},
             by_class(other) if multioutput == "raw_values" else other)

# ---- labels above a threshold, of logits and of probabilities: what one batch of torchmetrics decides
OF_LABELS = ("Accuracy", "F1Score", "Precision", "Recall", "JaccardIndex")


def of_labels(given, name, config, ignore=None, **options):
    output = DATA[given][0]
    task = "binary" if output.ndim == 1 else "multilabel"
    metric = getattr(tm, name)(task=task, num_labels=None if output.ndim == 1 else output.shape[1], ignore_index=ignore,
                               **({"average": "micro"} if task == "multilabel" else {}), **options)
    more = {} if ignore is None else {"ignore_index": ignore}
    if name != "Accuracy":
        more["average"] = "micro"
    case(given, {"type": name} | more | config, (100 if name == "Accuracy" else 1) * run(metric, given))


for name in OF_LABELS:
    for shape in ("binary", "label", "label map"):
        for given in (f"small {shape} logits", f"{shape} probabilities of logits"):
            of_labels(given, name, {})
            of_labels(given, name, {"threshold": 0.3}, threshold=0.3)
        of_labels(f"small {shape} logits", name, {"logits": True})
        of_labels(f"{shape} probabilities of logits", name, {"logits": False})
    of_labels("binary logits", name, {})
    of_labels("label logits", name, {})
    of_labels("label outputs, one beyond ignored", name, {}, ignore=-1)
for average in ("macro", "weighted", "none"):
    for name in ("F1Score", "Precision", "Recall", "JaccardIndex"):
        for given in ("small label logits", "label probabilities of logits"):
            value = run(getattr(tm, name)(task="multilabel", num_labels=4, average=average), given)
            case(given, {"type": name, "average": average}, by_class(value) if average == "none" else value)
for given in ("small binary logits", "binary probabilities of logits", "binary logits", "binary outputs, one beyond ignored"):
    ignore = -1 if given.endswith("ignored") else None
    more = {} if ignore is None else {"ignore_index": ignore}
    case(given, {"type": "CohenKappa"} | more, run(tm.CohenKappa(task="binary", ignore_index=ignore), given))
    matrix = run(tm.ConfusionMatrix(task="binary", ignore_index=ignore), given)
    case(given, {"type": "ConfusionMatrix", "task": "binary"} | more,
         {f"{i}_{j}": matrix[i, j] for i in range(2) for j in range(2)})
for given, predicted in (("small binary logits", lambda o: o > 0), ("binary probabilities of logits", lambda o: o > 0.5)):
    output, target = DATA[given]
    case(given, {"type": "DiceScore", "aggregation_level": "global"}, sk.f1_score(target, predicted(output)))
    case(given, {"type": "MeanIoU"}, sk.jaccard_score(target, predicted(output)))
# Targets of which each sample happens to have one label.
output, target = (torch.tensor(t) for t in DATA["one-hot classes"])
for name in ("F1Score", "Recall"):
    metric = getattr(tm, name)(task="multilabel", num_labels=CLASSES, average="macro")
    metric.update(output, target.long())
    case("one-hot classes", {"type": name, "average": "macro", "task": "multilabel"}, metric.compute())
# As they are: any threshold.
output, target = DATA["small binary logits"]
case("small binary logits", {"type": "F1Score", "logits": False, "threshold": 0}, sk.f1_score(target, output > 0))
case("small binary logits", {"type": "F1Score", "logits": False}, sk.f1_score(target, output > 0.5))

# ---- images
for options in ({"data_range": 1.0}, {"data_range": 255.0, "base": 2.0}, {"data_range": 1.0, "dim": [1, 2, 3]},
                {"data_range": 1.0, "dim": [2, 3]}):
    theirs = dict(options, dim=tuple(options["dim"])) if "dim" in options else options
    case("images", {"type": "PeakSignalNoiseRatio"} | options,
         run(tm.image.PeakSignalNoiseRatio(**theirs), "images"))
for options in ({"data_range": 1.0}, {"data_range": 2.0, "sigma": 0.8, "k1": 0.02},
                {"data_range": 1.0, "gaussian_kernel": False, "kernel_size": 7, "k2": 0.05}):
    case("images", {"type": "StructuralSimilarityIndexMeasure"} | options,
         run(tm.image.StructuralSimilarityIndexMeasure(**options), "images"))

# ---- text
for given, options in (("tokens", {}), ("tokens, ignored", {"ignore_index": -100}), ("tokens", {"ignore_index": 4})):
    case(given, {"type": "Perplexity", "classes_last": True} | options, run(tm.text.Perplexity(**options), given))
output = DATA["tokens second"][0].swapaxes(1, 2)
case("tokens second", {"type": "Perplexity"}, run(tm.text.Perplexity(), "tokens second", output))
for options, metric, factor in (({"type": "Accuracy"}, tm.Accuracy(task="multiclass", num_classes=9), 100),
                                ({"type": "F1Score", "average": "macro"},
                                 tm.F1Score(task="multiclass", num_classes=9, average="macro"), 1)):
    case("tokens second", options, factor * run(metric, "tokens second"))
    output = np.moveaxis(DATA["tokens in a grid, last"][0], -1, 1)
    metric.reset()
    case("tokens in a grid, last", options | {"classes_last": True}, factor * run(metric, "tokens in a grid, last", output))


def tensor(values):
    return {"shape": list(values.shape), "values": values.reshape(-1).tolist(),
            "type": "integer" if np.issubdtype(values.dtype, np.integer) else str(values.dtype)}


path = pathlib.Path(__file__).with_suffix(".json")
with open(path, "w") as file:
    file.write('{"data": {\n')
    file.write(",\n".join(f"{json.dumps(name)}: " + json.dumps(
        {"output": tensor(output), "target": tensor(target)}, separators=(",", ":"))
        for name, (output, target) in DATA.items()))
    file.write('},\n"cases": [\n')
    file.write(",\n".join(json.dumps(entry, separators=(", ", ": ")) for entry in CASES))
    file.write("]}\n")
print(len(CASES), "cases,", path.stat().st_size, "bytes")
