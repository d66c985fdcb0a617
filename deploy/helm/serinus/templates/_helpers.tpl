{{- define "serinus.name" -}}
{{- .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "serinus.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "serinus.selector" -}}
app.kubernetes.io/name: {{ include "serinus.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "serinus.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "serinus.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "serinus.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "serinus.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "serinus.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{/* A key of a ConfigMap has no slashes: an agent's file is agents.AGENT.FILE there, and agents/AGENT/FILE when mounted. */}}
{{- define "serinus.configItems" -}}
- {key: gateway.yaml, path: gateway.yaml}
- {key: routing.yaml, path: routing.yaml}
{{- range $agent, $files := .Values.config.agents }}
{{- range $file, $_ := $files }}
- {key: {{ printf "agents.%s.%s" $agent $file | quote }}, path: {{ printf "agents/%s/%s" $agent $file | quote }}}
{{- end }}
{{- end }}
{{- end -}}

{{/* Whether the chart writes the files itself: "true" or "". */}}
{{- define "serinus.ownFiles" -}}
{{- if not (or .Values.config.existingConfigMap .Values.config.volume) -}}true{{- end -}}
{{- end -}}

{{- define "serinus.checks" -}}
{{- if and (not .Values.store.url) (not .Values.store.existingSecret) -}}
{{- fail "set store.url, or store.existingSecret with a Secret that has the whole URL: replicas share one Redis or Valkey" -}}
{{- end -}}
{{- if and .Values.store.url .Values.store.existingSecret -}}
{{- fail "set either store.url or store.existingSecret" -}}
{{- end -}}
{{- if and .Values.config.volume .Values.config.existingConfigMap -}}
{{- fail "set either config.volume or config.existingConfigMap" -}}
{{- end -}}
{{- if not (include "serinus.ownFiles" .) -}}
{{- if or .Values.config.gateway .Values.config.routing .Values.config.agents -}}
{{- fail "config.gateway, config.routing and config.agents are not used beside config.existingConfigMap or config.volume" -}}
{{- end -}}
{{- end -}}
{{- if include "serinus.ownFiles" . -}}
{{- if not .Values.config.gateway.providers -}}
{{- fail "config.gateway.providers is empty: name at least one provider, or an existing ConfigMap in config.existingConfigMap" -}}
{{- end -}}
{{- if not .Values.config.gateway.keys -}}
{{- fail "config.gateway.keys is empty: the gateway listens beyond loopback here, so name the keys that may call" -}}
{{- end -}}
{{- range $own := list "listen" "store" "data" "drain" -}}
{{- if hasKey $.Values.config.gateway $own -}}
{{- fail (printf "config.gateway.%s is set by the chart; leave it out (drain: drainSeconds, store: store.url)" $own) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
