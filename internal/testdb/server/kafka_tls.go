package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// kafkaSASL is the broker's second listener, which wants TLS and a login. With PLAIN there is one user; those of SCRAM are
// the tests' to make.
type kafkaSASL struct {
	password    string
	certificate string // file, which is the authority's too
	keystore    string // file with the key and the certificate
}

const kafkaUser = "bunaudit"

func newKafkaSASL(s *server) (kafkaSASL, error) {
	k := kafkaSASL{
		password:    newPassword(),
		certificate: filepath.Join(s.dir, "certificate.pem"),
	}
	key, certificate, err := selfSigned()
	if err != nil {
		return kafkaSASL{}, fmt.Errorf("can't make a certificate: %w", err)
	}
	if err := os.WriteFile(k.certificate, certificate, 0o644); err != nil { //nolint:gosec // The certificate is public.
		return kafkaSASL{}, err
	}
	k.keystore, err = s.write("keystore.pem", string(append(key, certificate...)))
	return k, err
}

// selfSigned returns a new key and its certificate for 127.0.0.1, both as PEM.
func selfSigned() (key, certificate []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: "bunaudit"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().AddDate(1, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:         true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

// properties are what the listener adds to the broker's.
func (k kafkaSASL) properties() string {
	return fmt.Sprintf(`ssl.keystore.type=PEM
ssl.keystore.location=%s
listener.name.sasl_ssl.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_%s="%s";
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
`, k.keystore, kafkaUser, k.password)
}

// dsn is what the tests are told of the listener.
func (k kafkaSASL) dsn(port int) string {
	u := url.URL{Scheme: "sasl+tls", User: url.UserPassword(kafkaUser, k.password), Host: fmt.Sprintf("127.0.0.1:%d", port), Path: k.certificate}
	return u.String()
}
