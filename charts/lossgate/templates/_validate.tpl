{{- /* What a schema cannot say of values that are right one by one: which of them go together. */}}
{{- define "lossgate.validate" -}}
{{- with .Values.prometheus }}
{{- $secret := .existingSecret }}
{{- $keys := or $secret.tokenKey $secret.usernameKey $secret.passwordKey }}
{{- if and $keys (not $secret.name) }}
{{- fail "prometheus.existingSecret.name: name the Secret that has these keys" }}
{{- end }}
{{- if $secret.name }}
{{- if .tokenFile }}
{{- fail "prometheus.tokenFile, prometheus.existingSecret: give one of the two" }}
{{- end }}
{{- if and $secret.tokenKey (or $secret.usernameKey $secret.passwordKey) }}
{{- fail "prometheus.existingSecret: give tokenKey, or else usernameKey and passwordKey" }}
{{- end }}
{{- if not (or $secret.tokenKey (and $secret.usernameKey $secret.passwordKey)) }}
{{- fail "prometheus.existingSecret: give tokenKey, or both usernameKey and passwordKey: the keys of the Secret to use" }}
{{- end }}
{{- end }}
{{- if and .caConfigMap.name .caSecret.name }}
{{- fail "prometheus.caConfigMap, prometheus.caSecret: give one of the two" }}
{{- end }}
{{- $credentials := list "authorization" "proxy-authorization" "cookie" }}
{{- $own := list "accept" "accept-encoding" "connection" "content-encoding" "content-length" "content-type" "expect" "host" "keep-alive" "proxy-connection" "te" "trailer" "transfer-encoding" "upgrade" }}
{{- $seen := dict }}
{{- range $name, $value := .headers }}
{{- if has (lower $name) $credentials }}
{{- fail (printf "prometheus.headers: whoever reads the Deployment can read %s; use prometheus.existingSecret or prometheus.tokenFile" $name) }}
{{- else if has (lower $name) $own }}
{{- fail (printf "prometheus.headers: remove %s, the operator sets it" $name) }}
{{- else if hasKey $seen (lower $name) }}
{{- fail (printf "prometheus.headers: write %s once; upper and lower case are the same" $name) }}
{{- end }}
{{- $seen = set $seen (lower $name) true }}
{{- end }}
{{- if and (not .url) (or .headers .tokenFile $secret.name .caConfigMap.name .caSecret.name) }}
{{- fail "prometheus.url: set it; headers, credentials and certificate authority are used for this URL only" }}
{{- end }}
{{- if and (or .caConfigMap.name .caSecret.name) (not (hasPrefix "https://" .url)) }}
{{- fail "prometheus.url: a certificate authority is given, so begin it with https://" }}
{{- end }}
{{- end }}
{{- if and .Values.serviceMonitor.create .Values.podMonitor.create }}
{{- fail "serviceMonitor.create, podMonitor.create: choose one of the two, or everything is scraped twice" }}
{{- end }}
{{- if and .Values.rbac.readSecrets (not .Values.rbac.create) }}
{{- fail "rbac.readSecrets: nothing is granted while rbac.create is false; set that, or grant it yourself" }}
{{- end }}
{{- end }}
