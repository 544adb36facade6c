// Package pin changes one version in a file that says what a program is made of: package.json and its lock file, requirements.txt,
// pyproject.toml, go.mod, a Dockerfile, Helm's values.yaml, Kustomize's kustomization.yaml. It is how the staging copy of a program comes
// to use the beta of a library or an image: [Edit], commit or deploy, and the same again with the version before when the release was
// cancelled.
//
// Exactly one place is changed and every other byte stays as it is: comments, order, indentation, line ends. What is not there is
// not added, and what stands in several places is refused, because nobody can say which one was meant. Doing it again changes
// nothing.
//
// A lock file of npm's says the same in several places, which are changed together: the version, where the package is from, its integrity,
// and what the root depends on. It comes out as npm install --package-lock-only --save-exact would write it. A version that would change
// more of the tree than that one package, as by dependencies of its own, is refused: only npm can resolve that.
//
// In go.mod a version gets its v, if it has none. go.sum stays as it is: only Go can compute what belongs there ("go mod download <module>",
// or "go mod tidy").
package pin
