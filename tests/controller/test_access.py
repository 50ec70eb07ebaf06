"""With which credentials each ModelRollout is let in, where they are read, and what is said when they cannot be."""

from __future__ import annotations

import asyncio
import base64
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossgate.api.prometheus import Prometheus
from lossgate.api.spec import RolloutSpec
from lossgate.controller.access import Accesses
from lossgate.controller.kube import KubeError
from lossgate.controller.references import MAX_AGE_SECONDS, Reference, References
from lossgate.controller.settings import Settings
from lossgate.measure.access import Access
from lossgate.measure.errors import AccessDenied, NoAccess, Question
from tests.controller.cluster import a_rollout
from tests.controller.fake_kube import FakeKube, Request, Storage
from tests.measure.certificates import Authority

DEFAULT = "https://prometheus.example.com/prom"
THEIRS = "https://theirs.example.com/tenant"
OWN_TOKEN = "operator-token"
TENANT = {"X-Scope-OrgID": "ml"}


def a_spec(**prometheus: Any) -> RolloutSpec:
    return RolloutSpec.model_validate(a_rollout(loss={"prometheus": prometheus})["spec"])


@dataclass
class World:
    """An operator with a token of its own, and a namespace with Secrets."""

    settings: Settings
    kube: FakeKube = field(default_factory=lambda: FakeKube(Storage()))
    now: float = 1000.0

    def __post_init__(self) -> None:
        self.references = References(self.kube, lambda: self.now)
        self.accesses = Accesses(self.settings, self.references, lambda: self.now)

    def put(self, kind: str, name: str, data: Mapping[str, str | bytes]) -> None:
        values = {key: value.encode() if isinstance(value, str) else value for key, value in data.items()}
        metadata = {"name": name, "namespace": "ml", "generation": 1, "uid": "u"}
        if kind == "Secret":
            encoded = {key: base64.b64encode(value).decode() for key, value in values.items()}
            self.kube.storage.put({"kind": kind, "metadata": metadata, "data": encoded})
        else:
            self.kube.storage.put(
                {"kind": kind, "metadata": metadata, "data": {k: v.decode() for k, v in values.items()}}
            )

    async def access(self, *, generated: bool = True, **prometheus: Any) -> Access:
        return await self.accesses.access_for("ml", a_spec(**prometheus), generated=generated)

    async def failure(self, **prometheus: Any) -> str:
        with pytest.raises(NoAccess) as caught:
            await self.access(**prometheus)
        return str(caught.value)

    @property
    def reads(self) -> int:
        return len(self.kube.requests)


def settings_with(folder: Path, **fields: Any) -> Settings:
    token = folder / "token"
    token.write_text(OWN_TOKEN + "\n")
    given: dict[str, Any] = {
        "prometheus_url": DEFAULT,
        "prometheus_allowed": (THEIRS, "http://plain:9090"),
        "prometheus_headers": (("X-Scope-OrgID", "operator"),),
        "prometheus_token_file": str(token),
        **fields,
    }
    return Settings("lossgate", "pod-1", **given)


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(settings_with(tmp_path))
    world.put("Secret", "prom", {"token": "their-token\n"})
    return world


OWN = Access(DEFAULT, (("X-Scope-OrgID", "operator"),), token=OWN_TOKEN)
REF = {"name": "prom"}


@pytest.mark.parametrize(
    ("prometheus", "generated", "expected"),
    [
        ({}, True, OWN),
        ({}, False, Access(DEFAULT)),
        ({"headers": {}}, True, OWN),
        ({"headers": TENANT}, True, Access(DEFAULT, (("X-Scope-OrgID", "ml"),))),
        ({"headers": TENANT}, False, Access(DEFAULT, (("X-Scope-OrgID", "ml"),))),
        ({"secretRef": REF}, True, Access(DEFAULT, token="their-token")),
        ({"secretRef": REF}, False, Access(DEFAULT, token="their-token")),
        ({"url": DEFAULT}, True, Access(DEFAULT)),
        ({"url": DEFAULT + "/"}, True, Access(DEFAULT)),
        ({"url": THEIRS}, True, Access(THEIRS)),
        ({"url": THEIRS + "//", "secretRef": REF}, True, Access(THEIRS, token="their-token")),
        (
            {"url": THEIRS, "secretRef": REF, "headers": TENANT},
            True,
            Access(THEIRS, (("X-Scope-OrgID", "ml"),), token="their-token"),
        ),
    ],
    ids=str,
)
async def test_who_sends_what(world: World, prometheus: dict[str, Any], generated: bool, expected: Access) -> None:
    assert await world.access(generated=generated, **prometheus) == expected


