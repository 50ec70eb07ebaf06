{{- define "lossgate.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "lossgate.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "lossgate.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "lossgate.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- /* A Service's name has at most 63 characters. */}}
{{- define "lossgate.metricsName" -}}
{{- printf "%s-metrics" (include "lossgate.fullname" . | trunc 55 | trimSuffix "-") }}
{{- end }}

{{- define "lossgate.testName" -}}
{{- printf "%s-test" (include "lossgate.fullname" . | trunc 58 | trimSuffix "-") }}
{{- end }}

{{- /* Never add to these: a Deployment's selector cannot be changed, and an upgrade would be refused. */}}
{{- define "lossgate.selectorLabels" -}}
app.kubernetes.io/name: {{ include "lossgate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* Other labels than the operator's pods have, or its Service would take the test for an operator. */}}
{{- define "lossgate.testSelectorLabels" -}}
app.kubernetes.io/name: {{ printf "%s-test" (include "lossgate.name" . | trunc 58 | trimSuffix "-") }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "lossgate.labels" -}}
{{ include "lossgate.selectorLabels" . }}
{{ include "lossgate.furtherLabels" (list . "operator") }}
{{- end }}

{{- define "lossgate.testLabels" -}}
{{ include "lossgate.testSelectorLabels" . }}
{{ include "lossgate.furtherLabels" (list . "test") }}
{{- end }}

{{- define "lossgate.furtherLabels" -}}
{{- $root := index . 0 }}
{{- include "lossgate.releaseLabels" . }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "lossgate.releaseLabels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/component: {{ index . 1 }}
app.kubernetes.io/part-of: lossgate
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
{{- end }}

{{- /* Without the chart's version: a new chart with the same operator needs no restart. */}}
{{- define "lossgate.podLabels" -}}
{{ include "lossgate.selectorLabels" . }}
{{ include "lossgate.releaseLabels" (list . "operator") }}
{{- with merge (deepCopy .Values.podLabels) .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "lossgate.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "lossgate.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name: name the ServiceAccount to use, or set serviceAccount.create" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "lossgate.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{- /* What the operator may do wherever it acts on ModelRollouts. */}}
{{- define "lossgate.rules" -}}
- apiGroups: [lossgate.io]
  resources: [modelrollouts]
  verbs: [get, list, watch]
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
