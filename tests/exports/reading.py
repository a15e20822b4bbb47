"""Reads metrics on standard input with prometheus_client's two parsers, wants the same of both, and
writes each sample as [name, labels, value] in JSON."""

import json
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

text = sys.stdin.buffer.read().decode("utf-8")
families = list(openmetrics(text))
for family in families:
    assert family.type == "gauge" and family.documentation, family
    unit = next((unit for unit in ("seconds", "bytes") if family.name.endswith("_" + unit)), "")
    assert family.unit == unit, family


def samples(families):
    return [[one.name, one.labels, float(one.value)] for family in families for one in family.samples]


found = samples(families)
assert all(one.timestamp is None for family in families for one in family.samples)
for one, other in zip(found, samples(prometheus(text)), strict=True):
    assert one == other, f"OpenMetrics' parser reads {one}, the text format's {other}"
json.dump(found, sys.stdout)