@pytest.mark.parametrize("prometheus", [{}, {"headers": TENANT}, {"url": THEIRS}])
async def test_no_object_is_read_where_none_is_named(world: World, prometheus: dict[str, Any]) -> None:
    await world.access(**prometheus)
    assert world.reads == 0


def _spellings() -> st.SearchStrategy[str]:
    """The default address as people and attackers may write it."""
    scheme = st.sampled_from(["https://", "HTTPS://", "https:/", "https:///", "http://"])
    host = st.sampled_from(
        ["prometheus.example.com", "Prometheus.Example.COM", "prometheus.example.com.", "prometheus%2eexample.com"]
    )
    port = st.sampled_from(["", ":443", ":0443", ":"])
    path = st.sampled_from(
        [
            "",
            "/",
            "/prom",
            "/prom/",
            "/prom//",
            "//prom",
            "/./prom",
            "/x/../prom",
            "/%70rom",
            "/prom/.",
            "/PROM",
            "/prom;a",
        ]
    )
    around = st.sampled_from(["", " ", "\t", "\n"])
    return st.builds(lambda *parts: "".join(parts), around, scheme, host, port, path, around)


@given(_spellings(), st.booleans(), st.booleans())
def test_no_spelling_of_the_default_address_gets_the_operators_credentials(
    tmp_path_factory: pytest.TempPathFactory, url: str, generated: bool, tenant: bool
) -> None:
    world = World(settings_with(tmp_path_factory.getbasetemp()))
    # Past the API server's own check of addresses, so that it is not what this rests upon.
    prometheus = Prometheus.model_construct(url=url, headers=TENANT if tenant else {}, secret_ref=None, ca_ref=None)
    spec = a_spec()
    spec = spec.model_copy(update={"loss": spec.loss.model_copy(update={"prometheus": prometheus})})
    try:
        access = asyncio.run(world.accesses.access_for("ml", spec, generated=generated))
    except NoAccess:
        assert url.rstrip("/") != DEFAULT
        return
    assert access.authorization() is None
    assert access.headers == (tuple(TENANT.items()) if tenant else ())
    assert access.url == DEFAULT, "what is asked is what is on the list, to the letter"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"token": "t"}, Access(DEFAULT, token="t")),
        ({"token": "t\r\n", "other": "x"}, Access(DEFAULT, token="t")),
        ({"username": "u\n", "password": "p: ä \n"}, Access(DEFAULT, username="u", password="p: ä ")),
    ],
)
async def test_credentials_in_a_secret(world: World, data: dict[str, str], expected: Access) -> None:
    world.put("Secret", "mine", data)
    assert await world.access(secretRef={"name": "mine"}) == expected


MARKER = "m4rk3r"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "has neither token nor username and password"),
        ({"Token": MARKER}, "has neither token nor username and password"),
        ({"username": MARKER}, "has username alone"),
        ({"password": MARKER}, "has password alone"),
        ({"token": MARKER, "username": "a", "password": "b"}, "has both token and username: leave one"),
        ({"token": MARKER, "password": "b"}, "has both token and password: leave one"),
        ({"token": "\n"}, "key token, is empty"),
        ({"token": b"\xff" + MARKER.encode()}, "key token, is no text in UTF-8"),
        ({"token": f"Bearer {MARKER}"}, "without the word Bearer"),
        ({"username": f"{MARKER}:b", "password": "c"}, "colon"),
        ({"username": "a", "password": f"{MARKER}\nb"}, "line break"),
    ],
)
async def test_a_secret_that_holds_no_credentials(world: World, data: dict[str, Any], words: str) -> None:
    world.put("Secret", "mine", data)
    message = await world.failure(secretRef={"name": "mine"})
    assert "Secret ml/mine" in message
    assert words.partition(": leave")[0] in message
    assert MARKER not in message


async def test_a_missing_secret_is_said_and_nothing_is_asked_without_it(world: World) -> None:
    message = await world.failure(secretRef={"name": "absent"})
    assert "Secret ml/absent cannot be read" in message
    assert "create it" in message


@pytest.mark.parametrize(("kind", "resource"), [("Secret", "secrets"), ("ConfigMap", "configmaps")])
async def test_a_right_that_is_missing_is_said_with_both_remedies(world: World, kind: str, resource: str) -> None:
    said = f'{resource} "prom" is forbidden: User "system:serviceaccount:lossgate:lossgate" cannot get resource'
    world.kube.refuse = lambda request: KubeError(403, "GET", said)
    named = {"secretRef": REF} if kind == "Secret" else {"caRef": {"kind": kind, "name": "prom"}}
    message = await world.failure(**named)
    assert f"{kind} ml/prom" in message
    assert "system:serviceaccount:lossgate:lossgate" in message
    assert f"lacks the right to get {resource}" in message
    assert f"bind a Role in namespace ml to it (verb get, resource {resource}, resourceNames prom)" in message
    assert "rbac.readSecrets" in message


