{{- /* One endpoint of a ServiceMonitor or PodMonitor. */}}
{{- define "lossgate.monitorEndpoint" -}}
- port: http
  path: /metrics
  # The operator's metrics carry the namespace of their ModelRollout; the target's would replace it.
  honorLabels: true
  {{- with .interval }}
  interval: {{ . }}
  {{- end }}
  {{- with .scrapeTimeout }}
  scrapeTimeout: {{ . }}
  {{- end }}
  {{- with .relabelings }}
  relabelings:
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- with .metricRelabelings }}
  metricRelabelings:
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- /* The labels of a monitor: its own win over those of the whole release. */}}
{{- define "lossgate.monitorLabels" -}}
{{- $root := index . 0 }}
{{- merge (deepCopy (index . 1).labels) (include "lossgate.labels" $root | fromYaml) | toYaml }}
{{- end }}
