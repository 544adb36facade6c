// Package drivertest is the conformance suite of the drivers. A driver's test describes itself as a [Subject] and calls [Run]:
//
//	func TestConformance(t *testing.T) {
//		drivertest.Run(t, drivertest.Subject{Role: driver.Promote, New: newPeer})
//	}
//
// The suite never believes the driver: after each action it reads [Peer.State], which the subject takes from the real peer by
// other means. Whether an interrupted action ended well is judged against a second, fresh peer on which the same action was
// never interrupted: the two states must be equal, leftovers included.
//
// What the suite holds every driver to, and what only their own tests can, is in this table; a test keeps it true. "suite/killed" is
// that check of the suite, "-" with a reason what can not happen to a driver.
//
//	npm      killed      suite/killed testDeprecateKilled testStagedOnce
//	npm      cancelled   suite/cancelled testDeprecateKilled testStagedOnce
//	npm      token       suite/credentials testRefusals TestTokenByEnvironment TestNPMRCRefused testStagedRefused
//	npm      busy        suite/unreachable testTooManyRequests testOutages testBusy testDeprecateFaults testStagedRefused
//	npm      hostile     suite/hostile TestHostileTarballs TestSettings testStagedRefused testDeprecatedByOthers
//	oci      killed      suite/killed
//	oci      cancelled   suite/cancelled
//	oci      token       suite/credentials TestTokens TestTokenByEnvironment testWrongPassword
//	oci      busy        suite/unreachable TestRetryAfter TestRetryAfterTheDeadline TestOutage TestSilence
//	oci      hostile     suite/hostile TestValuesFromOutside
//	trigger  killed      suite/killed TestTakeover
//	trigger  cancelled   suite/cancelled TestCancelledInTheMiddle TestCancelledThere
//	trigger  token       suite/credentials TestTokens
//	trigger  busy        suite/unreachable TestPauses TestServerErrors TestLostAnswers
//	trigger  hostile     suite/hostile TestHostileValues TestKeys
//	exec     killed      suite/killed TestStoppedWithItsChildren
//	exec     cancelled   suite/cancelled TestTimeout TestExitZeroAfterSIGTERMIsNoSuccess
//	exec     token       suite/credentials TestMasking TestNoSecretComesThrough TestSecretsAreMaskedInTheError
//	exec     busy        suite/unreachable TestExitStatus
//	exec     hostile     suite/hostile TestFieldsArriveAsTheyAre
//	files    killed      suite/killed TestManyProcesses
//	files    cancelled   suite/cancelled TestWaitingForTheLock
//	files    token       - a directory has no credentials
//	files    busy        suite/unreachable TestWaitingForTheLock
//	files    hostile     suite/hostile
//	aws      killed      suite/killed TestTakeover TestLostAndLate
//	aws      cancelled   suite/cancelled TestStops
//	aws      token       suite/credentials TestCredentials TestAnswersOfS3
//	aws      busy        suite/unreachable TestPauses TestAnswersOfS3
//	aws      hostile     suite/hostile
//	git      killed      suite/killed
//	git      cancelled   suite/cancelled TestStopped
//	git      token       suite/credentials TestRefusals
//	git      busy        suite/unreachable TestRetryAfter TestOutage
//	git      hostile     suite/hostile TestNumberGone TestMistakes
//	githubrelease killed    suite/killed TestUpload
//	githubrelease cancelled suite/cancelled TestStopped
//	githubrelease token     suite/credentials TestRefusals
//	githubrelease busy      suite/unreachable TestRetryAfter TestOutage
//	githubrelease hostile   suite/hostile TestTaken TestNoWayBack
//
// A subject has every hook. A check that makes no sense for a driver is named in Subject.Lacks with the reason, and
// only then may the hooks that it needs be nil; a reason for a check whose hooks are there is an error too.
package drivertest

import (
	"maps"
	"slices"
	"testing"

	"github.com/sluice-gate/sluice/pkg/driver"
)

// Subject is a driver to be tested, in one role.
type Subject struct {
	Role driver.Role
	// New makes a fresh peer whose channel points to nothing, and cleans it up with t.Cleanup.
	New func(t *testing.T) Peer
	// Lacks names the checks that do not apply, each with the reason in one sentence.
	Lacks map[Check]string
}

// Peer is one real peer (a directory, a registry, a command with its state) and the means to see and break it.
type Peer struct {
	// Project is the project of the releases; "tracer" when empty.
	Project string

	// Open makes a driver over the peer. Each call stands for another service process: nothing is shared but the peer.
	Open func(t *testing.T) driver.Driver

	// State reads the truth of the peer without the driver. It fails the test when something is torn or unreadable.
	State func(t *testing.T) State

	// Artifact makes the artifact of a version whose contents are content, however that is packed. When nil, the artifact
	// is the content itself, named tracer-<version>.tgz.
	Artifact func(t *testing.T, version, content string) (name string, bytes []byte)

	// Commit makes the commit of a release whose contents are content. When nil, releases have commits that are nowhere.
	Commit func(t *testing.T, version, content string) string

	// Prepare puts in place what this action finds when it is called for release f (a promote by npm finds the beta
	// published), and returns f with what that added. When nil, nothing is needed.
	Prepare func(t *testing.T, f driver.Facts) driver.Facts

	// OnWrite makes a driver over the peer that calls before(n) right before its n-th write, counting from 1, and between
	// that and the write does only what it always does: ask its context.
	OnWrite func(t *testing.T, before func(n int)) driver.Driver

	// Kill makes the call by a driver that is killed right before its n-th write, and reports whether it came to that: false
	// when the call was over with fewer writes. Killed means that nothing of the driver runs any more, no deferred function either
	// (or that nothing it does can reach the peer).
	Kill func(t *testing.T, n int, call Call) bool

	// LoseAnswer makes a driver whose n-th write happens, while the driver gets an error in place of the answer.
	LoseAnswer func(t *testing.T, n int) driver.Driver

	// WrongSecret makes a driver with wrong credentials, and tells the secret, which must not show up in any error.
	WrongSecret func(t *testing.T) (d driver.Driver, secret string)

	// Outage makes a driver that can not reach the peer.
	Outage func(t *testing.T) driver.Driver
}

