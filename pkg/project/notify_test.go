package project_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/project"
)

// TestNotify: what the file says is what there is, with the defaults.
func TestNotify(t *testing.T) {
	p, err := project.Parse("notify.yaml", read(t, "testdata/accept/notify.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, n := range p.Notify {
		names = append(names, n.Name)
	}
	if got := fmt.Sprint(names); got != "[team teams discord shoutrrr email email-2 webhook webhook-2]" {
		t.Errorf("they are called %s", got)
	}
	team, mail := p.Notify[0], p.Notify[4]
	if team.Slack.URLEnv != "SLACK_URL" || len(team.On) != 11 || team.Group != 5*time.Minute || team.Zone.String() != "Europe/Berlin" {
		t.Errorf("%+v", team)
	}
	if v := team.Quiet.At(time.Date(2026, time.March, 6, 20, 30, 0, 0, time.UTC)); v.Open || v.Until.UTC().Format("Mon 15:04") != "Mon 07:00" {
		t.Errorf("on Friday evening it is %+v", v) // 08:00 in Berlin
	}
	if got := fmt.Sprint(mail.On, mail.Urgent); got != "[promoted cancelled failed held attention rolled-back refused approval-needed] [attention rolled-back]" {
		t.Error(got)
	}
	if e := mail.Email; e.Port != 587 || e.TLS != project.StartTLS || p.Notify[5].Email.Port != 25 {
		t.Errorf("%+v", e)
	}
}

// TestTemplates: what a template makes is bounded, whatever the texts in it are.
func TestTemplates(t *testing.T) {
	tmpl, err := project.ParseTemplate(`{{.Title}}|{{.Why | js | js | js | js}}{{printf "%999d" 1}}`)
	if err != nil {
		t.Fatal(err)
	}
	n := project.SampleNotice()
	n.Title, n.Why = "{{.Commands}}", strings.Repeat(`"`, 4000)
	text, err := tmpl.Execute(n)
	if err != nil || len(text) > 8<<10 || !strings.HasPrefix(text, "{{.Commands}}|") {
		t.Errorf("%d bytes, %v", len(text), err)
	}
}

// TestTemplatesPadLittle: nobody makes gigabytes of padding, which would be cut only afterwards.
func TestTemplatesPadLittle(t *testing.T) {
	for _, text := range []string{
		"{{printf `" + strings.Repeat("%[1]999999d", 300) + "` 1}}", `{{printf "%*d" 999999 1}}`, `{{printf "%.9999f" 1.0}}`, `{{printf .Why 1}}`,
		`{{.Why | printf}}`, `{{if (printf "%09999d" 1)}}a{{end}}`, `{{with (printf "%9999d" 1).Title}}a{{end}}`, `{{html (printf .Why)}}`,
	} {
		if _, err := project.ParseTemplate(text); err == nil || !strings.Contains(err.Error(), "the format must stand there") {
			t.Errorf("%s: %v", text[:min(len(text), 60)], err)
		}
	}
	for _, text := range []string{`{{printf "%.10s" .Commit}}`, `{{.Why | printf "error 2026: %5s, 100%%"}}`} {
		if _, err := project.ParseTemplate(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func ExampleParseTemplate() {
	t, err := project.ParseTemplate(`{{.Project}} {{.Version}}: {{.Event}}{{if .Who}} by {{.Who}}{{end}}, until {{.Due.Format "15:04"}}`)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(t.Execute(project.SampleNotice()))
	_, err = project.ParseTemplate("{{.Titel}}")
	fmt.Println(err)
	// Output:
	// tracer 1.4.0: held by sluice, until 17:00 <nil>
	// is no template for a notice: 1:2: executing "template" at <.Titel>: can't evaluate field Titel in type project.Notice
}
