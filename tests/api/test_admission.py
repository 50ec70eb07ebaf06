"""What a real API server accepts and refuses, and the words it has for a person."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lossgate.api.reasons import ConditionType, Phase, Reason
from lossgate.api.status import Analysis, Condition, Delta, LabelCounts, RolloutStatus, Version
from tests import rollouts
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

STEP_MARGIN = 'write a percentage above 0 with its sign, such as "20%"'
FALLING = "write margins that do not rise from step to step"
LAST = "of the last step, which decides on the promotion, and at most four times that in a step after one"
UNIT = "write the margins of steps in the unit of the gate"
GUARD = 'write a percentage above 0 and at most 1000% with its sign, such as "25%"'

IN_UNITS = {"gate": {"absoluteMargin": "0.01"}}
CONTAINER: dict[str, Any] = {"name": "model", "ports": [{"name": "http", "containerPort": 8000}]}


def container(**changes: Any) -> dict[str, Any]:
    return {"template": {"spec": {"containers": [CONTAINER | changes]}}}


def labelled(**labels: str) -> dict[str, Any]:
    return {"template": {"metadata": {"labels": labels}}}


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
