{{- /* What the operator may do wherever it acts on ModelRollouts. */}}
{{- define "lossgate.rules" -}}
- apiGroups: [lossgate.io]
  resources: [modelrollouts]
  verbs: [list, watch]
- apiGroups: [lossgate.io]
  resources: [modelrollouts/status]
  verbs: [update]
# Owner references that block deletion need it.
- apiGroups: [lossgate.io]
  resources: [modelrollouts/finalizers]
  verbs: [update]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- if .Values.rbac.readSecrets }}
# Only by name: nothing is listed or watched.
- apiGroups: [""]
  resources: [secrets, configmaps]
  verbs: [get]
{{- end }}
{{- end }}
