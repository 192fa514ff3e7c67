package main

import (
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
)

// template prints every value with its type, and takes the branches that a chart takes.
const template = `{{- range $key, $value := .Values }}
{{ $key }}: {{ kindOf $value }} {{ toJson $value }}
{{- end }}
dashboard: {{ if .Values.dashboard }}shown{{ else }}hidden{{ end }}
{{- range .Values.additionalArguments }}
- {{ . | quote }}
{{- end }}
`

// render is what Helm makes of a chart of our own with these values.
func render(values string) (string, error) {
	read, err := chartutil.ReadValues([]byte(values))
	if err != nil {
		return "", err
	}
	own := &chart.Chart{
		Metadata:  &chart.Metadata{APIVersion: "v2", Name: "own", Version: "1.0.0"},
		Templates: []*chart.File{{Name: "templates/values.txt", Data: []byte(template)}},
	}
	all, err := chartutil.ToRenderValues(own, read, chartutil.ReleaseOptions{Name: "own"}, nil)
	if err != nil {
		return "", err
	}
	files, err := engine.Render(own, all)
	return files["own/templates/values.txt"], err
}
