package show_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-gate/sluice/services/sluice/internal/show"
)

func TestLogFormats(t *testing.T) {
	for format, want := range map[string]string{"json": `"msg":"hello","n":1`, "text": "  INFO  hello  {\"n\": 1}"} {
		var b bytes.Buffer
		log, err := show.NewLogger(&b, format, false, false)
		if err != nil {
			t.Fatal(err)
		}
		log.Info("hello", zap.Int("n", 1))
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s: %s", format, b.String())
		}
		b.Reset()
		quiet, err := show.NewLogger(&b, format, true, true)
		if err != nil {
			t.Fatal(err)
		}
		quiet.Info("hello")
		quiet.Warn("look", zap.Duration("for", time.Second))
		if strings.Contains(b.String(), "hello") || !strings.Contains(b.String(), "look") {
			t.Errorf("quiet %s: %s", format, b.String())
		}
	}
	if _, err := show.NewLogger(&bytes.Buffer{}, "xml", false, false); err == nil {
		t.Error("xml is a format")
	}
}
