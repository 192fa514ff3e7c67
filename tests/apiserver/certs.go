// Keys and certificates: one authority that signs the server's certificate and those of its clients, and the key that
// signs service account tokens. Authority and token key are made once for a state folder, so that clients of a server
// that is started again in it are still its clients; all else is new at every start. Files in the state folder are for
// the parts that read files; the clients' credentials stay in memory until a kubeconfig is written from them.
package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"time"
)

const (
	caFile                = "ca.crt"
	caKeyFile             = "ca.key"
	serverCertFile        = "server.crt"
	serverKeyFile         = "server.key"
	serviceAccountKeyFile = "service-account.key"
	controllersKubeconfig = "controllers.kubeconfig"

	adminUser       = "kwo-test-admin"
	probeUser       = "kwo-test-probe"
	controllersUser = "system:kube-controller-manager"

	validity = 366 * 24 * time.Hour
)

// identity is what a client needs to reach the server as someone.
type identity struct {
	url       string
	ca        []byte
	cert, key []byte
}

// identities are the clients that exist from the start.
type identities struct {
	admin       identity // what the tests get; may do everything
	probe       identity // used while starting, so that the audit log shows the tests' requests only
	controllers identity
}

type authority struct {
	cert        *x509.Certificate
	key         crypto.Signer
	pem, keyPEM []byte
}

// writeCertificates makes everything and writes what the parts read from files.
func writeCertificates(url string) (identities, error) {
	ca, err := loadAuthority()
	if errors.Is(err, os.ErrNotExist) {
		ca, err = newAuthority()
	}
	if err != nil {
		return identities{}, err
	}
	serverCert, serverKey, err := ca.issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: "kube-apiserver"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{
			"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
		},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.ParseIP(kubernetesServiceIP)},
	})
	if err != nil {
		return identities{}, err
	}
	serviceAccountKey, err := os.ReadFile(serviceAccountKeyFile)
	if errors.Is(err, os.ErrNotExist) {
		_, serviceAccountKey, err = newKey()
	}
	if err != nil {
		return identities{}, err
	}
	for name, content := range map[string][]byte{
		caFile:                ca.pem,
		caKeyFile:             ca.keyPEM,
		serverCertFile:        serverCert,
		serverKeyFile:         serverKey,
		serviceAccountKeyFile: serviceAccountKey,
	} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			return identities{}, err
		}
	}

	var ids identities
	if ids.admin, err = ca.client(url, adminUser, "system:masters"); err != nil {
		return identities{}, err
	}
	if ids.probe, err = ca.client(url, probeUser, "system:masters"); err != nil {
		return identities{}, err
	}
	if ids.controllers, err = ca.client(url, controllersUser); err != nil {
		return identities{}, err
	}
	return ids, writeKubeconfig(controllersKubeconfig, ids.controllers)
}

// loadAuthority takes what an earlier start in this folder has made.
func loadAuthority() (*authority, error) {
	certText, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	keyText, err := os.ReadFile(caKeyFile)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(certText, keyText)
	if err != nil {
		return nil, err
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, errors.New(caKeyFile + " cannot sign")
	}
	return &authority{cert: pair.Leaf, key: key, pem: certText, keyPEM: keyText}, nil
}

func newAuthority() (*authority, error) {
	key, keyText, err := newKey()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "kwo-test-ca"},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	if err := complete(template); err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &authority{cert: cert, key: key, pem: certPEM(der), keyPEM: keyText}, nil
}

// client issues a client certificate; Kubernetes reads the user's name and groups from its subject.
func (a *authority) client(url, user string, groups ...string) (identity, error) {
	cert, key, err := a.issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: user, Organization: groups},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return identity{url: url, ca: a.pem, cert: cert, key: key}, err
}

// issue signs the template with a new key and returns both as PEM.
func (a *authority) issue(template *x509.Certificate) (cert, key []byte, err error) {
	signer, key, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	if err := complete(template); err != nil {
		return nil, nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, signer.Public(), a.key)
	if err != nil {
		return nil, nil, err
	}
	return certPEM(der), key, nil
}

// complete fills in what all certificates have alike.
func complete(template *x509.Certificate) error {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
	if err != nil {
		return err
	}
	template.SerialNumber = serial.Add(serial, big.NewInt(1))
	// Also good for a client whose clock is some hours behind.
	template.NotBefore = time.Now().Add(-24 * time.Hour)
	template.NotAfter = time.Now().Add(validity)
	return nil
}

func newKey() (crypto.Signer, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}

func certPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
