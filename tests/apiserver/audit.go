// The audit log, by which tests count requests. A line is written before its response ends, so that a client that has
// read a response finds it in the file; only an OpenAPI document, whose length goes ahead of it, can be read a moment
// earlier. Each request is one line (stage ResponseComplete; a watch's when it ends), and the requests that this
// program makes to itself are left out.
package main

import (
	"encoding/json"
	"os"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/apiserver/pkg/authentication/user"
)

const auditPolicyFile = "audit-policy.json"

// auditFlags writes the policy and returns the API server's flags for it.
func auditFlags(path, level string) ([]string, error) {
	own := []string{user.APIServerUser, controllersUser, probeUser}
	for _, account := range controllerAccounts {
		own = append(own, serviceaccount.MakeUsername(metav1.NamespaceSystem, account))
	}
	policy := auditv1.Policy{
		TypeMeta:   metav1.TypeMeta{APIVersion: auditv1.SchemeGroupVersion.String(), Kind: "Policy"},
		OmitStages: []auditv1.Stage{auditv1.StageRequestReceived, auditv1.StageResponseStarted},
		Rules: []auditv1.PolicyRule{
			{Level: auditv1.LevelNone, Users: own},
			{Level: auditv1.Level(level)},
		},
	}
	content, err := json.Marshal(policy)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(auditPolicyFile, content, 0o600); err != nil {
		return nil, err
	}
	return []string{
		"--audit-policy-file=" + auditPolicyFile,
		"--audit-log-path=" + path,
		"--audit-log-format=json",
		"--audit-log-mode=blocking-strict",
		"--audit-log-maxsize=0", // never rotated
	}, nil
}
