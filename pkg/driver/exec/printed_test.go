package exec

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gate/sluice/pkg/driver"
	"github.com/sluice-gate/sluice/pkg/project"
)

// What a command prints is in its attempt's output: both kinds in order, to its last word, without secrets, whether it did well or not.
func TestPrinted(t *testing.T) {
	t.Setenv("DEPLOY_TOKEN", "hunter2-hunter2")
	basic := base64.StdEncoding.EncodeToString([]byte("ana:hunter2-hunter2"))
	for script, want := range map[string]string{
		"echo one; echo two >&2; echo three":               "one\ntwo\nthree\n",
		"echo one; echo two >&2; printf three; exit 3":     "one\ntwo\nthree",
		`printf hunter2; sleep 0.05; echo -hunter2`:        "***\n",
		"echo Basic " + basic:                              "Basic YW5hO***\n",
		"true":                                             "",
		"seq 1 9; sleep 60 & echo left":                    "1\n2\n3\n4\n5\n6\n7\n8\n9\nleft\n",
		`printf '\033[31mred\033[0m \377 \r\n'`:            "red \uFFFD \n",
		`printf '%s' "$DEPLOY_TOKEN" | head -c 10; exit 1`: "***",
	} {
		o := driver.NewOutput()
		began := time.Now()
		c := project.Exec{Command: []string{"sh", "-c", script}, EnvFrom: []string{"DEPLOY_TOKEN"}}
		err := Run(driver.WithOutput(t.Context(), o), c, nil)
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("%s took %s", script, took)
		}
		p, ok := o.End()
		if strings.HasPrefix(want, "Basic") { // of what stands before the secret a part may be seen
			want, p.Text = "***", strings.TrimSpace(p.Text[strings.Index(p.Text, "***"):])
		}
		if p.Text = strings.TrimSuffix(p.Text, "g=="); p.Text != want || ok != (want != "") || (err != nil) != strings.Contains(script, "exit") {
			t.Errorf("%s: %q, want %q (%v)", script, p.Text, want, err)
		}
	}
}
