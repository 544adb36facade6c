package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-gate/sluice/pkg/project"
)

// Template is text with placeholders that a delivery fills in: "tracer-{commit}.tgz". Its zero value is none.
type Template struct {
	text  string
	parts []part
}

// part is literal text, or the name of a placeholder.
type part struct {
	text, name string
}

// BodyField begins the placeholders that stand for a field of the delivery's body: {body.release.tag_name}.
const BodyField = "body."

// Placeholders is what a template may name, beside the fields of the body.
func Placeholders() []string { return []string{"commit", "short", "branch", "tag", "number"} }

// ParseTemplate reads a template. Its error says what is wrong, and what is allowed.
func ParseTemplate(text string) (Template, error) {
	if strings.TrimSpace(text) == "" {
		return Template{}, errors.New("must not be empty")
	}
	t := Template{text: text}
	for rest := text; rest != ""; {
		literal, after, found := strings.Cut(rest, "{")
		if strings.Contains(literal, "}") {
			return Template{}, errors.New("has a } without a {")
		}
		if literal != "" {
			t.parts = append(t.parts, part{text: literal})
		}
		if !found {
			break
		}
		name, next, closed := strings.Cut(after, "}")
		if !closed {
			return Template{}, errors.New("has a { without a }")
		}
		if err := checkPlaceholder(name); err != nil {
			return Template{}, err
		}
		t.parts, rest = append(t.parts, part{name: name}), next
	}
	return t, nil
}

func checkPlaceholder(name string) error {
	if field, ok := strings.CutPrefix(name, BodyField); ok {
		if slices.Contains(strings.Split(field, "."), "") {
			return fmt.Errorf("{%s} names no field: write it like {body.release.tag_name}", name)
		}
		return nil
	}
	if slices.Contains(Placeholders(), name) {
		return nil
	}
	allowed := "allowed: " + strings.Join(Placeholders(), ", ") + ", and fields of the body like body.release.tag_name"
	if near, ok := project.Nearest(name, Placeholders()); ok {
		return fmt.Errorf("{%s} is unknown, did you mean {%s}? %s", name, near, allowed)
	}
	return fmt.Errorf("{%s} is unknown; %s", name, allowed)
}

// String is the template as it was written.
func (t Template) String() string { return t.text }

// Fill puts values in place of the placeholders. A placeholder without a value is an error: half a name names something else.
func (t Template) Fill(value func(name string) string) (string, error) {
	var out strings.Builder
	for _, p := range t.parts {
		if p.name == "" {
			out.WriteString(p.text)
			continue
		}
		v := value(p.name)
		if v == "" {
			return "", fmt.Errorf("the delivery has no {%s}", p.name)
		}
		out.WriteString(v)
	}
	return out.String(), nil
}