async def test_an_api_server_that_does_not_answer(world: World) -> None:
    world.kube.refuse = lambda request: KubeError(0, "GET", "no answer: TimeoutError()")
    assert "the next look asks again" in await world.failure(secretRef=REF)


@pytest.mark.parametrize("kind", ["Secret", "ConfigMap"])
async def test_an_authority_in_an_object(world: World, authority: Authority, kind: str) -> None:
    world.put(kind, "company", {"ca.crt": authority.pem, "other.pem": "no certificate"})
    access = await world.access(caRef={"kind": kind, "name": "company"})
    assert access == Access(DEFAULT, ca_pem=authority.pem.rstrip("\n"))
    for key, words in (("other.pem", "is no authority to trust"), ("absent.pem", "has no key absent.pem")):
        message = await world.failure(caRef={"kind": kind, "name": "company", "key": key})
        assert f"{kind} ml/company" in message
        assert words in message


async def test_credentials_in_the_clear_are_an_opt_in(tmp_path: Path) -> None:
    world = World(settings_with(tmp_path, prometheus_url="http://plain:9090"))
    world.put("Secret", "prom", {"token": "t"})
    message = await world.failure(secretRef=REF)
    assert "allowHTTP" in message
    assert world.reads == 0
    allowed = await world.access(secretRef={"name": "prom", "allowHTTP": True})
    assert allowed == Access("http://plain:9090", token="t")
    assert "remove it" in await world.failure(caRef={"kind": "Secret", "name": "prom"})


@pytest.mark.parametrize("url", ["https://elsewhere.example.com", "https://theirs.example.com/tenant/../x"])
async def test_secrets_are_not_even_read_for_an_address_that_is_not_allowed(world: World, url: str) -> None:
    await world.failure(url=url, secretRef=REF)
    assert world.reads == 0


async def test_no_default_address(tmp_path: Path) -> None:
    world = World(settings_with(tmp_path, prometheus_url=None))
    assert "no address" in await world.failure(headers=TENANT)
    assert "set spec.loss.prometheus.url" in await world.failure()
    with pytest.raises(NoAccess):
        await world.access(generated=False)


# The cache.


async def test_a_secret_is_read_once_a_minute_at_most(world: World) -> None:
    for _ in range(10):
        await world.access(secretRef=REF)
    assert world.reads == 1
    world.put("Secret", "prom", {"token": "renewed"})
    world.now += MAX_AGE_SECONDS - 1
    assert (await world.access(secretRef=REF)).token == "their-token"
    world.now += 1
    assert (await world.access(secretRef=REF)).token == "renewed"
    assert world.reads == 2


async def test_a_secret_that_is_gone_is_forgotten(world: World) -> None:
    await world.access(secretRef=REF)
    world.kube.storage.remove(("Secret", "ml", "prom"))
    world.now += MAX_AGE_SECONDS
    for _ in range(2):
        assert "cannot be read" in await world.failure(secretRef=REF)
    world.put("Secret", "prom", {"token": "again"})
    assert (await world.access(secretRef=REF)).token == "again"


async def test_many_rollouts_wait_for_one_read(world: World) -> None:
    await asyncio.gather(*(world.access(secretRef=REF) for _ in range(50)))
    assert world.reads == 1


async def test_only_what_is_needed_is_kept_and_not_for_long(world: World) -> None:
    world.put("Secret", "prom", {"token": "their-token", "tls.key": MARKER})
    for number in range(600):
        world.put("Secret", f"s{number}", {"token": "t"})
        await world.references.read(Reference("Secret", "ml", f"s{number}", ("token",)))
    entries = world.references._entries
    assert len(entries) <= 256
    values = await world.references.read(Reference("Secret", "ml", "prom", ("token",)))
    assert values == {"token": b"their-token"}
    world.now += MAX_AGE_SECONDS
    await world.references.read(Reference("Secret", "ml", "prom", ("token",)))
    assert len(entries) == 1
    assert "their-token" not in repr(entries)


async def test_only_gets_by_name_are_sent(world: World, authority: Authority) -> None:
    world.put("ConfigMap", "company", {"ca.crt": authority.pem})
    await world.access(secretRef=REF, caRef={"kind": "ConfigMap", "name": "company"})
    assert world.kube.requests == [Request("GET", "Secret", "prom"), Request("GET", "ConfigMap", "company")]


