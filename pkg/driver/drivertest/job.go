package drivertest

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-gate/sluice/pkg/driver"
)

// Job is a job of a CI, or a function of a cloud, that deploys as package trigger asks of jobs: it knows what it has deployed by version
// and digest, refuses to go back, and takes back only what is there. Peers of drivers that trigger something run it. It is safe for
// concurrent use.
type Job struct {
	mu       sync.Mutex
	contents map[string]string // by digest: what it downloads
	versions map[string]string // what was deployed, by version
	now      *deployed
	fails    map[string]bool // by key
}

type deployed struct{ release, version, digest, content string }

// NewJob makes a job that has deployed nothing.
func NewJob() *Job {
	return &Job{contents: map[string]string{}, versions: map[string]string{}, fails: map[string]bool{}}
}

// JobParams are the parameters that a job takes, each as the template that a project file sends.
func JobParams() map[string]string {
	return map[string]string{
		"key": "${key}", "action": "${action}", "release": "${release.id}", "version": "${release.version}", "digest": "${release.digest}",
		"undo": "${undo.id}", "undo_digest": "${undo.digest}",
	}
}

// restoring is the action of a job that takes something back.
const restoring = "restore"

// Upload has the job find contents by their digest.
func (j *Job) Upload(content string) (digest string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	digest = driver.Digest([]byte(content))
	j.contents[digest] = content
	return digest
}

// Facts are those of a release whose artifact the job finds.
func (j *Job) Facts(version string) driver.Facts {
	return driver.Facts{
		Release: "01970000-0000-7000-8000-" + fmt.Sprintf("%012s", strings.ReplaceAll(version, ".", "")), Project: "tracer",
		Attempt: 1, Try: 1, Version: version, Beta: version + "-beta.0", Stage: "staging", Commit: "c0ffee", Ref: "refs/heads/main",
		Artifact: driver.Artifact{Name: "tracer-" + version + ".tgz", Digest: j.Upload("content of " + version)},
	}
}

// Fail has the job fail when it is run with that key.
func (j *Job) Fail(key string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.fails[key] = true
}

// Run does what the parameters say, and reports whether it could.
func (j *Job) Run(p map[string]string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.fails[p["key"]] {
		return false
	}
	if p["action"] == restoring {
		if j.now == nil || j.now.release != p["undo"] || j.now.digest != p["undo_digest"] {
			return true // somebody has moved on
		}
		if p["release"] == "" {
			j.now = nil
			return true
		}
	}
	content, known := j.contents[p["digest"]]
	there, taken := j.versions[p["version"]]
	back := p["action"] == string(driver.Promote) && j.now != nil && driver.Newer(j.now.version, p["version"])
	if !known || taken && there != content || back {
		return false
	}
	j.versions[p["version"]] = content
	j.now = &deployed{p["release"], p["version"], p["digest"], content}
	return true
}

// Changes tells whether running the job with these parameters would change anything.
func (j *Job) Changes(p map[string]string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if p["action"] == restoring {
		return j.now != nil && j.now.release == p["undo"]
	}
	return j.now == nil || j.now.release != p["release"]
}

// State is what the job has deployed.
func (j *Job) State() State {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := State{Stored: maps.Clone(j.versions)}
	if j.now != nil {
		s.Channel = j.now.content
		s.Stored["the release on the channel"] = j.now.release
	}
	return s
}

// Peer is the job behind what triggers it: through makes a driver whose requests go that way, runs counts how often the job was begun, and
// wrong makes a driver with wrong credentials.
func (j *Job) Peer(
	through func(*testing.T, *Transport) driver.Driver, runs func() int, wrong func(*testing.T) (driver.Driver, string),
) Peer {
	return Peer{
		Open:  func(t *testing.T) driver.Driver { t.Helper(); return through(t, &Transport{}) },
		State: func(*testing.T) State { return j.State() },
		Artifact: func(_ *testing.T, version, content string) (string, []byte) {
			j.Upload(content)
			return "tracer-" + version + ".tgz", []byte(content)
		},
		OnWrite: func(t *testing.T, before func(int)) driver.Driver {
			t.Helper()
			return through(t, &Transport{Before: before})
		},
		Kill: func(t *testing.T, n int, call Call) bool { // at every request, not only at the one that writes
			t.Helper()
			line := &Transport{KillAt: n, Writes: func(*http.Request) bool { return true }}
			begun := runs()
			_, err := call.Run(t.Context(), through(t, line))
			if line.Killed() != (err != nil) || runs() > begun+1 {
				t.Fatalf("%s with a line that is dead: %t: %v, %d runs", call, line.Killed(), err, runs()-begun)
			}
			return line.Killed()
		},
		LoseAnswer: func(t *testing.T, n int) driver.Driver {
			t.Helper()
			return through(t, &Transport{LoseAt: n})
		},
		WrongSecret: wrong,
		Outage: func(t *testing.T) driver.Driver {
			t.Helper()
			return through(t, &Transport{Down: true})
		},
	}
}
