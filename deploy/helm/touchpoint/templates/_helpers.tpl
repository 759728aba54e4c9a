{{- define "touchpoint.labels" -}}
app.kubernetes.io/name: touchpoint
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "touchpoint.workers" -}}
app.kubernetes.io/name: touchpoint
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: worker
{{- end }}

{{- define "touchpoint.image" -}}
image: {{ printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  readOnlyRootFilesystem: true
  allowPrivilegeEscalation: false
  capabilities: {drop: [ALL]}
{{- end }}

{{- define "touchpoint.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false   # Kubernetes would set TOUCHPOINT_... variables of its own
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* Settings, and of each secret the name of its file. Takes (dict "root" $ "secrets" (list ...)). */}}
{{- define "touchpoint.environment" -}}
{{- range $name, $value := .root.Values.settings }}
- {name: TOUCHPOINT_{{ upper $name }}, value: {{ $value | toString | quote }}}
{{- end }}
{{- range $secret := .secrets }}
{{- range $key := $secret.keys }}
- {name: TOUCHPOINT_{{ upper $key }}_FILE, value: /run/secrets/touchpoint/{{ $key }}}
{{- end }}
{{- end }}
{{- end }}

{{- define "touchpoint.secretMount" -}}
- {name: secrets, mountPath: /run/secrets/touchpoint, readOnly: true}
{{- end }}

{{- define "touchpoint.secretVolume" -}}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
{{- range $secret := .secrets }}
{{- if $secret.name }}
      - secret:
          name: {{ $secret.name }}
          items:
{{- range $key := $secret.keys }}
            - {key: {{ $key }}, path: {{ $key }}}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
