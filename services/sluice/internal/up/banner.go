package up

import (
	"fmt"
	"io"
	"strings"
	"text/template"
)

// What is said when all runs. Lines to copy come without decoration.
const bannerText = `Sluice is up.

  broker    {{.NATS}}{{if not .Open}}   (every client needs a user){{end}}
  health    {{.HTTP}}/healthz, /metrics{{if .Hooks}}
  webhooks  {{.Hooks}}{{end}}{{if .Dashboard}}
  dashboard {{.Dashboard}}{{end}}
  data      {{.Data}}   (pid {{.PID}}, instance {{.Instance}})
  projects  {{.Projects}}

In another terminal:
{{if .Export}}  export NATS_URL={{.NATS}}
{{end}}  sluice merge {{.Example}} --version 1.4.0 --artifact ./{{.Example}}-1.4.0.tgz
  sluice status --watch
  sluice cancel {{.Example}} login is broken
  nats pub -J sluice.cancel.<release> "login is broken"     # counts even while Sluice is down

Ctrl-C stops it. Releases in flight go on with the next start.
`

// defaultURL is where clients look when they are told nothing.
const defaultURL = "nats://127.0.0.1:4222"

func banner(w io.Writer, dir *dataDir, b *broker, at Address, projects []string) {
	if w == nil {
		return
	}
	example, names := "tracer", "none yet: sluice apply -f sluice.yaml"
	if len(projects) > 0 {
		example, names = projects[0], strings.Join(projects, ", ")
	}
	t, err := template.New("banner").Parse(bannerText)
	if err == nil {
		err = t.Execute(w, struct {
			Address
			Open, Export                      bool
			Data, Instance, Projects, Example string
		}{at, b.open, at.NATS != defaultURL, dir.path, dir.instance, names, example})
	}
	if err != nil {
		_, _ = fmt.Fprintln(w, "Sluice is up on", at.NATS)
	}
}
