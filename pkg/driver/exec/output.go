package exec

import (
	"strings"
	"sync"

	"github.com/sluice-gate/sluice/pkg/mask"
)

// mostOutput is how many bytes of output an error ends with.
const mostOutput = 4 << 10

// output keeps the end of what is written to it, secrets masked, in bounded memory. It masks as it goes: a secret that would stick
// out of the end that is kept is masked before it is cut.
type output struct {
	mu     sync.Mutex
	masked *mask.Stream
	tail   []byte // at most twice mostOutput
	cut    bool   // tail is not all
	over   bool   // nobody will ask
}

// newOutput masks the given secrets, and each line of those that have several.
func newOutput(secrets []string) *output {
	o := &output{}
	o.masked = mask.NewStream(o.keep)
	o.masked.Hide(secrets...)
	return o
}

// Write takes more output. It never fails.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over {
		return len(p), nil
	}
	return o.masked.Write(p)
}

// drop forgets everything, also what is still to come.
func (o *output) drop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.over, o.masked, o.tail = true, nil, nil
}

func (o *output) keep(b []byte) {
	if len(b) > mostOutput {
		o.cut = true
		b = b[len(b)-mostOutput:]
	}
	o.tail = append(o.tail, b...)
	if len(o.tail) > 2*mostOutput {
		o.cut = true
		o.tail = append(o.tail[:0], o.tail[len(o.tail)-mostOutput:]...)
	}
}

// String is the end of the output as text that can be shown.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over {
		return ""
	}
	o.masked.Flush()
	tail, cut := o.tail, o.cut
	if len(tail) > mostOutput {
		tail, cut = tail[len(tail)-mostOutput:], true
	}
	text := strings.TrimSpace(mask.Show(string(tail)))
	if cut && text != "" {
		text = "…" + text
	}
	return text
}
