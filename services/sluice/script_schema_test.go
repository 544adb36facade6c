package sluice_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schemaDir is where the schemas are, from here: a script's directory is another.
const schemaDir = "../../deploy/schemas"

// valid holds what the last command printed, in JSON or YAML, to a schema of deploy/schemas, and what is in no schema against it: consumers
// must ignore what they do not know, and we must publish what we print. With -lines each line is a document.
func valid(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile("stdout")
	docs := []string{text}
	if args[0] == "-lines" {
		args, docs = args[1:], strings.Split(strings.TrimSpace(text), "\n")
	}
	schema := schemaNamed(ts, args[0])
	for _, doc := range docs {
		var v any
		if err := json.Unmarshal([]byte(doc), &v); err != nil {
			ts.Check(yaml.Unmarshal([]byte(doc), &v))
			data, err := json.Marshal(v)
			ts.Check(err)
			doc = string(data)
		}
		read, err := jsonschema.UnmarshalJSON(strings.NewReader(doc))
		ts.Check(err)
		if err := schema.Validate(read); err != nil {
			ts.Fatalf("not as deploy/schemas/%s.json says: %v\n%s", args[0], err, doc)
		}
	}
}

func schemaNamed(ts *testscript.TestScript, name string) *jsonschema.Schema {
	data, err := os.ReadFile(filepath.Join(schemaDir, name+".json"))
	ts.Check(err)
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(data)))
	ts.Check(err)
	closed(doc)
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	ts.Check(c.AddResource("schema.json", doc))
	s, err := c.Compile("schema.json")
	ts.Check(err)
	return s
}

// Every schema that is published is one that some script holds a command to.
func TestEverySchemaIsHeld(t *testing.T) {
	names, err := filepath.Glob(filepath.Join(schemaDir, "*.json"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no schemas: %v", err)
	}
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, path := range scripts {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	for _, path := range names {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		if !regexp.MustCompile(`(?m)^valid (-lines )?` + name + `$`).MatchString(all.String()) {
			t.Errorf("no script holds what is printed to %s", path)
		}
	}
}

// closed allows no fields but those of the schema.
func closed(doc any) {
	switch v := doc.(type) {
	case map[string]any:
		if _, object := v["properties"]; object {
			v["additionalProperties"] = false
		}
		for _, one := range v {
			closed(one)
		}
	case []any:
		for _, one := range v {
			closed(one)
		}
	}
}