# Refused credentials.


class Door:
    """Lets in who sends the right token, and counts who came."""

    def __init__(self, *tokens: str | None) -> None:
        self.tokens = tokens
        self.sent: list[str | None] = []

    async def __call__(self, access: Access) -> str:
        self.sent.append(access.token)
        if access.token not in self.tokens:
            raise AccessDenied("HTTP 401", Question(access.url, "x", 0), "try another")
        return "in"


async def test_rotated_credentials_are_read_again_at_once(world: World) -> None:
    spec = a_spec(secretRef=REF)
    door = Door("their-token")
    assert await world.accesses.ask("ml", spec, door, generated=True) == "in"
    world.now += 1
    door.tokens = ("renewed",)
    world.put("Secret", "prom", {"token": "renewed"})
    assert await world.accesses.ask("ml", spec, door, generated=True) == "in"
    assert door.sent == ["their-token", "their-token", "renewed"]
    assert world.reads == 2


async def test_refused_credentials_that_did_not_change_are_not_sent_twice(world: World) -> None:
    door = Door("other")
    for looks in range(1, 4):
        world.now += 10
        with pytest.raises(AccessDenied):
            await world.accesses.ask("ml", a_spec(secretRef=REF), door, generated=True)
        assert len(door.sent) == looks


async def test_a_refusal_never_leads_to_asking_with_less(world: World) -> None:
    door = Door(None, OWN_TOKEN)
    await world.access(secretRef=REF)
    world.kube.storage.remove(("Secret", "ml", "prom"))
    world.now += 1
    with pytest.raises(NoAccess):
        await world.accesses.ask("ml", a_spec(secretRef=REF), door, generated=True)
    assert door.sent == ["their-token"]


# The operator's own.


async def test_the_operators_token_is_read_anew(world: World, tmp_path: Path) -> None:
    assert (await world.access()).token == OWN_TOKEN
    (tmp_path / "token").write_text("next-hour")
    assert (await world.access()).token == "next-hour"


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfe", b"two words"])
async def test_an_operators_file_that_holds_nothing_is_no_unauthenticated_query(
    world: World, tmp_path: Path, content: bytes | None
) -> None:
    token = tmp_path / "token"
    token.unlink()
    if content is not None:
        token.write_bytes(content)
    message = await world.failure()
    assert str(token) in message or "operator's credentials" in message
    assert "two words" not in message


@pytest.mark.parametrize("field", ["prometheus_token_file", "prometheus_ca_file"])
async def test_an_operators_file_that_cannot_be_used(tmp_path: Path, field: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    assert "cannot be read: Is a directory" in await World(settings_with(tmp_path, **{field: str(folder)})).failure()
    large = tmp_path / "large"
    large.write_bytes(b"a" * (1024 * 1024 + 1))
    assert "larger than" in await World(settings_with(tmp_path, **{field: str(large)})).failure()


async def test_the_operators_password_and_authority(tmp_path: Path, authority: Authority) -> None:
    files = {"username": "lossgate\n", "password": f"{MARKER}\n", "ca": authority.pem}
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    paths = {f"prometheus_{name}_file": str(tmp_path / name) for name in files}
    world = World(settings_with(tmp_path, prometheus_token_file=None, **paths))
    pem = authority.pem.rstrip("\n")
    headers = (("X-Scope-OrgID", "operator"),)
    assert await world.access() == Access(DEFAULT, headers, username="lossgate", password=MARKER, ca_pem=pem)
    assert await world.access(generated=False) == Access(DEFAULT, ca_pem=pem), "trust is no credential"
    assert await world.access(url=DEFAULT) == Access(DEFAULT)
    (tmp_path / "ca").write_text("no certificate")
    assert "is no authority to trust" in await world.failure()


@pytest.mark.parametrize(("url", "warned"), [("http://plain:9090", True), (DEFAULT, False), (None, False)])
def test_the_operators_credentials_in_the_clear_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, url: str | None, warned: bool
) -> None:
    World(settings_with(tmp_path, prometheus_url=url))
    assert ("readable on the way" in caplog.text) is warned


def test_every_field_that_lets_in_replaces_the_operators() -> None:
    fields: dict[str, Any] = {
        "url": THEIRS,
        "headers": TENANT,
        "secretRef": REF,
        "caRef": {"kind": "Secret", "name": "a"},
    }
    assert set(Prometheus.model_json_schema(by_alias=True)["properties"]) == set(fields)
    for count in range(1, 5):
        for names in itertools.combinations(fields, count):
            assert Prometheus.model_validate({name: fields[name] for name in names}).brings_its_own
    assert not Prometheus().brings_its_own
