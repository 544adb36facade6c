package sluice_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sluice-gate/sluice/pkg/natstest"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	n    int64
}

// secure makes a broker that wants TLS, and a certificate of its clients, and returns how to connect to it. The script gets ca.pem,
// client.pem and client-key.pem, and other.pem of somebody else who signs.
func secure(ts *testscript.TestScript) (natstest.Option, []nats.Option) {
	ca, other := newAuthority(ts), newAuthority(ts)
	write(ts, "ca.pem", "CERTIFICATE", ca.cert.Raw)
	write(ts, "other.pem", "CERTIFICATE", other.cert.Raw)
	cert, key := ca.sign(ts, "client")
	write(ts, "client.pem", "CERTIFICATE", cert)
	write(ts, "client-key.pem", "PRIVATE KEY", key)
	cert, key = ca.sign(ts, "server")
	write(ts, "server.pem", "CERTIFICATE", cert)
	write(ts, "server-key.pem", "PRIVATE KEY", key)
	pair, err := tls.LoadX509KeyPair(ts.MkAbs("server.pem"), ts.MkAbs("server-key.pem"))
	ts.Check(err)
	clients := x509.NewCertPool()
	clients.AddCert(ca.cert)
	return natstest.Configure(func(o *server.Options) error {
			o.TLSConfig = &tls.Config{
				Certificates: []tls.Certificate{pair}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12,
			}
			o.TLSVerify, o.TLSTimeout = true, patience.Seconds()
			return nil
		}), []nats.Option{
			nats.RootCAs(ts.MkAbs("ca.pem")), nats.ClientCert(ts.MkAbs("client.pem"), ts.MkAbs("client-key.pem")),
		}
}

func newAuthority(ts *testscript.TestScript) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	ts.Check(err)
	cert, err := x509.ParseCertificate(raw)
	ts.Check(err)
	return &authority{cert, key, 1}
}

// sign makes a certificate of this machine, and its key.
func (a *authority) sign(ts *testscript.TestScript, name string) (cert, key []byte) {
	a.n++
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	cert, err = x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(a.n), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert, &private.PublicKey, a.key)
	ts.Check(err)
	key, err = x509.MarshalPKCS8PrivateKey(private)
	ts.Check(err)
	return cert, key
}

func write(ts *testscript.TestScript, name, kind string, data []byte) {
	ts.Check(os.WriteFile(ts.MkAbs(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600))
}
