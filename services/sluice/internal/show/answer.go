package show

import "time"

// Stored is the result of what is stored and was not waited for. The other results are the exit codes, in a word.
const Stored = "stored"

// AnswerJSON is what became of a request about a release, for programs. Fields are only ever added.
type AnswerJSON struct {
	Verb     string `json:"verb"`
	Release  string `json:"release"`
	Project  string `json:"project,omitempty"`
	Version  string `json:"version,omitempty"`
	By       string `json:"by"`
	Reason   string `json:"reason,omitempty"`
	Sequence uint64 `json:"sequence"` // of the stored request, in the stream SLUICE
	Result   string `json:"result"`   // done, refused, failed, cancelled, superseded, undecided, or stored when it was not waited for
	Phase    string `json:"phase,omitempty"`
	Said     string `json:"said,omitempty"` // the answer in a sentence
}

// MergeJSON is a merge that was handed in, for programs. Fields are only ever added.
type MergeJSON struct {
	Release  string `json:"release"`
	Project  string `json:"project"`
	Version  string `json:"version,omitempty"`
	Commit   string `json:"commit"`
	Sequence uint64 `json:"sequence,omitempty"` // of the merge event, in the stream SLUICE; absent when the commit was a release already
	Result   string `json:"result"`             // stored, or with --wait: done (promoted), cancelled, failed, superseded, refused, undecided
	Phase    string `json:"phase,omitempty"`
	Said     string `json:"said,omitempty"` // why it is not promoted
}

// StopJSON is what a pause, a freeze, or the end of one came to, for programs. Fields are only ever added.
type StopJSON struct {
	Verb     string        `json:"verb"`
	Project  string        `json:"project,omitempty"` // absent: all projects
	By       string        `json:"by"`
	Reason   string        `json:"reason,omitempty"`
	Sequence uint64        `json:"sequence"` // of the stored word, in the stream SLUICE
	Result   string        `json:"result"`   // done, refused, or stored when it was not looked what it stops
	Said     string        `json:"said,omitempty"`
	From     *time.Time    `json:"from,omitempty"`
	Until    *time.Time    `json:"until,omitempty"`
	Releases []StoppedJSON `json:"releases,omitempty"` // those that are on their way
	Still    []string      `json:"still,omitempty"`    // what else stops it
}

// StoppedJSON is what a stop does to one release.
type StoppedJSON struct {
	Release string `json:"release"`
	Project string `json:"project"`
	Version string `json:"version,omitempty"`
	Phase   string `json:"phase"`
	Effect  string `json:"effect"`
}

// ApplyJSON is a project file that was applied, for programs. Fields are only ever added.
type ApplyJSON struct {
	Project  string `json:"project"`
	File     string `json:"file"`
	Result   string `json:"result"` // new, changed or unchanged
	Revision string `json:"revision"`
	Before   string `json:"before,omitempty"` // the revision until now
}

// VersionJSON is what this program is, for programs. Fields are only ever added.
type VersionJSON struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Built    string `json:"committed_at,omitempty"`
	Modified bool   `json:"modified,omitempty"` // it was built from more than the commit
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Broker   string `json:"nats_server,omitempty"` // the broker that is embedded
}

// When is a time for programs; nil for none.
func When(t time.Time) *time.Time { return when(t) }
