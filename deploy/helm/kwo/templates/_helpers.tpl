{{/* Names are fixed: the lock and the memory of the runs are one for a cluster, and so is kwo. */}}

{{- define "kwo.labels" -}}
app.kubernetes.io/name: kwo
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "kwo.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ printf "%s@%s" .repository .digest | quote }}
{{- else -}}
{{ printf "%s:%s" .repository (.tag | default $.Chart.AppVersion) | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* What all pods of kwo have in common. */}}
{{- define "kwo.pod" -}}
serviceAccountName: kwo-sync
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- end }}

{{- define "kwo.container" -}}
image: {{ include "kwo.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy | quote }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{/* What a container has that runs `kwo sync`. */}}
{{- define "kwo.runs" -}}
env:
  - name: HOME
    value: /var/lib/kwo
  - name: CREDENTIALS_DIRECTORY
    value: /run/credentials
  # A run that a push started may be at work.
  - name: KWO_LOCK_TIMEOUT
    value: 10m
# The last lines are in the status of the pod, where they outlive its log.
terminationMessagePolicy: FallbackToLogsOnError
resources: {{- toYaml .Values.resources | nindent 2 }}
{{- end }}

{{- define "kwo.mounts" -}}
- name: settings
  mountPath: /etc/kwo
  readOnly: true
- name: credentials
  mountPath: /run/credentials
  readOnly: true
- name: token
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
- name: state
  mountPath: /var/lib/kwo
- name: tmp
  mountPath: /tmp
{{- end }}

{{/* The volumes for it; `claim` is the one of its state. */}}
{{- define "kwo.volumes" -}}
- name: settings
  configMap:
    name: kwo-settings
- name: credentials
  secret:
    secretName: {{ .root.Values.credentialsSecret | quote }}
    defaultMode: 288 # 0440
    # A repository that everybody may read takes none.
    optional: true
# What Kubernetes would mount by itself, with a token that ends in an hour.
- name: token
  projected:
    defaultMode: 288 # 0440
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: 3600
      - configMap:
          name: kube-root-ca.crt
          items:
            - key: ca.crt
              path: ca.crt
      - downwardAPI:
          items:
            - path: namespace
              fieldRef:
                fieldPath: metadata.namespace
- name: state
{{- if .root.Values.state.persistent }}
  persistentVolumeClaim:
    claimName: {{ .claim }}
{{- else }}
  emptyDir:
    sizeLimit: {{ .root.Values.state.size | quote }}
{{- end }}
- name: tmp
  emptyDir:
    sizeLimit: 256Mi
{{- end }}

{{- define "kwo.claim" -}}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {{ .claim }}
  namespace: {{ .root.Release.Namespace | quote }}
  labels: {{- include "kwo.labels" .root | nindent 4 }}
  annotations:
    # The history outlives the release.
    helm.sh/resource-policy: keep
spec:
  accessModes: [ReadWriteOnce]
  resources:
    requests:
      storage: {{ .root.Values.state.size | quote }}
{{- with .root.Values.state.storageClass }}
  storageClassName: {{ . | quote }}
{{- end }}
{{- end }}
