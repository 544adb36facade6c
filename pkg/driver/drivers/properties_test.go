package drivers_test

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The table in drivertest's doc comment names, for each driver and property, tests that there are, and that are run. A check of the suite
// is run in at least one role: where it is left out in some, the source says so in a condition, and not in the map that holds for all.
func TestPropertiesTable(t *testing.T) {
	const root = ".."
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "drivertest/drivertest.go"), nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`(?m)^\t(\w+) +(killed|cancelled|token|busy|hostile) +(.+)$`)
	seen := map[string]int{}
	for _, m := range row.FindAllStringSubmatch(f.Doc.Text(), -1) {
		seen[m[1]]++
		source := testsOf(t, filepath.Join(root, m[1]))
		if reason, none := strings.CutPrefix(m[3], "- "); none {
			if !strings.Contains(source, reason) {
				t.Errorf("%s, %s: its suite does not give that reason", m[1], m[2])
			}
			continue
		}
		for name := range strings.FieldsSeq(m[3]) {
			if check, ok := strings.CutPrefix(name, "suite/"); ok {
				forAll := regexp.MustCompile(`(?s)map\[drivertest\.Check\]string\{[^}]*drivertest\.` + strings.ToUpper(check[:1]) + check[1:] + `:`)
				if forAll.MatchString(source) || !strings.Contains(source, "drivertest.Run(") {
					t.Errorf("%s, %s: the suite's check is not run", m[1], name)
				}
				continue
			}
			defined := strings.Contains(source, "func "+name+"(")
			run := strings.HasPrefix(name, "Test") || strings.Count(source, name) > 1
			if !defined || !run {
				t.Errorf("%s: there is no test %s, or nothing runs it", m[1], name)
			}
		}
	}
	dirs, err := filepath.Glob(filepath.Join(root, "*", "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	drivers := map[string]bool{}
	for _, file := range dirs {
		dir := filepath.Dir(file)
		if name := filepath.Base(dir); name != "drivers" && strings.Contains(testsOf(t, dir), "drivertest.Run(") {
			drivers[name] = true
		}
	}
	if len(drivers) < 8 {
		t.Errorf("only %d drivers run the suite", len(drivers))
	}
	for name := range drivers {
		if seen[name] != 5 {
			t.Errorf("%s has %d rows, want one for each property", name, seen[name])
		}
	}
}

// testsOf is the source of a driver's tests.
func testsOf(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v, %v", dir, files, err)
	}
	slices.Sort(files)
	var all strings.Builder
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(src)
	}
	return all.String()
}
