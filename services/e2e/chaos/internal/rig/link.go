package rig

import (
	"context"
	"net"
	"sync"
	"time"
)

// Link is a network between one client and one server that can be cut: a TCP proxy on loopback.
type Link struct {
	listener net.Listener
	target   string
	ctx      context.Context // of the link's life, which Close ends
	end      context.CancelFunc

	mu    sync.Mutex
	open  chan struct{} // closed while bytes pass
	delay time.Duration
	conns map[net.Conn]struct{}
}

// NewLink opens a link to a target.
func NewLink(target string) (*Link, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(context.Background())
	l := &Link{listener: listener, target: target, ctx: ctx, end: end, open: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	close(l.open)
	go l.accept()
	return l, nil
}

// Addr is what the client connects to.
func (l *Link) Addr() string { return l.listener.Addr().String() }

// Stall lets nothing pass, without a word to either side, until Pass. What was sent meanwhile arrives then.
func (l *Link) Stall() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.open:
		l.open = make(chan struct{})
	default:
	}
}

// Pass ends Stall and Slow.
func (l *Link) Pass() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay = 0
	select {
	case <-l.open:
	default:
		close(l.open)
	}
}

// Slow lets everything arrive later.
func (l *Link) Slow(by time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay = by
}

// Cut breaks the connections that there are. What was under way is lost.
func (l *Link) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		_ = c.Close()
	}
}

// Close ends the link.
func (l *Link) Close() {
	l.end()
	_ = l.listener.Close()
	l.Cut()
}

func (l *Link) accept() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return
		}
		go l.serve(client)
	}
}

func (l *Link) serve(client net.Conn) {
	defer func() { _ = client.Close() }()
	if !l.may() {
		return
	}
	server, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(l.ctx, "tcp", l.target)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	l.mu.Lock()
	l.conns[client], l.conns[server] = struct{}{}, struct{}{}
	l.mu.Unlock()
	over := make(chan struct{}, 2)
	go l.pump(server, client, over)
	go l.pump(client, server, over)
	select { // the first that ends ends both
	case <-over:
	case <-l.ctx.Done():
	}
	l.mu.Lock()
	delete(l.conns, client)
	delete(l.conns, server)
	l.mu.Unlock()
}

func (l *Link) pump(to, from net.Conn, over chan<- struct{}) {
	defer func() { over <- struct{}{} }()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if !l.may() {
				return
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// may waits until bytes may pass; false when the link is closed.
func (l *Link) may() bool {
	l.mu.Lock()
	open, delay := l.open, l.delay
	l.mu.Unlock()
	if delay > 0 {
		wait := time.NewTimer(delay)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-l.ctx.Done():
			return false
		}
	}
	select {
	case <-open:
		return true
	case <-l.ctx.Done():
		return false
	}
}
