package find

import (
	"testing"
	"time"

	"github.com/google/uuid"
)

func TestPrefix(t *testing.T) {
	for name, want := range map[string]string{
		"0197": "0197", "01970000-0000-7": "0197000000007", "0197-0": "01970", "01A2": "01a2", "019": "019",
		"tracer": "", "": "", "-": "", "0197000000007000800000000000000011": "",
	} {
		if got, ok := prefix(name); ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q, %t", name, got, ok)
		}
	}
}

// The reading begins before the time at which any id with that beginning was made.
func TestMadeAt(t *testing.T) {
	id := uuid.Must(uuid.NewV7())
	sec, nsec := id.Time().UnixTime()
	made := time.Unix(sec, nsec)
	digits, ok := prefix(id.String())
	if !ok {
		t.Fatal("a whole id is no prefix")
	}
	for n := leastPrefix; n <= len(digits); n++ {
		at := madeAt(digits[:n])
		if at.After(made) {
			t.Errorf("%s: %s is after %s", digits[:n], at, made)
		}
		if n >= 12 && made.Sub(at) > time.Millisecond {
			t.Errorf("%s: %s is long before %s", digits[:n], at, made)
		}
	}
	if at := madeAt("ffff"); at.Before(made) {
		t.Errorf("ffff: %s", at)
	}
}
