"""Writes labels.json, how pandas reads the labels of tables and JSON lines, for label_reading_test.cpp.

Run it with a Python that has what scripts/lib/reference-python.txt lists: python tests/reference/labels.py
A class is a whole number or a name. What pandas reads as numbers are those numbers; text (where no label is one) is
numbered in the order of its bytes, as sorted() and torchvision do; a column with missing values, with numbers that
are not whole, or of text that is mixed with numbers, has no right labels: null.
"""
import io
import json
import pathlib
import warnings

import pandas as pd

warnings.filterwarnings("ignore")

# Labels as they stand in the file.
CSV = [
    ["0", "10", "2"], ["3.0", "7.0"], ["3", "7.0"], ["3.", "7"], ["1e1", "2"], ["1E2", "1"], ["+3", "7"], ["007", "8"],
    ["-0", "0"], [" 2", "10"], ["2 ", "10"], ["\t2", "10"], ['"2"', "1"], ['" 2"', "1"], ["4294967299", "3"],
    ["9223372036854775807", "3"],
    ["", "1"], [" ", "1"], ["NA", "1"], ["nan", "1"], ["NaN", "1"], ["null", "1"], ["None", "1"], ["N/A", "1"],
    ["<NA>", "1"], ["#N/A", "1"], ["?", "1"], ["0x10", "1"], ["1_0", "1"], ["inf", "1"], ["3.5", "7"], ["cat", "7"],
    ["99999999999999999999", "1"],
    ["cat", "dog"], ["dog", "cat", "dog"], ["b10", "b2"], ["Cat", "apple", "Zoo"], ["cat", "NA"], ["cat", "nan"],
    ["cat", "None"], ["cat", ""], ["True", "False"], ["inf", "cat"], ['"a, b"', "c"], ["x y", "x"],
]
JSON = [
    ["3.0", "7.0"], ["3", "7.0"], ["3", "4294967299"], ["3.5", "7.0"], ['"3"', '"7"'], ["3", '"7"'], ['" 3"', '"7"'],
    ['"3.0"', '"7"'], ["1e1", "2"], ["true", "false"], ["true", "3"], ["null", "1"], ["NaN", "1"], ["Infinity", "1"],
    ['"nan"', '"1"'], ['"3"', '""'], ['"cat"', '"dog"'], ['"cat"', "null"], ["18446744073709551615", "1"],
]
MISSING_WORDS = sorted(pd._libs.parsers.STR_NA_VALUES)


def classes(column):
    """The right labels of a column, or None."""
    if column.isna().any():
        return None
    values = column.tolist()
    if all(isinstance(value, str) for value in values):
        if (pd.to_numeric(column, errors="coerce").notna() & ~column.str.contains("inf")).any():
            return None  # numbers among text
        if any(value.strip() == "" for value in values):
            return None
        return [sorted(set(values)).index(value) for value in values]
    if any(value != int(value) or not 0 <= int(value) < 2**63 for value in values if abs(value) != float("inf")):
        return None
    return None if any(abs(value) == float("inf") for value in values) else [int(value) for value in values]


def table(labels):
    return "image,label\n" + "".join(f"{i}.png,{label}\n" for i, label in enumerate(labels))


def lines(labels):
    return "".join(f'{{"image": "{i}.png", "label": {label}}}\n' for i, label in enumerate(labels))


def main():
    cases = [{"file": "a.csv", "text": table(labels), "labels": classes(pd.read_csv(io.StringIO(table(labels))).label)}
             for labels in CSV]
    cases += [{"file": "a.jsonl", "text": lines(labels),
               "labels": classes(pd.read_json(io.StringIO(lines(labels)), lines=True).label)} for labels in JSON]
    result = {"pandas": pd.__version__, "cases": cases, "missing": MISSING_WORDS}
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
