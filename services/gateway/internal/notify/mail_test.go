package notify

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/pkg/mailtest"
	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/services/gateway/internal/config"
	"github.com/sluice-gate/sluice/services/gateway/internal/notice"
)

// TestMail: a real mail server gets what is told, once, as text that a person can read; what somebody wrote is never a header.
func TestMail(t *testing.T) {
	server := mailtest.Start(t, mailtest.Login()...)
	t.Setenv("SMTP_SECRET", mailtest.Password)
	t.Setenv("WRONG", "wrong"+mailtest.Password)
	w := newWorld(t)
	w.applies("tracer", fmt.Sprintf(`
  - email: { host: %[1]s, port: %[2]d, tls: none, from: sluice@example.com, to: [ana@example.com, ben@example.com], username: %[3]s, password_env: SMTP_SECRET }
  - email: { host: %[1]s, port: %[2]d, tls: none, from: sluice@example.com, to: [ana@example.com], username: %[3]s, password_env: WRONG }
    name: wrong
  - email: { host: %[1]s, port: %[2]d, from: sluice@example.com, to: [ana@example.com], username: %[3]s, password_env: SMTP_SECRET }
    name: in-the-open
`, mailtest.Host, server.Port, mailtest.User))
	w.begin("gateway-0", config.NotifyOut{Secrets: []string{"SMTP_SECRET", "WRONG"}, Attempts: 1, Dashboard: "https://sluice.example.com"}, nil)
	s := w.fails("tracer", "der Fehler: ü ≠ u\nBcc: all@example.com\n.\nand "+strings.Repeat("long ", 100))
	w.eventually("both have an end", func() error {
		if n := w.stored(topology.StreamSluice, "sluice.dead.notify.*"); n != 2 || len(server.Mails(t)) == 0 {
			return fmt.Errorf("%d dead letters, %d mails", n, len(server.Mails(t)))
		}
		return w.acknowledged()
	})
	mails := server.Mails(t)
	if len(mails) != 1 {
		t.Fatalf("%d mails", len(mails))
	}
	m := mails[0]
	if !strings.HasPrefix(m.Subject, "tracer 1.4.0 failed: der Fehler: ü ≠ u Bcc: all@example.com . and long") || len(m.To) != 2 ||
		m.To[1].Address != "ben@example.com" || m.From[0].Address != "sluice@example.com" ||
		!strings.HasPrefix(fmt.Sprint(m.Headers["message-id"]), "<"+s.Release+".") || m.Headers["auto-submitted"] != "auto-generated" || m.Headers["bcc"] != nil {
		t.Errorf("%+v", m)
	}
	for _, want := range []string{
		"why: der Fehler: ü ≠ u Bcc: all@example.com . and long", "release: " + s.Release + ", commit c0ffee by ana", "retry: sluice retry " + s.Release + " WHY",
		"nats pub -J sluice.retry." + s.Release + ".YOU WHY", "https://sluice.example.com/releases/" + s.Release,
	} {
		if !strings.Contains(m.Text, want) {
			t.Errorf("the mail lacks %q:\n%s", want, m.Text)
		}
	}
	w.silent("hunter2")
	reasons := w.reasons()
	if !strings.Contains(reasons, "wrong is not told, attempt 1: send to the mail server 127.0.0.1: 535") ||
		!strings.Contains(reasons, "in-the-open is not told, attempt 1: send to the mail server 127.0.0.1: it does not offer STARTTLS") {
		t.Error(reasons)
	}
}

// TestMailOfAGroup: many are one mail, whose subject says how many of what.
func TestMailOfAGroup(t *testing.T) {
	server := mailtest.Start(t)
	out := newOutside(config.NotifyOut{}, zap.NewNop())
	m := notice.Message{Key: "key", Zone: time.UTC, More: 3}
	for _, event := range []project.Tell{project.TellFailed, project.TellHeld, project.TellFailed} {
		n := project.SampleNotice()
		n.Event = event
		m.Notices = append(m.Notices, n)
	}
	to := project.Notify{Email: &project.Email{
		Host: mailtest.Host, Port: server.Port, TLS: project.NoTLS, From: "sluice@example.com", To: []string{"ana@example.com"},
	}}
	if err := out.Send(t.Context(), to, m); err != nil {
		t.Fatal(err)
	}
	mails := server.Mails(t)
	if len(mails) != 1 || mails[0].Subject != "tracer: 2 failed, 1 held, 3 more" || !strings.Contains(mails[0].Text, "and 3 more: sluice status") {
		t.Errorf("%+v", mails)
	}
	to.Email.Username, to.Email.PasswordEnv = "somebody", "NOT_LISTED"
	if err := out.Send(t.Context(), to, m); err == nil || !strings.Contains(err.Error(), "add it to notify.secrets") {
		t.Errorf("%v", err)
	}
}
