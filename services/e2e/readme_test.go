package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/project"
	"github.com/sluice-gate/sluice/pkg/topology"
)

// TestREADME holds the README to what there is: its project file is valid, its subjects are requests or stops, its commands and flags exist,
// and so do the files that it points to.
func TestREADME(t *testing.T) {
	root := filepath.Join("..", "..")
	data, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	readme := string(data)

	for _, block := range blocks(readme, "yaml") {
		if _, err := project.Parse("README.md", []byte(block)); err != nil {
			t.Errorf("its project file: %v", err)
		}
	}
	subjects := regexp.MustCompile(`nats pub -J (\S+)`).FindAllStringSubmatch(readme, -1)
	for _, m := range subjects {
		subject := strings.ReplaceAll(m[1], "<release>", "01970000-0000-7000-8000-000000000001")
		if s, err := topology.ParseSubject(subject); err != nil || s.Kind != topology.KindRequest && s.Kind != topology.KindStop {
			t.Errorf("%s is no request and no stop: %v", m[1], err)
		}
	}
	commands := regexp.MustCompile(`(?m)^(?:export .*\n)?sluice ([a-z]+)(.*)`).FindAllStringSubmatch(strings.Join(blocks(readme, "sh"), "\n"), -1)
	for _, m := range commands {
		help, err := exec.CommandContext(t.Context(), filepath.Join(binaries(t), "sluice"), m[1], "--help").CombinedOutput()
		if err != nil {
			t.Errorf("sluice %s: %v\n%s", m[1], err, help)
		}
		for _, flag := range regexp.MustCompile(` (--[a-z]+)`).FindAllStringSubmatch(m[2], -1) {
			if !strings.Contains(string(help), flag[1]) {
				t.Errorf("sluice %s has no %s", m[1], flag[1])
			}
		}
	}
	links := regexp.MustCompile(`\]\(([^)]+)\)`).FindAllStringSubmatch(readme, -1)
	for _, m := range links {
		if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
			t.Error(err)
		}
	}
	if len(subjects) < 5 || len(commands) < 7 || len(links) < 10 {
		t.Errorf("found only %d subjects, %d commands, %d links in it", len(subjects), len(commands), len(links))
	}
}

// blocks returns the fenced blocks of a language.
func blocks(text, language string) []string {
	var out []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	return out
}
