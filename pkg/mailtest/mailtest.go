// Package mailtest gives tests a real mail server: maildev on free ports of the loopback, in memory. It takes every mail, and shows by HTTP
// what it has.
//
// It is installed once, with npm ci from the package.json and package-lock.json in this folder, into .tmp/maildev at the root of the
// repository. A test fails, saying so, where node or npm is missing.
package mailtest

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/internal/fetched"
)

//go:embed package.json
var packageJSON []byte

//go:embed package-lock.json
var packageLock []byte

//go:embed .npmrc
var npmrc []byte

// Host is where the server listens.
const Host = "127.0.0.1"

// Who may send, and with which password, when the server was started with [Login].
const (
	User     = "sluice"
	Password = "hunter2hunter2"
)

// Server is a mail server.
type Server struct {
	Port int // of SMTP
	api  string
}

// Mail is one that the server has.
type Mail struct {
	Subject string         `json:"subject"`
	Text    string         `json:"text"`
	Headers map[string]any `json:"headers"` // by lower-case name; a text, or what is made of one
	To      []struct {
		Address string `json:"address"`
	} `json:"to"`
	From []struct {
		Address string `json:"address"`
	} `json:"from"`
}

// Login has the server ask who sends: [User], with [Password].
func Login() []string { return []string{"--incoming-user", User, "--incoming-pass", Password} }

// Start runs the server until the test ends.
func Start(t testing.TB, more ...string) *Server {
	t.Helper()
	installed, err := fetched.NPM(t.Context(), "maildev", map[string][]byte{
		"package.json": packageJSON, "package-lock.json": packageLock, ".npmrc": npmrc,
	})
	if err != nil {
		t.Fatalf("install the mail server: %v", err)
	}
	s := &Server{Port: free(t)}
	web := free(t)
	s.api = fmt.Sprintf("http://%s:%d/api/email", Host, web)
	server := exec.Command("node", append([]string{
		filepath.Join(installed, "node_modules", "maildev", "dist", "bin", "maildev.js"),
		"--smtp", strconv.Itoa(s.Port), "--ip", Host, "--web", strconv.Itoa(web), "--web-ip", Host,
	}, more...)...)
	server.Dir = t.TempDir()
	var said bytes.Buffer
	server.Stdout, server.Stderr = &said, &said
	if err := server.Start(); err != nil {
		t.Fatalf("start the mail server: %v", err)
	}
	t.Cleanup(func() { _, _ = server.Process.Kill(), server.Wait() })
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for deadline := time.Now().Add(time.Minute); ; <-again.C {
		_, err := s.ask(t.Context())
		if err == nil {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatalf("the mail server does not answer: %v\n%s", err, said.Bytes())
		}
	}
}

// free is a port that nobody listens on.
func free(t testing.TB) int {
	t.Helper()
	ln, err := net.Listen("tcp", Host+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return ln.Addr().(*net.TCPAddr).Port
}

// Mails is what the server has, in the order in which it came.
func (s *Server) Mails(t testing.TB) []Mail {
	t.Helper()
	mails, err := s.ask(t.Context())
	if err != nil {
		t.Fatalf("the mail server: %v", err)
	}
	return mails
}

func (s *Server) ask(ctx context.Context) (mails []Mail, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.api, http.NoBody)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	data, err := io.ReadAll(io.LimitReader(res.Body, 8<<20))
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answers %s: %s", res.Status, data)
	}
	return mails, json.Unmarshal(data, &mails)
}
