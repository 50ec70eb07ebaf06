{{- /* The operator's own credentials for prometheus.url, as files of one folder: the kubelet replaces them when the
Secret changes, and the operator reads them anew. */}}
{{- define "lossgate.prometheusFolder" -}}
/etc/lossgate/prometheus
{{- end }}

{{- define "lossgate.prometheusEnvironment" -}}
{{- $folder := include "lossgate.prometheusFolder" . }}
{{- with .Values.prometheus }}
- name: LOSSGATE_PROMETHEUS_URL
  value: {{ .url | quote }}
- name: LOSSGATE_PROMETHEUS_ALLOWED
  value: {{ join "," .allowed | quote }}
{{- with .headers }}
- name: LOSSGATE_PROMETHEUS_HEADERS
  {{- /* Kubernetes puts a variable in place of $(NAME), and $( in place of $$(. */}}
  value: {{ toJson . | replace "$(" "$$(" | quote }}
{{- end }}
{{- if .tokenFile }}
- name: LOSSGATE_PROMETHEUS_TOKEN_FILE
  value: {{ .tokenFile | quote }}
{{- else if .existingSecret.tokenKey }}
- name: LOSSGATE_PROMETHEUS_TOKEN_FILE
  value: {{ $folder }}/token
{{- else if .existingSecret.name }}
- name: LOSSGATE_PROMETHEUS_USERNAME_FILE
  value: {{ $folder }}/username
- name: LOSSGATE_PROMETHEUS_PASSWORD_FILE
  value: {{ $folder }}/password
{{- end }}
{{- if or .caConfigMap.name .caSecret.name }}
- name: LOSSGATE_PROMETHEUS_CA_FILE
  value: {{ $folder }}/ca.crt
{{- end }}
{{- end }}
{{- end }}

{{- define "lossgate.prometheusSources" -}}
{{- with .Values.prometheus }}
{{- with .existingSecret }}
{{- if .name }}
- secret:
    name: {{ .name }}
    items:
    {{- if .tokenKey }}
    - key: {{ .tokenKey | quote }}
      path: token
    {{- else }}
    - key: {{ .usernameKey | quote }}
      path: username
    - key: {{ .passwordKey | quote }}
      path: password
    {{- end }}
{{- end }}
{{- end }}
{{- range $kind, $source := dict "configMap" .caConfigMap "secret" .caSecret }}
{{- if $source.name }}
- {{ $kind }}:
    name: {{ $source.name }}
    items:
    - key: {{ $source.key | quote }}
      path: ca.crt
{{- end }}
{{- end }}
{{- end }}
{{- end }}
