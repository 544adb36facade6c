package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/services/gateway/internal/notice"
)

// mail sends one mail to all recipients. Those whom the server does not know are left out, and named in the log: the others are to be
// told all the same. It fails when nobody is left.
func (o *outside) mail(ctx context.Context, e project.Email, m notice.Message) error {
	password, err := o.secret(e.PasswordEnv, e.PasswordFile)
	if err != nil {
		return err
	}
	data, err := notice.Mail(m, e, time.Now())
	if err != nil {
		return err
	}
	if err := o.smtp(ctx, e, password, data); err != nil {
		return fmt.Errorf("send to the mail server %s: %w", e.Host, hidden(err, password))
	}
	return nil
}

func (o *outside) smtp(ctx context.Context, e project.Email, password string, data []byte) error {
	client, err := dial(ctx, e)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()                         // after Quit it is closed already
	defer context.AfterFunc(ctx, func() { _ = client.Close() })() // whatever is being waited for ends with ctx
	if e.TLS == project.StartTLS {
		if ok, _ := client.Extension("STARTTLS"); !ok {
			return errors.New("it does not offer STARTTLS: set tls: implicit, or mend the server")
		}
		if err := client.StartTLS(&tls.Config{ServerName: e.Host, MinVersion: tls.VersionTLS12}); err != nil {
			return err
		}
	}
	if e.Username != "" {
		if err := client.Auth(login(client, e, password)); err != nil {
			return err
		}
	}
	if err := client.Mail(e.From); err != nil {
		return err
	}
	var refused []error
	for _, to := range e.To {
		if err := client.Rcpt(to); err != nil {
			refused = append(refused, fmt.Errorf("%s: %w", to, err))
		}
	}
	if len(refused) == len(e.To) {
		return refused[0]
	}
	w, err := client.Data()
	if err != nil {
		return err
	}
	if _, err := bytes.NewReader(data).WriteTo(w); err != nil {
		return err
	}
	if err := w.Close(); err != nil { // now the server has it, or not
		return err
	}
	if len(refused) > 0 {
		o.log.Warn("some are not told: the mail server does not take them", zap.String("server", e.Host), zap.Errors("refused", refused))
	}
	_ = client.Quit() // it has the mail, whatever it says to this
	return nil
}

// dial connects, and reads the greeting, before ctx ends.
func dial(ctx context.Context, e project.Email) (*smtp.Client, error) {
	address := net.JoinHostPort(e.Host, strconv.Itoa(e.Port))
	var conn net.Conn
	var err error
	if e.TLS == project.ImplicitTLS {
		d := tls.Dialer{Config: &tls.Config{ServerName: e.Host, MinVersion: tls.VersionTLS12}}
		conn, err = d.DialContext(ctx, "tcp", address)
	} else {
		conn, err = new(net.Dialer).DialContext(ctx, "tcp", address)
	}
	if err != nil {
		return nil, err
	}
	if at, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(at); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	client, err := smtp.NewClient(conn, e.Host)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return client, nil
}

// login is the way in that the server offers: PLAIN, or LOGIN of those that have nothing else.
func login(client *smtp.Client, e project.Email, password string) smtp.Auth {
	_, offered := client.Extension("AUTH")
	ways := strings.Fields(strings.ToUpper(offered))
	if slices.Contains(ways, "LOGIN") && !slices.Contains(ways, "PLAIN") {
		return loginAuth{e.Username, password}
	}
	return smtp.PlainAuth("", e.Username, password, e.Host) // refuses by itself to send the password in the open
}

// loginAuth is AUTH LOGIN, which is written down in no RFC:
// https://learn.microsoft.com/en-us/openspecs/exchange_server_protocols/ms-xlogin/
type loginAuth struct{ user, password string }

func (a loginAuth) Start(server *smtp.ServerInfo) (string, []byte, error) {
	if !server.TLS {
		return "", nil, errors.New("the connection is not encrypted, and the password would be read")
	}
	return "LOGIN", nil, nil
}

func (a loginAuth) Next(fromServer []byte, more bool) ([]byte, error) {
	switch prompt := strings.ToLower(string(fromServer)); {
	case !more:
		return nil, nil
	case strings.HasPrefix(prompt, "user"):
		return []byte(a.user), nil
	case strings.HasPrefix(prompt, "pass"):
		return []byte(a.password), nil
	}
	return nil, errors.New("it asks for something else than a user name and a password")
}
