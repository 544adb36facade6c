package drivertest

import (
	"strings"

	"github.com/sluice-gate/sluice/pkg/driver"
)

func checkEffect(b *bench) {
	one := b.call("1.0.0", "one")
	first := b.must(one)
	b.wantChannel("after the first release", "one")
	if first.Before != "" || first.Existed {
		b.Errorf("the first release: %+v, want nothing before and nothing existing", first)
	}
	two := b.call("1.1.0", "two")
	second := b.must(two)
	b.wantChannel("after the second release", "two")
	if second.Existed {
		b.Errorf("the second release: %+v, want nothing existing", second)
	}
	if b.looks() && (first.Value == "" || second.Value == first.Value || second.Before != first.Value) {
		b.Errorf("the channel's values are %q, then %q before and %q after the second release", first.Value, second.Before, second.Value)
	}
}

func checkAgain(b *bench) {
	b.must(b.call("1.0.0", "one"))
	two := b.call("1.1.0", "two")
	done := b.must(two)
	want := b.state()
	for _, c := range []Call{two, two.next(), two.next().next()} {
		again := b.must(c)
		b.wantState("after "+c.String(), want)
		if again.Value != done.Value {
			b.Errorf("%s: the value is %q, the first time it was %q", c, again.Value, done.Value)
		}
	}
}

func checkExisted(b *bench) {
	two := b.call("1.1.0", "two")
	b.must(two)
	for _, c := range []Call{two, two.next()} {
		done, err := c.Run(b.Context(), b.peer.OnWrite(b.T, func(n int) { b.Errorf("%s: write %d although all is there", c, n) }))
		if err != nil || !done.Existed && b.looks() {
			b.Errorf("%s: %+v, %v, want Existed", c, done, err)
		}
	}
}

func checkTaken(b *bench) {
	b.must(b.call("1.1.0", "two"))
	want := b.state()
	other := b.unprepared("1.1.0", "other")
	_, err := other.Run(b.Context(), b.open())
	b.wantRefused("the same version with other contents", err)
	b.wantState("after the refusal", want)
}

func checkLook(b *bench) {
	look := func(c Call) driver.Seen {
		b.Helper()
		want := b.state()
		seen, err := b.open().Look(b.Context(), c.Release())
		if err != nil {
			b.Fatalf("look: %v", err)
		}
		b.wantState("after Look", want)
		return seen
	}
	one := b.call("1.0.0", "one")
	if seen := look(one); seen != (driver.Seen{}) {
		b.Errorf("before the first release: %+v, want nothing", seen)
	}
	done := b.must(one)
	if seen := look(one); seen.Value != done.Value || !seen.Mine || seen.Version == "" {
		b.Errorf("after the release: %+v, want the value %q and Mine", seen, done.Value)
	}
	two := b.call("1.1.0", "two")
	if seen := look(two); seen.Value != done.Value || seen.Mine {
		b.Errorf("for another release: %+v, want the value %q and not Mine", seen, done.Value)
	}
}

func checkPlan(b *bench) {
	want := b.state()
	plan := func(c Call) (driver.Plan, error) {
		b.Helper()
		return b.publisher(b.open()).Plan(b.Context(), c.Release())
	}
	one := b.unprepared("1.0.0", "one")
	stated, err := plan(one)
	if err != nil || stated.Version != "1.0.0" || !strings.HasPrefix(stated.Beta, "1.0.0") || stated.Before != "" {
		b.Fatalf("a stated version: %+v, %v", stated, err)
	}
	one.Facts.Version = ""
	if taken, err := plan(one); err != nil || taken != stated {
		b.Errorf("the version of the artifact: %+v, %v, want %+v", taken, err, stated)
	}
	for _, version := range []string{"latest", "1.x", "../1.0.0", "1.0.0\n", strings.Repeat("1", 1<<20)} {
		one.Facts.Version = version
		_, err := plan(one)
		b.wantRefused("plan a version "+driver.Quote(version), err)
	}
	b.wantState("after planning", want)

	one.Facts.Version, one.Facts.Beta = stated.Version, stated.Beta
	done := b.must(one)
	want = b.state()
	if again, err := plan(one); err != nil || again.Version != stated.Version {
		b.Errorf("the version that is there with the same contents: %+v, %v", again, err)
	}
	if next, err := plan(b.unprepared("1.1.0", "two")); err != nil || b.looks() && next.Before != done.Value {
		b.Errorf("the next version: %+v, %v, want %q before it", next, err, done.Value)
	}
	if b.looks() {
		_, err = plan(b.unprepared("1.0.0", "other"))
		b.wantRefused("plan a taken version", err)
	}
	b.wantState("after planning", want)
}

func checkForward(b *bench) {
	older, newer := b.call("1.9.0", "older"), b.call("1.10.0", "newer")
	pre := b.call("1.10.0-rc.1", "candidate")
	b.must(newer)
	want := b.state()
	for _, c := range []Call{older, pre} {
		_, err := c.Run(b.Context(), b.open())
		b.wantRefused(c.String()+" when 1.10.0 is there", err)
		b.wantState("after the refusal", want)
	}
}

func checkUndo(b *bench) {
	one := b.call("1.0.0", "one")
	b.must(one)
	two := b.call("1.1.0", "two")
	done := b.must(two)
	undo := two.undo(done.Before, &one)
	back := b.must(undo)
	b.wantChannel("after the undo", "one")
	if b.looks() && back.Value != done.Before {
		b.Errorf("the undo: %+v, want the value %q", back, done.Before)
	}
	want := b.state()
	b.must(undo)
	b.must(undo.next())
	b.wantState("after undoing again", want)
	b.must(b.call("1.2.0", "three"))
	b.wantChannel("after the next release", "three")
}

func checkUndoFirst(b *bench) {
	one := b.call("1.0.0", "one")
	undo := one.undo(b.must(one).Before, nil)
	b.must(undo)
	b.wantChannel("after the undo", "")
	want := b.state()
	b.must(undo.next())
	b.wantState("after undoing again", want)
}

func checkUndoMoved(b *bench) {
	one := b.call("1.0.0", "one")
	b.must(one)
	two := b.call("1.1.0", "two")
	done := b.must(two)
	three := b.must(b.call("1.2.0", "three"))
	want := b.state()
	undone := b.must(two.undo(done.Before, &one))
	b.wantState("after the undo of a release that is not on the channel", want)
	if b.looks() && (undone.Note == "" || undone.Value != three.Value) {
		b.Errorf("the undo: %+v, want a note and the value %q", undone, three.Value)
	}
}

func checkWrongDigest(b *bench) {
	b.must(b.call("1.0.0", "one"))
	two := b.call("1.1.0", "two")
	want := b.state()
	two.Artifact = append(two.Artifact[:len(two.Artifact):len(two.Artifact)], "and more"...)
	_, err := two.Run(b.Context(), b.open())
	b.wantRefused("an artifact that is not what it says", err)
	b.wantState("after the refusal", want)
	for _, digest := range []string{"", "sha256:", "sha256:../../canary", "sha512:" + strings.Repeat("0", 128)} {
		two.Facts.Artifact.Digest = digest
		_, err := two.Run(b.Context(), b.open())
		b.wantRefused("the digest "+driver.Quote(digest), err)
		b.wantState("after the refusal", want)
	}
}
