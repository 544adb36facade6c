package tail

import (
	"bytes"
	"strconv"
	"sync"
)

// Bounds of what waits for the broker.
const (
	mostSignals = 10_000
	mostWaiting = 8 << 20 // bytes
)

// buffer is the signals that wait to be stored. Who puts into it never waits.
type buffer struct {
	mu     sync.Mutex
	all    [][]byte
	bytes  int
	lost   uint64        // that found no room, since the last batch
	filled chan struct{} // of one: there is something
	closed bool
}

func newBuffer() *buffer { return &buffer{filled: make(chan struct{}, 1)} }

func (b *buffer) put(line []byte) {
	b.mu.Lock()
	if len(b.all) >= mostSignals || b.bytes+len(line) > mostWaiting {
		b.lost++
	} else {
		b.all, b.bytes = append(b.all, line), b.bytes+len(line)
	}
	b.mu.Unlock()
	b.wake()
}

// close says that nothing more comes.
func (b *buffer) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.wake()
}

func (b *buffer) wake() {
	select {
	case b.filled <- struct{}{}:
	default:
	}
}

// take is the next message, of at most so many bytes unless one signal alone is longer, and how many signals it is. over: there is none,
// and there will be none.
func (b *buffer) take(most int) (message []byte, n int, over bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out bytes.Buffer
	if b.lost > 0 {
		out.WriteString(`{"gap":` + strconv.FormatUint(b.lost, 10) + "}\n")
		b.lost = 0
	}
	for n < len(b.all) && (n == 0 || out.Len()+len(b.all[n])+1 <= most) {
		out.Write(b.all[n])
		out.WriteByte('\n')
		b.bytes -= len(b.all[n])
		b.all[n] = nil
		n++
	}
	if b.all = b.all[n:]; len(b.all) == 0 {
		b.all = nil
	}
	return out.Bytes(), n, out.Len() == 0 && b.closed
}

// waiting is how many signals are left, those that found no room too.
func (b *buffer) waiting() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return uint64(len(b.all)) + b.lost
}
