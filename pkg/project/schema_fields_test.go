package project_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sluice-gate/sluice/pkg/project"
)

func TestSchemaAcceptsTheExamples(t *testing.T) {
	schema := compile(t)
	for _, path := range append(files(t, "testdata/accept/*.yaml"), files(t, "../../deploy/examples/*/project.yaml")...) {
		if !schema.accepts(t, read(t, path)) {
			t.Errorf("%s: refused", path)
		}
		if _, err := project.Parse(path, read(t, path)); err != nil {
			t.Error(err)
		}
	}
}

// Every field that the parser names in an error about an unknown one is in the schema, and the other way round.
func TestSchemaHasTheFields(t *testing.T) {
	var root map[string]any
	if err := json.Unmarshal(project.Schema(), &root); err != nil {
		t.Fatal(err)
	}
	for def, src := range map[string]string{
		"":       `{project: a, %: 1}`,
		"action": `{project: a, publish: {%: 1}}`,
		"stage":  `{project: a, stage: {%: 1}}`,
		"npm":    `{project: a, publish: {npm: {%: 1}}}`,
		"oci":    `{project: a, publish: {oci: {%: 1}}}`,
		"files":  `{project: a, publish: {files: {%: 1}}}`,
		"exec":   `{project: a, publish: {exec: {%: 1}}}`,

		"request":  `{project: a, publish: {http: {%: 1}}}`,
		"circleci": `{project: a, publish: {circleci: {%: 1}}}`,
		"github":   `{project: a, publish: {github: {%: 1}}}`,
		"gitlab":   `{project: a, publish: {gitlab: {%: 1}}}`,

		"aws-lambda":        `{project: a, publish: {aws-lambda: {%: 1}}}`,
		"aws-stepfunctions": `{project: a, publish: {aws-stepfunctions: {%: 1}}}`,
		"aws-codebuild":     `{project: a, publish: {aws-codebuild: {%: 1}}}`,
		"aws-codepipeline":  `{project: a, publish: {aws-codepipeline: {%: 1}}}`,
		"aws-s3":            `{project: a, publish: {aws-s3: {%: 1}}}`,

		"soak":  `{project: a, soak: {%: 1}}`,
		"check": `{project: a, watch: [{%: 1}]}`,

		"plugin":          `{project: a, watch: [{exec: {%: 1}}]}`,
		"cloudwatch":      `{project: a, watch: [{cloudwatch: {%: 1}}]}`,
		"cloudwatch_logs": `{project: a, watch: [{cloudwatch_logs: {%: 1}}]}`,

		"stageOfMany": `{project: a, stages: [{%: 1}]}`,
		"windows":     `{project: a, windows: {%: 1}}`,
		"range":       `{project: a, windows: {open: [{%: 1}]}}`,
		"bake":        `{project: a, bake: {%: 1}}`,
		"limits":      `{project: a, limits: {%: 1}}`,
		"notify":      `{project: a, notify: [{%: 1}]}`,
		"hook":        `{project: a, notify: [{slack: {%: 1}}]}`,
		"email":       `{project: a, notify: [{email: {%: 1}}]}`,
		"webhook":     `{project: a, notify: [{webhook: {%: 1}}]}`,
	} {
		_, err := project.Parse("sluice.yaml", []byte(strings.Replace(src, "%", "nowhere-to-be-found", 1)))
		_, list, _ := strings.Cut(err.Error(), "unknown field; allowed: ")
		list, _, _ = strings.Cut(list, "\n")
		got := strings.Split(list, ", ")
		slices.Sort(got)
		object := root
		if def != "" {
			object = root["$defs"].(map[string]any)[def].(map[string]any)
		}
		if want := slices.Sorted(maps.Keys(object["properties"].(map[string]any))); !slices.Equal(got, want) {
			t.Errorf("%q: the parser has %v, the schema %v", def, got, want)
		}
	}
}

type validator struct{ schema *jsonschema.Schema }

func compile(t testing.TB) validator {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(project.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	return validator{c.MustCompile("schema.json")}
}

// accepts tells what an editor makes of the file: YAML, read as JSON, that fits the schema.
func (v validator) accepts(t testing.TB, src []byte) bool {
	t.Helper()
	text, err := yaml.YAMLToJSON(bytes.TrimPrefix(src, []byte("\uFEFF")))
	if err != nil {
		return false
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return false
	}
	return v.schema.Validate(value) == nil
}
