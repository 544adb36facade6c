package cli

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/story"
	"github.com/sluice-gate/sluice/services/sluice/internal/doctor"
	"github.com/sluice-gate/sluice/services/sluice/internal/show"
)

var update = flag.Bool("update", false, "write the schemas") //nolint:gochecknoglobals // a flag of the tests

// outputs is what each command prints with -o json. With several, it is one of them.
func outputs() map[string][]any {
	return map[string][]any{
		"status":   {[]show.JSON{}, show.JSON{}},
		"projects": {[]show.ProjectJSON{}},
		"show":     {show.StoryJSON{}},
		"log":      {[]show.RecordJSON{}, show.RecordJSON{}},
		"evidence": {show.EvidenceJSON{}},
		"output":   {show.PrintedJSON{}},
		"backtest": {[]show.BacktestJSON{}},
		"check":    {[]Tried{}},
		"doctor":   {[]doctor.JSONFinding{}},
		"apply":    {[]show.ApplyJSON{}},
		"audit":    {story.Audited{}},
		"merge":    {show.MergeJSON{}},
		"request":  {show.AnswerJSON{}},
		"stop":     {show.StopJSON{}},
		"version":  {show.VersionJSON{}},
	}
}

// schemaOf is the name of the schema of a command's output.
func schemaOf(command string) string {
	for _, v := range release.Verbs() {
		if command == string(v) {
			return "request"
		}
	}
	switch command {
	case "pause", "unpause", "freeze", "unfreeze":
		return "stop"
	}
	return command
}

const schemas = "../../../../deploy/schemas"

// TestSchemas: the published schemas are those of what is printed. `go test ./internal/cli -run TestSchemas -update` writes them.
func TestSchemas(t *testing.T) {
	made := generator{comments: commentsOf(t, "../show", "../../../../pkg/story", "../doctor", ".", "../../../../pkg/judge")}
	var names []string
	for name, values := range outputs() {
		names = append(names, name+".json")
		got := made.document(name, values)
		path := filepath.Join(schemas, name+".json")
		if *update {
			if err := os.WriteFile(path, got, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what is printed (%v); go test ./internal/cli -run TestSchemas -update writes it:\n%s", path, err, got)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(got))
		if err != nil {
			t.Fatal(err)
		}
		c := jsonschema.NewCompiler()
		if err := c.AddResource("schema.json", doc); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Compile("schema.json"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	there, err := filepath.Glob(filepath.Join(schemas, "*.json"))
	if err != nil || len(there) < len(names) {
		t.Errorf("%v %v", there, err)
	}
	for _, c := range all(full().root()) {
		if c.Flags().Lookup(flagOutput) == nil {
			continue
		}
		if _, err := os.Stat(filepath.Join(schemas, schemaOf(c.Name())+".json")); err != nil {
			t.Errorf("%s -o json has no schema: %v", c.CommandPath(), err)
		}
	}
}

// generator makes schemas of Go types.
type generator struct {
	comments map[string]string // of a field or a type, by Type.Field or Type
}

func (g generator) document(name string, values []any) []byte {
	defs := map[string]any{}
	var of []any
	for _, v := range values {
		of = append(of, g.of(reflect.TypeOf(v), defs))
	}
	doc := map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"$id":     "https://github.com/sluice-gate/sluice/deploy/schemas/" + name + ".json",
		"title":   "What sluice " + name + " -o json prints",
		"$defs":   defs,
	}
	switch name {
	case "request":
		doc["title"] = "What sluice cancel, expedite, hold, resume, extend, approve, retry and rollback -o json print"
	case "stop":
		doc["title"] = "What sluice pause, unpause, freeze and unfreeze -o json print"
	}
	if len(of) == 1 {
		for k, v := range of[0].(map[string]any) {
			doc[k] = v
		}
	} else {
		doc["oneOf"] = of
	}
	text, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		panic(err)
	}
	return append(text, '\n')
}

// of is the schema of a type; structs are in defs.
func (g generator) of(t reflect.Type, defs map[string]any) map[string]any {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case t.Kind() == reflect.Pointer:
		return g.of(t.Elem(), defs)
	case t.Kind() == reflect.Struct:
		g.define(t, defs)
		return map[string]any{"$ref": "#/$defs/" + nameOf(t)}
	case t.Kind() == reflect.Slice:
		return map[string]any{"type": "array", "items": g.of(t.Elem(), defs)}
	case t.Name() == "Word":
		return map[string]any{"enum": []string{"pass", "fail", "inconclusive"}}
	}
	switch t.Kind() {
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Int, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Uint64:
		return map[string]any{"type": "integer", "minimum": 0}
	}
	panic("no schema for " + t.String())
}

// nameOf is what a type is called in a schema: JSON is a release.
func nameOf(t reflect.Type) string {
	name := strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(t.Name(), "JSON"), "JSON"))
	if name == "" {
		return "release"
	}
	return name
}

func (g generator) define(t reflect.Type, defs map[string]any) {
	name := nameOf(t)
	if _, done := defs[name]; done {
		return
	}
	properties, required := map[string]any{}, []string{}
	object := map[string]any{"type": "object", "properties": properties}
	if text := g.comments[t.Name()]; text != "" {
		object["description"] = text
	}
	defs[name] = object
	for i := range t.NumField() {
		f := t.Field(i)
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == "-" {
			continue
		}
		if tag == "" {
			tag = f.Name
		}
		one := g.of(f.Type, defs)
		if phase := tag == "phase"; phase {
			var phases []string
			for _, p := range release.Phases() {
				phases = append(phases, string(p))
			}
			one = map[string]any{"enum": phases}
		}
		if text := g.comments[t.Name()+"."+f.Name]; text != "" {
			one["description"] = text
		}
		properties[tag] = one
		if !strings.Contains(options, "omitempty") {
			required = append(required, tag)
		}
	}
	slices.Sort(required)
	object["required"] = required
}

// commentsOf reads what the source says of types and of their fields.
func commentsOf(t *testing.T, dirs ...string) map[string]string {
	t.Helper()
	out := map[string]string{}
	line := func(groups ...*ast.CommentGroup) string {
		for _, g := range groups {
			if text := strings.Join(strings.Fields(g.Text()), " "); text != "" {
				return text
			}
		}
		return ""
	}
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				decl, ok := n.(*ast.GenDecl)
				if !ok || decl.Tok != token.TYPE {
					return true
				}
				for _, s := range decl.Specs {
					spec := s.(*ast.TypeSpec)
					of, ok := spec.Type.(*ast.StructType)
					if !ok {
						continue
					}
					out[spec.Name.Name] = line(spec.Doc, decl.Doc)
					for _, f := range of.Fields.List {
						for _, name := range f.Names {
							out[spec.Name.Name+"."+name.Name] = line(f.Comment, f.Doc)
						}
					}
				}
				return true
			})
		}
	}
	return out
}
