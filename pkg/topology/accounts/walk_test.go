package accounts_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/sluice-gate/sluice/pkg/journal"
	domain "github.com/sluice-gate/sluice/pkg/release"
	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/pkg/topology/accounts"
)

// TestPromoterReadsAroundHiddenHeaders: an operator sends a request whose header block hides what the broker says of it, and
// the promoter reads the release all the same, with the one consumer that it may make.
func TestPromoterReadsAroundHiddenHeaders(t *testing.T) {
	t.Parallel()
	b := setupOne(t)
	p := b.as(t, accounts.Promoter)
	j, err := journal.Open(b.ctx, p.js, "promoter")
	if err != nil {
		t.Fatal(err)
	}
	e, err := j.Append(b.ctx, journal.Entry{}, domain.WasMerged{Release: release2, Project: "tracer"}, "test")
	if err != nil {
		t.Fatal(err)
	}
	block := "NATS/1.0\r\nStatus: 204\r\n\r\nNats-Sequence: 1\r\n\r\n"
	rawStore(t, b.url, accounts.Operator, topology.Request("hold", release2, accounts.Operator), block)
	got, requests, err := j.SnapshotAt(b.ctx, release2, e.Seq+1)
	if err != nil || got.Seq != e.Seq || len(requests) != 1 || requests[0].Verb != domain.Hold {
		t.Fatalf("%+v, %+v: %v", got, requests, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.errs) > 1 { // the client says that it could not read the header
		t.Errorf("%v", p.errs)
	}
}

// TestPromoterReadsAroundHiddenStops is the same for a freeze: the promoter sees it, with the other consumer that it may make.
func TestPromoterReadsAroundHiddenStops(t *testing.T) {
	t.Parallel()
	b := setupOne(t)
	p := b.as(t, accounts.Promoter)
	j, err := journal.Open(b.ctx, p.js, "promoter")
	if err != nil {
		t.Fatal(err)
	}
	e, err := j.Append(b.ctx, journal.Entry{}, domain.WasMerged{Release: release2, Project: "tracer"}, "test")
	if err != nil {
		t.Fatal(err)
	}
	block := "NATS/1.0\r\nStatus: 204\r\n\r\nNats-Sequence: 1\r\n\r\n"
	rawStore(t, b.url, accounts.Operator, topology.Stop(topology.StopFreeze, "tracer", accounts.Operator), block)
	got, err := j.Gate(b.ctx, e, e.Seq+1)
	if err != nil || len(got.Stops) != 1 || got.Stops[0].Kind != domain.Freeze || got.Stops[0].Said.By != accounts.Operator {
		t.Fatalf("%+v: %v", got, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.errs) > 1 { // the client says that it could not read the header
		t.Errorf("%v", p.errs)
	}
}

// rawStore publishes a header block as it is and waits for the acknowledgement.
func rawStore(t *testing.T, url, user, subject, block string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "nats://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_, err = fmt.Fprintf(conn, "CONNECT {\"verbose\":false,\"headers\":true,\"user\":%q,\"pass\":%q}\r\nSUB _INBOX.raw.1 1\r\nHPUB %s _INBOX.raw.1 %d %d\r\n%s\r\n",
		user, password(user), subject, len(block), len(block), block)
	if err != nil {
		t.Fatal(err)
	}
	for in := bufio.NewReader(conn); ; {
		l, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(l, "-ERR") {
			t.Fatal(l)
		}
		if strings.HasPrefix(l, "MSG") || strings.HasPrefix(l, "HMSG") {
			return
		}
	}
}