// State is what a peer holds, in terms of the contents given to Peer.Artifact.
type State struct {
	Channel string            // the contents that users of the channel get now; empty when it points to nothing
	Stored  map[string]string // everything else that lasts, by name: versions, artifacts, deployments, and any leftover
}

// Check names one part of the suite.
type Check string

// The checks. Those of Plan are run for the publish role, and only there.
const (
	Effect      Check = "effect"       // Do makes the channel point to the artifact and says what was there
	Again       Check = "again"        // a second Do, same attempt or next, changes nothing
	Existed     Check = "existed"      // ... writes nothing, and says Done.Existed if the driver can look
	Taken       Check = "taken"        // the same version with other contents is refused
	Look        Check = "look"         // Look tells the truth and changes nothing
	Plan        Check = "plan"         // Plan fixes versions, refuses taken ones, writes nothing
	Forward     Check = "forward"      // a channel never moves back by Do
	Undo        Check = "undo"         // Undo goes back, twice is once
	UndoFirst   Check = "undo-first"   // Undo of the first release leaves a channel that points to nothing
	UndoMoved   Check = "undo-moved"   // Undo leaves a channel alone that somebody has moved on
	WrongDigest Check = "wrong-digest" // an artifact that is not what it says is refused, and nothing written
	Hostile     Check = "hostile"      // fields from outside are data
	Cancelled   Check = "cancelled"    // nothing is written after the context has ended, and the error says more than that
	Killed      Check = "killed"       // killed before any write and run again: the effect is there, once
	LostAnswer  Check = "lost-answer"  // a write whose answer is lost is found on the next attempt
	Concurrent  Check = "concurrent"   // two instances at once do no harm
	Credentials Check = "credentials"  // wrong credentials are refused
	Unreachable Check = "unreachable"  // an outage is an error to try again
)

// check is one part of the suite: what it runs, and which hook of the peer it needs.
type check struct {
	name  Check
	run   func(b *bench)
	needs func(p Peer) bool // nil: no hook
}

func suite() []check {
	return []check{
		{Effect, checkEffect, nil},
		{Again, checkAgain, nil},
		{Existed, checkExisted, func(p Peer) bool { return p.OnWrite != nil }},
		{Taken, checkTaken, nil},
		{Look, checkLook, nil},
		{Plan, checkPlan, nil},
		{Forward, checkForward, nil},
		{Undo, checkUndo, nil},
		{UndoFirst, checkUndoFirst, nil},
		{UndoMoved, checkUndoMoved, nil},
		{WrongDigest, checkWrongDigest, nil},
		{Hostile, checkHostile, nil},
		{Cancelled, checkCancelled, func(p Peer) bool { return p.OnWrite != nil }},
		{Killed, checkKilled, func(p Peer) bool { return p.Kill != nil }},
		{LostAnswer, checkLostAnswer, func(p Peer) bool { return p.LoseAnswer != nil }},
		{Concurrent, checkConcurrent, nil},
		{Credentials, checkCredentials, func(p Peer) bool { return p.WrongSecret != nil }},
		{Unreachable, checkUnreachable, func(p Peer) bool { return p.Outage != nil }},
	}
}

// Run runs the suite, a subtest a check.
func Run(t *testing.T, s Subject) {
	t.Helper()
	left := maps.Clone(s.Lacks)
	for _, c := range suite() {
		reason, lacks := s.Lacks[c.name]
		delete(left, c.name)
		switch {
		case c.name == Plan && s.Role != driver.Publish, c.name == Forward && s.Role != driver.Promote:
			if lacks {
				t.Errorf("the check %s is not run for the role %s anyway: no reason needed", c.name, s.Role)
			}
		case lacks && reason == "":
			t.Errorf("the check %s is left out without a reason", c.name)
		case lacks:
			t.Logf("%s: not for this driver: %s", c.name, reason)
			if c.needs != nil && c.needs(s.New(t)) {
				t.Errorf("the check %s is left out although the peer has its hook", c.name)
			}
		default:
			t.Run(string(c.name), func(t *testing.T) {
				b := newBench(t, s)
				if c.needs != nil && !c.needs(b.peer) {
					t.Fatalf("the peer lacks the hook of the check %s and gives no reason", c.name)
				}
				c.run(b)
			})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		t.Errorf("there is no check %q", name)
	}
}
