"""Keys, certificates and access files of the local cluster."""

from __future__ import annotations

import base64
import csv
import secrets
from pathlib import Path

from .command import run

__all__ = ["create", "token_of"]

_USERS = {
    "admin": ("admin", "system:masters"),
    "controller-manager": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "kubelet": ("system:node:node1", "system:nodes"),
    "proxy": ("system:kube-proxy", ""),
}
_KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters:
- {{name: lossgate-e2e, cluster: {{server: "https://127.0.0.1:6443", certificate-authority-data: {authority}}}}}
users:
- {{name: {name}, user: {{token: "{token}"}}}}
contexts:
- {{name: lossgate-e2e, context: {{cluster: lossgate-e2e, user: {name}}}}}
current-context: lossgate-e2e
"""


def create(folder: Path, *, addresses: list[str]) -> None:
    """Fill `folder` with all that the components need to trust each other.

    Afterwards it holds `ca.*`, `apiserver.*` (valid for `addresses` and the in-cluster names), `kubelet-client.*`,
    `service-accounts.*`, `tokens.csv`, and one `NAME.kubeconfig` for each user.
    """
    folder.mkdir(mode=0o700, parents=True)
    _key(folder / "ca.key")
    run(["openssl", "req", "-x509", "-new", "-key", folder / "ca.key", "-subj", "/CN=lossgate-e2e-ca", "-days", "365",
         "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-out", folder / "ca.crt"])  # fmt: skip
    service = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]
    names = [f"DNS:{name}" for name in ("localhost", *service)] + [f"IP:{address}" for address in addresses]
    _certificate(folder, "apiserver", "/CN=kube-apiserver", f"subjectAltName={','.join(names)}\n")
    _certificate(folder, "kubelet-client", "/O=system:masters/CN=kube-apiserver-kubelet-client", "")
    run(["openssl", "genrsa", "-out", folder / "service-accounts.key", "2048"])
    run(["openssl", "rsa", "-in", folder / "service-accounts.key", "-pubout", "-out", folder / "service-accounts.pub"])
    _users(folder)


def token_of(folder: Path, name: str) -> str:
    """Return the token of one of the users made by `create`."""
    with (folder / "tokens.csv").open(newline="") as handle:
        return next(token for token, _, uid, *_ in csv.reader(handle) if uid == name)


def _key(path: Path) -> None:
    run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path])


def _certificate(folder: Path, name: str, subject: str, extensions: str) -> None:
    key, request, extension_file = (folder / f"{name}.{suffix}" for suffix in ("key", "csr", "ext"))
    _key(key)
    # Python 3.13 takes no certificate without them.
    extension_file.write_text(f"{extensions}subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")
    run(["openssl", "req", "-new", "-key", key, "-subj", subject, "-out", request])
    run(["openssl", "x509", "-req", "-in", request, "-CA", folder / "ca.crt", "-CAkey", folder / "ca.key",
         "-CAcreateserial", "-days", "365", "-out", folder / f"{name}.crt", "-extfile", extension_file])  # fmt: skip


def _users(folder: Path) -> None:
    authority = base64.b64encode((folder / "ca.crt").read_bytes()).decode()
    with (folder / "tokens.csv").open("w", newline="") as handle:
        rows = csv.writer(handle)
        for name, (user, group) in _USERS.items():
            token = secrets.token_hex(16)
            rows.writerow([token, user, name, group])
            text = _KUBECONFIG.format(authority=authority, name=name, token=token)
            (folder / f"{name}.kubeconfig").write_text(text)
