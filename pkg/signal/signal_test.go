package signal_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-gate/sluice/pkg/signal"
)

// How real loggers and shippers write, and what is read of it: the level, and the line that says what is wrong.
func TestWaysToWriteALog(t *testing.T) {
	type line struct {
		level signal.Level
		title string
	}
	for name, c := range map[string]struct {
		in   string
		want []line
	}{
		"nothing":          {"", []line{{signal.Unknown, ""}}},
		"plain":            {"login is broken", []line{{signal.Unknown, "login is broken"}}},
		"no error in it":   {"0 errors found, no error: fine", []line{{signal.Unknown, "0 errors found, no error: fine"}}},
		"log4j":            {"2026-11-23 17:12:29,123 [main] ERROR c.a.Login - refused", []line{{signal.Error, "2026-11-23 17:12:29,123 [main] ERROR c.a.Login - refused"}}},
		"python logging":   {"WARNING:root:disk is full", []line{{signal.Unknown, "WARNING:root:disk is full"}}},
		"brackets":         {"[error] 17#0: upstream timed out", []line{{signal.Error, "[error] 17#0: upstream timed out"}}},
		"gcc":              {"main.c:5:1: error: no semicolon", []line{{signal.Error, "main.c:5:1: error: no semicolon"}}},
		"npm":              {"npm ERR! code E404", []line{{signal.Error, "npm ERR! code E404"}}},
		"info is first":    {"INFO no ERROR today", []line{{signal.Info, "INFO no ERROR today"}}},
		"glog":             {"E0102 12:00:00.000001 1 main.go:1] boom", []line{{signal.Error, "E0102 12:00:00.000001 1 main.go:1] boom"}}},
		"syslog":           {"<11>Nov 23 17:12:29 host app[1]: boom", []line{{signal.Error, "<11>Nov 23 17:12:29 host app[1]: boom"}}},
		"syslog info":      {"<14>Nov 23 17:12:29 host app[1]: hello", []line{{signal.Info, "<14>Nov 23 17:12:29 host app[1]: hello"}}},
		"logfmt":           {`ts=2026-11-23T17:12:29Z level=error msg="can not connect" err="timeout after 3s"`, []line{{signal.Error, "can not connect: timeout after 3s"}}},
		"logfmt, no level": {`msg=boom code=3`, []line{{signal.Unknown, "boom"}}},
		"an assignment":    {`x = 3 is wrong`, []line{{signal.Unknown, "x = 3 is wrong"}}},

		"zap":          {`{"level":"error","ts":1.5,"caller":"a.go:1","msg":"refused","error":"EOF"}`, []line{{signal.Error, "refused: EOF"}}},
		"slog":         {`{"time":"2026-11-23T17:12:29Z","level":"WARN","msg":"slow"}`, []line{{signal.Warn, "slow"}}},
		"pino":         {`{"level":50,"time":1,"msg":"refused","err":{"type":"TypeError","message":"x is not a function","stack":"TypeError: x is not a function\n    at f"}}`, []line{{signal.Error, "refused: TypeError: x is not a function"}}},
		"bunyan info":  {`{"level":30,"msg":"hi","v":0}`, []line{{signal.Info, "hi"}}},
		"gelf":         {`{"version":"1.1","short_message":"boom","level":3}`, []line{{signal.Error, "boom"}}},
		"journald":     {`{"PRIORITY":"2","MESSAGE":"out of memory"}`, []line{{signal.Fatal, "out of memory"}}},
		"ecs":          {`{"log.level":"error","message":"boom","error":{"type":"E","message":"why"}}`, []line{{signal.Error, "boom: E: why"}}},
		"ecs, nested":  {`{"log":{"level":"debug"},"message":"hi"}`, []line{{signal.Debug, "hi"}}},
		"gcp":          {`{"severity":"CRITICAL","message":"boom"}`, []line{{signal.Fatal, "boom"}}},
		"only an err":  {`{"error":"boom"}`, []line{{signal.Error, "boom"}}},
		"err is null":  {`{"msg":"fine","error":null}`, []line{{signal.Unknown, "fine"}}},
		"docker":       {`{"log":"ERROR boom\n","stream":"stderr","time":"2026-11-23T17:12:29Z"}`, []line{{signal.Error, "ERROR boom"}}},
		"docker, json": {`{"log":"{\"level\":\"error\",\"msg\":\"boom\"}\n","stream":"stdout"}`, []line{{signal.Error, "boom"}}},
		"no message":   {`{"a":1}`, []line{{signal.Unknown, `{"a":1}`}}},
		"broken json":  {`{"level":"info","msg":`, []line{{signal.Unknown, `{"level":"info","msg":`}}},

		"json lines":    {"{\"level\":\"error\",\"msg\":\"a\"}\n{\"level\":\"info\",\"msg\":\"b\"}\n", []line{{signal.Error, "a"}, {signal.Info, "b"}}},
		"an array":      {`[{"level":"error","msg":"a"},{"msg":"b"}]`, []line{{signal.Error, "a"}, {signal.Unknown, "b"}}},
		"text in array": {`[1, 2]`, []line{{signal.Unknown, "[1, 2]"}}},

		"go":     {"panic: runtime error: index out of range [5] with length 3\n\ngoroutine 1 [running]:\nmain.main()\n\t/app/main.go:5 +0x1d", []line{{signal.Fatal, "panic: runtime error: index out of range [5] with length 3"}}},
		"python": {"Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>\n    f()\nValueError: no\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File \"a.py\", line 3\nshop.errors.Refused: card", []line{{signal.Fatal, "shop.errors.Refused: card"}}},
		"node":   {"/app/server.js:10\n    throw new Error('boom');\n    ^\n\nError: boom\n    at Object.<anonymous> (/app/server.js:10:9)\n\nNode.js v20.1.0", []line{{signal.Error, "Error: boom"}}},
		"java":   {"java.lang.IllegalStateException: no\n\tat a.B.c(B.java:1)\nCaused by: java.io.IOException: gone", []line{{signal.Error, "java.lang.IllegalStateException: no"}}},
	} {
		var got []line
		for _, s := range signal.Parse([]byte(c.in)) {
			got = append(got, line{s.Level, s.Title()})
		}
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(line{})); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
}

