package cli

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// On a terminal one line is written over, and is gone in the end; elsewhere there is a line now and then, and none of what is done soon.
func TestProgress(t *testing.T) {
	for name, c := range map[string]struct {
		terminal bool
		want     string
	}{
		"terminal": {true, "\rhalf\x1b[K\rthree qu\x1b[K\r\x1b[Kit happened\n\rfour\x1b[K\r\x1b[K"},
		"CI":       {false, "three quarters\nit happened\nfive\n"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			a := &app{err: &out}
			a.errStyle.Terminal = c.terminal
			p := a.progress()
			p.width = len("three quA")
			for _, step := range []struct {
				after time.Duration
				text  string
			}{{0, "half"}, {time.Millisecond, "too soon"}, {5 * time.Second, "three quarters"}} {
				time.Sleep(step.after)
				p.at(step.text)
			}
			p.say("it happened\n")
			time.Sleep(time.Second)
			p.at("four")
			p.end()
			if !c.terminal {
				time.Sleep(progressAgain)
				p.at("five")
			}
			if out.String() != c.want {
				t.Errorf("%s: %q, want %q", name, out.String(), c.want)
			}
		})
	}
}

func TestUploadIsCounted(t *testing.T) {
	var out bytes.Buffer
	a := &app{err: &out}
	a.errStyle.Terminal = true
	in := strings.Repeat("x", 2_500_000)
	c := &counted{Reader: strings.NewReader(in), what: "handing in a.tgz", p: a.progress(), all: int64(len(in))}
	got, err := io.ReadAll(io.LimitReader(c, 1000))
	if err != nil || len(got) != 1000 || !strings.HasPrefix(out.String(), "\rhanding in a.tgz: 5") && !strings.HasPrefix(out.String(), "\rhanding in a.tgz: 1") {
		t.Errorf("%q, %v", out.String(), err)
	}
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 2_500_000: "2.5 MB", 3_200_000_000: "3.2 GB", 5e12: "5.0 TB", 5e15: "5000.0 TB"} {
		if got := size(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
}
