package project

import _ "embed"

//go:embed schema.json
var schema string

// Schema is the JSON Schema (draft 2020-12) of project files, for editors.
func Schema() []byte { return []byte(schema) }
