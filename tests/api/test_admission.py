"""What a real API server accepts and refuses, and the words it has for a person."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lossgate.api.reasons import ConditionType, Phase, Reason
from lossgate.api.status import Analysis, Condition, Delta, LabelCounts, RolloutStatus, Version
from tests import rollouts
from tests.api import refusals
from tests.apiserver import ApiServer, as_json

pytestmark = pytest.mark.apiserver

STEPS = "write weights that rise from step to step, each once, such as 5, 25, 50"
WEIGHT = "write a share from 1 to 99 per cent"
MARGIN = 'write a percentage above 0 with its sign, such as "5%"'
ABSOLUTE_MARGIN = 'write a decimal number above 0 in quotes, in loss units, such as "0.01"'
INTERVAL = 'write a duration of whole seconds from 1s to 10m with units h, m, s, such as "30s"'
RISK = "write a probability above 0 and at most 0.5, such as 0.05"
SURGE = 'write a number of pods from 1 to 1000, or a share of replicas in whole per cent such as "50%"'
URL = "write the base URL of a Prometheus without user name, query or fragment"
METRIC = "write the name of a metric: letters, digits, _ and :, not starting with a digit"
LABEL = "write the name of a metric label: letters, digits and _, not empty, not starting with a digit"
APART = "write the label that tells the versions apart"
PORT = 'write the name or number of a port that a container of spec.template declares (the default is "http")'
HOST = "write a host name in lower case without scheme or port"
HEADER_NAMES = "write names of headers: letters, digits, -, _ and ., at most 128 characters"
HEADER_VALUES = "write a value of printable ASCII characters on one line, not empty, without spaces at its ends"
HEADER_REMOVED = "remove the header: credentials belong in a Secret that secretRef names"
PLAINTEXT = "write an https:// URL, or set secretRef.allowHTTP"
OBJECT = "write the name of an object: lower case letters, digits, - and ."

STEP_MARGIN = 'write a percentage above 0 with its sign, such as "20%"'
FALLING = "write margins that do not rise from step to step"
LAST = "of the last step, which decides on the promotion, and at most four times that in a step after one"
UNIT = "write the margins of steps in the unit of the gate"
GUARD = 'write a percentage above 0 and at most 1000% with its sign, such as "25%"'

IN_UNITS = {"gate": {"absoluteMargin": "0.01"}}
VERSION = 'write a query that names the version, such as by revision="$revision" or service="$service"'
NAMES_AFTER_A_DOLLAR = "write only these names after a $: $namespace, $rollout, $revision, $service, $interval"
QUERY = 'sum(rate(errors_total{revision="$revision"}[$interval]))'
ONE_ROUTE = "write exactly one of gateway (the operator creates the HTTPRoute) and routeRef (the HTTPRoute is yours"

CONTAINER: dict[str, Any] = {"name": "model", "ports": [{"name": "http", "containerPort": 8000}]}


def container(**changes: Any) -> dict[str, Any]:
    return {"template": {"spec": {"containers": [CONTAINER | changes]}}}


def labelled(**labels: str) -> dict[str, Any]:
    return {"template": {"metadata": {"labels": labels}}}


def prometheus(**fields: Any) -> dict[str, Any]:
    return {"loss": {"prometheus": fields}}


def headers(**values: Any) -> dict[str, Any]:
    return prometheus(headers={name.replace("_", "-"): value for name, value in values.items()})


def guardrails(*changes: dict[str, Any]) -> dict[str, Any]:
    """Guardrails that differ from a good one; a field that is None is left out."""
    good = {"name": "errors", "query": QUERY, "max": 0.01}
    fields = [good | change for change in changes]
    return {"guardrails": [{name: value for name, value in one.items() if value is not None} for one in fields]}


PRESET: dict[str, Any] = {"query": None, "preset": "EnvoyGatewayErrorRate"}


def steps(*weights: int) -> dict[str, Any]:
    return {"steps": [{"weight": weight} for weight in weights]}


def a_step(**fields: Any) -> dict[str, Any]:
    return {"steps": [{"weight": 50, **fields}]}


def margins(*margins: str | None, field: str = "margin") -> dict[str, Any]:
    given = [{} if margin is None else {field: margin} for margin in margins]
    return {"steps": [{"weight": 10 * (index + 1), **named} for index, named in enumerate(given)]}


def absolute_margins(*values: str | None) -> dict[str, Any]:
    return margins(*values, field="absoluteMargin") | IN_UNITS


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    (steps(25, 5), "spec.steps", STEPS),
    (steps(5, 5), "spec.steps", STEPS),
    (steps(5, 100), "spec.steps[1].weight", WEIGHT),
    (steps(0, 5), "spec.steps[0].weight", WEIGHT),
    (steps(), "spec.steps", "should have at least 1 items"),
    (steps(*range(1, 12)), "spec.steps", "must have at most 10 items"),
    ({"gate": {"margin": "5"}}, "spec.gate.margin", MARGIN),
    ({"gate": {"margin": 5}}, "spec.gate.margin", MARGIN),
    ({"gate": {"margin": "0%"}}, "spec.gate.margin", MARGIN),
    ({"gate": {"margin": "0.00%"}}, "spec.gate.margin", MARGIN),
    ({"gate": {"margin": "-5%"}}, "spec.gate.margin", MARGIN),
    ({"gate": {"margin": "5%", "absoluteMargin": "0.01"}}, "spec.gate", "write margin or absoluteMargin, not both"),
    ({"gate": {"absoluteMargin": "0.0"}}, "spec.gate.absoluteMargin", ABSOLUTE_MARGIN),
    ({"gate": {"absoluteMargin": "1%"}}, "spec.gate.absoluteMargin", ABSOLUTE_MARGIN),
    ({"gate": {"absoluteMargin": 0.01}}, "spec.gate.absoluteMargin", "must be of type string"),
    ({"gate": {"risk": {"rollback": 0}}}, "spec.gate.risk.rollback", RISK),
    ({"gate": {"risk": {"promotion": 0.51}}}, "spec.gate.risk.promotion", RISK),
    ({"gate": {"minLabels": 99}}, "spec.gate.minLabels", "write a number of labels from 100 to"),
    ({"gate": {"maxDuration": "0s"}}, "spec.gate.maxDuration", "write a duration from 1s to 2160h"),
    ({"gate": {"maxDuration": "1d"}}, "spec.gate.maxDuration", 'with units h, m, s, such as "24h"'),
    ({"gate": {"pauseTimeout": "999999h999999h"}}, "spec.gate.pauseTimeout", "write a duration from 1s to 2160h"),
    ({"gate": {"holdTimeout": ""}}, "spec.gate.holdTimeout", "write a duration from 1s to 2160h"),
    ({"gate": {"onInconclusive": "promote"}}, "spec.gate.onInconclusive", '"Pause", "Rollback", "Promote"'),
    ({"loss": {"interval": "0s"}}, "spec.loss.interval", INTERVAL),
    ({"loss": {"interval": "1.5s"}}, "spec.loss.interval", INTERVAL),
    ({"loss": {"interval": "1500ms"}}, "spec.loss.interval", INTERVAL),
    ({"loss": {"interval": "30"}}, "spec.loss.interval", INTERVAL),
    ({"loss": {"interval": "11m"}}, "spec.loss.interval", INTERVAL),
    ({"loss": {"settle": "-1s"}}, "spec.loss.settle", "write a duration from 0s to 1h"),
    ({"loss": {"labelDelay": "soon"}}, "spec.loss.labelDelay", "write a duration from 0s to 2160h"),
    ({"scaleDownDelay": "200h"}, "spec.scaleDownDelay", "write a duration from 0s to 168h"),
    ({"loss": {"prometheus": {"url": "prometheus:9090"}}}, "spec.loss.prometheus.url", URL),
    ({"loss": {"prometheus": {"url": "http://me:secret@prometheus"}}}, "spec.loss.prometheus.url", URL),
    ({"loss": {"prometheus": {"url": "http://prometheus/?a=b"}}}, "spec.loss.prometheus.url", URL),
    ({"loss": {"series": {"count": "model-loss"}}}, "spec.loss.series.count", METRIC),
    ({"loss": {"series": {"sum": 'x{job="a"}'}}}, "spec.loss.series.sum", METRIC),
    ({"loss": {"labels": {"revision": ""}}}, "spec.loss.labels.revision", LABEL),
    ({"loss": {"labels": {"namespace": "a-b"}}}, "spec.loss.labels.namespace", LABEL),
    (
        {"loss": {"labels": {"revision": "namespace"}}},
        "spec.loss.labels.revision",
        "label that tells the versions apart",
    ),
    (
        {"loss": {"selector": {"revision": "a"}}},
        "spec.loss.selector",
        "remove the label that loss.labels.revision names",
    ),
    (
        {"loss": {"selector": {"ns": "a"}, "labels": {"namespace": "ns"}}},
        "spec.loss.selector",
        "remove the label that loss.labels.namespace names",
    ),
    ({"loss": {"selector": {"a-b": "c"}}}, "spec.loss.selector", "write names of metric labels as keys"),
    ({"loss": {"selector": {"__name__": "c"}}}, "spec.loss.selector", "write names of metric labels as keys"),
    ({"canary": {"maxSurge": 0}}, "spec.canary.maxSurge", SURGE),
    ({"canary": {"maxSurge": "0%"}}, "spec.canary.maxSurge", SURGE),
    ({"canary": {"maxSurge": "2"}}, "spec.canary.maxSurge", SURGE),
    ({"replicas": -1}, "spec.replicas", "greater than or equal to 0"),
    ({"model": {"version": ""}}, "spec.model.version", "at least 1 chars long"),
    ({"service": {"port": 0}}, "spec.service.port", "greater than or equal to 1"),
    ({"service": {"targetPort": "grpc"}}, "spec.service.targetPort", PORT),
    ({"service": {"targetPort": 8001}}, "spec.service.targetPort", PORT),
    (container(ports=[]), "spec.service.targetPort", PORT),
    (container(ports=[{"containerPort": 8000}]), "spec.service.targetPort", PORT),
    ({"template": {"spec": {"containers": []}}}, "spec.template.spec.containers", "should have at least 1 items"),
    ({"template": {"spec": {"containers": [CONTAINER, CONTAINER]}}}, "spec.template.spec.containers[1]", "Duplicate"),
    (
        container(env=[{"name": "LOSSGATE_REVISION", "value": "x"}]),
        "spec.template.spec.containers[0].env[0]",
        "the operator sets LOSSGATE_REVISION and LOSSGATE_MODEL_VERSION: remove them from the template",
    ),
    (
        labelled(**{"lossgate.io/revision": "x"}),
        "spec.template.metadata.labels",
        "labels under lossgate.io/ are set by the operator: remove them from the template",
    ),
    (
        {"template": {"metadata": {"annotations": {"lossgate.io/model-version": "x"}}}},
        "spec.template.metadata.annotations",
        "annotations under lossgate.io/ are set by the operator: remove them from the template",
    ),
    ({"traffic": {"gateway": {"parentRefs": []}}}, "spec.traffic.gateway.parentRefs", "should have at least 1 items"),
    ({"traffic": {"gateway": {"hostnames": ["http://a.b"]}}}, "spec.traffic.gateway.hostnames[0]", HOST),
    ({"traffic": {"gateway": {"hostnames": ["Digits.example.com"]}}}, "spec.traffic.gateway.hostnames[0]", HOST),
    ({"traffic": {"gateway": {"hostnames": ["a.b", "a.b"]}}}, "spec.traffic.gateway.hostnames[1]", "Duplicate value"),
    *(
        (prometheus(headers={name: "a"}), "spec.loss.prometheus.headers", HEADER_NAMES)
        for name in ("", "X Tenant", "X-Tenant:", "X-Tenant\r\nEvil", "Ténant", "a" * 129)
    ),
    *(
        (headers(**{name: "a"}), "spec.loss.prometheus.headers", HEADER_REMOVED)
        for name in (
            "Authorization",
            "AUTHORIZATION",
            "Proxy_Authorization",
            "Cookie",
            "Host",
            "Content_Length",
            "content_type",
            "Transfer_Encoding",
            "Connection",
        )
    ),
    *(
        (headers(X_Tenant=value), "spec.loss.prometheus.headers[X-Tenant]", HEADER_VALUES)
        for value in ("", " ", "a ", "a\r\nX-Evil: b", "a\nb", "a\tb", "a\x00", "ä", "a\u2028b", "\x7f")
    ),
    (headers(X_Tenant="a", x_tenant="b"), "spec.loss.prometheus.headers", "write each header once"),
    (headers(**{f"X{n}": "a" for n in range(17)}), "spec.loss.prometheus.headers", "must have at most 16 items"),
    (prometheus(secretRef={}), "spec.loss.prometheus.secretRef.name", "Required value"),
    (prometheus(secretRef={"name": "Prom"}), "spec.loss.prometheus.secretRef.name", OBJECT),
    (prometheus(secretRef={"name": "../kube-system/prom"}), "spec.loss.prometheus.secretRef.name", OBJECT),
    (prometheus(url="http://p:9090", secretRef={"name": "a"}), "spec.loss.prometheus.url", PLAINTEXT),
    (
        prometheus(url="http://p:9090", secretRef={"name": "a", "allowHTTP": False}),
        "spec.loss.prometheus.url",
        PLAINTEXT,
    ),
    (prometheus(caRef={"name": "a"}), "spec.loss.prometheus.caRef.kind", "Required value"),
    (prometheus(caRef={"kind": "Pod", "name": "a"}), "spec.loss.prometheus.caRef.kind", '"ConfigMap", "Secret"'),
    (prometheus(caRef={"kind": "Secret", "name": "a/b"}), "spec.loss.prometheus.caRef.name", OBJECT),
    (
        prometheus(caRef={"kind": "Secret", "name": "a", "key": "../b"}),
        "spec.loss.prometheus.caRef.key",
        "write a key of the object: letters, digits, -, _ and .",
    ),
    (
        prometheus(url="http://p:9090", caRef={"kind": "Secret", "name": "a"}),
        "spec.loss.prometheus.url",
        "write an https:// URL, or remove caRef",
    ),
    (prometheus(url="HTTPS://p"), "spec.loss.prometheus.url", URL),
    ({"canary": {"replicas": 2, "maxSurge": "50%"}}, "spec.canary", "write replicas or maxSurge, not both"),
    ({"canary": {"replicas": 0}}, "spec.canary.replicas", "write a number of pods from 1 to 1000"),
    ({"canary": {"replicas": 1001}}, "spec.canary.replicas", "write a number of pods from 1 to 1000"),
    (a_step(minDuration="1d"), "spec.steps[0].minDuration", "write a duration from 0s to 2160h"),
    (a_step(minDuration="2161h"), "spec.steps[0].minDuration", "write a duration from 0s to 2160h"),
    (a_step(minDuration="24h1s"), "spec.steps", "write a minDuration that is not longer than gate.maxDuration"),
    (a_step(minDuration="2h") | {"gate": {"maxDuration": "1h"}}, "spec.steps", "not longer than gate.maxDuration"),
    (a_step(margin="20"), "spec.steps[0].margin", STEP_MARGIN),
    (a_step(margin=20), "spec.steps[0].margin", STEP_MARGIN),
    (a_step(margin="0%"), "spec.steps[0].margin", STEP_MARGIN),
    (margins("10%", "11%"), "spec.steps", FALLING),
    (margins("9%", None, "10%", "5%"), "spec.steps", FALLING),
    (margins("10%", "6%"), "spec.steps", LAST),
    (margins(None, "21%", "5%"), "spec.steps", LAST),
    (margins(None, "51%", "5%") | {"gate": {"margin": "15%"}}, "spec.steps", LAST),
    (margins("10%") | {"gate": {"absoluteMargin": "0.01"}}, "spec.steps", UNIT),
    (a_step(absoluteMargin="0.01"), "spec.steps", UNIT),
    (a_step(absoluteMargin="1%") | IN_UNITS, "spec.steps[0].absoluteMargin", "write a decimal number above 0"),
    (a_step(absoluteMargin="0") | IN_UNITS, "spec.steps[0].absoluteMargin", "write a decimal number above 0"),
    (absolute_margins("0.02", "0.021", "0.01"), "spec.steps", FALLING),
    (absolute_margins("0.04", "0.02"), "spec.steps", LAST),
    (absolute_margins(None, "0.05", "0.01"), "spec.steps", LAST),
    ({"gate": {"guardExcess": "25"}}, "spec.gate.guardExcess", GUARD),
    ({"gate": {"guardExcess": 25}}, "spec.gate.guardExcess", GUARD),
    ({"gate": {"guardExcess": "0%"}}, "spec.gate.guardExcess", GUARD),
    ({"gate": {"guardExcess": "1000.1%"}}, "spec.gate.guardExcess", GUARD),
    ({"progressDeadlineSeconds": 0}, "spec.progressDeadlineSeconds", "write a number of seconds from 1 to 86400"),
    ({"progressDeadlineSeconds": 86401}, "spec.progressDeadlineSeconds", "write a number of seconds from 1 to 86400"),
    ({"revisionHistoryLimit": -1}, "spec.revisionHistoryLimit", "write a number from 0 to 20"),
    ({"revisionHistoryLimit": 21}, "spec.revisionHistoryLimit", "write a number from 0 to 20"),
    (guardrails({"min": 2, "max": 1}), "spec.guardrails[0].max", "write a max that is not below min"),
    (guardrails({"min": 0.2, "max": 0.1}), "spec.guardrails[0].max", "write a max that is not below min"),
    (guardrails({"max": None}), "spec.guardrails[0]", "write a limit: max, min or maxRatioToStable"),
    (guardrails({"max": "0.01"}), "spec.guardrails[0].max", "must be of type number"),
    (guardrails({"maxRatioToStable": 0}), "spec.guardrails[0].maxRatioToStable", "write a ratio above 0, such as 1.2"),
    (guardrails({"failureLimit": 0}), "spec.guardrails[0].failureLimit", "write a number of evaluations in a row"),
    (guardrails({"query": None}), "spec.guardrails[0]", "write either query or preset"),
    (guardrails({"preset": "EnvoyGatewayErrorRate"}), "spec.guardrails[0]", "write either query or preset"),
    (guardrails({"query": ""}), "spec.guardrails[0].query", VERSION),
    (guardrails({"query": "sum(rate(errors_total[2m]))"}), "spec.guardrails[0].query", VERSION),
    (guardrails({"query": 'x{revision="$revisions"}'}), "spec.guardrails[0].query", VERSION),
    (guardrails({"query": QUERY + " or $pod"}), "spec.guardrails[0].query", NAMES_AFTER_A_DOLLAR),
    (guardrails({"query": QUERY.replace("$interval", "$__rate_interval")}), "spec.guardrails[0].query", "a $:"),
    (guardrails({"query": QUERY + " " * 2048}), "spec.guardrails[0].query", "2048"),
    (guardrails({}, {"max": 0.5}), "spec.guardrails[1]", "Duplicate value"),
    (guardrails({"name": "P99"}), "spec.guardrails[0].name", "write a name of at most 63 lower case letters"),
    (guardrails({"name": ""}), "spec.guardrails[0].name", "write a name of at most 63 lower case letters"),
    (guardrails({"name": None}), "spec.guardrails[0].name", "Required value"),
    (guardrails(PRESET | {"preset": "IstioErrorRate"}), "spec.guardrails[0].preset", '"EnvoyGatewayErrorRate"'),
    (guardrails(PRESET | {"max": 1}), "spec.guardrails[0].max", "1 % is 0.01"),
    (guardrails(PRESET | {"min": 0}), "spec.guardrails[0].min", "an error rate cannot be too small"),
    (guardrails({"interval": "90"}), "spec.guardrails[0].interval", "write a duration of whole seconds from 1s to 1h"),
    (guardrails({"interval": "29s"}), "spec.guardrails", "write an interval that is not shorter than loss.interval"),
    (guardrails(*({"name": f"g{number}"} for number in range(17))), "spec.guardrails", "must have at most 16 items"),
    ({"traffic": {"routeRef": {"name": "digits"}}}, "spec.traffic", ONE_ROUTE),
    ({"traffic": {"routeRef": {"name": "ml/Digits"}}}, "spec.traffic.routeRef.name", "write the name of an HTTPRoute"),
    ({"traffic": {"routeRef": {"name": "digits", "ruleName": ""}}}, "spec.traffic.routeRef.ruleName", "at least 1"),
]

ACCEPTED: list[dict[str, Any]] = [
    steps(99),
    steps(*range(1, 11)),
    {"gate": {"margin": "0.5%"}},
    {"gate": {"margin": "100%"}},
    {"gate": {"absoluteMargin": "2"}},
    {"gate": {"risk": {"rollback": 0.5}}},
    {"loss": {"interval": "2000ms", "settle": "1500ms"}},
    {"loss": {"interval": "10m", "labelDelay": "0s"}},
    {"loss": {"prometheus": {"url": "http://10.0.0.1:9090/prom/"}}},
    {"loss": {"selector": {}}},
    {"canary": {"maxSurge": "1%"}},
    {"replicas": 0},
    {"service": {"targetPort": 8000}},
    {"gate": {}, "loss": {}, "canary": {}, "service": {}},
    prometheus(headers={}),
    headers(X_Scope_OrgID="team-a|team-b", X_Other='a  b;c="d"'),
    prometheus(secretRef={"name": "a"}),
    prometheus(secretRef={"name": "a"}, headers={"X-Scope-OrgID": "1"}, caRef={"kind": "ConfigMap", "name": "b"}),
    prometheus(url="http://p:9090", secretRef={"name": "a", "allowHTTP": True}),
    prometheus(url="https://p/x/", secretRef={"name": "a"}, caRef={"kind": "Secret", "name": "a", "key": "tls.crt"}),
    prometheus(url="http://p:9090", headers={"X-Scope-OrgID": "1"}),
    {"canary": {"replicas": 1}},
    {"canary": {"replicas": 1000}},
    a_step(minDuration="24h"),
    a_step(minDuration="0s"),
    margins("100%", "30%", "5%"),
    margins("12%", None, "2.5%"),
    margins(None, "20%", None),
    margins("5%", "5%", "5%"),
    margins(None, None, "0.1%"),
    margins(None, "60%", "60%") | {"gate": {"margin": "60%"}},
    absolute_margins("0.5", "0.01"),
    absolute_margins(None, "0.04", None),
    {"gate": {"guardExcess": "1000%"}},
    {"progressDeadlineSeconds": 1},
    {"revisionHistoryLimit": 0},
    guardrails({"max": 1}),
    guardrails({"max": 0.5, "min": 0.5, "maxRatioToStable": 1.2, "failureLimit": 1, "interval": "1h"}),
    guardrails({"query": 'x{service="$service"}', "max": -1}),
    guardrails({"query": f'label_replace({QUERY}, "a", "$1", "b", "(.*)$")'}),
    guardrails(PRESET, PRESET | {"name": "ratio", "max": None, "maxRatioToStable": 2}),
    guardrails(*({"name": f"g{number}", "query": QUERY + " " * 1990} for number in range(16))),
    {"guardrails": []},
]


def refused(server: ApiServer, manifest: dict[str, Any]) -> str:
    done = server.kubectl("create", "--dry-run=server", "-f", "-", stdin=as_json(manifest))
    assert done.returncode != 0, f"accepted: {done.stdout}"
    return done.stderr


@pytest.mark.parametrize(("changes", "field", "words"), REFUSED, ids=lambda value: json.dumps(value)[:60])
def test_a_wrong_manifest_is_refused_with_what_to_write(
    apiserver: ApiServer, changes: dict[str, Any], field: str, words: str
) -> None:
    answer = refused(apiserver, rollouts.changed(changes))
    assert f"{field}: " in answer
    assert words in answer
    line = refusals.row(changes, answer)
    assert line in refusals.PAGE.read_text(encoding="utf-8"), "the page is out of date: run what its first line says"


def test_the_page_of_refusals_has_no_other_lines() -> None:
    lines = [line for line in refusals.PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert len(lines) == len(REFUSED) >= 40


@pytest.mark.parametrize("changes", ACCEPTED, ids=lambda value: json.dumps(value)[:60])
def test_an_unusual_manifest_is_accepted(apiserver: ApiServer, changes: dict[str, Any]) -> None:
    apiserver.must("create", "--dry-run=server", "-f", "-", manifest=rollouts.changed(changes))


def test_every_field_at_its_bound_is_accepted_and_kept(apiserver: ApiServer) -> None:
    manifest = rollouts.full()
    answer = json.loads(apiserver.must("create", "--dry-run=server", "-o", "json", "-f", "-", manifest=manifest))
    assert answer["spec"] == manifest["spec"]


@pytest.mark.parametrize("field", ["model", "template", "traffic"])
def test_what_cannot_be_guessed_is_required(apiserver: ApiServer, field: str) -> None:
    manifest = rollouts.minimal()
    del manifest["spec"][field]
    assert f"spec.{field}: Required value" in refused(apiserver, manifest)


@pytest.mark.parametrize("name", ["a" * 51, "9digits", "digits.v2"])
def test_a_name_that_children_cannot_carry_is_refused(apiserver: ApiServer, name: str) -> None:
    manifest = rollouts.minimal() | {"metadata": {"name": name, "namespace": "default"}}
    answer = refused(apiserver, manifest)
    assert "metadata.name: " in answer
    assert "write a metadata.name of at most 50 lower case letters, digits and -" in answer


def test_a_name_of_fifty_characters_is_accepted(apiserver: ApiServer) -> None:
    manifest = rollouts.minimal() | {"metadata": {"name": "a" * 50, "namespace": "default"}}
    apiserver.must("create", "--dry-run=server", "-f", "-", manifest=manifest)


def test_an_unknown_field_is_refused(apiserver: ApiServer) -> None:
    answer = refused(apiserver, rollouts.changed({"gate": {"marginn": "5%"}}))
    assert 'unknown field "spec.gate.marginn"' in answer


def test_the_template_takes_fields_that_the_schema_does_not_know(apiserver: ApiServer) -> None:
    manifest = rollouts.changed({"template": {"spec": {"nodeSelector": {"gpu": "yes"}}}})
    answer = json.loads(apiserver.must("create", "--dry-run=server", "-o", "json", "-f", "-", manifest=manifest))
    assert answer["spec"]["template"] == manifest["spec"]["template"]


def test_explain_reads_like_documentation(apiserver: ApiServer) -> None:
    text = " ".join(apiserver.must("explain", "mr.spec.gate").split())
    assert "Tolerated rise of the mean loss, relative to the stable version's, always with a percent sign." in text
    assert "enum: Pause, Rollback, Promote" in text
    text = " ".join(apiserver.must("explain", "modelrollouts.status.analysis.delta").split())
    assert "Lower bound, valid at every look." in text


@pytest.fixture
def rollout(apiserver: ApiServer) -> Any:
    apiserver.must("create", "-f", "-", manifest=rollouts.minimal())
    yield "modelrollout/digits"
    apiserver.must("delete", "modelrollout/digits")


def write_status(server: ApiServer, status: dict[str, Any]) -> None:
    server.must("patch", "mr/digits", "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))


def a_status() -> RolloutStatus:
    return RolloutStatus(
        observed_generation=1,
        phase=Phase.PROGRESSING,
        replicas=5,
        selector="lossgate.io/rollout=digits",
        stable=Version(revision="digits-1a2b3c4d", model_version="v2-2026-11-20", weight=95),
        canary=Version(revision="digits-5e6f7a8b", model_version="v3-2026-11-25", weight=5),
        analysis=Analysis(
            labels=LabelCounts(stable=118200, canary=6210), delta=Delta(estimate="1.6%", lower="-2.1%", upper="5.4%")
        ),
        conditions=(
            Condition(
                type=ConditionType.PROMOTED,
                status="Unknown",
                observed_generation=1,
                last_transition_time=1_790_000_000.0,
                reason=Reason.ANALYSING,
                message="v3 is being judged.",
            ),
        ),
    )


def test_an_object_that_no_operator_has_seen_says_so(apiserver: ApiServer, rollout: str) -> None:
    assert json.loads(apiserver.must("get", rollout, "-o", "json"))["status"] == {"observedGeneration": -1}


def test_a_status_is_stored_as_the_operator_writes_it(apiserver: ApiServer, rollout: str) -> None:
    status = a_status()
    write_status(apiserver, status.to_manifest())
    assert RolloutStatus.model_validate(json.loads(apiserver.must("get", rollout, "-o", "json"))["status"]) == status


def test_a_status_with_words_that_the_crd_does_not_know_is_stored(apiserver: ApiServer, rollout: str) -> None:
    write_status(apiserver, a_status().to_manifest() | {"phase": "Somersaulting"})
    assert apiserver.must("get", rollout, "-o", "jsonpath={.status.phase}") == "Somersaulting"


def test_a_terminal_of_100_columns_shows_where_a_rollout_stands(apiserver: ApiServer, rollout: str) -> None:
    write_status(apiserver, a_status().to_manifest())
    header, row = apiserver.must("get", "mr").splitlines()
    assert header.split() == ["NAME", "PHASE", "STABLE", "CANARY", "WEIGHT", "DELTA", "LABELS", "AGE"]
    assert row.split()[:-1] == ["digits", "Progressing", "v2-2026-11-20", "v3-2026-11-25", "5", "1.6%", "6210"]
    assert max(len(header), len(row)) <= 100


@pytest.fixture
def long_names(apiserver: ApiServer) -> Any:
    """A rollout and versions with the longest names that are usual: 50 characters, and versions by date and build."""
    name = "fraud-detection-for-card-payments-in-europe-200-de"
    apiserver.must("create", "-f", "-", manifest=rollouts.minimal() | {"metadata": {"name": name}})
    yield name
    apiserver.must("delete", f"modelrollout/{name}")


def test_long_names_break_no_column(apiserver: ApiServer, long_names: str) -> None:
    status = a_status().to_manifest()
    patch = ("patch", f"mr/{long_names}", "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))
    apiserver.must(*patch)
    assert len(long_names) == 50
    header, row = apiserver.must("get", "mr", "-o", "wide").splitlines()
    for column, value in {"PHASE": "Progressing", "WEIGHT": "5", "DELTA": "1.6%", "VERDICT": "Continue"}.items():
        assert row[header.index(column) :].startswith(value), "each value stands below its word"
    narrow, _ = apiserver.must("get", "mr").splitlines()
    assert len(narrow) - len(long_names) <= 100 - len("digits"), "only the name makes the line longer"


def test_the_wide_columns_show_the_evidence(apiserver: ApiServer, rollout: str) -> None:
    write_status(apiserver, a_status().to_manifest())
    header, row = apiserver.must("get", "modelrollouts", "-o", "wide").splitlines()
    assert header.split()[-4:] == ["LOWER", "UPPER", "VERDICT", "REASON"]
    assert row.split()[-4:] == ["-2.1%", "5.4%", "Continue", "Analysing"]


def test_an_autoscaler_can_set_and_read_the_size(apiserver: ApiServer, rollout: str) -> None:
    write_status(apiserver, a_status().to_manifest())
    apiserver.must("scale", rollout, "--replicas=7")
    path = "/apis/lossgate.io/v1alpha1/namespaces/default/modelrollouts/digits/scale"
    scale = json.loads(apiserver.must("get", "--raw", path))
    assert scale["spec"] == {"replicas": 7}
    assert scale["status"] == {"replicas": 5, "selector": "lossgate.io/rollout=digits"}
    assert apiserver.must("get", rollout, "-o", "jsonpath={.spec.replicas}") == "7"


def test_a_size_that_was_never_set_cannot_be_read_but_set_once(apiserver: ApiServer, rollout: str) -> None:
    path = "/apis/lossgate.io/v1alpha1/namespaces/default/modelrollouts/digits/scale"
    assert 'the spec replicas field ".spec.replicas" does not exist' in apiserver.kubectl("get", "--raw", path).stderr
    apiserver.must("scale", rollout, "--replicas=2")
    assert json.loads(apiserver.must("get", "--raw", path))["spec"] == {"replicas": 2}


def test_the_size_is_checked_also_where_an_autoscaler_sets_it(apiserver: ApiServer, rollout: str) -> None:
    assert "less than or equal to 1000" in apiserver.kubectl("scale", rollout, "--replicas=1001").stderr


@pytest.mark.parametrize("reference", [{"name": "digits"}, {"name": "models.example", "ruleName": "predict"}])
def test_a_route_of_the_users_own_is_accepted(apiserver: ApiServer, reference: dict[str, str]) -> None:
    manifest = rollouts.minimal()
    manifest["spec"]["traffic"] = {"routeRef": reference}
    apiserver.must("create", "--dry-run=server", "-f", "-", manifest=manifest)


def test_no_route_at_all_is_refused(apiserver: ApiServer) -> None:
    manifest = rollouts.minimal()
    manifest["spec"]["traffic"] = {}
    answer = refused(apiserver, manifest)
    assert "spec.traffic: " in answer
    assert ONE_ROUTE in answer


@pytest.mark.parametrize(
    ("phase", "is_refused"),
    [
        (None, False),
        (Phase.INITIALIZING, False),
        (Phase.HEALTHY, False),
        (Phase.PROGRESSING, True),
        (Phase.PAUSED, True),
        (Phase.PROMOTING, True),
        (Phase.ROLLING_BACK, True),
        (Phase.ROLLED_BACK, False),
    ],
)
def test_the_route_is_not_exchanged_while_a_canary_may_get_requests(
    apiserver: ApiServer, rollout: str, phase: Phase | None, is_refused: bool
) -> None:
    if phase is not None:
        write_status(apiserver, {"phase": phase.value})

    def patched(traffic: dict[str, Any]) -> tuple[int, str]:
        patch = json.dumps({"spec": {"traffic": traffic}})
        done = apiserver.kubectl("patch", rollout, "--type=merge", "--dry-run=server", "-p", patch)
        return done.returncode, done.stderr

    assert patched({"gateway": {"parentRefs": [{"name": "other"}]}})[0] == 0, "an own route is followed at any time"
    code, answer = patched({"gateway": None, "routeRef": {"name": "models"}})
    assert (code != 0) is is_refused
    assert not is_refused or "wait until the rollout in flight has ended" in answer
