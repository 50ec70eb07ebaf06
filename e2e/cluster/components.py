"""The command lines and settings of the local cluster's components, as seen from within its own mounts."""

from __future__ import annotations

import json
from pathlib import Path

from .layout import DNS_ADDRESS, INSIDE, NODE, NODE_ADDRESS, POD_NETWORK, SERVICE_NETWORK, SOCKET

__all__ = ["command", "write_settings"]

_PKI = INSIDE / "pki"
_SETTINGS = INSIDE / "settings"
_VOLUME_PLUGINS = INSIDE / "volume-plugins"
_ETCD = "http://127.0.0.1:2379"
_ETCD_PEERS = "http://127.0.0.1:2380"

_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}
_KUBELET = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1",
    "kind": "KubeletConfiguration",
    "authentication": {
        "anonymous": {"enabled": False},
        "webhook": {"enabled": True},
        "x509": {"clientCAFile": f"{_PKI}/ca.crt"},
    },
    "authorization": {"mode": "Webhook"},
    "containerRuntimeEndpoint": f"unix://{SOCKET}",
    "cgroupDriver": "cgroupfs",
    "failCgroupV1": False,
    "failSwapOn": False,
    "enforceNodeAllocatable": [],
    "clusterDNS": [DNS_ADDRESS],
    "clusterDomain": "cluster.local",
    "resolvConf": "",
    "evictionHard": {"imagefs.available": "1%", "nodefs.available": "1%", "memory.available": "50Mi"},
    "imageGCHighThresholdPercent": 100,
    "volumePluginDir": f"{_VOLUME_PLUGINS}",
}
_PROXY = {
    "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
    "kind": "KubeProxyConfiguration",
    "mode": "nftables",
    "clientConnection": {"kubeconfig": f"{_PKI}/proxy.kubeconfig"},
    "clusterCIDR": POD_NETWORK,
    "hostnameOverride": NODE,
    # The machine's connection tracking is not ours to set.
    "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
}
_POD_NETWORK_PLUGIN = {
    "cniVersion": "1.0.0",
    "name": "pods",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": True,
            "ipMasq": False,
            "hairpinMode": True,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": POD_NETWORK}]],
                "routes": [{"dst": "0.0.0.0/0"}],
                "dataDir": f"{INSIDE}/addresses",
            },
        }
    ],
}
# restrict_oom_score_adj: without CAP_SYS_RESOURCE, as in many virtual machines, runc cannot lower the score and dies.
_CONTAINERD = f"""\
version = 3
root = "{INSIDE}/containerd/root"
state = "{INSIDE}/containerd/state"
disabled_plugins = ["io.containerd.nri.v1.nri"]
[grpc]
  address = "{SOCKET}"
[plugins.'io.containerd.internal.v1.opt']
  path = "{INSIDE}/containerd/opt"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "localhost/pause:e2e"
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ["/usr/lib/cni"]
    conf_dir = "{_SETTINGS}/cni"
"""


def write_settings(folder: Path, *, control_group: str) -> None:
    """Write the components' settings files into `folder`, the `settings` folder of the state folder.

    Pods will run in the control group of that name.
    """
    (folder / "cni").mkdir(parents=True)
    files = {
        "audit.json": _AUDIT_POLICY,
        "kubelet.json": {**_KUBELET, "cgroupRoot": f"/{control_group}"},
        "proxy.json": _PROXY,
        "cni/pods.conflist": _POD_NETWORK_PLUGIN,
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=2))
    (folder / "containerd.toml").write_text(_CONTAINERD)


def command(name: str) -> list[str]:
    """Return the command line of the component `name`, a program on the PATH."""
    return [name, *_ARGUMENTS[name]]


def _kubeconfigs(name: str) -> list[str]:
    options = ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")
    return [f"--{option}={_PKI}/{name}.kubeconfig" for option in options]


_ARGUMENTS = {
    "etcd": [
        f"--data-dir={INSIDE}/etcd",
        f"--listen-client-urls={_ETCD}",
        f"--advertise-client-urls={_ETCD}",
        f"--listen-peer-urls={_ETCD_PEERS}",
        f"--initial-advertise-peer-urls={_ETCD_PEERS}",
        f"--initial-cluster=default={_ETCD_PEERS}",
        # Its data never outlives the cluster.
        "--unsafe-no-fsync",
        "--log-level=warn",
    ],
    "kube-apiserver": [
        f"--etcd-servers={_ETCD}",
        "--bind-address=0.0.0.0",
        "--secure-port=6443",
        f"--advertise-address={NODE_ADDRESS}",
        f"--tls-cert-file={_PKI}/apiserver.crt",
        f"--tls-private-key-file={_PKI}/apiserver.key",
        f"--client-ca-file={_PKI}/ca.crt",
        f"--token-auth-file={_PKI}/tokens.csv",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={_PKI}/service-accounts.pub",
        f"--service-account-signing-key-file={_PKI}/service-accounts.key",
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--kubelet-client-certificate={_PKI}/kubelet-client.crt",
        f"--kubelet-client-key={_PKI}/kubelet-client.key",
        "--kubelet-preferred-address-types=InternalIP",
        f"--audit-policy-file={_SETTINGS}/audit.json",
        f"--audit-log-path={INSIDE}/log/audit.log",
    ],
    "containerd": [f"--config={_SETTINGS}/containerd.toml"],
    "kube-controller-manager": [
        *_kubeconfigs("controller-manager"),
        f"--service-account-private-key-file={_PKI}/service-accounts.key",
        f"--root-ca-file={_PKI}/ca.crt",
        "--use-service-account-credentials=true",
        f"--cluster-cidr={POD_NETWORK}",
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
        f"--cluster-signing-cert-file={_PKI}/ca.crt",
        f"--cluster-signing-key-file={_PKI}/ca.key",
        f"--flex-volume-plugin-dir={_VOLUME_PLUGINS}",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
    ],
    "kube-scheduler": [*_kubeconfigs("scheduler"), "--leader-elect=false", "--bind-address=127.0.0.1"],
    "kubelet": [
        f"--config={_SETTINGS}/kubelet.json",
        f"--kubeconfig={_PKI}/kubelet.kubeconfig",
        f"--hostname-override={NODE}",
        f"--node-ip={NODE_ADDRESS}",
        f"--root-dir={INSIDE}/kubelet",
        f"--cert-dir={INSIDE}/kubelet/pki",
    ],
    "kube-proxy": [f"--config={_SETTINGS}/proxy.json"],
}
