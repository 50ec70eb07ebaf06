{{- /* Peers, or everywhere when there are none: an empty list in a NetworkPolicy means the same, but reads as nowhere. */}}
{{- define "lossgate.egressRule" -}}
- ports:
  {{- range $port := .ports }}
  {{- range $.protocols }}
  - protocol: {{ . }}
    port: {{ int64 $port }}
  {{- end }}
  {{- end }}
  {{- with .to }}
  to:
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- /* What the operator and `helm test` both ask. */}}
{{- define "lossgate.sharedEgress" -}}
{{- with .Values.networkPolicy.egress }}
{{- $servers := list }}
{{- range .apiServer.cidrs }}
{{- $servers = append $servers (dict "ipBlock" (dict "cidr" .)) }}
{{- end }}
{{- include "lossgate.egressRule" (dict "ports" .apiServer.ports "protocols" (list "TCP") "to" $servers) }}
{{ include "lossgate.egressRule" (dict "ports" .dns.ports "protocols" (list "UDP" "TCP") "to" .dns.to) }}
{{- end }}
{{- end }}
