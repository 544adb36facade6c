package expr_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/expr"
)

func vars() expr.Vars {
	v := expr.Vars{"release.attempt": int64(2), "action": "deploy", "key": "k-2"}
	for _, name := range []string{"id", "project", "commit", "ref", "url", "actor", "version", "beta", "stage", "artifact", "digest"} {
		v["release."+name] = "the " + name
	}
	for _, name := range []string{"id", "version", "beta", "digest"} {
		v["undo."+name] = ""
	}
	return v
}

func as(s string) (string, error) { return s, nil }

func ExampleParseTemplate() {
	t, err := expr.ParseTemplate("v${release.version} (${release.attempt > 1 ? 'again' : 'new'})")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(t.Value(context.Background(), expr.Vars{"release.version": "1.4.0", "release.attempt": int64(2)}))
	_, err = expr.ParseTemplate("v${release.version + 1}")
	fmt.Println(err)
	// Output:
	// v1.4.0 (again) <nil>
	// ${release.version + 1}: at character 17 of the expression: found no matching overload for '_+_' applied to '(string, int)'
}

func TestTemplates(t *testing.T) {
	for source, want := range map[string]any{
		"":                             "",
		"plain $ {x}":                  "plain $ {x}",
		"$${release.id}":               "${release.id}",
		"${release.version}":           "the version",
		"${release.attempt}":           int64(2),
		"${release.attempt + 1}":       int64(3),
		"n${release.attempt}":          "n2",
		"${action == 'deploy'}":        true,
		"${1.5}":                       1.5,
		"${'}'}${\"{'\"}":              "}{'",
		"${ {'a': 'b'}['a'] }":         "b",
		"${release.ref.upperAscii()}":  "THE REF",
		"${'a\\'}b'}":                  "a'}b",
		"${undo.id}|${key}":            "|k-2",
		"${release.ref.split(' ')[1]}": "ref",
	} {
		parsed, err := expr.ParseTemplate(source)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		if got, err := parsed.Value(t.Context(), vars()); err != nil || got != want {
			t.Errorf("%s: %#v, %v, want %#v", source, got, err, want)
		}
	}
	for source, want := range map[string]string{
		"${release.version": "has no }", "${}": "empty", "${ }": "empty", "${status}": "no such name", "${release.verison}": "known are release.id, ",
		"${[1]}": "type list(int)", "${1 +}": "Syntax error", "${release.version + 1}": "no matching overload", "${body.x}": "no such name",
		"${" + strings.Repeat(" ", 5000) + "1}": "allowed are",
	} {
		if _, err := expr.ParseTemplate(source); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.40s: %v, want %s", source, err, want)
		}
	}
}

// A value is data, whatever is in it: it is never read as a template, and whoever needs it escaped gets all of it.
func TestValuesAreData(t *testing.T) {
	v := vars()
	v["release.version"] = "${release.id}'\"}\n"
	parsed, err := expr.ParseTemplate("<${release.version}>")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := parsed.Text(t.Context(), v, as); err != nil || got != "<${release.id}'\"}\n>" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := parsed.Text(t.Context(), v, func(s string) (string, error) { return fmt.Sprintf("%x", s), nil }); err != nil || strings.ContainsAny(got, "$'\n") {
		t.Errorf("%q, %v", got, err)
	}
}

func TestConditions(t *testing.T) {
	v := vars()
	v["status"], v["header"] = int64(200), map[string]string{"x-state": "ok"}
	v["body"] = map[string]any{"state": "done", "n": 2.0, "list": []any{map[string]any{"k": "a"}, map[string]any{"k": "b"}}}
	for source, want := range map[string]bool{
		"status == 200": true, "status / 100 == 5": false, "header['x-state'] == 'ok'": true, "body.state == 'done' && body.n > 1.0": true,
		"has(body.missing) && body.missing": false, "body.list.exists(x, x.k == 'b')": true, "release.version == 'the version'": true,
	} {
		c, err := expr.ParseCondition(expr.Answer, source)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		if got, err := c.Holds(t.Context(), v); err != nil || got != want {
			t.Errorf("%s: %t, %v", source, got, err)
		}
	}
	for _, source := range []string{"status", "'yes'", "", "body.state ==", "nothing"} {
		if _, err := expr.ParseCondition(expr.Answer, source); err == nil {
			t.Errorf("%q is accepted", source)
		}
	}
	for _, source := range []string{"body.missing == 1", "body.state", "header['x'] == ''", "body.list[7].k == ''"} {
		c, err := expr.ParseCondition(expr.Answer, source)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.Holds(t.Context(), v); err == nil || got || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %t, %v", source, got, err)
		}
	}
}

func TestTexts(t *testing.T) {
	v := vars()
	v["status"], v["header"], v["body"] = int64(201), map[string]string{"location": "/a"}, map[string]any{"url": "/b", "n": 1.0}
	for source, want := range map[string]string{"header.location": "/a", "body.url": "/b", "'/c/' + release.commit": "/c/the commit"} {
		text, err := expr.ParseText(expr.Answer, source)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := text.Of(t.Context(), v); err != nil || got != want {
			t.Errorf("%s: %q, %v", source, got, err)
		}
	}
	for _, source := range []string{"body.n", "body.missing"} {
		text, err := expr.ParseText(expr.Answer, source)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := text.Of(t.Context(), v); err == nil {
			t.Errorf("%s: %q", source, got)
		}
	}
	if _, err := expr.ParseText(expr.Answer, "status"); err == nil {
		t.Error("a number is accepted as text")
	}
}

// An expression that would take for ever is stopped.
func TestBounds(t *testing.T) {
	v := vars()
	list := make([]any, 1000)
	for i := range list {
		list[i] = float64(i)
	}
	v["status"], v["header"], v["body"] = int64(200), map[string]string{}, list
	c, err := expr.ParseCondition(expr.Answer, "body.all(a, body.all(b, body.all(c, a + b + c >= 0.0)))")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Holds(t.Context(), v); err == nil || !strings.Contains(err.Error(), "cost") {
		t.Errorf("%v", err)
	}
}
