//go:build flaw_settle

package journal

const flawed, unsettled = true, true

// flaw does not settle: whatever was claimed is promoted.
type flaw struct{ sound }
