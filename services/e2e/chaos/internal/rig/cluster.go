// Package rig is what a chaos run is played on: a cluster of real broker processes, each in a network namespace of its own
// where the machine allows it, and real service processes with a network in between that can be cut.
package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/sluice-gate/sluice/pkg/topology"
	"github.com/sluice-gate/sluice/pkg/topology/accounts"
)

// Nodes is the number of broker nodes of a cluster, and of replicas of each stream.
const Nodes = 3

// Cluster is three broker processes.
type Cluster struct {
	bin   Binaries
	dir   string
	net   network
	nodes []*Process
	disk  *disk // of the last node
}

// Setup is what a cluster and its services are made of.
type Setup struct {
	Bin      Binaries
	Dir      string // of its own; everything is below it
	Number   int    // tells the clusters of this process apart
	Loopback bool   // do not try namespaces
	Disk     int64  // size of the file system of the node whose disk gets full, in bytes
}

// Password is every user's in a chaos run.
const Password = "chaos0123"

// NewCluster starts a cluster. Whatever it returns is to be closed.
func NewCluster(s Setup) (*Cluster, error) {
	c := &Cluster{bin: s.Bin, dir: s.Dir}
	var err error
	if c.net, err = newNetwork(Nodes, s.Number, s.Loopback); err != nil {
		return c, err
	}
	if err := os.WriteFile(filepath.Join(s.Dir, "accounts.conf"), []byte(accounts.Text()), 0o600); err != nil {
		return c, err
	}
	for i := range Nodes {
		store := filepath.Join(s.Dir, fmt.Sprintf("store-%d", i))
		if err := os.MkdirAll(store, 0o700); err != nil {
			return c, err
		}
		if i == Nodes-1 {
			c.disk = newDisk(store, s.Disk)
		}
		p, err := c.node(i, store)
		if err != nil {
			return c, err
		}
		c.nodes = append(c.nodes, p)
		if err := p.Up(); err != nil {
			return c, err
		}
	}
	return c, nil
}

// node writes the configuration of a node: that of deploy/nats, with the addresses of this network.
func (c *Cluster) node(i int, store string) (*Process, error) {
	var routes []string
	for j := range Nodes {
		if j != i {
			routes = append(routes, fmt.Sprintf("nats://route:%s@%s", Password, c.net.route(i, j)))
		}
	}
	conf := filepath.Join(c.dir, fmt.Sprintf("node-%d.conf", i))
	text := fmt.Sprintf(`server_name: n%d
listen: %q
jetstream { store_dir: %q, sync_interval: always, max_file_store: 1TB }
cluster {
  name: chaos
  listen: %q
  no_advertise: true
  authorization { user: route, password: %s, timeout: 2 }
  routes: ["%s"]
}
include accounts.conf
`, i, c.net.address(i), store, c.net.cluster(i), Password, strings.Join(routes, `", "`))
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return nil, err
	}
	env := os.Environ()
	for _, user := range accounts.Users() {
		env = append(env, accounts.PasswordEnv(user)+"="+Password)
	}
	argv := c.net.inside(i, []string{c.bin.Path("nats-server"), "-c", conf})
	return newProcess(fmt.Sprintf("node %d", i), filepath.Join(c.dir, fmt.Sprintf("node-%d.log", i)), func() *exec.Cmd {
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Env = env
		return cmd
	})
}

// Network says in a line what the nodes are joined by, and FullDisk how a disk gets full.
func (c *Cluster) Network() string { return c.net.says() }

// FullDisk says how the disk of a node is made full.
func (c *Cluster) FullDisk() string { return c.disk.says() }

// Node is the process of a node.
func (c *Cluster) Node(i int) *Process { return c.nodes[i] }

// Connect is a client of the cluster as one of its users, who reaches every node and comes back after every fault.
func (c *Cluster) Connect(user string, options ...nats.Option) (*nats.Conn, error) {
	var urls []string
	for i := range c.nodes {
		urls = append(urls, "nats://"+c.net.address(i))
	}
	all := []nats.Option{
		nats.UserInfo(user, Password), nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true), nats.ReconnectWait(100 * time.Millisecond),
		nats.PingInterval(2 * time.Second), nats.Timeout(2 * time.Second),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}),
	}
	if user != accounts.Admin && user != accounts.CI && user != accounts.Operator && user != accounts.Viewer {
		all = append(all, nats.CustomInboxPrefix(topology.InboxPrefix(user)))
	}
	return nats.Connect(strings.Join(urls, ","), append(all, options...)...)
}

// Init runs `sluice init`.
func (c *Cluster) Init(ctx context.Context) error {
	var urls []string
	for i := range c.nodes {
		urls = append(urls, "nats://"+c.net.address(i))
	}
	cmd := exec.CommandContext(ctx, c.bin.Path("sluice"), "init", "--replicas", fmt.Sprint(Nodes),
		"--server", strings.Join(urls, ","), "--user", accounts.Admin)
	cmd.Env = append(os.Environ(), "NATS_PASSWORD="+Password)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("sluice init: %w: %s", err, out)
	}
	return nil
}

// Isolate cuts a node off, or lets it back.
func (c *Cluster) Isolate(i int, cut bool) error { return c.net.isolate(i, cut) }

// Part cuts two nodes off from each other, or lets them find each other again.
func (c *Cluster) Part(i, j int, cut bool) error { return c.net.part(i, j, cut) }

// FillDisk makes the disk of the last node full.
func (c *Cluster) FillDisk() error { return c.disk.fill(c.nodes[Nodes-1].pid()) }

// FreeDisk makes room on it and starts its node again, as its operator does.
func (c *Cluster) FreeDisk() error {
	c.nodes[Nodes-1].Kill()
	return c.disk.free()
}

// Close stops everything and leaves nothing behind but the files below its directory.
func (c *Cluster) Close() error {
	for _, p := range c.nodes {
		p.close()
	}
	var err error
	if c.disk != nil {
		err = c.disk.close()
	}
	if c.net != nil {
		err = errors.Join(err, c.net.close())
	}
	return err
}