// The file exporter of the Collector writes a batch a line; a batch has records of several resources and scopes.
func TestOTLP(t *testing.T) {
	const batch = `{"resourceLogs":[
{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},"scopeLogs":[{"scope":{"name":"a"},"logRecords":[
 {"timeUnixNano":"1544712660300000000","severityNumber":17,"severityText":"ERROR","body":{"stringValue":"can not charge"},
  "attributes":[{"key":"exception.type","value":{"stringValue":"CardError"}},{"key":"exception.message","value":{"stringValue":"declined"}},
                {"key":"exception.stacktrace","value":{"stringValue":"CardError: declined\n  at f"}}]},
 {"severityNumber":9,"body":{"stringValue":"charged"}}]}]},
{"scopeLogs":[{"logRecords":[
 {"severityText":"Information","body":{"kvlistValue":{"values":[{"key":"message","value":{"stringValue":"of a map"}}]}}},
 {"severityNumber":"SEVERITY_NUMBER_FATAL2","body":{"intValue":"7"}},
 {"body":{"stringValue":"ERROR in the text"}},
 {}]}]}]}`
	want := []signal.Signal{
		{Level: signal.Error, Text: "can not charge: CardError: declined\n  at f"},
		{Level: signal.Info, Text: "charged"},
		{Level: signal.Info, Text: "of a map"},
		{Level: signal.Fatal, Text: "7"},
		{Level: signal.Error, Text: "ERROR in the text"},
		{},
	}
	one := strings.ReplaceAll(batch, "\n", "")
	if diff := cmp.Diff(append(want, want...), signal.Parse([]byte(one+"\n"+one+"\n"))); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestGaps(t *testing.T) {
	all := signal.Parse([]byte("{\"gap\":12}\n{\"level\":\"info\",\"message\":\"next\"}"))
	if len(all) != 2 || all[0].Lost != 12 || all[1].Lost != 0 {
		t.Errorf("%+v", all)
	}
	for _, none := range []string{`{"gap":-1}`, `{"gap":"12"}`, `{"gap":1,"level":"info","msg":"of something else"}`} {
		if all := signal.Parse([]byte(none)); len(all) != 1 || all[0].Lost != 0 {
			t.Errorf("%s: %+v", none, all)
		}
	}
}

func TestLevels(t *testing.T) {
	for l := signal.Trace; l <= signal.Fatal; l++ {
		if got := signal.LevelOf(strings.ToUpper(l.String())); got != l {
			t.Errorf("%s is read as %s", l, got)
		}
		if l.AtLeast(signal.Error) != (l >= signal.Error) || !l.AtLeast(signal.Unknown) || !signal.Unknown.AtLeast(l) {
			t.Errorf("%s does not count as it should", l)
		}
	}
}

// Whatever is sent is at least one signal, and never too many.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"", "{}", "[]", "[[", `{"resourceLogs":[]}`, `{"resourceLogs":{}}`, "a=b level=", `level="`, `{"log":{"level":{}}}`, "\x00\xff", "<999>x",
		"Traceback (most recent call last)", `{"log":"{\"log\":\"{\\\"log\\\":\\\"x\\\"}\"}"}`, strings.Repeat("{}", 2000), strings.Repeat("[", 20000),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		all := signal.Parse(in)
		empty := strings.Contains(string(in), "resourceLogs") || strings.TrimSpace(string(in)) == "[]"
		if len(all) > 1000 || len(all) == 0 && !empty {
			t.Fatalf("%d signals", len(all))
		}
		for _, s := range all {
			if strings.Contains(s.Title(), "\n") || utf8.Valid(in) && !utf8.ValidString(s.Text) {
				t.Fatalf("%q", s.Title())
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for name, in := range map[string]string{
		"json":  `{"level":"error","ts":1795453949.1,"caller":"shop/pay.go:12","msg":"can not charge","error":"dial tcp 10.0.0.7:5432: i/o timeout","order":123456}`,
		"plain": `2026-11-23 17:12:29,123 [main] ERROR c.a.Login - dial tcp 10.0.0.7:5432: i/o timeout`,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				signal.Parse([]byte(in))
			}
		})
	}
}
