// The two forms in which clients take an identity: a kubeconfig file, and a client configuration in memory.
package main

import (
	"os"
	"path/filepath"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// contextName names the context, the cluster and the user: tests refuse any kubeconfig that is not named for them.
const contextName = "kwo-test"

// writeKubeconfig writes the file in one step, so that whoever waits for it never reads half of it.
func writeKubeconfig(path string, id identity) error {
	config := api.NewConfig()
	config.Clusters[contextName] = &api.Cluster{Server: id.url, CertificateAuthorityData: id.ca}
	config.AuthInfos[contextName] = &api.AuthInfo{ClientCertificateData: id.cert, ClientKeyData: id.key}
	config.Contexts[contextName] = &api.Context{Cluster: contextName, AuthInfo: contextName}
	config.CurrentContext = contextName
	content, err := clientcmd.Write(*config)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // made with mode 0600
	if err != nil {
		return err
	}
	_, err = temporary.Write(content)
	if closeErr := temporary.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		_ = os.Remove(temporary.Name())
	}
	return err
}

// clientConfig is the identity as client-go wants it, with no limit of its own on the rate of requests.
func (id identity) clientConfig() *rest.Config {
	return &rest.Config{
		Host: id.url,
		QPS:  -1,
		TLSClientConfig: rest.TLSClientConfig{
			CAData:   id.ca,
			CertData: id.cert,
			KeyData:  id.key,
		},
	}
}
